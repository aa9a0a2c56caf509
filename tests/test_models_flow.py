"""Models in the flow: champions are told, challengers scored in shadow, assignments hold for what came from then on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.models import Assignment, ModelAlarm, ModelUse, write_assignments
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S, Readings
from detectors.alarm_manager import AlarmManager, AlarmSettings
from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector
from flows.detection import Detection
from flows.model_file import LOOK_S, ModelFile
from operators.duplicates import AHEAD, BEHIND
from tests.engine_world import START_NS

PUMP, FAN, VALVE = ("util/pump", "vibration"), ("util/fan", "current"), ("util/valve", "position")
WEEK = 7.0
STEP_NS = 10 * NS_PER_S  # jumps are then more than an hour apart: episodes of their own


def spec(path: tuple[str, str], detect: str) -> SeriesSpec:
    return SeriesSpec(*path, "number", "1", -np.inf, np.inf, 1.0, (), None, detect, True)


SPECS = [spec(PUMP, "ensemble"), spec(FAN, "ewma"), spec(VALVE, "")]


def use(model: str, detector: str, days: float = WEEK) -> ModelUse:
    return ModelUse(model, detector, days, "")


def assigned(
    at: int, path: tuple[str, str], champion: ModelUse | None = None, challenger: ModelUse | None = None
) -> Assignment:  # fmt: skip
    """In force for the rows from number `at` on."""
    return Assignment(START_NS + at * STEP_NS, *path, champion, challenger)


def rows(count: int, seed: int = 1, series: int = 3) -> Readings:
    """Readings of the series in turn, one each STEP_NS, with jumps, every other a small one."""
    rng = np.random.default_rng(seed)
    value = rng.normal(20.0, 0.1, count)
    for at in range(900, count, 450):
        value[at : at + 30] += 3.0 if at % 900 else 0.45
    number = np.arange(count)
    time_ns = START_NS + number * STEP_NS
    return Readings(
        time_ns, (number % series).astype(np.int32), value, np.zeros(count, np.uint8), number.astype(np.int64), time_ns
    )


@dataclass
class Seen:
    score: np.ndarray
    alarms: list[ModelAlarm]


def seen(
    given_rows: Readings, assignments: Sequence[Assignment], cuts: Sequence[int] = (), *, restart: bool = False
) -> Seen:  # fmt: skip
    """What a detection says of the rows, cut here; `restart`: a new one goes on from a snapshot at each cut."""
    n, score, alarms, detection = len(given_rows), [], [], started(assignments)
    for a, b in pairwise(sorted({0, n, *(cut for cut in cuts if cut < n)})):
        if restart and a:
            kept = [part.snapshot() for part in (detection, detection.ewma, detection.ensemble)]
            detection = started(assignments, kept)
        part = given_rows.rows(slice(a, b))
        score.append(detection.score(part, np.full(b - a, AHEAD, np.uint8)).score)
        alarms += detection.take_alarms()
    return Seen(np.concatenate(score), alarms)


def started(assignments: Sequence[Assignment], kept: Sequence[object] = ()) -> Detection:
    detection = Detection()
    for part, state in zip((detection, detection.ewma, detection.ensemble), kept, strict=False):
        part.restore(state)
    detection.bind(SPECS)
    detection.assign(assignments)
    return detection


def of(found: Seen, given_rows: Readings, series: int) -> np.ndarray:
    return found.score[given_rows.series == series]


def alone(detector: EwmaDetector | EnsembleDetector, given_rows: Readings, series: int, begin: int = 0) -> np.ndarray:
    """Scores of one series by a detector that begins at row `begin` of all."""
    own = np.flatnonzero((given_rows.series == series) & (np.arange(len(given_rows)) >= begin))
    return detector.score_many(np.zeros(len(own), np.int32), given_rows.time_ns[own], given_rows.value[own]).score


def test_without_assignments_the_plants_detectors_score_and_the_default_ones_alarms_are_counted():
    found, all_rows = seen(rows(3000), []), rows(3000)
    assert of(found, all_rows, 0).tobytes() == alone(EnsembleDetector(1), all_rows, 0).tobytes()
    assert of(found, all_rows, 1).tobytes() == alone(EwmaDetector(1), all_rows, 1).tobytes()
    assert np.isnan(of(found, all_rows, 2)).all()
    assert {(one.asset, one.tag, one.model, one.role) for one in found.alarms} == {
        (*PUMP, "plant:ensemble", "champion")
    }
    own = all_rows.series == 0
    alarm = AlarmManager(1).step(np.zeros(own.sum(), np.int32), all_rows.time_ns[own], of(found, all_rows, 0))
    assert [one.time_ns for one in found.alarms] == all_rows.time_ns[own][alarm == 1].tolist()
    assert all(one.component for one in found.alarms)


def test_a_champion_judges_what_was_received_from_its_time_on_and_begins_empty():
    found, all_rows = seen(rows(3000), [assigned(1500, FAN, use("ensemble:1", "ensemble"))]), rows(3000)
    told = of(found, all_rows, 1)
    assert told[:500].tobytes() == alone(EwmaDetector(1), all_rows, 1)[:500].tobytes()
    assert told[500:].tobytes() == alone(EnsembleDetector(1), all_rows, 1, 1500).tobytes()
    assert {one.model for one in found.alarms if (one.asset, one.tag) == FAN} == {"ensemble:1"}


def test_a_series_that_plant_toml_leaves_out_can_be_given_a_champion():
    found, all_rows = seen(rows(1500), [assigned(0, VALVE, use("ewma:1", "ewma"))]), rows(1500)
    assert of(found, all_rows, 2).tobytes() == alone(EwmaDetector(1), all_rows, 2).tobytes()


def test_a_challenger_is_scored_in_shadow_and_goes_on_with_what_it_knows_when_promoted():
    one = use("ensemble:1", "ensemble")
    found = seen(rows(3000), [assigned(300, FAN, None, one), assigned(2100, FAN, one)])
    all_rows = rows(3000)
    told = of(found, all_rows, 1)
    assert told[:700].tobytes() == alone(EwmaDetector(1), all_rows, 1)[:700].tobytes(), "in shadow nothing is told"
    learned = alone(EnsembleDetector(1), all_rows, 1, 300)
    assert told[700:].tobytes() == learned[600:].tobytes(), "it had learned as challenger"
    own = np.flatnonzero((all_rows.series == 1) & (np.arange(3000) >= 300))
    alarm = AlarmManager(1).step(np.zeros(len(own), np.int32), all_rows.time_ns[own], learned)
    fan = [(one.time_ns, one.role) for one in found.alarms if (one.asset, one.tag) == FAN and one.model == "ensemble:1"]
    promoted_ns = START_NS + 2100 * STEP_NS
    assert [at for at, _ in fan] == all_rows.time_ns[own][alarm == 1].tolist(), "what it had told is not told again"
    assert [role for at, role in fan] == ["challenger" if at < promoted_ns else "champion" for at, _ in fan]
    assert {role for _, role in fan} == {"challenger", "champion"}


def test_champion_and_challenger_of_one_detector_share_its_scores_but_not_their_alarms():
    bold, shy = use("ensemble:1", "ensemble", 0.01), use("ensemble:2", "ensemble", 1000.0)
    found, all_rows = seen(rows(6000), [assigned(0, PUMP, bold, shy)]), rows(6000)
    assert of(found, all_rows, 0).tobytes() == alone(EnsembleDetector(1), all_rows, 0).tobytes()
    own = all_rows.series == 0
    told = {}
    for one in (bold, shy):
        manager = AlarmManager(1, AlarmSettings(false_alarm_days=one.false_alarm_days))
        alarm = manager.step(np.zeros(own.sum(), np.int32), all_rows.time_ns[own], of(found, all_rows, 0))
        told[one.model] = all_rows.time_ns[own][alarm == 1].tolist()
        assert [of_it.time_ns for of_it in found.alarms if of_it.model == one.model] == told[one.model]
    assert told["ensemble:1"] != told["ensemble:2"]
    assert all(told.values())


def test_back_to_what_plant_toml_says():
    there_and_back = [assigned(600, FAN, use("ensemble:1", "ensemble")), assigned(1500, FAN)]
    found, all_rows = seen(rows(3000), there_and_back), rows(3000)
    by_ewma = np.concatenate([np.arange(200), np.arange(500, 1000)])  # it does not learn while another judges
    own = np.flatnonzero(all_rows.series == 1)[by_ewma]
    wanted = EwmaDetector(1).score_many(np.zeros(700, np.int32), all_rows.time_ns[own], all_rows.value[own]).score
    assert of(found, all_rows, 1)[by_ewma].tobytes() == wanted.tobytes()


def test_a_detector_of_a_later_release_leaves_the_series_to_the_plants():
    of_later = assigned(300, FAN, use("oracle:1", "oracle"), use("oracle:2", "oracle"))
    found, all_rows = seen(rows(900), [of_later]), rows(900)
    assert of(found, all_rows, 1).tobytes() == alone(EwmaDetector(1), all_rows, 1).tobytes()


def test_rows_that_do_not_move_their_series_forward_are_not_scored():
    detection, all_rows = started([assigned(0, PUMP, None, use("ewma:1", "ewma"))]), rows(300)
    said = detection.score(all_rows, np.full(300, BEHIND, np.uint8))
    assert np.isnan(said.score).all()


PATHS = st.sampled_from([PUMP, FAN, VALVE])
USES = st.sampled_from([
    None, use("ensemble:1", "ensemble"), use("ensemble:2", "ensemble", 0.01), use("ewma:1", "ewma"),
])  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(assigned, st.integers(0, 2400), PATHS, USES, USES), max_size=5, unique_by=lambda one: one.since_ns
    ),
    st.lists(st.integers(1, 2399), max_size=4), st.booleans(),
)  # fmt: skip
def test_no_cut_and_no_restart_changes_anything(assignments, cuts, restart):
    whole, cut = seen(rows(2400), assignments), seen(rows(2400), assignments, cuts, restart=restart)
    assert whole.score.tobytes() == cut.score.tobytes()

    def key(one: ModelAlarm) -> tuple[object, ...]:
        return one.time_ns, one.asset, one.model

    assert sorted(whole.alarms, key=key) == sorted(cut.alarms, key=key)


def test_received_times_that_run_back_never_take_an_assignment_back():
    given_rows = rows(2400)
    back = replace(given_rows, received_ns=given_rows.received_ns - (np.arange(2400) % 7 == 0) * 600 * NS_PER_S)
    assignments = [assigned(1200, FAN, use("ensemble:1", "ensemble"))]
    assert seen(back, assignments).score.tobytes() == seen(back, assignments, [1205, 1210]).score.tobytes()
    assert seen(back, assignments, [1205], restart=True).score.tobytes() == seen(back, assignments).score.tobytes()


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def watched(tmp_path: Path) -> tuple[ModelFile, Path, Clock]:
    path, clock = tmp_path / "models.json", Clock()
    return ModelFile(path, clock), path, clock


def test_the_file_is_looked_at_once_a_second(watched):
    file, path, clock = watched
    one = assigned(0, FAN, use("ewma:1", "ewma"))
    assert file.now() == (0, ())
    write_assignments(path, [one])
    assert file.now() == (0, ()), "not yet"
    clock.now_s += LOOK_S
    assert file.now() == (1, [one])
    clock.now_s += LOOK_S
    assert file.now() == (1, [one]), "nothing new"
    write_assignments(path, [])
    clock.now_s += LOOK_S
    assert file.now() == (2, [])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", json.dumps({"layout": 1, "assignments": [{}]}).encode()])
def test_what_a_broken_file_said_before_holds(watched, content):
    file, path, clock = watched
    one = assigned(0, FAN, use("ewma:1", "ewma"))
    write_assignments(path, [one])
    assert file.now() == (1, [one])
    path.write_bytes(content)
    clock.now_s += LOOK_S
    assert file.now() == (1, [one])
    write_assignments(path, [one, replace(one, since_ns=1)])
    clock.now_s += LOOK_S
    assert len(file.now()[1]) == 2

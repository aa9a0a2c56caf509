"""A shift's charts, stops and states: right at any number of figures, and as known then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from andon.outputs import Figure, ShardOutputs, StateChanges
from andon.readings import NS_PER_S
from service.figure_reports import charts, shared
from service.figure_reports.printing import view_of
from service.figure_reports.shared import Sources
from service.figure_reports.shift import shift_report
from tests.evidence_world import EvidenceWorld
from tests.report_world import CODES, FILLER, HOUR, SHIFT_NS, report_plant

LENGTH = 8 * HOUR  # s, of the shift
FAST, SLOW = "speed", "weight"
WEIGHT_TO_S = 1000  # the slow chart has points in the first of the shift only
SIGNALS_EVERY = 100


def figure(
    kind: str, tag: str, at_s: float, length_s: float = 1.0, revision: int = 1, late_s: float = 0.0, **parts: float
) -> Figure:
    """One that is known late_s after its end."""
    start_ns = SHIFT_NS + round(at_s * NS_PER_S)
    end_ns = start_ns + round(length_s * NS_PER_S)
    known_ns = end_ns + round(late_s * NS_PER_S)
    about = {"reason": "jam"} if kind == "oee_stop" else {}
    return Figure(FILLER, tag, kind, start_ns, end_ns, revision, True, parts, about, known_ns)


def point(tag: str, at_s: float, signal: bool, revision: int = 1, late_s: float = 0.0) -> Figure:
    return figure("spc", tag, at_s, revision=revision, late_s=late_s, value=float(at_s), signal=float(signal))


def points() -> Iterator[Figure]:
    """A point a second of the fast chart, one a minute of the slow; capabilities of both at the begin."""
    for at in range(LENGTH):
        yield point(FAST, at, at % SIGNALS_EVERY == 0)
        if at < WEIGHT_TO_S and at % 60 == 0:
            yield point(SLOW, at, at == 60)
    for tag, every_s, until_s in ((FAST, 2, LENGTH), (SLOW, 60, WEIGHT_TO_S)):
        for at in range(0, until_s, every_s):
            yield figure("capability", tag, at, cpk=float(at))


class World(EvidenceWorld):
    """A plant whose history is what a test writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, report_plant())

    def write(self, *figures: Figure, states: Sequence[tuple[float, int]] = (), until_s: float = LENGTH) -> World:
        """Figures and changes of the filler's state; the data has come to until_s of the shift."""
        self.offset += 1
        changes = StateChanges(
            np.zeros(len(states), np.int32), np.array([SHIFT_NS + round(at * NS_PER_S) for at, _ in states], np.int64),
            np.array([code for _, code in states], np.float64),
        )  # fmt: skip
        self.history.write(ShardOutputs(
            0, self.offset, self.offset, SHIFT_NS + round(until_s * NS_PER_S), 0, figures=figures, states=changes,
            paths={0: (FILLER, "state")},
        ))  # fmt: skip
        return self

    def told(self, as_of_s: float | None = None) -> dict[str, Any]:
        as_of_ns = None if as_of_s is None else SHIFT_NS + round(as_of_s * NS_PER_S)
        (asset,) = shift_report(Sources(self.room, as_of_ns), "2026-03-30", "early").content["assets"]
        return asset


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with closing(World(tmp_path_factory.mktemp("charts"))) as made:
        yield made.write(*points())


def test_a_point_a_second_is_counted_whole_and_takes_nothing_from_the_others(world):
    fast, slow = world.told()["charts"]
    assert (fast["chart"], fast["all"], fast["signals"]) == (FAST, LENGTH, LENGTH // SIGNALS_EVERY)
    assert (slow["chart"], slow["all"], slow["signals"]) == (SLOW, 17, 1)
    assert [one["parts"]["value"] for one in fast["points"]] == [float(LENGTH - 400 + at) for at in range(400)]
    assert [one["parts"]["value"] for one in slow["points"]] == [60.0 * at for at in range(17)]
    assert [one["capability"]["parts"]["cpk"] for one in (fast, slow)] == [LENGTH - 2.0, 960.0]


@pytest.mark.usefixtures("world")
def test_what_is_not_shown_is_said(world):
    made = shift_report(Sources(world.room), "2026-03-30", "early")
    notes = [one["note"] for one in view_of(made, "en")["parts"]]
    assert f"{LENGTH} points, the last 400 shown; {LENGTH // SIGNALS_EVERY} signals." in notes


def test_as_known_then_the_count_is_that_of_then(tmp_path):
    with closing(World(tmp_path)) as world:
        world.write(*(point(FAST, at, False) for at in range(12_000)))
        world.write(
            *(point(FAST, at, True, revision=2, late_s=20_000.0) for at in range(100, 200)), until_s=20_300.0
        )  # fmt: skip
        for as_of_s, count, signals in ((None, 12_000, 100), (20_150.5, 12_000, 50), (11_500.0, 11_500, 0)):
            (chart,) = world.told(as_of_s)["charts"]
            assert (chart["all"], chart["signals"]) == (count, signals), as_of_s


@pytest.mark.parametrize("page", [1, 2, 3, 7, 100])
def test_pages_of_any_length_give_every_figure_once(tmp_path, monkeypatch, page):
    """Also where more figures begin at one instant than a page holds."""
    monkeypatch.setattr(shared, "PAGE", page)
    monkeypatch.setattr(charts, "MOST_POINTS", 4)
    given = [point(f"chart{chart}", at, chart == at) for at in range(6) for chart in range(6)]
    with closing(World(tmp_path)) as world:
        world.write(*given)
        sources = Sources(world.room)
        found = list(sources.newest_first("spc", SHIFT_NS, SHIFT_NS + HOUR * NS_PER_S, FILLER))
        assert sorted((one.start_ns, one.tag) for one in found) == sorted((one.start_ns, one.tag) for one in given)
        starts = [one.start_ns for one in found]
        assert starts == sorted(starts, reverse=True)
        told = world.told()["charts"]
    assert [(one["all"], one["signals"], len(one["points"])) for one in told] == [(6, 1, 4)] * 6


def test_a_page_of_points_is_in_memory_at_a_time(world, monkeypatch):
    asked: list[int] = []
    figures = world.room.history.figures

    def counted(*given: object, **more: object) -> list[Figure]:
        found: list[Figure] = figures(*given, **more)
        asked.append(len(found))
        return found

    monkeypatch.setattr(world.room.history, "figures", counted)
    world.told()
    assert max(asked) == shared.PAGE < LENGTH


def test_every_stop_is_in_the_pareto(tmp_path):
    with closing(World(tmp_path)) as world:
        world.write(*(figure("oee_stop", "state", 4.0 * at, 2.0) for at in range(6000)))
        stops = world.told()["stops"]
    (row,) = stops["pareto"]
    assert (row["reason"], row["seconds"], row["stops"]) == ("jam", 12_000.0, 6000)
    assert len(stops["rows"]) == 6000
    assert stops["rows"][0]["start_ms"] < stops["rows"][-1]["start_ms"]


STATES = [(0, "Execute"), (3600, "Held"), (7200, "Execute")]
SPANS = {
    # id: (as of, s into the shift, stretches of the report)
    "in a stretch": (5000.0, [(0, 3600, "Execute"), (3600, 5000, "Held")]),
    "at a change": (7200.0, [(0, 3600, "Execute"), (3600, 7200, "Held")]),
    "before the shift": (-60.0, []),
    "at its begin": (0.0, []),
    "after it": (LENGTH + 60.0, [(0, 3600, "Execute"), (3600, 7200, "Held"), (7200, LENGTH, "Execute")]),
    "now": (None, [(0, 3600, "Execute"), (3600, 7200, "Held"), (7200, 10_000, "Execute")]),
}


@pytest.mark.parametrize(("as_of_s", "expected"), SPANS.values(), ids=SPANS.keys())
def test_states_end_where_the_sums_do(tmp_path, as_of_s, expected):
    reached_s = 10_000.0 if as_of_s is None else LENGTH + 600.0
    with closing(World(tmp_path)) as world:
        world.write(states=[(at, CODES[name]) for at, name in STATES], until_s=reached_s)
        found = world.told(as_of_s)["states"]
    begin_ms = SHIFT_NS // 10**6
    told = [((one["start_ms"] - begin_ms) / 1000, (one["end_ms"] - begin_ms) / 1000, one["state"]) for one in found]
    assert told == expected

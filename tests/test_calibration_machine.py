"""Calibrations as a figure: windows, events, any split into steps, restart anywhere; and what plant.toml may say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.config.calibration import moment_ns
from andon.config.models import Plant
from andon.figures.calibration import CALIBRATION
from andon.plant import PlantModel
from operators.calibration import DAY_NS
from operators.calibration_machine import declared, specs, told
from operators.machines import Every, Inputs

T0 = moment_ns("2026-03-01")
HOUR = DAY_NS // 24
EMPTY = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0), np.empty(0, np.uint8)


@dataclass(frozen=True)
class Done:
    time_ns: int
    data: dict[str, Any] = field(default_factory=dict)
    event: str = "calibration.done"


def plant(*calibrations):
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "s"},
        "template": [{"name": "room", "series": [{"tag": "air", "unit": "Cel"}, {"tag": "wall", "unit": "Cel"}]}],
        "asset": [{"path": "cold/a", "template": "room"}, {"path": "cold/b", "template": "room"}],
        "calibration": list(calibrations),
    }))  # fmt: skip


GIVEN = {
    "asset": "cold/a", "tag": "air", "certificate": "C1", "at": "2026-02-01", "due": "2026-03-02", "error": 0.1,
    "uncertainty": 0.2, "mpe": 0.5,
}  # fmt: skip
BARE = {"asset": "cold/a", "tag": "wall", "mpe": 0.5}


def machine(*calibrations, begin_ns=T0, length_ns=DAY_NS):
    (spec,) = specs(plant(*calibrations), "cold/a")
    return spec.make(begin_ns, Every(length_ns))


def fed(one, events, upto_ns):
    return one.step(Inputs(*EMPTY, events=events), upto_ns)


def test_only_assets_with_calibrated_series_have_a_machine():
    assert specs(plant(GIVEN), "cold/b") == []
    (spec,) = specs(plant(GIVEN, BARE), "cold/a")
    assert (spec.kind, spec.paths, spec.events) == ("calibration", (("cold/a", "air"), ("cold/a", "wall")), True)
    assert spec.version != specs(plant({**GIVEN, "mpe": 0.6}, BARE), "cold/a")[0].version


def test_a_figure_a_window_and_series():
    made = fed(machine(GIVEN, BARE), [], T0 + 2 * DAY_NS)
    assert [(one.tag, one.parts["valid"], one.about["state"]) for one in made] == [
        ("air", 1.0, "valid"), ("wall", 0.0, "none"), ("air", 0.0, "overdue"), ("wall", 0.0, "none"),
    ]  # fmt: skip
    assert [one.parts["days_left"] for one in made] == [0.0, None, -1.0, None]
    assert made[0].about == {"state": "valid", "certificate": "C1", "due": "2026-03-02T00:00:00Z"}
    for one in made:
        assert set(one.parts) == {part.name for part in CALIBRATION[0].parts}
        assert set(one.about) <= set(CALIBRATION[0].about)


def test_an_event_renews_and_a_failed_as_found_counts_in_its_window():
    bad = {"tag": "air", "calibration": "C2", "due": "2027-03-01", "error": 0.9, "left": 0.0, "uncertainty": 0.1}
    made = fed(machine(GIVEN), [Done(T0 + HOUR, bad)], T0 + 2 * DAY_NS)
    assert [(one.parts["valid"], one.parts["failed"], one.about["certificate"]) for one in made] == [
        (1.0, 1.0, "C2"), (1.0, 0.0, "C2"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "data", [{}, {"due": 5}, {"due": "soon"}, {"due": "2027-01-01", "tag": "door"}, {"due": "2027-01-01", "tag": None}]
)
def test_events_that_tell_nothing(data):
    assert told(Done(T0, data), "air", 0.5) is None


def test_what_is_no_number_in_an_event_is_not_known():
    one = told(Done(T0, {"due": "2027-01-01", "error": "0.1", "uncertainty": -1, "k": 0, "mpe": True}), "air", 0.5)
    assert (one.error, one.expanded, one.k, one.mpe) == (None, None, 2.0, 0.5)
    assert told(Done(T0, {"due": "2027-01-01"}, event="lot.started"), "air", 0.5) is None


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 80), st.sampled_from(["air", "wall", None]),
        st.sampled_from(["2026-03-01", "2026-03-03", "2027-01-01"]), st.sampled_from([0.1, 0.9, None]),
    ),
    max_size=12,
)  # fmt: skip


def as_events(drawn):
    for place, (hour, tag, due, error) in enumerate(sorted(drawn, key=lambda one: one[0])):
        data = {"calibration": f"E{place}", "due": due, "error": error, "uncertainty": 0.2}
        yield Done(T0 + hour * HOUR, data if tag is None else {**data, "tag": tag})


@given(EVENTS, st.lists(st.integers(1, 100), max_size=6), st.integers(0, 6))
def test_any_split_and_a_restart_anywhere(drawn, cuts, restart):
    events, end = list(as_events(drawn)), 100
    whole = fed(machine(GIVEN, BARE, length_ns=7 * HOUR), events, T0 + end * HOUR)
    one, made, before = machine(GIVEN, BARE, length_ns=7 * HOUR), [], 0
    for place, cut in enumerate(sorted({*cuts, end})):
        part = [each for each in events if before <= (each.time_ns - T0) // HOUR < cut]
        made += fed(one, part, T0 + cut * HOUR)
        before = cut
        if place == restart:
            kept, one = one.snapshot(), machine(GIVEN, BARE, length_ns=7 * HOUR)
            one.restore(kept)
    assert made == whole
    again = machine(GIVEN, BARE)
    with pytest.raises(ValueError, match="layout 9"):
        again.restore((9,))


def test_a_date_is_a_day_of_the_site():
    (spec,) = specs(plant(GIVEN), "cold/a")
    shanghai = plant(GIVEN)
    shanghai.config.__dict__["site"] = shanghai.config.site.model_copy(update={"timezone": "Asia/Shanghai"})
    (there,) = specs(shanghai, "cold/a")
    assert there.version != spec.version
    (one,) = declared(shanghai, "cold/a")["air"]
    assert (one.at_ns, one.by_ns) == (moment_ns("2026-02-01T00:00:00+08:00"), moment_ns("2026-02-02T00:00:00+08:00"))
    assert one.due_ns == moment_ns("2026-03-02T00:00:00+08:00")


def test_a_calibration_told_twice_is_one_failed_one():
    twice = {**GIVEN, "certificate": "C2", "at": "2026-03-01", "due": "2027-03-01", "error": 0.9, "left": 0.0}
    event = Done(
        T0 + 9 * HOUR, {"tag": "air", "calibration": "C2", "due": "2027-03-01", "error": 0.9, "uncertainty": 0.2}
    )
    (made,) = fed(machine(GIVEN, twice), [event], T0 + DAY_NS)
    assert (made.parts["failed"], made.about["state"], made.about["certificate"]) == (1.0, "valid", "C2")


def test_running_is_told_as_of_now_and_changes_nothing():
    one = machine(GIVEN)
    assert one.running() == []
    fed(one, [], T0 + HOUR)
    (running,) = one.running()
    assert (running.start_ns, running.end_ns) == (T0, T0 + HOUR)
    assert one.running() == [running]

"""Shifts and lots told to the ERP: the machines' figures to the bit, those of the PDF, corrected by differences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from andon.config.erp_back import Reports
from andon.outputs import Figure
from andon.records import SYSTEM_QUALITY, schema
from flows.figure_specs import figure_bounds
from operators.cold_chain import merge_parts
from operators.oee import oee_ratios
from operators.topology import added
from service.figure_reports.lot import lot_report
from service.figure_reports.shared import Sources
from service.figure_reports.shift import shift_report
from service.figure_reports.spans import shift_of
from service.report_figures import lot_parts, lot_status, shift_parts, shift_windows
from service.reports import SINCE, Reporter
from sinks.journal_reader import JournalReader
from tests.engine_world import S, body, plant, tick
from tests.evidence_world import EvidenceWorld
from tests.naive_cold_chain_parts import cold_chain_parts
from tests.naive_reports import made_over, spec_of
from tests.report_world import CODES, FILLER, HOUR, SHIFT_NS, STORE, TRUCK, ReportWorld, log, report_plant

EARLY = (SHIFT_NS, SHIFT_NS + 8 * HOUR * S)
STORED = (SHIFT_NS + HOUR * S, SHIFT_NS + 5 * HOUR * S)
BOTH = Reports(oee=True, cold_chain=True)
Told = dict[tuple[str, str, str], dict[str, object]]


def told(world: EvidenceWorld) -> Told:
    """The data of every report's newest revision by kind, asset and subject."""
    columns = schema.outbox.c.kind, schema.outbox.c.asset, schema.outbox.c.body
    with world.records.reading() as connection:
        rows = [(kind, asset, json.loads(raw)["data"]) for kind, asset, raw in connection.execute(select(*columns))]
    return {(kind, asset, data["subject"]): data for kind, asset, data in rows if "subject" in data}


def reporter(world: EvidenceWorld) -> Reporter:
    """One that was first asked when the shift began."""
    world.records.set_state(SINCE, str(SHIFT_NS), SYSTEM_QUALITY)
    return Reporter(world.records, world.plant, world.room.history, BOTH)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportWorld]:
    with closing(ReportWorld(tmp_path_factory.mktemp("told"))) as made:
        yield made


@pytest.fixture(scope="module")
def reports(world: ReportWorld) -> Told:
    assert reporter(world).report() == 3
    return told(world)


SHIFT_KEY = ("oee_shift", FILLER, "2026-03-30/early")
LOT_KEY = ("cold_chain_lot", STORE, "L2601")


def test_a_shift_is_what_its_machine_makes_of_the_same_span(world, reports):
    spec, journal = spec_of(world.plant, "oee", FILLER), JournalReader(world.data.journal(0))
    made = made_over(spec, world.plant, journal, world.room.history, *EARLY)
    parts = added(one.parts for one in made)
    assert parts["calendar_s"] == 8 * HOUR
    assert parts["pq"]
    assert reports[SHIFT_KEY]["figures"] == parts
    assert reports[SHIFT_KEY]["ratios"] == oee_ratios(parts)


def test_a_lot_is_what_its_machine_makes_of_the_same_stay(world, reports):
    spec, journal = spec_of(world.plant, "lot_stay", STORE), JournalReader(world.data.journal(0))
    (made,) = made_over(spec, world.plant, journal, world.room.history, STORED[0], STORED[1] + S)
    data = reports[LOT_KEY]
    whole = dict(data["figures"]) | {name: data[name] for name in made.parts if name in data}
    assert whole == dict(made.parts)
    assert (data["figures"]["above_s"], data["maximum"], data["status"]) == (2400.0, 11.0, "excursion")
    assert data["stretches"] == [["2026-03-30T05:00:00Z", "2026-03-30T09:00:00Z"]]
    assert data["alarms"] == [world.alarm().key]


def test_reports_for_people_say_the_same(world, reports):
    sources = Sources(world.room)
    (machine,) = shift_report(sources, "2026-03-30", "early").content["assets"]
    assert machine["oee"]["parts"] == reports[SHIFT_KEY]["figures"]
    legs = {leg["asset"]: leg["cold"]["stay"]["parts"] for leg in lot_report(sources, "L2601").content["legs"]
            if leg["cold"]}  # fmt: skip
    assert set(legs) == {STORE, TRUCK}
    for asset, parts in legs.items():
        data = reports["cold_chain_lot", asset, "L2601"]
        assert {name: data["figures"].get(name, data.get(name)) for name in parts} == parts


def test_the_same_again_is_told_once(world, reports):
    assert reporter(world).report() == 0
    assert told(world) == reports


@pytest.mark.parametrize(("width", "count"), [(60, 3), (400, 0)])
def test_a_shift_of_very_many_alarms_does_not_stop_what_is_behind_it(tmp_path, width, count):
    """width: of an alarm's name; where even a hundred of them are too much for an outbox, nothing is told."""
    with closing(EvidenceWorld(tmp_path, report_plant())) as many:
        many.run(log(), cut=500)
        one = reporter(many)
        one._alarms = lambda span: ["x" * width] * (1_000 if span.kind == "oee_shift" or not count else 0)
        assert [one.report(), one.report()] == [count, 0]
        found = told(many)
        assert len(one._told) == 3
        assert len(found) == count
        if count:
            assert (len(found[SHIFT_KEY]["alarms"]), found[SHIFT_KEY]["alarms_total"]) == (100, 1_000)
            assert "alarms_total" not in found[LOT_KEY]
        one._shifts = one._lots = lambda *_: ()
        one.report()
        assert not one._told, "what is over is forgotten"


def more(state: str, at_s: int) -> list[tuple[int, bytes]]:
    """A state that comes hours late, and ten minutes in which nothing else happens."""
    now_ns = EARLY[1] + HOUR // 2 * S
    late = [(now_ns + S, body(SHIFT_NS + at_s * S, FILLER, "state", CODES[state]))]
    return late + [(now_ns + n * S, tick(now_ns + n * S)) for n in range(2, 600)]


def test_late_rows_tell_the_next_revision_with_signed_differences(world, reports):
    again = reporter(world)
    assert again.report() == 0
    world.run(more("Held", 12_010), cut=200)
    assert again.report() == 1
    before, after = reports[SHIFT_KEY], told(world)[SHIFT_KEY]
    assert (before["revision"], after["revision"]) == (1, 2)
    assert after["difference"]["apt_s"] == pytest.approx(-10.0)
    assert after["difference"]["internal_stop_s"] == pytest.approx(10.0)
    assert after["difference"]["calendar_s"] == after["difference"]["pq"] == 0.0
    for name, value in after["figures"].items():
        both = before["figures"][name], after["difference"][name]
        assert (value is None) == (None in both)
        assert value is None or value == pytest.approx(sum(both), abs=1e-9)
    spec, journal = spec_of(world.plant, "oee", FILLER), JournalReader(world.data.journal(0))
    made = made_over(spec, world.plant, journal, world.room.history, *EARLY)
    assert after["figures"] == added(one.parts for one in made)


def test_nothing_is_told_of_what_may_still_come(tmp_path):
    """Seven hours of the shift, and twenty seconds: the figure of the truck's stay may not be there yet."""
    with closing(EvidenceWorld(tmp_path, report_plant())) as world:
        world.run([row for row in log() if row[0] < SHIFT_NS + (7 * HOUR + 20) * S], cut=500)
        assert reporter(world).report() == 1
        assert set(told(world)) == {LOT_KEY}


def test_maintenance_done_and_calibrations_due_are_told_once(tmp_path):
    """Of two calibrations the last one counts; a due date that nobody can read is told to nobody."""
    happened = [
        (60, STORE, "maintenance.ended", {"order": "MO-1"}), (60, STORE, "maintenance.ended", {"order": "MO-0"}),
        (70, STORE, "calibration.done", {"due": "2026-04-01"}),
        (80, STORE, "calibration.done", {"due": "2026-04-20"}), (90, TRUCK, "calibration.done", {"due": "soon"}),
        (95, FILLER, "calibration.done", {"due": "2026-08-01"}),
    ]  # fmt: skip
    with closing(EvidenceWorld(tmp_path, report_plant())) as world:
        rows = [(SHIFT_NS, body(SHIFT_NS, STORE, "air", 5.0))]
        for at_s, asset, event, data in happened:
            at_ns = SHIFT_NS + at_s * S
            raw = orjson.dumps({"ts": at_ns // 10**6, "asset": asset, "event": event, "data": data})
            rows += [(at_ns, raw), (at_ns + S, tick(at_ns + S))]
        world.run(rows)
        world.records.set_state(SINCE, str(SHIFT_NS), SYSTEM_QUALITY)
        settings = Reports(maintenance=True, calibration_d=30.0)
        one = Reporter(world.records, world.plant, world.room.history, settings)
        assert [one.report(), one.report()] == [3, 0]
        found = told(world)
        done = found["maintenance_done", STORE, "2026-03-30T04:01:00Z"]
        assert (done["order"], done["done"]) == ("MO-1", "2026-03-30T04:01:00Z")
        assert found["maintenance_done", STORE, "2026-03-30T04:01:00Z/2"]["order"] == "MO-0"
        assert found["calibration_due", STORE, "2026-04-20"]["due"] == "2026-04-20"
        assert len(found) == 3


def window(start_s: int, end_s: int, *, final: bool = True, **parts: float | None) -> Figure:
    told = {"calendar_s": float(end_s - start_s), "unknown_s": 0.0, **parts}
    return Figure(FILLER, "state", "oee", start_s * S, end_s * S, 1, final, told)


def test_time_in_no_window_is_unknown_time_of_the_shift():
    windows = [window(0, 600, pq=5.0, pri_pq_s=None), window(900, 1200, pq=1.0, unknown_s=20.0, pri_pq_s=2.0)]
    parts = shift_parts(windows, 0, 1800 * S)
    assert parts == {"calendar_s": 1800.0, "unknown_s": 20.0 + 900.0, "pq": 6.0, "pri_pq_s": None}
    running = shift_parts([*windows, window(1200, 1300, pq=0.0, pri_pq_s=0.0, final=False)], 0, 1800 * S)
    assert (running["calendar_s"], running["unknown_s"]) == (1000.0, 20.0), "what follows has not come"
    assert shift_parts([], 0, 1800 * S) == {}


def test_a_window_over_the_bounds_belongs_to_no_shift():
    windows = [window(0, 600), window(600, 1200), window(1200, 1800)]
    assert shift_windows(lambda *_: windows, FILLER, 300 * S, 1800 * S) == windows[1:]


def test_windows_end_with_the_local_day_where_no_shift_is_declared():
    """India is half an hour off the hours of UTC: a day of hours alone would be cut at half past."""
    kolkata = {"id": "s1", "timezone": "Asia/Kolkata"}
    model = plant(site=kolkata, windows={"pane_s": 5.0, "sizes_s": [60.0], "figures_s": 3600.0})
    day, bounds, ends = shift_of(model, "2026-03-30"), figure_bounds(model), []
    at_ns = day.start_ns
    while at_ns < day.end_ns:
        at_ns = bounds.after(at_ns)
        ends.append(at_ns)
    assert bounds.after(day.start_ns - 1) == day.start_ns
    assert (ends[0], ends[-1]) == (day.start_ns + 1800 * S, day.end_ns)
    assert len(ends) == 25, "23 whole hours and two halves"


def test_only_shifts_that_are_worked_are_told():
    """Friday noon to Monday evening: late ends at ten, and neither the night nor the weekend belongs to it."""
    days = ["mon", "tue", "wed", "thu", "fri"]
    model = plant(shift=[
        {"name": "early", "begins": "06:00", "ends": "14:00", "weekdays": days},
        {"name": "late", "begins": "14:00", "ends": "22:00", "weekdays": days},
    ])  # fmt: skip
    friday_ns = int(datetime(2026, 3, 27, 12, tzinfo=UTC).timestamp()) * S
    one = Reporter(None, model, None, BOTH)
    found = [(span.subject, span.stretches) for span in one._shifts(friday_ns, friday_ns + 82 * HOUR * S)]
    begins = [friday_ns + hour * HOUR * S for hour in (-6, 2, 66, 74)]
    subjects = ["2026-03-27/early", "2026-03-27/late", "2026-03-30/early", "2026-03-30/late"]
    assert found == [(name, ((at, at + 8 * HOUR * S),)) for name, at in zip(subjects, begins, strict=True)]


STAY = st.lists(st.tuples(st.integers(1, 50), st.floats(-20.0, 40.0)), min_size=0, max_size=12)


@given(st.lists(STAY, min_size=1, max_size=4))
def test_several_stays_are_as_one_over_all_their_time(several):
    """Against the points themselves; of a stay without any nothing is known."""
    pieces, start_s = [], 0
    for points in several:
        time_ns = np.cumsum([0, *(step for step, _ in points)])[:-1] * S + start_s * S
        value = np.array([one for _, one in points])
        span = (start_s * S, (start_s + 700) * S)
        pieces.append((span, cold_chain_parts(time_ns, value, *span, gap_ns=60 * S, low=2.0, high=8.0)))
        start_s += 1000
    figures = [
        Figure(STORE, "air", "lot_stay", *span, 1, True,
               {"within": None, "tor_used_s": float(number), **parts}, {"lot": "L1"})
        for number, (span, parts) in enumerate(pieces)
    ]  # fmt: skip
    found, whole = lot_parts(figures, 83144.0), merge_parts(parts for _, parts in pieces)
    for name in ("covered_s", "gap_s", "above_s", "below_s", "minimum", "maximum", "mean", "mkt"):
        same = found[name] is None if whole[name] is None else found[name] == pytest.approx(whole[name], abs=1e-7)
        assert same, name
    assert found["tor_used_s"] == len(several) - 1.0


JUDGED = [([1.0, 1.0], 1.0), ([1.0, None], None), ([None, 0.0], 0.0)]


@pytest.mark.parametrize(("each", "together"), JUDGED)
def test_a_lot_is_within_where_every_stay_is(each, together):
    stays = [Figure(STORE, "air", "lot_stay", at, at + 1, 1, True, {"within": one}) for at, one in enumerate(each)]
    assert lot_parts(stays, 83144.0)["within"] == together


STATUS = {
    "blind": ({"blind_out_s": 5.0, "gap_s": 5.0}, "excursion"), "too-cold": ({"below_s": 1.0}, "excursion"),
    "gap": ({"above_s": 0.0, "gap_s": 9.0}, "incomplete"), "uncertain": ({"uncertain_s": 9.0}, "incomplete"),
    "within": ({"above_s": 0.0, "below_s": 0.0, "gap_s": 0.0, "uncertain_s": 0.0}, "within"),
}  # fmt: skip


@pytest.mark.parametrize(("parts", "status"), STATUS.values(), ids=STATUS.keys())
def test_status_goes_by_the_label_range(parts, status):
    assert lot_status(parts) == status

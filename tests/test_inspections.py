"""Inspections told to the ERP ahead: once each, moved with the day, closed when done, the same after any restart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select

from andon.config.models import Plant
from andon.outputs import Figure
from andon.plant import PlantModel
from andon.records import schema
from operators.wear import DAY_NS
from service.inspections import Inspections
from sinks.event_history import EventRow
from tests.records_world import START_NS, fresh

pytestmark = pytest.mark.usefixtures("database")
PUMP = "utilities/pump1"
NULL = "null"  # a mode that is told as null: of all, as the figure has it
PLANT = PlantModel(Plant.model_validate({
    "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1", "timezone": "Asia/Shanghai"},
    "template": [{
        "name": "pump", "series": [{"tag": "vib", "unit": "mm/s"}],
        "failure_mode": [{"id": "bearing", "inspect_d": 90.0}, {"id": "seal", "inspect_d": 30.0}],
    }],
    "asset": [{"path": PUMP, "template": "pump"}],
}))  # fmt: skip


@dataclass
class Past:
    """A history: days since the start, and what was told by then."""

    day: float = 0.0
    due_on: dict[str, float | None] = field(default_factory=dict)  # failure mode -> day; None: not known
    heard: list[tuple[float, str, str | None]] = field(default_factory=list)
    reads: list[tuple[str, float]] = field(default_factory=list)  # of events: asset, from which day

    def watermark_ns(self):
        return START_NS + round(self.day * DAY_NS)

    def newest_figures(self, kind, since_ns=0):
        assert kind == "maintenance"
        now_ns = self.watermark_ns()
        return [
            Figure(PUMP, mode, kind, now_ns - 1, now_ns, 1, final=True, parts={
                "inspection_in_d": None if day is None else max(0.0, day - self.day),
            })
            for mode, day in self.due_on.items()
        ]  # fmt: skip

    def events(self, asset, start_ns, end_ns, names=()):
        self.reads.append((asset, (start_ns - START_NS) / DAY_NS))
        rows = [
            EventRow(
                PUMP,
                START_NS + round(at * DAY_NS),
                event,
                {} if mode is None else {"mode": None if mode == NULL else mode},
                0,
            )
            for at, event, mode in sorted(self.heard, key=lambda one: one[0])
        ]
        return [one for one in rows if start_ns <= one.time_ns < end_ns and (not names or one.event in names)]


def sent(records):
    """(revision, subject, due, done) of all that the ERP was told, in order."""
    with records.reading() as connection:
        bodies = connection.execute(select(schema.outbox.c.body).order_by(schema.outbox.c.revision)).scalars().all()
    data = [json.loads(body)["data"] for body in bodies]
    return [(one["revision"], one["subject"], one["due"], one["done"]) for one in data]


def test_each_inspection_is_told_once_ahead(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"bearing": 20.3, "seal": None})
    counts = []
    for day in range(25):
        past.day = float(day)
        counts.append(Inspections(records, PLANT, past, 14.0).report())
        assert Inspections(records, PLANT, past, 14.0).report() == 0, "nor after a restart"
    assert [day for day, count in enumerate(counts) if count] == [7]
    assert sent(records) == [(1, "bearing/first", "2026-01-21", None)]
    (order,) = records.orders()
    assert (order.kind, order.asset) == ("inspection_due", PUMP)


def test_the_day_moves_with_the_use_but_not_for_hours_and_not_once_it_has_come(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"seal": 10.4})
    watch, found = Inspections(records, PLANT, past, 14.0), []
    for day, due in ((0, 10.4), (1, 10.9), (2, 10.0), (3, 12.4), (4, 30.0), (5, 8.4), (9, 8.4), (11, 8.4)):
        past.day, past.due_on["seal"] = float(day), due
        found.append(watch.report())
    assert found == [1, 0, 0, 1, 1, 1, 0, 0]
    assert [one[2] for one in sent(records)][-1] == "2026-01-09"
    assert {one[1] for one in sent(records)} == {"seal/first"}


@pytest.mark.parametrize("restart", [False, True])
def test_an_inspection_that_is_done_closes_its_record_and_the_next_is_one_of_its_own(tmp_path, restart):
    records, past = fresh(tmp_path), Past(due_on={"seal": 5.0})
    watch = Inspections(records, PLANT, past, 14.0)
    assert watch.report() == 1
    past.day, past.heard = 6.0, [(5.5, "inspection.done", "bearing"), (5.5, "maintenance.started", None)]
    assert watch.report() == 0, "of another failure mode"
    past.heard.append((5.75, "inspection.done", None))
    past.due_on["seal"] = 35.75
    watch = Inspections(records, PLANT, past, 14.0) if restart else watch
    assert watch.report() == 1
    past.day = 22.0
    assert watch.report() == 1
    assert Inspections(records, PLANT, past, 14.0).report() == 0
    done = "2026-01-06T18:00:00Z"
    assert sorted(sent(records), key=lambda one: one[1])[-2:] == [
        (1, f"seal/{done}", "2026-02-06", None), (2, "seal/first", "2026-01-06", done),
    ]  # fmt: skip


def test_an_inspection_that_is_heard_of_late_goes_on_from_its_true_time(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"seal": 5.0}, heard=[(-25.0, "maintenance.ended", "seal")])
    assert Inspections(records, PLANT, past, 14.0).report() == 1
    past.day, past.due_on["seal"] = 20.0, 31.0
    past.heard.append((1.0, "inspection.done", "seal"))  # the one that was told is over, the next is due soon
    assert Inspections(records, PLANT, past, 14.0).report() == 1
    assert Inspections(records, PLANT, past, 14.0).report() == 1
    past.heard = past.heard[1:]  # the history lets old events go
    assert Inspections(records, PLANT, past, 14.0).report() == 0
    past.heard = []
    assert Inspections(records, PLANT, past, 14.0).report() == 0, "what was told is still known"
    subjects = {one[1] for one in sent(records)}
    assert subjects == {"seal/2025-12-07T00:00:00Z", "seal/2026-01-02T00:00:00Z"}


def test_a_mode_of_null_is_every_mode_as_for_the_figure(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"seal": 5.0})
    watch = Inspections(records, PLANT, past, 14.0)
    assert watch.report() == 1
    past.day, past.heard = 6.0, [(5.75, "inspection.done", NULL)]
    assert watch.report() == 1
    assert sent(records)[-1][3] == "2026-01-06T18:00:00Z"


def test_what_is_no_longer_configured_is_left_alone(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"gone": 1.0})
    assert Inspections(records, PLANT, past, 14.0).report() == 0
    assert sent(records) == []


def test_a_figure_that_has_not_heard_of_the_inspection_opens_no_record(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"seal": 10.4})
    watch = Inspections(records, PLANT, past, 14.0)
    assert watch.report() == 1
    past.day, past.heard = 3.0, [(3.0, "inspection.done", "seal")]  # its figures still end before that
    assert watch.report() == 1
    assert watch.report() == 0, "they end with the inspection"
    past.day = 3.01
    past.heard = [(1.5, "inspection.done", "seal"), *past.heard]  # heard of late, figures not made anew yet
    past.due_on["seal"] = 33.0
    assert watch.report() == 0
    assert [(subject, done) for _, subject, _, done in sent(records)] == [("seal/first", "2026-01-04T00:00:00Z")]


@pytest.mark.parametrize("in_d", [3e6, 1e300])
def test_a_machine_that_hardly_runs_does_not_stop_the_others(tmp_path, in_d):
    records, past = fresh(tmp_path), Past(due_on={"seal": 10.4})
    watch = Inspections(records, PLANT, past, 14.0)
    assert watch.report() == 1
    past.due_on |= {"bearing": 12.0, "seal": in_d}
    assert watch.report() == 2
    assert [one[2] for one in sent(records) if one[1] == "seal/first"] == ["2126-01-02"]


def test_events_of_an_asset_are_read_once_and_only_where_something_can_still_follow(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"seal": 5.0, "bearing": 6.0})
    watch = Inspections(records, PLANT, past, 14.0)
    assert watch.report() == 2
    assert [asset for asset, _ in past.reads] == [PUMP], "two failure modes, one read"
    past.day, past.due_on = 40.0, {"seal": 41.0, "bearing": 42.0}
    past.heard = [(3.0, "lot.started", None), (4.0, "inspection.done", "seal"), (4.5, "inspection.done", "bearing")]
    assert watch.report() == 2
    assert watch.report() == 2, "those that come next"
    past.reads.clear()
    assert watch.report() == 0
    assert past.reads == [(PUMP, 4.0)], "from the last inspection of the one that waits longest"


def test_an_inspection_that_the_history_has_let_go_of_stays_done(tmp_path):
    records, past = fresh(tmp_path), Past(due_on={"seal": 5.0})
    watch = Inspections(records, PLANT, past, 14.0)
    assert watch.report() == 1
    past.day, past.heard, past.due_on["seal"] = 7.0, [(6.0, "inspection.done", "seal")], 800.0
    assert watch.report() == 1
    past.day, past.heard = 790.0, []
    assert watch.report() == 1
    assert Inspections(records, PLANT, past, 14.0).report() == 0
    done = "2026-01-07T00:00:00Z"
    last = {subject: was for _, subject, _, was in sent(records)}
    assert last == {"seal/first": done, f"seal/{done}": None}

"""The simulators' log through the whole engine: it finds just the labelled faults, and every row is accounted for."""

from __future__ import annotations

from collections import Counter

import pytest

from andon.readings import NS_PER_S, Message, Reason
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from simulators.checker import check
from simulators.cold_room import ColdRoom
from simulators.feed import Feed
from simulators.filler import Filler
from simulators.happenings import REASONS
from simulators.schedule import second_ns
from simulators.truth import assets_of, demo_plant, truth
from sinks.journal import Journal
from sources.ticks import tick_body

START_NS = 1_767_225_600_000_000_000
SECONDS = 5400
STEP_S = 6  # plant seconds in a step: what a tenth of a second brings at the demo's speed


def through_the_engine(folder, shard, seed, *, faults):
    """Everything one shard's engine gives out for the simulators' messages, with a tick a step and some at the end."""
    plant = demo_plant()
    engine = ShardEngine(plant, shard, Journal(folder / f"journal{shard}"), SlotFiles(folder / f"slots{shard}"))
    engine.restore(None)
    feed = Feed(seed, START_NS, assets_of(shard, plant), faults=faults)
    outputs, offset = [], 0
    for step_s in range(STEP_S, SECONDS + 10 * STEP_S, STEP_S):
        bodies = []
        while feed.second < min(step_s, SECONDS):
            bodies += [parcel.body() for parcel in feed.advance()]
        now_ns = second_ns(START_NS, step_s)
        bodies.append(tick_body(now_ns))
        outputs.append(engine.step([Message(offset + n, now_ns, body) for n, body in enumerate(bodies, 1)]))
        offset += len(bodies)
    return outputs


def ledger_rows(outputs):
    """The rows of each tick, as the checker takes them."""
    names = ("received", "counted", "late", "duplicate", "bad", "dead", "conflict")
    for one in outputs:
        for rows in one.ledger:
            columns = [getattr(rows, name).tolist() for name in names]
            for series, *counts in zip(rows.series.tolist(), *columns, strict=True):
                yield *(one.paths[series] if series >= 0 else ("", "")), *counts


@pytest.mark.parametrize(("seed", "faults"), [(1, True), (1, False)])
def test_the_engine_finds_the_faults_and_nothing_else(tmp_path, seed, faults):
    outputs = [one for shard in range(2) for one in through_the_engine(tmp_path, shard, seed, faults=faults)]
    raised = [
        {
            "key": f"{change.asset} {change.rule_id} {change.start_ns}", "asset": change.asset, "tag": change.tag,
            "rule_id": change.rule_id, "raises": change.raises, "start_ns": change.start_ns,
        }
        for one in outputs for change in one.conditions if change.kind == "raised"
    ]  # fmt: skip
    told = truth(seed, START_NS, START_NS + SECONDS * NS_PER_S, faults=faults)
    report = check(
        told, raised, [{"key": row["key"], "kind": row["raises"]} for row in raised], ledger_rows(outputs),
        Counter(Reason(reason).name for one in outputs for reason in one.dead.reason),
    )  # fmt: skip
    assert report.ok, [finding.text("en") for finding in report.findings]
    assert len(report.found) == len(raised) >= (6 if faults else 0)
    assert not faults or len(told.required) >= 6
    assert sum(row[4] for row in ledger_rows(outputs)) > 20  # late rows were among them
    changes = [change for one in outputs for change in one.conditions]
    first_hour = [change for change in changes if change.start_ns < START_NS + 3600 * NS_PER_S]
    cleared = [change.cleared_ns for change in first_hour if change.kind == "cleared"]
    assert len(cleared) * 2 == len(first_hour)  # an hour's alarms are over before the next hour's faults
    assert all(at_ns < START_NS + 3600 * NS_PER_S for at_ns in cleared)
    assert_figures_are_told([one for output in outputs for one in output.figures])


def assert_figures_are_told(figures):
    """Shifts by name, a Pareto with the reasons that were told, budgets of the lot that is in the room."""
    assert {one.about["shift"] for one in figures if one.kind == "oee"} == {"early"}, "08:00 to 09:30 in Shanghai"
    stops = [one for one in figures if (one.kind, one.asset, one.final) == ("oee_stop", Filler.asset, True)]
    assert len(stops) > 1
    assert {one.about["reason"] for one in stops} <= {reason for some in REASONS.values() for reason in some}
    budget = demo_plant().config.product[0].tor_h * 3600
    stays = [one for one in figures if one.kind == "lot_stay"]
    assert {(one.asset, one.about["product"]) for one in stays} == {(ColdRoom.asset, "Vaccine A")}
    assert all(one.parts["tor_left_s"] + one.parts["tor_used_s"] == budget for one in stays)

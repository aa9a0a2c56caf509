"""From readings of a group of series to an alarm with its channels, as a shard's engine gives them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Message
from andon.records import SYSTEM_FLOW
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from sinks.journal import Journal
from sources.ticks import tick_body
from tests.records_world import fresh

BEGIN, LEARN, SHIFT_S = 1_767_225_600, 30, 420  # s, windows, s
TAGS = ("current", "flow", "pressure")
PLANT = PlantModel(Plant.model_validate({
    "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"}, "transport": {"shards": 1},
    "windows": {"figures_s": 60.0},
    "template": [{
        "name": "pump", "series": [{"tag": tag, "every_s": 5.0} for tag in TAGS],
        "group": [{"name": "drive", "tags": TAGS, "window_s": 10.0, "learn": LEARN}],
    }],
    "asset": [{"path": "u/pump", "template": "pump"}],
    "rule": [{"id": "drive-unusual", "on": "*/drive", "figure": "group.alarm", "above": 0.5,
              "raises": "maintenance_order"}],
}))  # fmt: skip


def log(late=range(0)):
    """Ten minutes, readings every 5 s that follow one load; from the seventh minute the flow lacks two units.

    late: seconds whose reading of the flow is sent a minute later.
    """
    held = {}
    rng = np.random.default_rng(11)
    for second in range(630):
        now_ns, ts = (BEGIN + second) * NS_PER_S, (BEGIN + second) * 1_000
        if second % 5 == 0:
            load = rng.normal()
            values = [10.0 + load, 50.0 + 2.0 * load - 2.0 * (second >= SHIFT_S), 5.0 + 0.5 * load]
            rows = [
                {"ts": ts, "asset": "u/pump", "tag": tag, "value": round(value + rng.normal(0.0, 0.1), 4)}
                for tag, value in zip(TAGS, values, strict=True)
            ]
            if second in late:
                held[second + 60] = rows.pop(1)
            yield now_ns, json.dumps(rows).encode()
        if second in held:
            yield now_ns, json.dumps([held.pop(second)]).encode()
        yield now_ns, tick_body(now_ns)


def outputs(folder, cut, late=range(0)):
    engine = ShardEngine(PLANT, 0, Journal(folder / "journal"), SlotFiles(folder / "slots"))
    engine.restore(None)
    whole = [Message(offset, now_ns, body) for offset, (now_ns, body) in enumerate(log(late), 1)]
    return [engine.step(whole[begin : begin + cut]) for begin in range(0, len(whole), cut)]


def finals(steps):
    """The last that was told of each window, by its number."""
    return {(one.start_ns // NS_PER_S - BEGIN) // 10: one
            for step in steps for one in step.figures if one.final and one.kind == "group"}  # fmt: skip


@pytest.mark.parametrize("cut", [7, 100_000])
def test_a_broken_relation_becomes_one_order_that_names_its_channel(tmp_path, cut):
    steps = outputs(tmp_path, cut)
    found = finals(steps)
    assert len(found) >= 60
    assert {one.tag for one in found.values()} == {"drive"}
    assert [found[window].parts["score"] for window in (0, LEARN - 1)] == [None, None]
    alarms = [window for window, one in sorted(found.items()) if one.parts["alarm"]]
    assert len(alarms) == 1
    assert SHIFT_S // 10 <= alarms[0] <= SHIFT_S // 10 + 5
    told = found[alarms[0]]
    raised = [one for step in steps for one in step.conditions if one.kind == "raised"]
    assert [(one.rule_id, one.asset, one.tag, one.raises) for one in raised] == [
        ("drive-unusual", "u/pump", "drive", "maintenance_order")
    ]
    evidence = raised[0].evidence
    assert evidence["channel_1"] == told.about["channel_1"] == "flow"
    assert evidence["contribution_1"] == told.parts["contribution_1"] > 4.0
    assert evidence["statistic"] == told.about["statistic"]
    cleared = [one for step in steps for one in step.conditions if one.kind == "cleared"]
    assert cleared
    assert "channel_1" not in cleared[0].evidence


def test_the_erps_record_has_the_channels_and_their_contributions(tmp_path):
    steps = outputs(tmp_path, 50)
    records = fresh(tmp_path / "records")
    for step in steps:
        records.apply_conditions(step.conditions, SYSTEM_FLOW)
    order = records.claim_order("test", 60.0, SYSTEM_FLOW)
    assert order is not None
    evidence = json.loads(order.body)["data"]["evidence"]
    assert evidence["figure"] == "group.alarm"
    assert evidence["channel_1"] == "flow"
    assert {"channel_2", "contribution_1", "contribution_2", "contribution_3", "statistic"} <= evidence.keys()


def test_readings_that_come_late_give_the_same_figures(tmp_path):
    punctual = finals(outputs(tmp_path / "punctual", 50))
    corrected = finals(outputs(tmp_path / "late", 50, late=range(100, 120)))
    common = punctual.keys() & corrected.keys()
    assert len(common) >= 60
    assert any(corrected[window].revision > 1 for window in common)
    for window in common:
        assert (corrected[window].parts, corrected[window].about) == (punctual[window].parts, punctual[window].about)

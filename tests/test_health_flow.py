"""From blocks of a waveform and a state to an order: the figures of machine health as a shard's engine gives them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Message
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from operators.vibration import velocity_of
from sinks.journal import Journal
from sources.ticks import tick_body

BEGIN = 1_767_225_600  # s
RATE = 2_000
PLANT = PlantModel(Plant.model_validate({
    "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"}, "transport": {"shards": 1},
    "windows": {"figures_s": 60.0},
    "template": [{
        "name": "pump",
        "series": [
            {"tag": "vib", "kind": "waveform", "unit": "m/s2"},
            {"tag": "vib.velocity", "unit": "mm/s", "every_s": 10.0},
            {"tag": "state", "kind": "boolean", "every_s": 10.0},
        ],
        "vibration": [{"tag": "vib"}],
        "health": [{"tag": "vib.velocity", "zones": "iso20816-3.group2.rigid"}],
        "running": {"state": "state"},
        "failure_mode": [
            {"id": "bearing-wear", "tag": "vib.velocity", "zone": "C"}, {"id": "oil", "inspect_d": 0.002},
        ],
    }],
    "asset": [{"path": "u/pump", "template": "pump"}],
    "rule": [{"id": "due", "on": "*/bearing-wear", "figure": "maintenance.due", "above": 0.5,
              "raises": "maintenance_order"}],
}))  # fmt: skip


def log():
    """Five minutes: 1.5 mm/s at 100 Hz, from the third minute on 3.5; a tick a second."""
    at = np.arange(RATE) / RATE
    tone = 9.80665 * np.sqrt(2) * np.sin(2 * np.pi * 100 * at) / velocity_of(1.0, 100.0)
    for second in range(330):
        now_ns, ts = (BEGIN + second) * NS_PER_S, (BEGIN + second) * 1_000
        if second % 10 == 0:
            level = 1.5 if second < 120 else 3.5
            samples = np.round(tone * level, 5).tolist()
            block = {"ts": ts, "asset": "u/pump", "tag": "vib", "rate_hz": RATE, "unit": "m/s2", "samples": samples}
            yield (
                now_ns,
                json.dumps([block, {"ts": ts, "asset": "u/pump", "tag": "state", "value": second < 200}]).encode(),
            )
        if second == 260:
            told = {"ts": ts, "asset": "u/pump", "event": "maintenance.ended", "data": {"mode": "bearing-wear"}}
            yield now_ns, json.dumps(told).encode()
        yield now_ns, tick_body(now_ns)


def messages():
    return [Message(offset, now_ns, body) for offset, (now_ns, body) in enumerate(log(), 1)]


def outputs(folder, cut):
    engine = ShardEngine(PLANT, 0, Journal(folder / "journal"), SlotFiles(folder / "slots"))
    engine.restore(None)
    whole = messages()
    return [engine.step(whole[begin : begin + cut]) for begin in range(0, len(whole), cut)]


def finals(steps):
    return {(one.kind, one.tag, (one.start_ns // NS_PER_S - BEGIN) // 60): one
            for step in steps for one in step.figures if one.final}  # fmt: skip


@pytest.mark.parametrize("cut", [7, 100_000])
def test_a_worn_bearing_becomes_one_order(tmp_path, cut):
    steps = outputs(tmp_path, cut)
    found = finals(steps)
    values = [found["health", "vib.velocity", minute].parts["value"] for minute in range(4)]
    assert values == pytest.approx([1.5, 1.5, 3.5, 3.5], rel=1e-3)
    assert [found["health", "vib.velocity", minute].parts["zone"] for minute in range(4)] == [2.0, 2.0, 3.0, 3.0]
    assert [found["running", "state", minute].parts["running_s"] for minute in range(4)] == [60.0, 60.0, 60.0, 20.0]
    due = [found["maintenance", "bearing-wear", minute].parts["due"] for minute in range(4)]
    assert due == [0.0, 0.0, 1.0, 1.0]
    assert found["maintenance", "bearing-wear", 2].about == {"mode": "bearing-wear", "triggers": "zone"}
    inspection = [found["maintenance", "oil", minute].parts["inspection_due"] for minute in range(4)]
    assert inspection == [0.0, 0.0, 1.0, 1.0]  # 172.8 s
    raised = [one for step in steps for one in step.conditions if one.kind == "raised"]
    assert [(one.rule_id, one.asset, one.tag) for one in raised] == [("due", "u/pump", "bearing-wear")]

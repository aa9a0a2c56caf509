"""A washer, an ethylene oxide steriliser and leak tests as messages for a shard engine, and the figures they give."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import orjson

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import Message
from simulators.device import Cause
from simulators.eo_steriliser import EoSteriliser
from simulators.leak_test import LeakTest
from simulators.phases import Phases
from simulators.washer import Washer
from tests.engine_world import IN_MEMORY, open_engine

S, START_S, SEED, TICK_S = 1_000_000_000, 1_774_220_400, 4, 60
WASHER_S, LEAK_S, EO_S = 4 * 3600, 4 * 3600, 12 * 3600
LOW_C, HOLD_S, A0_S = 90.0, 60.0, 600.0  # the washer's program
SETTLE_S, MEASURE_S, MOST_KPA_MIN = 300, 600, 0.13  # the leak test's
RANGES = {"temperature": (46.0, 54.0), "humidity": (40.0, 80.0), "concentration": (450.0, 900.0)}  # the EO program's
WEAK_WASH, LOST_WASH, WORN_TEST, LOW_GAS, DRY = 2, 4, 3, 1, 2  # cycles in which something goes wrong


def during(cycle, kind, what, phases):
    """A cause over whole phases of one cycle."""
    table = Phases(SEED, kind.process, kind.spans_s)
    seconds = [second for second in range(EO_S) if table.at(second)[:2] in {(cycle, one) for one in phases}]
    return Cause(what, kind.asset, seconds[0], seconds[-1] + 1, 0.0)


@cache
def causes():
    """All that goes wrong."""
    return (
        during(WEAK_WASH, Washer, "heater_weak", ("heating", "disinfection")),
        during(LOST_WASH, Washer, "probe_lost", ("disinfection",)),
        during(WORN_TEST, LeakTest, "gasket_worn", ("leak_test",)),
        during(LOW_GAS, EoSteriliser, "gas_low", ("injection",)),
        during(DRY, EoSteriliser, "humidity_falls", ("exposure",)),
    )


def cause_of(asset, hour):
    """As `simulators.device.CauseOf`."""
    mine = (one for one in causes() if one.asset == asset)
    return next((one for one in mine if one.start_s < (hour + 1) * 3600 and one.end_s > hour * 3600), None)


def plant():
    """The three, with a rule on what is released without proof."""
    cel = {"unit": "Cel", "range": [-20.0, 160.0]}
    eo = {
        "name": "eo", "kind": "eo", "hold_s": 3500.0, "equilibration_s": 0.0, "bi_exposed": 1,
        **{f"{name}_range": RANGES[name] for name in ("temperature", "humidity", "concentration")},
    }  # fmt: skip
    templates = [
        {"name": "washer", "series": [
            {"tag": "phase", "kind": "state", "states": list(Washer.spans_s)},
            *({"tag": tag, **cel, "every_s": 1} for tag in ("water_temp", "load_temp")),
        ], "sterilisation": {
            "phase": "phase", "reference": "water_temp", "probes": ["load_temp"], "program": [
                {"name": "instruments", "kind": "disinfection", "temperature": LOW_C, "hold_s": HOLD_S, "a0_s": A0_S}
            ],
        }},
        {"name": "eo", "series": [
            {"tag": "phase", "kind": "state", "states": list(EoSteriliser.spans_s), "every_s": 10},
            *({"tag": tag, **cel, "every_s": 10} for tag in ("chamber_temp", "load_temp")),
            {"tag": "humidity", "unit": "%", "every_s": 10}, {"tag": "gas", "unit": "mg/L", "every_s": 10},
            {"tag": "pressure", "unit": "kPa", "every_s": 10},
        ], "sterilisation": {
            "phase": "phase", "reference": "chamber_temp", "probes": ["load_temp"], "humidity": "humidity",
            "concentration": "gas", "pressure": "pressure", "program": [eo],
        }},
        {"name": "leak", "series": [
            {"tag": "phase", "kind": "state", "states": list(LeakTest.spans_s)},
            {"tag": "chamber_pressure", "unit": "kPa", "every_s": 1}, {"tag": "drain_temp", **cel, "every_s": 1},
        ], "sterilisation": {
            "phase": "phase", "reference": "drain_temp", "pressure": "chamber_pressure", "program": [
                {"name": "leak", "kind": "leak_test", "settle_s": SETTLE_S, "hold_s": MEASURE_S,
                 "leak_kpa_min": MOST_KPA_MIN, "vacuum_kpa": 7.0}
            ],
        }},
    ]  # fmt: skip
    on = {"on": f"{EoSteriliser.asset}/chamber_temp", "above": 0.5, "raises": "quality_event"}
    rules = [
        {"id": "unproven", "figure": "load_release.unproven", **on},
        {"id": "unproven-now", "figure": "load_release.unproven_now", "each": True, **on},
        {"id": "failed-now", "figure": "load_release.failed_now", "each": True, **on},
    ]
    assets = ((Washer.asset, "washer"), (EoSteriliser.asset, "eo"), (LeakTest.asset, "leak"))
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "s1"}, "template": templates,
                "time": {"lateness_s": 5.0, "idle_s": 60.0, "correct_for_h": 48.0},
                "asset": [{"path": path, "template": name} for path, name in assets],
                "rule": rules, "route": [{"raises": "quality_event"}],
            }
        )
    )  # fmt: skip


def rows():
    """(second, body) of all that the devices send."""
    found = []
    for kind, seconds in ((Washer, WASHER_S), (EoSteriliser, EO_S), (LeakTest, LEAK_S)):
        device, states = kind(SEED, cause_of), list(kind.spans_s)
        for second in range(seconds):
            for tag, value in device.step():
                told = states.index(value) if isinstance(value, str) else value
                found.append((second, body(second, kind.asset, tag=tag, value=told)))
    return found


def body(second, asset, **more):
    """One JSON reading or event."""
    return orjson.dumps({"ts": (START_S + second) * 1000, "asset": asset, **more})


def run(events=()):
    """(every figure that was told and is final, changes of alarms). events: (second of arrival, body)."""
    stretches = {}
    for second, one in [*((second, body) for second, body in rows()), *events]:
        stretches.setdefault(second // TICK_S, []).append(one)
    log = []
    for number in range(EO_S // TICK_S + 30):
        end_s = (number + 1) * TICK_S
        several = [b"\n".join(stretches[number])] if number in stretches else []
        several.append(orjson.dumps({"ts": (START_S + end_s) * 1000, "event": "tick"}))
        log += [Message(len(log) + 1 + place, (START_S + end_s) * S, one) for place, one in enumerate(several)]
    figures, changes = [], []
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        engine = open_engine(plant(), Path(name))
        engine.restore(None)
        for begin in range(0, len(log), 200):
            done = engine.step(log[begin : begin + 200])
            figures += [one for one in done.figures if one.final]
            changes += done.conditions
    return figures, changes

"""Compiles every numba kernel into the cache, so that the first start is not the slow one.

python -m service.warm
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import orjson

from andon.config.declared import DeclaredWindow
from andon.plant import PlantModel
from andon.readings import NS_PER_MS, NS_PER_S, Message
from andon.slots import SlotFiles
from detectors.alarm_manager import AlarmManager
from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector
from detectors.mewma import MewmaDetector
from flows.influx import OutputEncoder
from flows.shard import ShardEngine
from operators import health_machine, humidity_kernel, line_kernel, spc_capability
from operators.classes import scorers
from operators.contacts import Warming
from operators.journey_setup import Shocks
from operators.shock_machine import Pulses
from service.qualify import coldchain, spc, sterilisation
from simulators.truth import demo_plant
from sinks import journal_kernels
from sinks.journal import Journal
from sinks.journal_format import ROW, decode, encode
from sources.kafka.gather import compile_kernels
from sources.ticks import tick_body
from sources.wire_arrow import arrow_message
from sources.wire_sparkplug import Sent, Tag, birth, data, framed

START_NS = 1_767_225_600 * NS_PER_S


def warm() -> float:
    """Run the demo plant's engine over a minute of readings; returns the seconds it took."""
    began = time.perf_counter()
    compile_kernels()
    plant = _with_windows(demo_plant())
    with tempfile.TemporaryDirectory() as name:
        for shard in range(plant.config.transport.shards):
            folder = Path(name) / str(shard)
            engine = ShardEngine(plant, shard, Journal(folder / "journal"), SlotFiles(folder / "slots"))
            engine.restore(None)
            outputs = engine.step(_messages(plant, shard))
            engine.snapshot()
            OutputEncoder(plant).encode(outputs)
    _others()
    return time.perf_counter() - began


def _others() -> None:
    """Kernels that the demo plant has no need of."""
    journal_kernels.compile_kernels()
    sterilisation.BINDINGS["f0"].batches({"t": [0.0, 1.0], "T": [121.0, 121.0]}, 1)  # type: ignore[misc]  # it streams
    spc.BINDINGS["nelson"].batches({"z": [0.0, 1.0]}, 1)  # type: ignore[misc]  # it streams
    coldchain.BINDINGS["excursion"].batches({"t_min": [0, 9], "T": [5, 9], "hi": 8}, 1)  # type: ignore[misc]  # it streams
    coldchain.BINDINGS["who"].batches({"rule": "heat8", "seg": [[9, 9]]}, 1)  # type: ignore[misc]  # it streams
    three = np.arange(3)
    Warming(1, 0.5).take(three * NS_PER_S, np.zeros(3))
    Pulses(Shocks((1.0,), (1,), 1.0), 0).take(three, np.zeros(3, np.int32), np.zeros(3), 0, 3, 3)
    _detectors()
    scorers(np.zeros(3, np.int32), np.zeros(3, np.uint8), np.zeros(3, np.uint8), np.zeros(1, np.uint8))
    health_machine.compile_kernels()
    humidity_kernel.compile_kernels()
    line_kernel.compile_kernels()
    spc_capability.compile_kernels()
    for most in (2**8, 2**16, 2**32):  # each width of a column
        decode(encode({name: (three * (most - 1) // 2).astype(ROW[name]) for name in ROW.names or ()}))


def _detectors() -> None:
    """Those that the demo plant does without."""
    rows = 64
    time_ns, value = np.arange(rows) * NS_PER_S, np.linspace(0.0, 6.0, rows)
    for one in (EwmaDetector(1), EnsembleDetector(1)):
        one.score_many(np.zeros(rows, np.int32), time_ns, value)
    AlarmManager(1).step(np.zeros(rows, np.int32), time_ns, value)
    MewmaDetector(2, 32).score_many(time_ns, np.stack([value, -value], axis=1), contributions=True)


def _with_windows(plant: PlantModel) -> PlantModel:
    """The plant with a declared window of each kind, which the demo does without."""
    common = {"template": plant.config.template[0].name, "statistics": ("count", "time_weighted_mean")}
    windows = (
        DeclaredWindow(id="hopping", kind="hopping", size_s=60.0, hop_s=30.0, **common),
        DeclaredWindow(id="session", kind="session", gap_s=30.0, **common),
    )
    return PlantModel(plant.config.model_copy(update={"window": windows}), plant.pins)


def _messages(plant: PlantModel, shard: int) -> list[Message]:
    messages: list[Message] = []
    for second in range(120):
        now_ns = START_NS + second * NS_PER_S
        for spec in plant.series.values():
            if plant.shard_of(spec.asset) == shard:
                at = now_ns - (9 * NS_PER_S if second % 20 == 7 else 0)
                row = {"ts": at // NS_PER_MS, "asset": spec.asset, "tag": spec.tag, "value": second % 2}
                messages.append(Message(len(messages) + 1, now_ns, orjson.dumps(row)))
        messages.append(Message(len(messages) + 1, now_ns, tick_body(now_ns)))
    messages.append(Message(len(messages) + 1, START_NS + 120 * NS_PER_S, bytes(5)))  # framed, of an unknown schema
    for body in _other_formats(plant, shard):
        messages.append(Message(len(messages) + 1, START_NS + 120 * NS_PER_S, body))
    return messages


def _other_formats(plant: PlantModel, shard: int) -> list[bytes]:
    """A message of each format beside JSON."""
    at_ms = (START_NS + 120 * NS_PER_S) // NS_PER_MS
    spec = next(spec for spec in plant.series.values() if plant.shard_of(spec.asset) == shard)
    reading = {"ts": at_ms, "asset": spec.asset, "tag": spec.tag, "value": 1.0}
    return [
        *[arrow_message([reading])] * 3,  # from the third on by their form
        framed("NBIRTH", "warm", "node", birth([Sent(Tag("x", 1), 1.0), Sent(Tag("y"), 1.0)], at_ms, 0)),
        framed("NDATA", "warm", "node", data([Sent(Tag("x", 1), 1.0)], at_ms, 1)),
    ]


if __name__ == "__main__":
    print(f"kernels ready in {warm():.1f} s")  # noqa: T201 - a command

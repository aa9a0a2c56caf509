"""A small plant, messages for it, and a shard engine run over them in any cut; for several test files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson

from andon.conditions import ConditionChange
from andon.config.models import Plant
from andon.outputs import ShardOutputs
from andon.plant import PlantModel
from andon.readings import Message
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from sinks.journal import Journal

S = 1_000_000_000
START_NS = 1_767_225_600 * S
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # thousands of fsyncs are not what is tested here


def plant(**sections) -> PlantModel:
    """A filler with OEE, a cold room, a pump that is scored; short figure windows."""
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "s1"},
                "windows": {"pane_s": 5.0, "sizes_s": [10.0, 60.0], "hopping_s": [[20.0, 5.0]], "figures_s": 60.0},
                "time": {"lateness_s": 5.0, "idle_s": 30.0, "correct_for_h": 100.0},
                "template": [
                    {
                        "name": "filler",
                        "series": [
                            {"tag": "state", "kind": "state", "states": "packml"},
                            {"tag": "total", "kind": "counter"}, {"tag": "good", "kind": "counter"},
                        ],
                        "oee": {"state": "state", "total": "total", "good": "good"},
                    },
                    {
                        "name": "room",
                        "series": [{"tag": "air", "unit": "Cel", "range": [-30.0, 60.0]}],
                        "cold_chain": {"temperature": "air"},
                    },
                    {"name": "pump", "series": [{"tag": "vibration", "unit": "mm/s", "detect": True}]},
                ],
                "asset": [
                    {"path": "line1/filler", "template": "filler"}, {"path": "cold/room", "template": "room"},
                    {"path": "util/pump", "template": "pump"},
                ],
                "cycle": [{"asset": "line1/filler", "seconds": 1.0}],
                "rule": [
                    {"id": "warm", "on": "cold/*/air", "above": 8.0, "deadband": 0.5, "delay_s": 10.0,
                     "raises": "quality_event"},
                    {"id": "silent", "on": "util/*/vibration", "stale_s": 60.0, "raises": "maintenance_order"},
                ],
                "route": [{"raises": "quality_event"}, {"raises": "maintenance_order"}],
                **sections,
            }
        )
    )  # fmt: skip


def body(time_ns: int, asset: str, tag: str, value: object, **more: object) -> bytes:
    """One JSON reading."""
    return orjson.dumps({"ts": time_ns // 1_000_000, "asset": asset, "tag": tag, "value": value, **more})


def tick(time_ns: int) -> bytes:
    """One tick."""
    return orjson.dumps({"ts": time_ns // 1_000_000, "event": "tick"})


@dataclass
class Seen:
    """Everything an engine gave out, in order, as plain values."""

    windows: list[tuple[object, ...]] = field(default_factory=list)
    figures: list[tuple[object, ...]] = field(default_factory=list)
    conditions: list[dict[str, object]] = field(default_factory=list)
    ledger: list[tuple[object, ...]] = field(default_factory=list)
    dead: list[tuple[object, ...]] = field(default_factory=list)
    readings: int = 0

    def take(self, outputs) -> None:
        """Add one step's outputs."""
        paths, rows = outputs.paths, outputs.windows
        names = [name for name in rows.__slots__ if name != "series"]
        self.windows += [
            (paths[int(rows.series[at])], *(repr(getattr(rows, name)[at].item()) for name in names))
            for at in range(len(rows))
        ]
        self.figures += [
            (one.asset, one.kind, one.start_ns, one.revision, one.final, repr(dict(one.parts)))
            for one in outputs.figures
        ]
        self.conditions += [asdict(change) for change in outputs.conditions]
        for one in outputs.ledger:
            columns = zip(one.series, one.hour_ns, one.received, one.counted, one.late, one.duplicate, one.bad,
                          one.dead, one.conflict, strict=True)  # fmt: skip
            self.ledger += [(one.as_of, paths.get(int(row[0])), *map(int, row[1:])) for row in columns]
        dead = outputs.dead
        self.dead += [
            (int(dead.offset[at]), int(dead.line[at]), int(dead.reason[at]), bytes(dead.raw[at]))
            for at in range(len(dead))
        ]
        self.readings += outputs.readings

    def final_windows(self) -> dict[tuple[object, ...], tuple[object, ...]]:
        """The last version of each window: (path, size, start) -> the rest."""
        return {row[:3]: row[3:] for row in self.windows}


def run(messages: list[tuple[int, bytes]], cut: int, *, model: PlantModel | None = None, restart: bool = False) -> Seen:
    """(received_ns, body) in steps of `cut` messages; restart: a new engine from the snapshot after every step."""
    seen = Seen()
    for outputs in _steps(model or plant(), messages, cut, restart=restart):
        seen.take(outputs)
    return seen


class Figures(NamedTuple):
    """What a run told. running: (kind, parts) of the figures that were not final, in order."""

    final: dict[tuple[str, str, int], tuple[int, dict[str, object], dict[str, object]]]  # kind, tag, start -> the rest
    running: list[tuple[str, dict[str, object]]]
    raised: list[ConditionChange]


def figures(model: PlantModel, messages: list[tuple[int, bytes]], cut: int) -> Figures:
    """The figures, the newest of each, and the alarms that (received_ns, body) give in steps of `cut` messages."""
    found = Figures({}, [], [])
    for outputs in _steps(model, messages, cut):
        for one in outputs.figures:
            if one.final:
                found.final[one.kind, one.tag, one.start_ns] = (one.end_ns, dict(one.parts), dict(one.about))
            else:
                found.running.append((one.kind, dict(one.parts)))
        found.raised.extend(change for change in outputs.conditions if change.kind == "raised")
    return found


def _steps(
    model: PlantModel, messages: list[tuple[int, bytes]], cut: int, *, restart: bool = False
) -> Iterator[ShardOutputs]:
    log = [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(messages)]
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        engine = open_engine(model, Path(name))
        engine.restore(None)
        for begin in range(0, len(log), cut):
            yield engine.step(log[begin : begin + cut])
            if restart:
                state = engine.snapshot()
                engine = open_engine(model, Path(name))
                engine.restore(state)


def open_engine(model: PlantModel, folder: Path) -> ShardEngine:
    """An engine over a folder of its own."""
    return ShardEngine(model, 0, Journal(folder / "journal"), SlotFiles(folder / "slots"))

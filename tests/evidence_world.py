"""A cold room that was too warm for a while, run through the real engine and writers, for the tests of evidence."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from andon.clock import ManualClock
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.readings import Message
from andon.records import SYSTEM_FLOW, AlarmRecord, Records
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from service.rules import register_rules
from service.web.room import Room
from sinks.history import HistoryReader, HistoryWriter
from sinks.journal import Journal
from tests.engine_world import START_NS, S, body, plant, tick

ROOM_AIR = ("cold/room", "air")


def evidence_plant() -> PlantModel:
    """The plant of the engine's tests, with a name and texts for people."""
    content = plant().config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    content["site"] |= {"name": "Suzhou 1", "timezone": "Asia/Shanghai"}
    content["erp"] = {"url": "http://127.0.0.1:9/andon"}  # nobody sends to it
    content["rule"][0] |= {
        "consequence": {"en": "Product may be lost.", "zh-CN": "产品可能报废。"},
        "response": {"en": "Close the door.", "zh-CN": "请关门。"}, "priority": "high", "name": {"en": "Room too warm"},
    }  # fmt: skip
    return PlantModel(Plant.model_validate(content))


def warm_hour(late: bool = True) -> list[tuple[int, bytes]]:  # read as a name at the call
    """(received_ns, body): 30 min at 5 Cel, 10 min up to 11 Cel, 20 min back; a door, a lot, late and bad rows."""
    rows: list[tuple[int, bytes]] = []
    told = {"order": "WO-7", "product": "VIAL-10", "lot": "L2601", "calibration": "CERT-118"}
    rows.append((START_NS, orjson.dumps({
        "ts": START_NS // 10**6, "asset": "cold/room", "event": "order.started", "data": told,
    })))  # fmt: skip
    for at in range(0, 3600, 10):
        value = 5.0 + 6.0 * float(np.interp(at, [1800, 2400, 3000], [0.0, 1.0, 0.0])) + 0.05 * (at // 10 % 3)
        stamp = START_NS + at * S
        if at == 600:
            rows.append((stamp + S, body(stamp, *ROOM_AIR, 5.0, q=0)))  # bad
        elif not (late and at == 2200):
            rows.append((stamp + S, body(stamp, *ROOM_AIR, value)))
        rows.append((stamp + S, body(stamp, "util/pump", "vibration", 1.0 + at % 7)))
        rows.append((stamp + 2 * S, tick(stamp + 2 * S)))
        if late and at == 2500:
            missing = START_NS + 2200 * S
            rows.append((stamp + 3 * S, body(missing, *ROOM_AIR, 10.9)))
    return rows


@dataclass
class EvidenceWorld:
    """A site on disk. `run` takes more of the log; `room` is what evidence is collected from."""

    folder: Path
    plant: PlantModel
    segment_rows: int = 131_072

    def __post_init__(self) -> None:
        self.data = DataFolder(self.folder / "data")
        self.data.create(self.plant.config.site.id, 1)
        self.clock = ManualClock(START_NS + 4000 * S)
        self.records = Records(self.data.records_db, self.plant.config.site.id, self.clock).open()
        register_rules(self.plant, self.records)
        self.journal = Journal(self.data.journal(0), self.segment_rows)
        self.engine = ShardEngine(self.plant, 0, self.journal, SlotFiles(self.data.slots(0)))
        self.engine.restore(None)
        self.history = HistoryWriter(self.data.history_db(0), 0)
        self.offset = 0
        self.room = Room(
            self.plant, self.records, HistoryReader([self.data.history_db(0)]), [], [], self.clock, self.data
        )

    def run(self, log: list[tuple[int, bytes]], cut: int = 40) -> None:
        """Messages through engine and writers, a snapshot after each cut."""
        for begin in range(0, len(log), cut):
            messages = []
            for received_ns, raw in log[begin : begin + cut]:
                self.offset += 1
                messages.append(Message(self.offset, received_ns, raw))
            outputs = self.engine.step(messages)
            self.records.apply_conditions(outputs.conditions, SYSTEM_FLOW)
            self.history.write(outputs)
            self.engine.snapshot()

    def alarm(self, rule_id: str = "warm") -> AlarmRecord:
        """The newest alarm of a rule."""
        return next(one for one in self.records.alarms() if one.rule_id == rule_id)

    def close(self) -> None:
        """Let go of every file."""
        self.room.history.close()
        self.history.close()
        self.journal.close()
        self.records.close()


class EvidenceCopy:
    """A copy of a world's files, to be tampered with; it takes no more of the log."""

    def __init__(self, world: EvidenceWorld, folder: Path) -> None:
        shutil.copytree(world.data.path, folder / "data")
        self.data = DataFolder(folder / "data")
        self.records = Records(self.data.records_db, world.plant.config.site.id, world.clock).open()
        self.room = Room(world.plant, self.records, HistoryReader([]), [], [], world.clock, self.data)
        self.alarm = world.alarm

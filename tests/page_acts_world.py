"""What people find when a shift is under way: an upset, alarms in every state, lots on hold, proposals, readings.

It is put on top of the plant of `tests.page_fixture`. `python -m tests.page_acts_world PORT` serves it.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from andon.conditions import ConditionChange
from andon.erp_state import ErpState
from andon.readings import NS_PER_S, Readings
from andon.records import SYSTEM_FLOW, SYSTEM_QUALITY, SYSTEM_SENDER, SYSTEM_SUPERVISOR, Actor, DeliveryResult
from andon.records.actors import SYSTEM_ERP
from andon.records.policy import Policy
from service.quality import known
from sinks.journal import Journal
from tests.page_fixture import AUTOCLAVE, CNC, COMPRESSOR, FILLER, NOW_NS, ROOM, PagePlant, Served, keep_moving, signal

ENGINEER = Actor("zhao", "Zhao Lei", "engineer", "10.0.0.9")
SECOND = ("li.wei", "a second pair of eyes")  # user and password of the second person
READ = (
    (ROOM, "air"),
    (CNC, "spindle_temp"),
    (COMPRESSOR, "oil_temp"),
    (COMPRESSOR, "vibration"),
)  # series whose readings are kept


class ActsPlant:
    """The plant with its acts; keys: alarms by what they stand for."""

    def __init__(self, plant: PagePlant) -> None:
        self.plant, self.records = plant, plant.records
        self.keys: dict[str, str] = {one.rule_id: one.key for one in self.records.alarms()}
        self.room = replace(plant.room, data=plant.data)
        self.records.policy = Policy.of(plant.plant.config)
        self.records.create_user(SECOND[0], "Li Wei", "operator", SECOND[1], SYSTEM_SUPERVISOR, "fixture")
        self._readings()
        self._upset()
        self._states()
        self._late_data()
        self._erp()
        self._quality()

    def tell(self, name: str, *changes: ConditionChange) -> None:
        """Apply changes of one alarm, which is known by the name from then on."""
        self.records.apply_conditions(changes, SYSTEM_FLOW)
        first = changes[0]
        self.keys[name] = next(
            one.key for one in self.records.alarms()
            if (one.asset, one.rule_id, one.start_ns) == (first.asset, first.rule_id, first.start_ns)
        )  # fmt: skip

    def _readings(self) -> None:
        """The journal's rows of some series over three hours."""
        for shard in range(self.plant.plant.config.transport.shards):
            mine = [path for path in self.plant.plant.series if self.plant.plant.shard_of(path[0]) == shard]
            journal = Journal(self.plant.data.journal(shard))
            journal.name_series("".join(f"{asset}/{tag}\n" for asset, tag in mine).encode())
            at = np.arange(-10_800, 0, 10)
            time_ns = NOW_NS + at * NS_PER_S
            for path in [one for one in READ if one in mine]:
                count = len(at)
                journal.append(
                    Readings(
                        time_ns, np.full(count, mine.index(path), np.int32), signal(*path, at.astype(float)),
                        np.zeros(count, np.uint8), np.arange(count, dtype=np.int64), time_ns + NS_PER_S,
                    ),
                    time_ns - 10 * NS_PER_S, 0,
                )  # fmt: skip
            journal.flush()
            journal.close()

    def _upset(self) -> None:
        """One upset of the compressor: what it began with, and what followed."""
        change = self.plant.change
        self.tell("cause", change("raised", "sensor-stale", COMPRESSOR, "oil_temp", -1500, None, 60, 90, "stale", "s"))
        self.tell(
            "follower", change("raised", "sensor-stuck", COMPRESSOR, "pressure", -1400, None, 300, 320, "stuck", "s")
        )
        raised = change("raised", "compressor-anomaly", COMPRESSOR, "current", -1300, None, 6, 8.1, "anomaly", "1")
        self.tell("worse", replace(raised, priority="high", evidence={"value": 120.0, "value_unit": "A"}))

    def _states(self) -> None:
        """A latched alarm, and one that its rule's schedule silences."""
        told = ("plateau-low", AUTOCLAVE, "plateau_temp", -5000, -4900, 121.0, 119.4, "below", "Cel")
        self.tell(
            "latched", *(replace(self.plant.change(kind, *told), latching=True) for kind in ("raised", "cleared"))
        )
        raised = self.plant.change("raised", "fill-weight", FILLER, "fill_g", -500, None, 10.15, 10.19, "outside", "g")
        self.tell("suppressed", replace(raised, suppressed_by="schedule"))

    def _late_data(self) -> None:
        """A start that late data moved, and an alarm that became a part of another one."""
        hot = self.plant.change("raised", "spindle-hot", CNC, "spindle_temp", -900, None, 65.0, 69.0, "above", "Cel")
        moved = replace(hot, kind="revised", begun_ns=hot.start_ns - 240 * NS_PER_S, offset=hot.offset + 1)
        self.tell("moved", hot, moved)
        told = ("fill-weight", FILLER, "fill_g")
        one, other = (
            self.plant.change("cleared", *told, start, end, 10.15, 10.2, "outside", "g")
            for start, end in ((-3600, -3400), (-3300, -3200))
        )
        self.tell("whole", one)
        merged = replace(other, kind="revised", merged_into_ns=one.start_ns, voided=True, offset=other.offset + 1)
        self.tell("merged", other, merged)

    def _erp(self) -> None:
        """What waits is delivered, and the ERP says how one of its records stands."""
        number = 100
        while (order := self.records.claim_order("fixture", 30.0, SYSTEM_SENDER)) is not None:
            number += 1
            told = DeliveryResult("delivered", 201, external_id=f"4{number}", external_number=f"QE-2026-00{number}")
            self.records.finish_order(order, told, SYSTEM_SENDER)
        self.records.erp_answered(self.keys["cold-room-high"], ErpState("In review", closed=False), SYSTEM_ERP)

    def _quality(self) -> None:
        """Two lots on hold and two proposals."""
        room, spindle = self.records.alarm(self.keys["cold-room-high"]), self.records.alarm(self.keys["moved"])
        for lot in ("L2601", "L2602"):
            self.records.hold_lot(room.key, lot, "VIAL-10", SYSTEM_QUALITY)
        context = {**known(room), "product": "VIAL-10", "lot": "L2601"}
        self.records.propose_capa(room.key, "severe", room.key, context, SYSTEM_QUALITY)
        same = [self.keys["spindle-hot"], spindle.key]
        self.records.propose_capa(
            spindle.key, "repeated", "spindle", {**known(spindle), "alarms": same}, SYSTEM_QUALITY
        )


def main() -> None:
    """Serve it on 127.0.0.1:PORT with the values moving on; prints addresses that log in once."""
    with tempfile.TemporaryDirectory() as folder:
        acts = ActsPlant(PagePlant(Path(folder) / "data").fill())
        served = Served(acts.room, int(sys.argv[1]), idle_lock=False)
        for _ in range(20):
            sys.stdout.write(f"{served.address}/?token={acts.plant.token('quality')}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            keep_moving(acts.plant, threading.Event())
        served.close()
        acts.plant.close()


if __name__ == "__main__":
    main()

"""Excursions that late rows move, merge and void, and a site that is killed and edited while it tells of them."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from andon.clock import ManualClock
from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import Message
from andon.records import SYSTEM_SENDER, Records
from andon.slots import SlotFiles
from flows.edits import RuleEdits
from flows.quarantine import Quarantine
from flows.shard import ShardEngine
from flows.stage import EngineStage
from flows.writers import RecordsPartition
from sinks.erp.port import SendError
from sinks.erp.stub import Faults, StubErp, listen, server
from sinks.erp.stub_store import StubStore
from sinks.erp.webhook import WebhookConnector
from sinks.journal import Journal
from sinks.outbox import Sender
from sources.batch import Batch
from tests.condition_logs import Row, Tick
from tests.late_logs import conditions, in_order
from tests.records_world import SECRET

S = 1_000_000_000
START_NS = 1_767_225_600 * S
ASSET, TAG = "cold/room", "air"
COOL, HOT = 5.0, 12.0
RAMP, RAMP_S = 8.5, 4  # so begins a plain one: where it starts depends on the limit
KINDS = ("plain", "moved", "end", "merged", "voided", "found")
LIMITS = (8.0, 7.0, 9.0)  # of the rule and its edits
DELAY_S, OFF_DELAY_S = 10, 15
APART_S = 230  # from one excursion to the next
LEASE_S = 60.0


def plant(limit: float = LIMITS[0], **more: object) -> PlantModel:
    """A cold room with one rule."""
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "s1"},
                "windows": {"pane_s": 5.0, "sizes_s": [60.0]},
                "template": [{"name": "room", "series": [{"tag": TAG, "unit": "Cel", "every_s": 1.0}]}],
                "asset": [{"path": ASSET, "template": "room"}],
                "rule": [
                    {"id": "warm", "on": "cold/*/air", "above": limit, "delay_s": float(DELAY_S),
                     "off_delay_s": float(OFF_DELAY_S), "raises": "quality_event", **more},
                ],
                "route": [{"raises": "quality_event"}],
                "erp": {"url": "http://127.0.0.1:1"},
            }
        )
    )  # fmt: skip


@dataclass
class Story:
    """A log in the order of arrival, one reading and one tick a second.

    log: (received s, event time s or None for a tick, value). true: begin and end of what really was, s.
    """

    log: list[tuple[int, int | None, float]] = field(default_factory=list)
    true: list[tuple[int, int]] = field(default_factory=list)

    @property
    def messages(self) -> list[Message]:
        """As a shard's log has them."""
        return [Message(offset, *one) for offset, one in enumerate(log_bodies(self, START_NS), 1)]

    def judged_in_order(self) -> list[tuple[object, ...]]:
        """What the slow twin of the rules makes of the same readings when each comes in time."""
        log = [
            Tick(START_NS + received_s * S) if time_s is None
            else Row(0, START_NS + time_s * S, value, float("nan"), 0, START_NS + received_s * S)
            for received_s, time_s, value in self.log
        ]  # fmt: skip
        model = plant()
        return conditions(in_order(model.config.rule, log, [model.series[ASSET, TAG]]))


def log_bodies(told: Story, begin_ns: int) -> list[tuple[int, bytes]]:
    """(received ns, body) of each message, the story beginning at `begin_ns`."""
    made = []
    for received_s, time_s, value in told.log:
        at_s = received_s if time_s is None else time_s
        what: dict[str, object] = {"ts": (begin_ns + at_s * S) // 1_000_000}
        what |= {"event": "tick"} if time_s is None else {"asset": ASSET, "tag": TAG, "value": value}
        made.append((begin_ns + received_s * S, orjson.dumps(what)))
    return made


def story(rng: random.Random, kinds: Sequence[str]) -> Story:
    """One excursion of each kind, in turn."""
    out, at = Story(), 100
    values: dict[int, float] = {}
    held: dict[int, int] = {}  # event time -> when it comes
    for kind in kinds:
        lasts = rng.randint(40, 70)
        hot, late, true = _excursion(rng, kind, at, lasts)
        values |= dict.fromkeys(hot, HOT)
        if kind == "plain":
            values |= dict.fromkeys(hot[:RAMP_S], RAMP)
        arrives = at + 130 + rng.randint(0, 20)
        held |= {one: arrives + rng.randint(0, 2) for one in late}
        out.true += true
        at += APART_S
    for second in range(at + 90):
        came = [one for one, when in held.items() if when == second]
        rng.shuffle(came)
        if second not in held:
            out.log.append((second, second, values.get(second, COOL)))
        out.log += [(second, one, values.get(one, COOL)) for one in came]
        out.log.append((second, None, 0.0))
    return out


def _excursion(
    rng: random.Random, kind: str, at: int, lasts: int
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Event times that are hot, those that come late, and what really was."""
    end = at + lasts
    hot, true = list(range(at, end)), [(at, end)]
    if kind == "moved":  # live it began later
        return hot, hot[: rng.randint(5, 12)], true
    if kind == "end":  # live it seemed to go on: its return came late
        return hot, list(range(end, end + 20)), true
    if kind == "found":  # nothing of it came in time
        return hot, hot, true
    if kind == "voided":  # one hot reading, held for longer than the delay, while what followed was on its way
        return [at], list(range(at + 1, at + lasts)), []
    if kind == "merged":  # two, with a hot reading between them that came late
        again = end + OFF_DELAY_S + 7
        middle = end + 11
        return [*hot, middle, *range(again, again + 20)], [middle], [(at, again + 20)]
    return hot, [], true


class LateErp(StubErp):
    """A stub that may also begin its work only when nobody waits for the answer any more."""

    async def _answered(self, request: Any, fault: str | None, work: Any) -> Any:
        if fault == "late":
            await asyncio.sleep(self.faults.slow_s)
        return await super()._answered(request, fault, work)


@contextmanager
def erp(folder: Path, faults: Faults, *, unique: bool = True) -> Iterator[tuple[str, StubStore]]:
    """A running stub ERP: its address and its store."""
    store, listening = StubStore(folder / "erp.db", unique=unique), listen(0)
    running = server(LateErp(store, SECRET, faults))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", store
    finally:
        running.should_exit = running.force_exit = True
        thread.join(10)
        listening.close()
        store.close()


class Site:
    """Flow, records and sender of one shard in this process. Being killed is going on from what is kept on disk."""

    def __init__(self, folder: Path, url: str, messages: Sequence[Message], rng: random.Random) -> None:
        self.folder, self.rng, self.messages, self.url = folder, rng, messages, url
        self.clock, self.lives = ManualClock(START_NS), 0
        self.model, self.at, self.kept = plant(), 0, (0, None)
        self.records = Records(folder / "records.db", "s1", self.clock).open()
        self._into = RecordsPartition(self.records)
        self._start_flow()
        self.start_sender()

    def read(self, count: int, *, written: bool = True) -> None:
        """The flow takes the next messages; written False: it dies before what came of them is in the records."""
        part = self.messages[self.at : self.at + count]
        if part:
            self.clock.time_ns = max(self.clock.time_ns, part[-1].received_ns)
            outputs, _ = self._stage.on_batch([Batch(0, part)])
            self.at += len(part)
            if written:
                self._into.write_batch(list(outputs))

    def keep(self) -> None:
        """The end of an epoch."""
        self.kept = (self.at, self._stage.snapshot())

    def kill_flow(self) -> None:
        """Back to the last epoch."""
        self.at = self.kept[0]
        self._start_flow()

    def edit(self, limit: float, **more: object) -> None:
        """Start with another plant.toml; what was not kept is read again."""
        self.model = plant(limit, **more)
        self.clock.advance(0.5)
        self.kill_flow()

    def _start_flow(self) -> None:
        def fresh(_shard: int) -> ShardEngine:
            return ShardEngine(self.model, 0, Journal(self.folder / "journal"), SlotFiles(self.folder / "slots"))

        self._stage = EngineStage(
            self.kept[1], lambda shard: (fresh(shard), Quarantine(self.folder / "q.json")),
            edits=lambda _: RuleEdits(self.folder / "rules.json", self.model.config.rule, self.clock), reopen=fresh,
        )  # fmt: skip

    def start_sender(self) -> None:
        """A new one; what the one before had under lease is due when that has run out."""
        self.lives += 1
        if self.lives > 1:
            self.connector.close()
        self.connector = WebhookConnector(self.url, SECRET, timeout_s=0.25)
        self.sender = Sender(
            self.records, self.connector, self.clock, lease_s=LEASE_S, gaps_s=(1.0,), max_refusals=99,
            owner=f"sender-{self.lives}", rng=self.rng,
        )  # fmt: skip

    def kill_sender(self, *, posted: bool) -> None:
        """It dies with an order under lease; posted: the ERP had taken it, and the answer was not noted."""
        item = self.records.claim_order(f"sender-{self.lives}", LEASE_S, SYSTEM_SENDER)
        if item is not None and posted:
            try:
                found = self.connector.find(item.order_key) if item.attempt > 1 else None
                if found is None:
                    self.connector.open(item.kind, item.order_key, item.body.encode())
            except SendError:
                pass
        self.start_sender()

    def close(self) -> None:
        """Let the connections go."""
        self.connector.close()
        self.records.close()

    def finish(self) -> None:
        """Everything is read and delivered."""
        while self.at < len(self.messages):
            self.read(200)
        for _ in range(500):
            counts = self.records.order_counts()
            if counts["pending"] == counts["leased"] == 0:
                return
            self.sender.step()
            self.clock.advance(30)
        raise AssertionError(f"orders are left: {self.records.order_counts()}")


def held(store: StubStore) -> list[dict[str, Any]]:
    """The records of the ERP as it holds them now: what the newest event told."""
    return [{**one, "data": json.loads(one["body"])["data"]} for one in store.records()]


def begin_s(data: dict[str, Any], begin_ns: int = START_NS) -> float:
    """Begin of what a record tells, s of the story."""
    return datetime.fromisoformat(data.get("begun") or data["start"]).timestamp() - begin_ns / S


def faults_of(
    true: Sequence[tuple[int, int]], store: StubStore, records: Records, begin_ns: int = START_NS
) -> list[str]:
    """What is wrong in the ERP, as sentences: each excursion that really was has one standing record, no other has."""
    found = held(store)
    wrong = [f"doubled: {count}"] if (count := store.stats()["doubled"]) else []
    alarms = {one.key: one for one in records.alarms() if one.rule_id == "warm"}
    if {one["key"]: one["revision"] for one in found} != {key: one.revision for key, one in alarms.items()}:
        return [*wrong, "the ERP holds other records or revisions than there are alarms"]
    standing = [one for one in found if not one["data"].get("voided")]
    ends = {
        key: float("inf") if one.cleared_ns is None else (one.cleared_ns - begin_ns) / S for key, one in alarms.items()
    }
    spans = sorted((begin_s(one["data"], begin_ns), ends[one["key"]]) for one in standing)
    for begin, end in true:
        mine = [one for one in spans if one[0] < end and begin < one[1]]
        if len(mine) != 1:
            wrong.append(f"excursion {begin}-{end} s has {len(mine)} standing records: {mine}")
    if len(standing) != len(true):
        wrong.append(f"{len(standing)} standing records of {len(true)} excursions: {spans}")
    for one in found:
        into = one["data"].get("merged_into")
        if into is not None and into not in {other["key"] for other in standing}:
            wrong.append(f"{one['key']} is merged into {into}, which is no standing record")
    return wrong

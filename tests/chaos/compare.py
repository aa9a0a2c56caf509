"""The checker: what a run left behind, row by row against the undisturbed run, and against the simulators' truth.

Every row is compared with all its values; left out is only what says when on the machine's clock, or in which cut of
the log, a row was written.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.records import Records, verify_audit
from andon.records.rows import AlarmRecord
from simulators.checker import check
from simulators.schedule import second_ns
from simulators.truth import truth
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader
from sinks.journal import ROW, Journal, verify
from tests.chaos.feeder import Story

SHOWN = 5  # examples of each kind of fault
Rows = Mapping[Hashable, Hashable]

_OF = "select s.asset, s.tag, {} from {} t join series s on s.id = t.series"
HISTORY = {
    # table: (query, columns of the key)
    "windows": (_OF.format("t.size_ns, t.start_ns, revision, count, minimum, maximum, mean, std, first, last, score",
                           '"window"'), 4),
    "figures": ("select kind, asset, tag, start_ns, end_ns, revision, final, parts from figure", 4),
    "states": (_OF.format("t.time_ns, t.value", "state_change"), 3),
    "latest": (_OF.format("t.time_ns, t.received_ns, t.value, t.status, t.score", "latest"), 2),
    "ledger": (_OF.format("t.hour_ns, received, counted, late, duplicate, bad, dead, conflict", "ledger"), 3),
}  # fmt: skip


@dataclass
class Verdict:
    """compared, missing, extra, changed: rows by table; faults: examples and whatever else is wrong, as sentences."""

    compared: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    extra: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing is wrong and there was something to compare."""
        return not self.faults and bool(self.compared["windows"])

    def rows(self, name: str, wanted: Rows, found: Rows) -> None:
        """Compare two tables by key."""
        self.compared[name] += len(wanted)
        missing, extra = wanted.keys() - found.keys(), found.keys() - wanted.keys()
        changed = [key for key in wanted.keys() & found.keys() if wanted[key] != found[key]]
        for what, keys in (("missing", missing), ("extra", extra), ("changed", changed)):
            counts: Counter[str] = getattr(self, what)
            counts[name] += len(keys)
            self.faults += [f"{name} {what}: {_shown(key, wanted, found)}" for key in sorted(keys, key=repr)[:SHOWN]]

    def add(self, other: Verdict) -> None:
        """Take in another one's counts."""
        for name in ("compared", "missing", "extra", "changed"):
            getattr(self, name).update(getattr(other, name))
        self.faults += other.faults


def _shown(key: Hashable, wanted: Rows, found: Rows) -> str:
    return f"{key}: {wanted.get(key, '-')} -> {found.get(key, '-')}"


def compare(
    plant: PlantModel, story: Story, sent_s: dict[int, int], data: DataFolder, reference: DataFolder, erp: Path
) -> Verdict:
    """Everything a drained run left in `data` and in the stub ERP."""
    verdict = Verdict()
    for shard in sent_s:
        for name, (statement, keys) in HISTORY.items():
            wanted, found = (_table(one.history_db(shard), statement, keys) for one in (reference, data))
            verdict.rows(name, wanted, found)
        verdict.rows("dead letters", _dead(plant, reference, shard), _dead(plant, data, shard))
        verdict.rows("journal", _journal(reference.journal(shard)), _journal(data.journal(shard)))
        verdict.faults += [f"journal {shard}: {fault}" for fault in verify(data.journal(shard))]
    site = plant.config.site
    with (
        Records(data.records_db, site.id, SystemClock()) as records,
        Records(reference.records_db, site.id, SystemClock()) as undisturbed,
    ):
        verdict.rows("alarms", _alarms(undisturbed), _alarms(records))
        _orders(verdict, records, undisturbed, erp)
        audited = verify_audit(records)
        if not audited.ok:
            verdict.faults.append(f"audit trail: {audited}")
        _truth(verdict, plant, story, sent_s, data, records, erp)
    return verdict


def query(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """All rows; none where a part never came so far as to make its tables."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as db:
        try:
            return db.execute(statement).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []


def _table(path: Path, statement: str, keys: int) -> Rows:
    return {row[:keys]: repr(row[keys:]) for row in query(path, statement)}


def _dead(plant: PlantModel, data: DataFolder, shard: int) -> Rows:
    keep = plant.config.retention
    store = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
    letters = Counter(
        (one.offset, one.line, one.received_ns, one.reason, one.path, one.raw) for one in store.list(10**9)
    )
    total = {("all that were ever stored",): repr(sorted(store.counts().items()))}
    store.close()
    return {**{letter[:2]: (letter[2:], count) for letter, count in letters.items()}, **total}


def _journal(folder: Path) -> Rows:
    """Accepted readings in order, by thousands: the row numbers are the keys."""
    journal = Journal(folder)
    parts = [journal._rows_of(one.segment, one.rows) for one in journal._sealed]
    parts.append(journal._rows_of(journal._segment, 2**31))
    journal.close()
    rows: dict[Hashable, Hashable] = {}
    at = 0
    for part in parts:
        for row in part[list(ROW.names or ())].tolist():
            rows[at] = repr(row)
            at += 1
    return rows


def _alarms(records: Records) -> Rows:
    """Alarms of the plant, without when they were recorded; those about Andon itself tell of the kills."""
    return {one.key: _alarm(one) for one in records.alarms(limit=10**9) if _of_plant(one)}


def _of_plant(alarm: AlarmRecord) -> bool:
    return not alarm.asset.startswith("andon") and not alarm.tag.startswith("erp.")


def _alarm(one: AlarmRecord) -> str:
    return repr(
        (
            one.asset, one.tag, one.rule_id, one.rule_version, one.condition, one.limit, one.unit, one.priority,
            one.raises, one.start_ns, one.confirmed_ns, one.cleared_ns, one.peak, one.out_s, one.state, one.revision,
            one.found_late, json.dumps(dict(one.evidence), sort_keys=True),
        )
    )  # fmt: skip


def _orders(verdict: Verdict, records: Records, undisturbed: Records, erp: Path) -> None:
    """Outbox against the undisturbed one; then the ERP against the outbox: one record each, at its last revision."""
    wanted = {one.order_key: (one.kind, one.asset, one.revision) for one in undisturbed.orders(limit=10**9)}
    found = {one.order_key: (one.kind, one.asset, one.revision) for one in records.orders(limit=10**9)}
    verdict.rows("outbox", wanted, found)
    for one in records.orders(limit=10**9):
        if one.state != "delivered":
            verdict.faults.append(f"order {one.order_key} is {one.state}: {one.last_error}")
    numbers = {one.key: one.erp_number for one in records.alarms(limit=10**9)}
    rows = query(erp, "select external_key, kind, revision, number from record")
    made = Counter(key for (key,) in query(erp, "select external_key from effect where effect = 'created'"))
    held = {(key, 0): (kind, revision, numbers.get(key)) for key, (kind, _, revision) in wanted.items()}
    verdict.rows("ERP records", held, dict(_numbered(rows)))
    verdict.faults += [f"ERP: {key} was created {count} times" for key, count in made.items() if count > 1]


def _numbered(rows: Iterable[tuple[str, str, int, str]]) -> Iterable[tuple[tuple[str, int], tuple[object, ...]]]:
    """Rows under their key and which copy of it they are."""
    copies: Counter[str] = Counter()
    for key, *rest in rows:
        yield (key, copies[key]), tuple(rest)
        copies[key] += 1


def _truth(
    verdict: Verdict, plant: PlantModel, story: Story, sent_s: dict[int, int], data: DataFolder, records: Records,
    erp: Path,
) -> None:  # fmt: skip
    """The simulators' own fault log and row counts, which know nothing of the engine."""
    told = truth(
        story.seed, story.start_ns, {shard: second_ns(story.start_ns, until) for shard, until in sent_s.items()}
    )
    history = HistoryReader([data.history_db(shard) for shard in sent_s])
    names = ("asset", "tag", "received", "counted", "late", "duplicate", "bad", "dead", "conflict")
    ledger = [tuple(getattr(row, name) for name in names) for row in history.ledger()]
    dead: Counter[str] = Counter()
    for shard in sent_s:
        keep = plant.config.retention
        store = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
        dead.update(store.counts())
        store.close()
    held = [{"key": key, "kind": kind} for key, kind in query(erp, "select external_key, kind from record")]
    fields = ("key", "asset", "tag", "rule_id", "raises", "start_ns")
    alarms = [{name: getattr(one, name) for name in fields} for one in records.alarms(limit=10**9) if _of_plant(one)]
    report = check(told, alarms, held, ledger, dead, windows=history.window_count())
    history.close()
    verdict.compared["readings sent"] += told.readings
    verdict.compared["faults that must show"] += len(told.required)
    verdict.missing["by the fault log"] += report.lost
    verdict.extra["by the fault log"] += report.doubled
    verdict.faults += [f"truth: {finding.text('en')}" for finding in report.findings]

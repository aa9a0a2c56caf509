"""Orders into a real Tryton while it is killed again and again, answers are lost and several senders race.

The checker looks from outside: exactly one record for each alarm, of its kind and with its last revision; nothing half
done; the orders of one asset in their order. Without the module's UNIQUE keys and the look-ups it must see doubles.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from andon.clock import SystemClock
from andon.conditions import ConditionChange
from andon.records import SYSTEM_FLOW, Records, verify_audit
from service.reconcile import reconcile
from service.servers import Tryton
from sinks.erp.port import ExternalRecord
from sinks.erp.tryton import TrytonConnector
from sinks.outbox import Sender
from tests.records_world import fresh, opened, orders
from tests.tryton_world import LossyProxy, connector, lossy

ORDERS, KILLS, SENDERS, LOST = 2000, 20, 8, 0.1
QUIET_S = 120.0  # so long without a delivery, and the run is given up
REVISED = 5  # every so many orders are revised on the way


@dataclass
class ErpOutcome:
    """What happened, and what the checker found."""

    kills: int = 0
    lost: int = 0
    calls: int = 0
    attempts: int = 0
    seconds: float = 0.0
    compared: dict[str, int] = field(default_factory=dict)
    doubled: int = 0
    faults: list[str] = field(default_factory=list)


class Blind(TrytonConnector):
    """Never finds anything: with no UNIQUE key either, an ERP that cannot tell a repeat."""

    def find(self, key: str) -> ExternalRecord | None:
        return None


def run_erp(
    folder: Path, *, count: int = ORDERS, kills: int = KILLS, senders: int = SENDERS, seed: int = 1, keyed: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> ErpOutcome:  # fmt: skip
    """One run over a fresh folder. keyed: with the UNIQUE keys and the look-ups; without is the control."""
    began, outcome = time.monotonic(), ErpOutcome()
    server = Tryton(folder / "tryton")
    server.prepare()
    if not keyed:
        drop_unique_keys(server.database)
    server.start()
    changes = orders(count)
    with fresh(folder / "records") as records:
        records.apply_conditions(changes, SYSTEM_FLOW)
    watcher = opened(folder / "records", SystemClock())
    try:
        with lossy(server, LOST, seed) as proxy:
            with running(folder, server, proxy, senders, seed, keyed=keyed):
                _kill_and_revise(server, watcher, changes, kills, random.Random(seed), outcome, say)
                _wait_for(watcher, count, outcome)
            outcome.lost, outcome.calls = proxy.lost, proxy.calls
        check(watcher, server, outcome)
    finally:
        watcher.close()
        server.stop()
    outcome.seconds = time.monotonic() - began
    return outcome


@contextmanager
def running(
    folder: Path, server: Tryton, proxy: LossyProxy, senders: int, seed: int, *, keyed: bool
) -> Iterator[None]:  # fmt: skip
    """So many senders over one outbox, each with a lease short enough to run out while the server is away."""
    stop = threading.Event()

    def send(number: int) -> None:
        kind = TrytonConnector if keyed else Blind
        with (
            closing(Records(folder / "records" / "records.db", "szh1", SystemClock()).open()) as records,
            closing(connector(proxy.url, server, kind=kind, timeout_s=8.0)) as erp,
        ):
            sender = Sender(
                records, erp, SystemClock(), owner=f"sender-{number}", lease_s=2.0, gaps_s=(0.1, 0.2, 0.5),
                max_refusals=10_000, rng=random.Random(f"{seed}|{number}"),
            )  # fmt: skip
            sender.run(stop, poll_s=0.05)

    threads = [threading.Thread(target=send, args=(number,), name=f"sender-{number}") for number in range(senders)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _kill_and_revise(
    server: Tryton, records: Records, changes: Sequence[ConditionChange], kills: int, rng: random.Random,
    outcome: ErpOutcome, say: Callable[[str], None],
) -> None:  # fmt: skip
    """Signal 9, each time some more orders are through; half way, late data revises some of them."""
    step = len(changes) / (kills + 1)
    for kill in range(1, kills + 1):
        _wait_for(records, int(step * kill), outcome)
        if outcome.faults:
            return
        time.sleep(rng.uniform(0.0, 0.5))
        server.kill()
        if kill == kills // 2:
            late = [replace(one, peak=12.5, offset=one.offset + 1_000_000) for one in changes[::REVISED]]
            records.apply_conditions(late, SYSTEM_FLOW)
        server.start()
        outcome.kills += 1
        say(f"  {outcome.kills} kills, {records.order_counts()}")


def _wait_for(records: Records, count: int, outcome: ErpOutcome) -> None:
    """Until so many orders are delivered; a fault when nothing moves for `QUIET_S`."""
    seen, moved = -1, time.monotonic()
    while (delivered := records.order_counts()["delivered"]) < count:
        if delivered != seen:
            seen, moved = delivered, time.monotonic()
        if time.monotonic() - moved > QUIET_S:
            outcome.faults.append(f"nothing was delivered for {QUIET_S:.0f} s: {records.order_counts()}")
            return
        if orders_left(records) == 0:
            return
        time.sleep(0.1)


def orders_left(records: Records) -> int:
    """Those that a sender will still take up."""
    counts = records.order_counts()
    return counts["pending"] + counts["leased"]


def check(records: Records, server: Tryton, outcome: ErpOutcome) -> None:
    """What the ERP holds against what was decided, and the records against themselves."""
    alarms = records.alarms(limit=10**6)
    wanted = {one.key: (one.raises, one.revision) for one in alarms if one.raises != "none"}
    with closing(connector(server.url, server, timeout_s=60.0)) as erp:
        listed = list(erp.records(0))
        found = reconcile(records, erp, SystemClock(), since_ns=0, actor=None, reason="")
    held: dict[str, list[ExternalRecord]] = {}
    for record in listed:
        held.setdefault(record.key, []).append(record)
    outcome.compared = {"orders": len(wanted), "ERP records": len(listed)}
    outcome.doubled = sum(len(one) - 1 for one in held.values())
    outcome.attempts = sum(one.erp_attempts or 0 for one in alarms)
    outcome.faults += [f"missing: {key}" for key in sorted(wanted.keys() - held.keys())]
    outcome.faults += [f"extra: {key}" for key in sorted(held.keys() - wanted.keys())]
    outcome.faults += [f"doubled: {key} {len(one)} times" for key, one in sorted(held.items()) if len(one) > 1]
    for key in sorted(wanted.keys() & held.keys()):
        told = (held[key][0].kind, held[key][0].revision)
        if told != wanted[key]:
            outcome.faults.append(f"changed: {key} {wanted[key]} -> {told}")
    outcome.faults += [f"reconcile: {one}" for one in found.found]
    numbers = {one.key: one.erp_number for one in alarms}
    outcome.faults += [f"number: {key}" for key, one in sorted(held.items()) if one[0].number != numbers.get(key)]
    server.stop()
    outcome.faults += _half_done(server.database) + _overtaken(server.database, [one.key for one in reversed(alarms)])
    if not verify_audit(records).ok:
        outcome.faults.append("the audit trail does not verify")


def _half_done(database: Path) -> list[str]:
    """Inspections under one key that are not exactly one failed one with exactly one alert."""
    query = (
        "select i.external_key, count(distinct i.id), count(a.id), min(i.state) from quality_inspection i left join "
        "quality_alert a on a.origin = 'quality.inspection,' || i.id group by i.external_key "
        "having count(distinct i.id) != 1 or count(a.id) != 1 or min(i.state) != 'failed'"
    )
    with closing(sqlite3.connect(database)) as db:
        return [f"inspection {row}" for row in db.execute(query)]


def _overtaken(database: Path, decided: Sequence[str]) -> list[str]:
    """Records of one asset that were made in another order than the one they were decided in, kind by kind."""
    place, faults = {key: number for number, key in enumerate(decided)}, []
    for table, asset in (("quality_inspection", "reference"), ("project_work", "name")):
        with closing(sqlite3.connect(database)) as db:
            rows = db.execute(f"select {asset}, external_key from {table} where external_key is not null order by id")
            last: dict[str, int] = {}
            for name, key in rows:
                if place.get(key, -1) < last.get(name, -1):
                    faults.append(f"overtaken: {table} {name} {key}")
                last[name] = place.get(key, -1)
    return faults


def drop_unique_keys(database: Path) -> int:
    """Take the UNIQUE keys out of a database at rest; how many there were."""
    with closing(sqlite3.connect(database)) as db:
        found = db.execute("select name from sqlite_master where type = 'index' and sql like '%UNIQUE%external_key%'")
        names = [name for (name,) in found]
        for name in names:
            db.execute(f'drop index "{name}"')
        db.commit()
    return len(names)

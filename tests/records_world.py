"""Shared by the tests of records and outbox: changes, actors, and a stub ERP on a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher

from andon.clock import Clock, ManualClock
from andon.conditions import ConditionChange
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, Actor, Records
from sinks.erp.stub import Faults, StubErp, listen, server
from sinks.erp.stub_store import StubStore

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
START_NS = 1_767_225_600 * NS_PER_S
OPERATOR = Actor("li.wei", "Li Wei", "operator", "10.0.0.5")
QUALITY = Actor("chen.jing", "Chen Jing", "quality", "10.0.0.6")
ADMIN = Actor("root.admin", "Wang Fang", "admin", "console")

RAISED = ConditionChange(
    kind="raised", asset="cold/room1", tag="air", rule_id="cold-room-high", rule_version="v1", raises="quality_event",
    priority="high", condition="above", limit=8.0, unit="Cel", start_ns=START_NS,
    confirmed_ns=START_NS + 600 * NS_PER_S, cleared_ns=None, peak=9.5, out_s=600.0, offset=100,
    evidence={"journal": "0001.arrow", "rows": [1, 2]},
)  # fmt: skip
_opened: list[Records] = []


def raised(number: int = 0, **changes: object) -> ConditionChange:
    """The `number`th alarm of its kind."""
    moved = replace(
        RAISED, start_ns=START_NS + number * NS_PER_S, confirmed_ns=START_NS + (number + 600) * NS_PER_S,
        offset=100 + number,
    )  # fmt: skip
    return replace(moved, **changes)


def cleared(change: ConditionChange, **changes: object) -> ConditionChange:
    """The end of a raised condition."""
    end = change.confirmed_ns + 300 * NS_PER_S
    ended = replace(change, kind="cleared", cleared_ns=end, peak=11.0, out_s=900.0, offset=change.offset + 50)
    return replace(ended, **changes)


def orders(count: int, assets: int = 7) -> list[ConditionChange]:
    """`count` raised alarms over some assets, of both kinds."""
    kinds = ("quality_event", "maintenance_order")
    return [raised(i, asset=f"line/m{i % assets}", raises=kinds[i % 2]) for i in range(count)]


def place(folder: Path) -> Path | str:
    """Where the database of a folder is; the fixture `database` puts another one in its place."""
    return folder / "records.db"


def opened(folder: Path, clock: Clock | None = None, **given: Any) -> Records:
    """The database of a folder, open, as one more process would have it."""
    given = {"zone": "Asia/Shanghai", "anchors": folder / "anchors.jsonl", **given}
    records = Records(place(folder), "szh1", clock or ManualClock(START_NS), **given)
    _opened.append(records)
    return records.open()


def close_all() -> None:
    """Close what tests left open."""
    while _opened:
        engine = _opened.pop()._engine
        if engine is not None:
            engine.dispose()


def fresh(folder: Path, clock: Clock | None = None) -> Records:
    """An open, empty database with cheap password hashing."""
    folder.mkdir(parents=True, exist_ok=True)
    records = opened(folder, clock)
    records.password_hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return records


def filled(folder: Path, count: int, clock: ManualClock | None = None, assets: int = 7) -> Records:
    """A database with `count` orders due."""
    records = fresh(folder, clock)
    records.apply_conditions(orders(count, assets), SYSTEM_FLOW)
    return records


@contextmanager
def stub_erp(
    folder: Path, *, faults: Faults | None = None, unique: bool = True, strict: bool = False
) -> Iterator[tuple[str, StubStore]]:
    """A running stub ERP: its address and its store."""
    store = StubStore(folder / "erp.db", unique=unique)
    erp = StubErp(store, SECRET, faults, strict=strict)
    listening = listen(0)
    running = server(erp)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", store
    finally:
        running.should_exit = running.force_exit = True
        thread.join(10)
        listening.close()
        store.close()

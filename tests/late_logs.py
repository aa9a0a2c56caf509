"""Random logs with late rows, a journal in memory, and what the same rows give when they come in order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alarms.conditions import ConditionEngine
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.readings import NS_PER_S
from tests.condition_logs import START_NS, VALUES, Log, Row, Tick, batch
from tests.naive_conditions import NaiveEngine

LIMITS = ({"above": 8.0}, {"below": 2.0}, {"outside": (2.0, 8.0)}, {"stuck_s": 30.0})
ROW = np.dtype([("time_ns", "<i8"), ("value", "<f8")])
SETTLE_TICKS = 620  # longer than any stretch waits


class MemoryJournal:
    """`Journal.points` over a list."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, float]] = []

    def append(self, rows: Sequence[Row]) -> None:
        self.rows += [(row.series, row.time, row.value) for row in rows if row.status < 2]

    def points(self, series: int, start_ns: int, end_ns: int):
        found = [(time, value) for one, time, value in self.rows if one == series and start_ns <= time < end_ns]
        return np.array(sorted(found, key=lambda one: one[0]), ROW)


def some_rules(rng: random.Random, most: int = 3) -> list[Rule]:
    """Rules whose conditions late rows correct."""
    return [
        Rule(
            id=f"rule{place}", on="*", deadband=rng.choice((0.0, 0.0, 0.5)),
            delay_s=rng.choice((0.0, 3.0, 10.0, 45.0, 200.0)), off_delay_s=rng.choice((0.0, 2.0, 30.0, 60.0)),
            **rng.choice(LIMITS),
        )
        for place in range(rng.randint(1, most))
    ]  # fmt: skip


def some_log(rng: random.Random, length: int, series: int = 2, values: Sequence[float] = VALUES) -> Log:
    """Rows and ticks; some rows are held back for a while, some come twice, whole stretches come as a backlog."""
    log: list[Row | Tick] = []
    now, value, held = 0, [5.0] * series, []
    restless = rng.choice((0.08, 0.3))
    for _ in range(length):
        now += rng.choice((0, 1, 1, 2, 5, 40))
        log += [one._replace(received=START_NS + now * NS_PER_S) for until, one in held if until <= now]
        held = [(until, one) for until, one in held if until > now]
        if rng.random() < 0.2:
            log.append(Tick(START_NS + now * NS_PER_S))
            continue
        one = rng.randrange(series)
        if rng.random() < restless:
            value[one] = rng.choice(values)
        time = START_NS + (now - rng.choice((0, 0, 0, 3))) * NS_PER_S
        row = Row(one, time, value[one], float("nan"), rng.choice((0, 0, 0, 0, 1, 2)), START_NS + now * NS_PER_S)
        if rng.random() < 0.12:
            held.append((now + rng.choice((2, 20, 20, 300, 300, 1500)), row))
            if rng.random() < 0.2:
                value[one] = rng.choice(values)
        else:
            log.append(row)
    return log


def settled(log: Log) -> Log:
    """The log, and ticks until every late row was judged."""
    last = max((one.received if isinstance(one, Row) else one.time for one in log), default=START_NS)
    return [*log, *(Tick(last + at * NS_PER_S) for at in range(1, SETTLE_TICKS))]


def run_late(
    rules: Sequence[Rule], log: Log, specs, *, cuts: set[int] = frozenset(), restarts: set[int] = frozenset(),
    edits: dict[int, Sequence[Rule]] | None = None, engine_of: type[ConditionEngine] = ConditionEngine,
) -> list[ConditionChange]:  # fmt: skip
    """The changes of an engine with a journal. edits: place -> the rules from there on. engine_of: its class."""
    journal, edits = MemoryJournal(), edits or {}
    engine = engine_of(lambda _: rules, journal.points)
    for place, spec in enumerate(specs):
        engine.bind(place, spec)
    changes, at = [], 0
    while at < len(log):
        if at in restarts or at in edits:
            rules = edits.get(at, rules)
            state = engine.snapshot()
            engine = engine_of(lambda _, rules=rules: rules, journal.points)
            engine.restore(state, specs)
        if isinstance(log[at], Tick):
            changes += engine.tick(log[at].time, at)
            at += 1
            continue
        end = at + 1
        while end < len(log) and isinstance(log[end], Row) and end not in cuts | restarts and end not in edits:
            end += 1
        journal.append(log[at:end])
        changes += engine.step(*batch(log[at:end], at))
        at = end
    return changes


def final(changes: Sequence[ConditionChange]) -> dict[tuple[object, ...], ConditionChange]:
    """The last word on each alarm, as records keep it: by series, rule and identity."""
    return {(one.asset, one.tag, one.rule_id, one.start_ns): one for one in changes}


def conditions(changes: Sequence[ConditionChange]) -> list[tuple[object, ...]]:
    """What the last words say is so; starts to the microsecond, since an identity may be a few ns off its reading."""
    standing = [one for one in final(changes).values() if not one.voided]
    return sorted(
        (
            one.asset, one.rule_id, (one.start_ns if one.begun_ns is None else one.begun_ns) // 1000,
            None if one.cleared_ns is None else (one.cleared_ns, one.peak, round(one.out_s, 5)),
        )
        for one in standing
    )  # fmt: skip


def in_order(rules: Sequence[Rule], log: Log, specs) -> list[ConditionChange]:
    """What the twin says of the same rows when each comes in time, with one tick at the end."""
    engine = NaiveEngine(lambda _: rules)
    for spec in specs:
        engine.bind(spec)
    rows = sorted((one for one in log if isinstance(one, Row)), key=lambda one: one.time)
    received = {}
    newest = {}
    for one in log:  # the live rows are the ones that say when something was heard last
        if isinstance(one, Row) and one.status < 2 and one.time >= newest.get(one.series, one.time):
            newest[one.series], received[one.series] = one.time, one.received
    changes = []
    for at, one in enumerate(rows):
        changes += engine.row(
            one.series, one.time, one.value, one.score, at, received.get(one.series, one.received), bad=one.status == 2
        )
    ticks = [one.time for one in log if isinstance(one, Tick)]
    return changes + (engine.tick(max(ticks), len(log)) if ticks else [])


def renamed(specs, count: int):
    """Specs of so many series with assets of their own."""
    return [replace(specs[at % len(specs)], asset=f"cold/room{at}") for at in range(count)]

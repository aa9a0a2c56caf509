"""Random rules and logs for the conditions, and how to run one through the engine and its twin."""

from __future__ import annotations

import math
import pickle
import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alarms.conditions import ConditionEngine
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S, Readings, Status
from tests.naive_conditions import NaiveEngine

START_NS = 1_767_225_600 * NS_PER_S
VALUES = (7.0, 7.4, 7.5, 7.6, 8.0, 8.0, 8.1, 9.0, 9.5, 12.0, 0.0, 2.0, 1.9, -4.0)
SCORES = (0.0, 1.0, 2.9, 3.0, 3.5, 8.0, math.nan)
LIMITS = (
    {"above": 8.0}, {"below": 2.0}, {"outside": (2.0, 8.0)}, {"anomaly": 3.0}, {"stale_s": 60.0}, {"stuck_s": 30.0},
)  # fmt: skip
SPECS = [
    SeriesSpec("cold/room1", "air", "number", "Cel", -50.0, 50.0, every_s, (), None, True, True)
    for every_s in (1.0, 10.0, 60.0)
]


class Row(NamedTuple):
    series: int
    time: int
    value: float
    score: float
    status: int
    received: int


class Tick(NamedTuple):
    time: int


Log = Sequence[Row | Tick]


def some_rules(rng: random.Random, most: int = 4, least: int = 0) -> list[Rule]:
    """`least` to `most` rules of any kind."""
    return [
        Rule(
            id=f"rule{place}",
            on="*",
            deadband=rng.choice((0.0, 0.0, 0.5)),
            delay_s=rng.choice((0.0, 0.0, 3.0, 10.0, 45.0, 600.0)),
            off_delay_s=rng.choice((0.0, 0.0, 2.0, 30.0)),
            **rng.choice(LIMITS),
        )
        for place in range(rng.randint(least, most))
    ]


def some_log(rng: random.Random, length: int) -> list[Row | Tick]:
    """Devices that lag, fall silent, send backlogs in and out of order; a tick clock that is set back and forth."""
    now, clock_error, log = 0, 0, []
    lag = [rng.choice((0, 0, 3, 50)) for _ in SPECS]
    backlog: list[list[int]] = [[] for _ in SPECS]  # event times still to be sent
    value = [rng.choice(VALUES) for _ in SPECS]
    restless = rng.choice((0.05, 0.3))
    for _ in range(length):
        now += rng.choice((0, 0, 1, 1, 1, 2, 5, 5, 20, rng.choice((70, 300, 700, 20_000))))
        if rng.random() < 0.02:
            clock_error = rng.choice((0, -3600, 3600, -5))
        if rng.random() < 0.3:
            log.append(Tick(START_NS + (now + clock_error) * NS_PER_S))
            continue
        series = rng.randrange(len(SPECS))
        if rng.random() < restless:
            value[series] = rng.choice(VALUES)
        behind = rng.choice((0, 0, 0, 0, 0, 0, 1, 4, 30))
        if not backlog[series] and rng.random() < 0.03:
            first, step = now - rng.choice((50, 400, 5000, 259_200)), rng.choice((1, 5, 10, 40, 300))
            backlog[series] = [first + step * k for k in range(rng.randint(1, 20))]
            if rng.random() < 0.2:
                rng.shuffle(backlog[series])
        time = now - lag[series] - behind
        if backlog[series] and rng.random() < 0.6:
            time = backlog[series].pop(0)
        status = rng.choice((0, 0, 0, 0, 0, 1, 2))
        shown = rng.choice((value[series],) * 12 + (math.inf,)) if status != Status.BAD else math.nan
        log.append(
            Row(series, START_NS + time * NS_PER_S, shown, rng.choice(SCORES), status, START_NS + now * NS_PER_S)
        )
    return log


def batch(rows: Sequence[Row], offset: int) -> tuple[Readings, np.ndarray]:
    """Readings and scores of rows; the first has this offset, one message a row."""
    count = len(rows)
    readings = Readings(
        np.array([row.time for row in rows], np.int64).reshape(count),
        np.array([row.series for row in rows], np.int32).reshape(count),
        np.array([row.value for row in rows], np.float64).reshape(count),
        np.array([row.status for row in rows], np.uint8).reshape(count),
        np.arange(offset, offset + count),
        np.array([row.received for row in rows], np.int64).reshape(count),
    )
    return readings, np.array([row.score for row in rows], np.float64).reshape(count)


def bound_engine(rules: Sequence[Rule], specs: Sequence[SeriesSpec] = SPECS) -> ConditionEngine:
    engine = ConditionEngine(lambda _: rules)
    for place, spec in enumerate(specs):
        engine.bind(place, spec)
    return engine


def restarted(engine: ConditionEngine, rules: Sequence[Rule], specs: Sequence[SeriesSpec] = SPECS) -> ConditionEngine:
    """The same state in a new engine, under these rules."""
    fresh = ConditionEngine(lambda _: rules)
    fresh.restore(pickle.loads(pickle.dumps(engine.snapshot())), specs)
    return fresh


def run_engine(
    configurations: Sequence[Sequence[Rule]], log: Log, cuts: set[int], restarts: dict[int, int]
) -> list[ConditionChange]:
    """cuts: a batch ends before these places; restarts: place -> which configuration goes on there."""
    rules = configurations[0]
    engine, changes, at = bound_engine(rules), [], 0
    while at < len(log):
        if at in restarts:
            rules = configurations[restarts[at]]
            engine = restarted(engine, rules)
        if isinstance(log[at], Tick):
            changes += engine.tick(log[at].time, at)
            at += 1
            continue
        end = at + 1
        while end < len(log) and isinstance(log[end], Row) and end not in cuts and end not in restarts:
            end += 1
        changes += engine.step(*batch(log[at:end], at))
        at = end
    return changes


def run_naive(configurations: Sequence[Sequence[Rule]], log: Log, restarts: dict[int, int]) -> list[ConditionChange]:
    engine, changes = NaiveEngine(lambda _: configurations[0]), []
    for spec in SPECS:
        engine.bind(spec)
    for at, one in enumerate(log):
        if at in restarts:
            rules = configurations[restarts[at]]
            engine.reconfigure(lambda _, rules=rules: rules)
        if isinstance(one, Tick):
            changes += engine.tick(one.time, at)
        else:
            changes += engine.row(
                one.series, one.time, one.value, one.score, at, one.received, bad=one.status == Status.BAD
            )
    return changes

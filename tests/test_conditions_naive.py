"""The engine against its twin over random rules, logs, cuts and restarts."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.kernels import CHUNK
from alarms.snapshots import read_snapshot
from tests.condition_logs import (
    LIMITS,
    SPECS,
    Tick,
    batch,
    bound_engine,
    restarted,
    run_engine,
    run_naive,
    some_log,
    some_rules,
)

ALL_CONDITIONS = ("above", "below", "outside", "anomaly", "stale", "stuck")


@pytest.fixture(scope="module")
def seen():
    """What the random logs made happen, over all seeds of this file."""
    return Counter()


@pytest.mark.parametrize("seed", range(40))
def test_long_random_logs(seed, seen):
    rng = random.Random(seed)
    configurations = [some_rules(rng) for _ in range(3)]
    log = some_log(rng, 1500)
    cuts = set(rng.sample(range(1500), rng.choice((0, 20, 700))))
    restarts = {place: rng.randrange(3) for place in rng.sample(range(1500), rng.choice((0, 2, 30)))}
    changes = run_engine(configurations, log, cuts, restarts)
    assert changes == run_naive(configurations, log, restarts)
    for change in changes:
        by_tick = isinstance(log[change.offset], Tick)
        seen[change.condition, change.kind, "tick" if by_tick else "row"] += 1


def test_the_random_logs_reach_everything(seen):
    """Not one of these may be missing, else the comparison above proves less than it says."""
    wanted = [
        (condition, kind, by)
        for condition in ALL_CONDITIONS
        for kind in ("raised", "cleared")
        for by in ("row", "tick")
    ]
    impossible = {
        ("stale", "raised", "row"), ("stale", "cleared", "tick"),
        ("stuck", "raised", "tick"), ("stuck", "cleared", "tick"),
    }  # fmt: skip
    assert {one for one in wanted if not seen[one]} == impossible
    assert len(LIMITS) == len(ALL_CONDITIONS)


@given(st.randoms(use_true_random=False), st.integers(1, 60), st.data())
@settings(max_examples=60)
def test_any_cut_and_any_restart_give_the_same_changes(rng, length, data):
    rules = some_rules(rng)
    log = some_log(rng, length)
    cuts = data.draw(st.sets(st.integers(0, length)))
    restarts = dict.fromkeys(data.draw(st.sets(st.integers(0, length), max_size=4)), 0)
    whole = run_engine([rules], log, set(), {})
    assert run_engine([rules], log, cuts, restarts) == whole
    assert run_naive([rules], log, {}) == whole


@given(st.randoms(use_true_random=False), st.integers(1, 120), st.data())
@settings(max_examples=60)
def test_changed_rules_at_any_place(rng, length, data):
    configurations = [some_rules(rng, 3) for _ in range(3)]
    log = some_log(rng, length)
    restarts = data.draw(st.dictionaries(st.integers(0, length), st.integers(0, 2), max_size=6))
    assert run_engine(configurations, log, set(), restarts) == run_naive(configurations, log, restarts)


@pytest.mark.parametrize("seed", range(4))
def test_ticks_leave_alone_only_what_they_would_not_change(seed):
    """Each series in a chunk of its own, against an engine that knows of none that may be left alone."""
    rng = random.Random(2000 + seed)
    rules = some_rules(rng, least=1)
    specs = [one for spec in SPECS for one in [spec] * CHUNK][: (len(SPECS) - 1) * CHUNK + 1]
    engine = bound_engine(rules, specs)
    for at, one in enumerate(some_log(rng, 200)):
        if not isinstance(one, Tick):
            engine.step(*batch([one._replace(series=one.series * CHUNK)], at))
            continue
        fresh = restarted(engine, rules, specs)
        assert engine.tick(one.time, at) == fresh.tick(one.time, at)
        here, there = (read_snapshot(one.snapshot()) for one in (engine, fresh))
        assert here.clock == there.clock
        assert repr(here.series.tolist()) == repr(there.series.tolist())
        assert repr(here.lanes.tolist()) == repr(there.lanes.tolist())


@pytest.mark.parametrize("seed", range(6))
def test_start_is_an_identity(seed):
    """No two conditions of one rule and series are told with the same start; each is cleared at most once."""
    rng = random.Random(1000 + seed)
    log = [one._replace(series=0) if not isinstance(one, Tick) else one for one in some_log(rng, 4000)]
    changes = run_engine([some_rules(rng, 6, least=3)], log, set(), {})
    told = Counter((change.kind, change.rule_id, change.start_ns) for change in changes)
    raised = {key[1:] for key in told if key[0] == "raised"}
    assert changes
    assert {key[1:] for key in told if key[0] == "cleared"} <= raised
    assert max(told.values(), default=0) == 1

"""Snapshots, and restarts under a changed configuration."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from alarms.conditions import ConditionEngine
from andon.config.models import Rule
from andon.plant import rule_version
from andon.readings import NS_PER_S, Readings
from tests.condition_logs import SPECS

OLD = Rule(id="high", on="*", above=8.0, raises="quality_event", priority="high")
NEW = Rule(id="high", on="*", above=6.0, deadband=1.0)


def rows(*pairs, series=0):
    """Time in s, value."""
    count = len(pairs)
    times = np.array([round(time_s * NS_PER_S) for time_s, _ in pairs])
    readings = Readings(
        times, np.full(count, series, np.int32), np.array([value for _, value in pairs]), np.zeros(count, np.uint8),
        np.arange(count), times,
    )  # fmt: skip
    return readings, np.full(count, np.nan)


def engine_with(*rules):
    engine = ConditionEngine(lambda _: rules)
    engine.bind(0, SPECS[0])
    return engine


def restarted(engine, *rules):
    fresh = ConditionEngine(lambda _: rules)
    fresh.restore(pickle.loads(pickle.dumps(engine.snapshot())), SPECS[: len(engine)])
    return fresh


def told(changes):
    return [(one.kind, one.rule_id, one.limit, one.start_ns // NS_PER_S) for one in changes]


def test_an_open_condition_keeps_its_rule_until_it_clears():
    engine = engine_with(OLD)
    engine.step(*rows((0, 9.0)))
    engine = restarted(engine, NEW)
    assert engine.step(*rows((10, 8.5))) == []
    cleared, raised = engine.step(*rows((20, 7.0)))  # inside the old limit, beyond the new one
    assert told([cleared, raised]) == [("cleared", "high", 8.0, 0), ("raised", "high", 6.0, 20)]
    assert (cleared.rule_version, raised.rule_version) == (rule_version(OLD), rule_version(NEW))
    assert (cleared.raises, cleared.priority, raised.raises) == ("quality_event", "high", "none")


def test_an_old_rule_survives_several_restarts_and_then_goes():
    engine = engine_with(OLD)
    engine.step(*rows((0, 9.0)))
    for _ in range(3):
        engine = restarted(engine, NEW)
    assert rule_version(OLD) in engine._versions
    assert [one.kind for one in engine.step(*rows((20, 5.0)))] == ["cleared"]
    assert restarted(restarted(engine, NEW), NEW)._versions == [rule_version(NEW)]


def test_a_rule_changed_and_changed_back_goes_on():
    engine = engine_with(OLD)
    engine.step(*rows((0, 9.0)))
    engine = restarted(restarted(engine, NEW), OLD)
    assert told(engine.step(*rows((20, 7.0), (30, 9.0)))) == [("cleared", "high", 8.0, 0), ("raised", "high", 8.0, 30)]


def test_what_was_not_confirmed_starts_again_under_the_new_rule():
    slow = OLD.model_copy(update={"delay_s": 60.0})
    slower = OLD.model_copy(update={"delay_s": 61.0})
    engine = engine_with(slow)
    engine.step(*rows((0, 9.0), (50, 9.0)))
    same, other = restarted(engine, slow), restarted(engine, slower)
    assert told(same.step(*rows((70, 9.0)))) == [("raised", "high", 8.0, 0)]
    assert other.step(*rows((70, 9.0))) == []
    assert told(other.step(*rows((131, 9.0)))) == [("raised", "high", 8.0, 70)]


def test_a_removed_rule_ends_with_its_open_condition():
    engine = engine_with(OLD, Rule(id="low", on="*", below=2.0))
    engine.step(*rows((0, 9.0)))
    engine = restarted(engine)
    assert engine.step(*rows((10, 9.0), (20, 1.0))) != []
    assert engine.step(*rows((30, 9.0), (40, 1.0))) == []
    assert len(restarted(engine)._series[: restarted(engine)._series_used]) == 0


def test_a_rule_that_returns_does_not_tell_the_same_start_twice():
    engine = engine_with(OLD)
    engine.step(*rows((0, 9.0)))
    changed = restarted(engine, NEW)
    changed.step(*rows((0, 5.0)))
    assert changed.step(*rows((0, 9.0), (1, 9.0)))[0].start_ns == 1


def test_an_added_rule_begins_with_the_next_row():
    engine = engine_with()
    engine.step(*rows((0, 9.0)))
    engine = restarted(engine, OLD)
    assert engine.tick(100 * NS_PER_S, 1) == []
    assert told(engine.step(*rows((100, 9.0)))) == [("raised", "high", 8.0, 100)]


def test_stale_becomes_another_kind_of_rule():
    engine = engine_with(Rule(id="r", on="*", stale_s=10.0))
    engine.step(*rows((0, 9.0)))
    assert [one.kind for one in engine.tick(10 * NS_PER_S, 1)] == ["raised"]
    engine = restarted(engine, Rule(id="r", on="*", above=8.0))
    assert [(one.kind, one.condition) for one in engine.step(*rows((20, 9.0)))] == [
        ("cleared", "stale"), ("raised", "above"),
    ]  # fmt: skip


def test_series_bound_after_a_restart():
    engine = restarted(engine_with(OLD), OLD)
    for place in range(1, 300):
        engine.bind(place, SPECS[1])
    assert [one.kind for one in engine.step(*rows((0, 9.0), series=299))] == ["raised"]
    assert len(restarted_many(engine)) == 300


def restarted_many(engine):
    fresh = ConditionEngine(lambda _: [OLD])
    fresh.restore(engine.snapshot(), [SPECS[0]] + [SPECS[1]] * 299)
    return fresh


def test_restoring_replaces_what_was_there():
    engine = engine_with(OLD)
    snapshot = engine.snapshot()
    engine.step(*rows((0, 9.0)))
    engine.restore(snapshot, SPECS[:1])
    assert engine.snapshot() == snapshot
    assert [one.kind for one in engine.step(*rows((0, 9.0)))] == ["raised"]


def test_a_snapshot_is_not_touched_by_what_follows():
    engine = engine_with(OLD)
    engine.step(*rows((0, 9.0)))
    snapshot = engine.snapshot()
    copy = pickle.loads(pickle.dumps(snapshot))
    engine.step(*rows((10, 5.0)))
    assert snapshot == copy


def test_snapshots_that_do_not_fit_are_refused():
    layout, *rest = engine_with(OLD).snapshot()
    fresh = ConditionEngine(lambda _: [OLD])
    with pytest.raises(ValueError, match=f"reads layout {layout}"):
        fresh.restore((layout + 1, *rest), SPECS[:1])
    with pytest.raises(ValueError, match="snapshot of 1 series, but 2 specs"):
        fresh.restore((layout, *rest), SPECS[:2])

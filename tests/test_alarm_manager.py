"""The alarm manager: episodes, budget, threshold; its twin; splits and snapshots."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.alarm_manager import AlarmManager, AlarmSettings
from tests.naive_ensemble import alarms

MINUTE = 60_000_000_000
FIVE = 5 * MINUTE


def told(score, every_ns=FIVE, **chosen):
    """Rows of the alarms of one series."""
    score = np.asarray(score, np.float64)
    manager = AlarmManager(1, AlarmSettings(**chosen))
    return np.flatnonzero(
        manager.step(np.zeros(len(score), np.int32), np.arange(len(score)) * every_ns, score)
    ).tolist()


def at(places, n=20_000):
    score = np.ones(n)
    for row, one in places.items():
        score[row] = one
    return score


CASES = {
    # id:                        scores by row,                                 rows told
    "below-the-threshold":       ({300: 4.0}, []),
    "one-alarm-an-episode":      ({300: 5.0, 310: 6.0, 355: 7.0, 400: 5.0}, [300]),
    "a-new-one-after-quiet":     ({300: 5.0, 351: 5.0}, [300, 351]),
    "still-the-same":            ({300: 5.0, 350: 5.0}, [300]),
    "told-again-when-far-worse": ({300: 5.0, 310: 9.9, 320: 20.0, 330: 21.0}, [300, 320]),
    "four-at-once":              ({100: 6.0, 200: 6.0, 300: 6.0, 400: 6.0, 500: 6.0}, [100, 200, 300, 400]),
    "ten-times-rarer-does":      ({100: 6.0, 200: 6.0, 300: 6.0, 400: 6.0, 500: 7.1}, [100, 200, 300, 400, 500]),
    "a-little-stronger-not":      ({100: 6.0, 200: 6.0, 300: 6.0, 400: 6.0, 500: 6.9}, [100, 200, 300, 400]),
    "habit-fades":               ({100: 6.0, 200: 6.0, 300: 6.0, 400: 6.0, 2500: 6.0}, [100, 200, 300, 400, 2500]),
}  # fmt: skip


@pytest.mark.parametrize(("places", "rows"), CASES.values(), ids=CASES.keys())
def test_which_rows_are_told(places, rows):
    assert told(at(places)) == rows


def test_what_repeats_daily_becomes_habit_and_what_comes_fortnightly_does_not():
    """What is not told counts too, so a daily one stays habit as long as it stays daily."""
    daily = at(dict.fromkeys(range(500, 288 * 70, 288), 6.0), 288 * 70)
    assert told(daily) == [500, 788, 1076, 1364]
    fortnightly = list(range(500, 288 * 200, 288 * 14))
    assert told(at(dict.fromkeys(fortnightly, 6.0), 288 * 200)) == fortnightly


@pytest.mark.parametrize("days", [1.0, 7.0, 30.0])
def test_alarms_of_equal_strength_are_no_more_than_the_budget(days):
    """400 days of random episodes: one in `days` at most, and the four that may come at once."""
    rng = np.random.default_rng(3)
    score = np.where(rng.random(288 * 400) < 0.004, 6.0, 1.0)
    assert len(told(score, false_alarm_days=days)) <= 400.0 / days + 4.0


def test_a_fast_series_needs_a_higher_score():
    score = at({3000: 5.0, 10_000: 6.5, 18_000: 7.0})
    assert told(score) == [3000, 10_000, 18_000]
    assert told(score, every_ns=1_000_000_000) == [18_000]


def test_quiet_is_rows_and_time():
    """100 rows of a second are no hour; 51 rows of an hour are."""
    fast = at({3000: 8.0, 3100: 8.0, 7000: 8.0})
    assert told(fast, every_ns=1_000_000_000) == [3000, 7000]
    assert told(at({300: 8.0, 340: 8.0, 392: 8.0}), every_ns=60 * MINUTE) == [300, 392]


def test_nan_is_passed_over():
    score = at({300: 5.0, 351: 5.0})
    score[320:325] = np.nan
    assert told(score) == [300]  # only 46 rows lie between them


ROWS = st.lists(
    st.tuples(st.integers(0, 40_000), st.sampled_from([0.0, 3.9, 4.2, 5.0, 5.0, 7.0, 11.0, 30.0, float("nan")])),
    max_size=200,
)


@settings(max_examples=80)
@given(ROWS, st.sampled_from([1.0, 7.0]))
def test_equals_its_twin_in_plain_python(rows, days):
    time_ns = np.cumsum([0] + [gap * 1_000_000_000 for gap, _ in rows])[1:].astype(np.int64)
    score = np.array([one for _, one in rows], np.float64)
    manager = AlarmManager(1, AlarmSettings(false_alarm_days=days))
    fast = manager.step(np.zeros(len(rows), np.int32), time_ns, score)
    assert fast.tolist() == alarms(time_ns.tolist(), score.tolist(), days)


def _several(n=6000):
    rng = np.random.default_rng(4)
    ids = rng.integers(0, 3, n).astype(np.int32)
    score = np.where(rng.random(n) < 0.02, rng.uniform(4.0, 12.0, n), rng.uniform(0.0, 4.0, n))
    score[::97] = np.nan
    return ids, np.arange(n) * FIVE, score


@settings(max_examples=30)
@given(st.lists(st.integers(0, 6000), max_size=5))
def test_any_split_and_a_restart_at_each_give_the_same_alarms(cuts):
    ids, time_ns, score = _several()
    whole = AlarmManager(3)
    expected = whole.step(ids, time_ns, score)
    pieces, snapshot = [], AlarmManager(3).snapshot()
    for a, b in pairwise([0, *sorted(cuts), len(ids)]):
        manager = AlarmManager(1)
        manager.restore(pickle.loads(pickle.dumps(snapshot)))
        pieces.append(manager.step(ids[a:b], time_ns[a:b], score[a:b]))
        snapshot = manager.snapshot()
    assert np.concatenate(pieces).tobytes() == expected.tobytes()
    assert snapshot == whole.snapshot()
    assert 3 < expected.sum() < 60


def test_input_is_not_changed_and_memory_is_bounded():
    rows = _several()
    before = [column.copy() for column in rows]
    manager = AlarmManager(3)
    used = manager.nbytes
    manager.step(*rows)
    manager.step(rows[0], rows[1] + rows[1][-1], rows[2], np.zeros(len(rows[0]), np.uint8))
    assert [column.tobytes() for column in rows] == [column.tobytes() for column in before]
    assert manager.nbytes == used <= 3 * 512


def test_grow_keeps_what_is_known():
    ids, time_ns, score = _several()
    small, large = AlarmManager(3), AlarmManager(3)
    for manager in (small, large):
        manager.step(ids[:3000], time_ns[:3000], score[:3000])
    large.grow(100)
    large.grow(5)
    rest = ids[3000:], time_ns[3000:], score[3000:]
    assert large.step(*rest).tobytes() == small.step(*rest).tobytes()
    large.step(np.array([99], np.int32), time_ns[:1], score[:1])


@pytest.mark.parametrize("series", [[-1], [4], [0, 1, 4]])
def test_ids_outside_the_capacity_are_refused(series):
    n = len(series)
    with pytest.raises(ValueError, match=r"allowed 0\.\.3"):
        AlarmManager(4).step(np.array(series, np.int32), np.zeros(n, np.int64), np.zeros(n))


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="lengths differ"):
        AlarmManager(1).step(np.zeros(2, np.int32), np.zeros(2, np.int64), np.zeros(3))
    with pytest.raises(ValueError, match="lengths differ"):
        AlarmManager(1).step(np.zeros(2, np.int32), np.zeros(2, np.int64), np.zeros(2), np.zeros(1, np.uint8))


def test_a_snapshot_of_another_layout_is_refused():
    layout, states = AlarmManager(2).snapshot()
    with pytest.raises(ValueError, match="layout 99"):
        AlarmManager(2).restore((99, states))
    with pytest.raises(ValueError, match="7 bytes"):
        AlarmManager(2).restore((layout, b"7 bytes"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"false_alarm_days": 0.0},
        {"false_alarm_days": float("nan")},
        {"habit": -1.0},
        {"alike": -1.0},
        {"quiet_s": -1.0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"AlarmSettings: {name}"):
        AlarmSettings(**wrong)


def test_no_rows_are_fine():
    assert len(AlarmManager(1).step(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))) == 0

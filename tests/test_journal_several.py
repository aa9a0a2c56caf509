"""Rows of several series at once, as figures read them again: against a list of rows, over few and many segments."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from andon.readings import Readings, Status
from sinks.journal import CACHED_SEGMENTS, Journal

VALUES = [1.0, -2.0, 0.0, float("nan"), 1e300]
MOMENTS = 25  # so few that ties, and stretches that begin or end at a row, are frequent


def readings(rows, first):
    series, time_ns, value, status = zip(*rows, strict=True)
    number = np.arange(first, first + len(rows))
    return Readings(
        np.array(time_ns, np.int64), np.array(series, np.int32), np.array(value), np.array(status, np.uint8),
        number, number * 10,
    )  # fmt: skip


def naive(rows, series, start_ns, end_ns, kept_from_ns):
    """One series after the other, looked for in the whole log."""
    found = []
    for one in sorted(series):
        mine = [
            (one, at, repr(value), int(status)) for number, (row_of, at, value, status) in enumerate(rows)
            if row_of == one and start_ns <= at < end_ns and status != Status.BAD and number * 10 >= kept_from_ns
        ]  # fmt: skip
        found += sorted(mine, key=lambda row: row[1])  # stable: ties as they came
    return found


def told(journal, series, start_ns, end_ns):
    ids, time_ns, value, status = journal.several(np.array(sorted(series), np.int32), start_ns, end_ns)
    assert (ids.dtype, time_ns.dtype, value.dtype, status.dtype) == (np.int32, np.int64, np.float64, np.uint8)
    return list(zip(ids.tolist(), time_ns.tolist(), map(repr, value.tolist()), status.tolist(), strict=True))


def some_rows(random, count):
    return [
        (random.randrange(6), random.randrange(MOMENTS), random.choice(VALUES), random.choice([*Status]))
        for _ in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(60))
def test_some_series_of_a_stretch_are_those_of_the_list(seed, tmp_path):
    random = Random(seed)
    segment_rows, count, is_pruned = random.randint(4, 60), random.randint(0, 250), random.random() < 0.5
    rows, done = some_rows(random, count), 0
    journal = Journal(tmp_path, segment_rows)
    journal.restore(None)
    while done < count:
        part = rows[done : done + random.randint(1, 30)]
        journal.append(readings(part, done), np.zeros(len(part), np.int64), 0)
        done += len(part)
        if random.random() < 0.6:
            position = journal.flush()
            if random.random() < 0.3:
                journal.close()
                journal = Journal(tmp_path, segment_rows)
                journal.restore(position)
    journal.kept_from_ns = random.randrange(10 * count + 1) if is_pruned else 0
    for _ in range(12):
        series = set(random.sample(range(9), random.randrange(9)))
        begin, end = random.randrange(-1, MOMENTS + 1), random.randrange(-1, MOMENTS + 1)
        wanted = naive(rows, series, begin, end, journal.kept_from_ns)
        assert told(journal, series, begin, end) == wanted
        assert told(journal, series, begin, end) == wanted  # segments that were kept in memory
    journal.close()


@pytest.mark.parametrize("count", [CACHED_SEGMENTS - 1, CACHED_SEGMENTS, CACHED_SEGMENTS + 1, 3 * CACHED_SEGMENTS])
def test_more_segments_than_stay_in_memory_give_the_same_rows(tmp_path, count):
    """Every segment holds every series, of times that fall: the last of the log is the first of the answer."""
    rows = [(number % 3, 1000 - number // 3, float(number), Status.GOOD) for number in range(30 * count)]
    journal = Journal(tmp_path, 30)
    journal.restore(None)
    for first in range(0, len(rows), 30):
        journal.append(readings(rows[first : first + 30], first), np.zeros(30, np.int64), 0)
        journal.flush()
    assert len(list(tmp_path.glob("*.arrow"))) == count
    for series, start_ns, end_ns in (({0, 2}, 0, 2000), ({1}, 995, 999), (set(), 0, 2000), ({7}, 0, 2000)):
        assert told(journal, series, start_ns, end_ns) == naive(rows, series, start_ns, end_ns, 0)

"""The dead-letter store against a list; replay, cap, retention, damage."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.errors import SourceError
from andon.readings import DeadLetters, Reason
from sinks.dead_letters import DeadLetterStore

PATHS = ["cold/room/air", "line/filler/temp"]


def dead(rows):
    offset, line, received, reason, series, raw = zip(*rows, strict=True)
    return DeadLetters(
        np.array(offset, np.int64), np.array(line, np.int32), np.array(received, np.int64),
        np.array(reason, np.uint8), np.array(series, np.int32), list(raw),
    )  # fmt: skip


row = st.tuples(st.integers(1, 14), st.integers(-1, 1), st.binary(max_size=30))


@given(batches=st.lists(st.lists(row, min_size=1, max_size=6), max_size=8), back=st.integers(0, 40))
def test_gives_back_what_was_written_after_any_replay(batches, back, tmp_path_factory):
    store = DeadLetterStore(tmp_path_factory.mktemp("dead") / "0.db", 0, 10.0, 90.0)
    written, offset = [], 0
    for batch in batches:
        rows = [(offset + at, at, 1000, reason, series, raw) for at, (reason, series, raw) in enumerate(batch)]
        offset += len(rows)
        store.write(dead(rows), PATHS)
        written.append(rows)
    store.truncate_after(back)  # a crash: what came after is replayed, cut into steps in another way
    assert all(one.offset <= back for one in store.list(1000))
    for rows in written:
        later = [one for one in rows if one[0] > back]
        if later:
            store.write(dead(later), PATHS)
    flat = [one for rows in written for one in rows]
    found = store.list(1000)
    assert [(one.offset, one.raw) for one in found] == [(one[0], one[5]) for one in reversed(flat)]
    assert [one.path for one in found] == ["" if one[4] < 0 else PATHS[one[4]] for one in reversed(flat)]
    counts = store.counts()
    assert sum(counts.values()) == len(flat)
    assert all(counts[Reason(kind).name] == sum(one[3] == kind for one in flat) for kind in {one[3] for one in flat})
    store.close()


def test_lists_one_reason_and_marks_what_was_redriven(tmp_path):
    store = DeadLetterStore(tmp_path / "3.db", 3, 10.0, 90.0)
    store.write(dead([(5, 0, 9, Reason.not_json, -1, b"{"), (5, 1, 9, Reason.unknown_series, 1, b"{}")]), PATHS)
    store.mark_redriven(5, 1)
    (one,) = store.list(reason="unknown_series")
    assert (one.shard, one.offset, one.line, one.path, one.redriven) == (3, 5, 1, "line/filler/temp", True)
    assert store.get(5, 0).raw == b"{"
    assert store.get(6, 0) is None


def test_the_oldest_go_at_the_cap_and_are_counted(tmp_path):
    store = DeadLetterStore(tmp_path / "0.db", 0, 0.003, 90.0)
    rng = np.random.default_rng(1)
    for offset in range(5):
        store.write(dead([(offset, 0, 9, 1, -1, rng.bytes(1000))]), PATHS)
    assert [one.offset for one in store.list()] == [4, 3]
    assert store.dropped() == 3
    assert store.counts() == {"not_json": 5}


def test_they_leave_when_their_time_has_come(tmp_path):
    store = DeadLetterStore(tmp_path / "0.db", 0, 10.0, 1.0)
    day = 86_400 * 10**9
    store.write(dead([(1, 0, 0, 1, -1, b"old")]), PATHS)
    store.write(dead([(2, 0, 2 * day, 1, -1, b"new")]), PATHS)
    assert [one.raw for one in store.list()] == [b"new"]


def test_a_damaged_row_is_told(tmp_path):
    store = DeadLetterStore(tmp_path / "0.db", 0, 10.0, 90.0)
    store.write(dead([(1, 0, 0, 1, -1, b"x")]), PATHS)
    with sqlite3.connect(tmp_path / "0.db") as db:
        db.execute("update batch set body = x'0102'")
    with pytest.raises(SourceError, match="dead letter"):
        store.list()


def test_reading_a_store_that_is_not_there_yet(tmp_path):
    store = DeadLetterStore(tmp_path / "0.db", 0, 10.0, 90.0)
    assert (store.list(), store.counts(), store.get(1, 0)) == ([], {}, None)
    assert not (tmp_path / "0.db").exists()


def test_the_cap_holds_over_restarts_and_a_write_that_fails_changes_nothing(tmp_path):
    rng = np.random.default_rng(1)
    for offset in range(6):
        store = DeadLetterStore(tmp_path / "0.db", 0, 0.003, 90.0)
        store.write(dead([(offset, 0, 9, 1, -1, rng.bytes(1000))]), PATHS)
        with pytest.raises(IndexError):
            store.write(dead([(offset, 1, 9, 1, 5, b"")]), PATHS)
        store.close()
    store = DeadLetterStore(tmp_path / "0.db", 0, 0.003, 90.0)
    assert [one.offset for one in store.list()] == [5, 4]
    assert (store.dropped(), store.counts()) == (4, {"not_json": 6})


def test_the_same_step_again_replaces_what_it_left(tmp_path):
    store = DeadLetterStore(tmp_path / "0.db", 0, 10.0, 90.0)
    letters = dead([(1, 0, 0, 1, -1, b"x"), (2, 0, 0, 1, -1, b"y")])
    store.write(letters, PATHS)
    store.truncate_after(0)
    store.write(letters, PATHS)
    assert ([one.raw for one in store.list()], store.counts()) == ([b"y", b"x"], {"not_json": 2})


def test_twenty_thousand_bad_rows_are_stored_as_columns(tmp_path):
    store = DeadLetterStore(tmp_path / "0.db", 0, 100.0, 90.0)
    raw = b'{"ts": 1767225600123, "asset": "x", "tag": "%d"}'
    store.write(dead([(k, 0, 9, 1 + k % 5, k % 2, raw % k) for k in range(20_000)]), PATHS)
    assert (tmp_path / "0.db").stat().st_size + (tmp_path / "0.db-wal").stat().st_size < 20_000 * 40
    assert sum(store.counts().values()) == 20_000

"""The journal against a list of rows, with flushes, crashes back to any of the last positions, and small segments."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.errors import SourceError
from andon.readings import Readings
from sinks.journal import OTHER, SAME, UNKNOWN, Journal, verify

row = st.tuples(st.integers(0, 3), st.integers(0, 200), st.sampled_from([1.0, 2.0, float("nan")]), st.integers(0, 2))
step = st.one_of(
    st.tuples(st.just("append"), st.lists(row, min_size=1, max_size=30)),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("crash"), st.integers(1, 3)),
)


def batch(rows, offset):
    count = len(rows)
    series, times, values, status = (np.array(column) for column in zip(*rows, strict=True))
    return Readings(
        times.astype(np.int64), series.astype(np.int32), values.astype(float), status.astype(np.uint8),
        np.arange(offset, offset + count), np.arange(offset, offset + count) * 10,
    )  # fmt: skip


@given(st.lists(step, max_size=25))
@settings(max_examples=80, deadline=None)
def test_holds_what_was_accepted(steps):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal, rows = Journal(folder, segment_rows=40), []
        journal.restore(None)
        positions = [(journal.flush(), 0)]
        for what, argument in steps:
            if what == "append":
                journal.append(batch(argument, len(rows)), np.full(len(argument), 7), 3)
                rows += argument
            elif what == "flush":
                positions.append((journal.flush(), len(rows)))
            else:  # the process dies; an older snapshot may be the one that counts
                positions = positions[: max(1, len(positions) - argument + 1)]
                position, kept = positions[-1]
                journal, rows = Journal(folder, segment_rows=40), rows[:kept]
                journal.restore(position)
            assert journal.rows == len(rows)
        check_points(journal, rows)
        check_known(journal, rows)
        journal.flush()
        assert verify(folder) == []


def check_points(journal, rows):
    for series in range(4):
        found = journal.points(series, 20, 150)
        expected = [one for one in rows if one[0] == series and 20 <= one[1] < 150 and one[3] != 2]
        expected.sort(key=lambda one: one[1])
        assert found["time_ns"].tolist() == [one[1] for one in expected]
        np.testing.assert_array_equal(found["value"], [one[2] for one in expected])


def check_known(journal, rows):
    questions = [(series, time, value) for series in (0, 2) for time in (0, 57, 200) for value in (1.0, float("nan"))]
    series, times, values = (np.array(column) for column in zip(*questions, strict=True))
    found = journal.known(series.astype(np.int32), times.astype(np.int64), values.astype(float))
    for (one, time, value), verdict in zip(questions, found.tolist(), strict=True):
        held = [row[2] for row in rows if row[0] == one and row[1] == time]
        same = any(old == value or (old != old and value != value) for old in held)
        assert verdict == (SAME if same else OTHER if held else UNKNOWN)


def full(folder):
    journal = Journal(folder, segment_rows=10)
    journal.append(batch([(0, at, float(at), 0) for at in range(25)], 0), np.zeros(25, np.int64), 0)
    return journal, journal.flush()


def test_a_changed_segment_is_named(tmp_path):
    full(tmp_path)
    segment = next(tmp_path.glob("0*[0-9].arrow"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert verify(tmp_path) == ["segment 0: content"]


def test_going_on_without_state_keeps_the_old_rows_aside(tmp_path):
    full(tmp_path)
    journal = Journal(tmp_path, segment_rows=10)
    journal.restore(None)
    assert journal.rows == 0
    assert [path.name for path in (tmp_path / "without-state-0").glob("*.arrow")] == ["00000000.arrow"]


def test_missing_rows_are_refused(tmp_path):
    _, position = full(tmp_path)
    for path in tmp_path.glob("*.arrow"):
        path.unlink()
    with pytest.raises(SourceError, match=r"journal"):
        Journal(tmp_path, segment_rows=10).restore((0, 25, position[2]))


def test_a_torn_tail_is_left_out(tmp_path):
    journal = Journal(tmp_path, segment_rows=100)
    journal.append(batch([(0, 1, 1.0, 0)], 0), np.zeros(1, np.int64), 0)
    position = journal.flush()
    with (tmp_path / "00000000.open.arrow").open("ab") as file:
        file.write(b"\xff\xff\xff\xff\x10\x00")
    again = Journal(tmp_path, segment_rows=100)
    again.restore(position)
    assert again.points(0, 0, 10)["value"].tolist() == [1.0]


def test_evidence_is_the_hash_of_the_rows_it_names(tmp_path):
    journal, _ = full(tmp_path)
    found = journal.evidence(0, 5, 20, offset=9)
    digest = hashlib.sha256()
    times = np.arange(5, 10)
    for column in (times.astype("<i8"), times.astype("<f8"), np.zeros(5, "u1"), times.astype("<i8")):
        digest.update(column.tobytes())
    assert found["rows"] == 5
    assert (found["first_offset"], found["last_offset"]) == (5, 9)
    assert found["sha256"] == digest.hexdigest()


def test_old_segments_go_when_their_time_has_come(tmp_path):
    journal = Journal(tmp_path, segment_rows=10)
    for begin in (0, 10, 20):
        journal.append(batch([(0, begin + at, 1.0, 0) for at in range(10)], begin), np.zeros(10, np.int64), 0)
        journal.flush()
    assert journal.prune(before_ns=100) == 1  # the second ends at 190
    assert journal.points(0, 0, 30)["time_ns"].tolist() == list(range(10, 30))


def test_one_that_stays_among_those_that_go_is_still_read(tmp_path):
    """The clock was wrong while the first was written: its rows are from the future."""
    journal = Journal(tmp_path, segment_rows=10)
    for begin in (0, 10, 20, 30):
        rows = batch([(0, begin + at, 1.0, 0) for at in range(10)], begin)
        rows.received_ns[:] += 10**9 if not begin else 0
        journal.append(rows, np.zeros(10, np.int64), 0)
        journal.flush()
    assert journal.prune(before_ns=300) == 2
    assert journal.points(0, 0, 40)["time_ns"].tolist() == [*range(10), *range(30, 40)]
    assert verify(tmp_path) == []


@pytest.mark.parametrize("fails", ["write", "rename", "manifest", "unlink"])
def test_going_back_that_is_cut_short_can_be_tried_again(tmp_path, monkeypatch, fails):
    """A kill or a full disk at any step of `restore` loses no row."""
    journal = Journal(tmp_path, segment_rows=40)
    journal.restore(None)
    positions = []
    for at in range(12):
        rows = [(at % 3, 10 * at + n, 1.0, 0) for n in range(10)]
        journal.append(batch(rows, at * 10), np.full(10, 7), 3)
        positions.append((journal.flush(), (at + 1) * 10))
    journal.close()
    for position, count in (positions[10], positions[6], positions[2]):
        with monkeypatch.context() as patch:
            patch.setattr(f"{MODULE}{CUTS[fails][0]}", cut)
            for name in CUTS[fails][1:]:
                patch.setattr(f"{MODULE}{name}", cut)
            with pytest.raises(OSError, match="cut"):
                Journal(tmp_path, segment_rows=40).restore(position)
        again = Journal(tmp_path, segment_rows=40)
        again.restore(position)
        assert again.rows == count
        assert sum(len(again.points(series, 0, 10_000)) for series in range(3)) == count
        again.flush()
        again.close()
        assert verify(tmp_path) == []


MODULE = "sinks.journal."
CUTS = {
    "write": ["_write_all"], "rename": ["Path.rename"], "manifest": ["Journal._write_manifest", "Path.unlink"],
    "unlink": ["Path.unlink"],
}  # fmt: skip


def cut(*_):
    raise OSError("cut")

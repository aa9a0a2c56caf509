"""The reader beside the writer: the same rows as the journal itself, with numbers that name them for ever."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.journal import Journal
from sinks.journal_reader import JournalReader
from tests.test_journal import batch

row = st.tuples(st.integers(0, 3), st.integers(0, 200), st.sampled_from([1.0, 2.0, float("nan")]), st.integers(0, 2))
batches = st.lists(st.lists(row, min_size=1, max_size=30), min_size=1, max_size=8)


def written(folder: Path, parts, segment_rows: int = 40) -> list[tuple]:
    """Append and flush each part; returns all rows."""
    journal, rows = Journal(folder, segment_rows), []
    journal.restore(None)
    for part in parts:
        journal.append(batch(part, len(rows)), np.full(len(part), 100), 3)
        rows += part
        journal.flush()
    journal.close()
    return rows


@given(batches, st.integers(0, 3), st.integers(0, 200), st.integers(0, 200))
@settings(max_examples=80, deadline=None)
def test_finds_what_was_flushed_by_number(parts, series, start, length):
    with tempfile.TemporaryDirectory() as name:
        rows = written(Path(name), parts)
        end = start + length
        found = JournalReader(Path(name)).find([series], start, end)
        expected = [
            (one[1], number) for number, one in enumerate(rows) if one[0] == series and start <= one[1] < end
        ]  # fmt: skip
        assert list(zip(found.rows["time_ns"].tolist(), found.number.tolist(), strict=True)) == sorted(expected)
        values = [rows[number][2] for number in found.number]
        assert np.array_equal(found.rows["value"], np.array(values, float), equal_nan=True)
        assert found.skipped == 0
        held = {number for one in found.segments for number in range(one.first_row, one.first_row + one.rows)}
        assert set(found.number.tolist()) <= held


@given(batches, batches, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_row_numbers_found_once_stay_whatever_comes_later(parts, more, series):
    with tempfile.TemporaryDirectory() as name:
        reader = JournalReader(Path(name))
        rows = written(Path(name), parts)
        first = reader.find([series], 0, 201)
        journal = Journal(Path(name), 40)
        last = max(reader.sealed().values(), key=lambda one: one.segment)
        journal.restore((last.segment + 1, len(rows) - last.first_row - last.rows, len(rows)))
        for part in more:
            journal.append(batch(part, journal.rows), np.full(len(part), 100), 3)
            journal.flush()
        journal.close()
        if len(first):
            ranges = [(int(first.number.min()), int(first.number.max()))]
            again = reader.within(ranges, [series], 0, 201)
            assert again.sha256() == first.sha256()
            assert again.number.tolist() == first.number.tolist()


def test_of_too_many_segments_the_first_and_the_last_are_read(tmp_path):
    written(tmp_path, [[(0, 100 + k, 1.0, 0)] * 40 for k in range(10)])
    found = JournalReader(tmp_path).find([0], 0, 1000, most=4)
    assert (found.skipped, found.resumed_row, len(found)) == (6, 320, 160)
    assert set(found.rows["time_ns"].tolist()) == {100, 101, 108, 109}
    assert len(JournalReader(tmp_path).within([(0, 79), (320, 399)], [0], 0, 1000)) == 160


def test_names_of_series_and_a_folder_that_is_not_there(tmp_path):
    reader = JournalReader(tmp_path / "1")
    assert (reader.series(), len(reader.find([0], 0, 10)), reader.broken([0])) == ({}, 0, [])
    journal = Journal(tmp_path / "1")
    journal.name_series(b"cold/room/air\nutil/pump/vibration\n")
    assert reader.series() == {"cold/room/air": 0, "util/pump/vibration": 1}
    journal.restore(None)  # no state: its log is another one
    assert reader.series() == {}


def test_a_segment_that_is_being_closed_is_read_under_its_new_name(tmp_path):
    """Between the renaming and the line in the manifest."""
    written(tmp_path, [[(0, at, 1.0, 0) for at in range(30)]])
    opened = tmp_path / "00000000.open.arrow"
    opened.rename(tmp_path / "00000000.arrow")
    assert len(JournalReader(tmp_path).find([0], 0, 100)) == 30


def test_a_changed_or_lost_segment_is_named(tmp_path):
    written(tmp_path, [[(0, at, 1.0, 0) for at in range(40)] for _ in range(3)])
    reader = JournalReader(tmp_path)
    assert reader.broken([0, 1, 2]) == []
    path = tmp_path / "00000001.arrow"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    (tmp_path / "00000002.arrow").unlink()
    assert reader.broken([0, 1, 2]) == [1, 2]


def test_beside_a_writer_no_row_is_missing_in_the_middle(tmp_path):
    """While segments are closed one after the other, what is found is always the log up to some row."""
    journal, done = Journal(tmp_path, 40), threading.Event()
    journal.restore(None)

    def write() -> None:
        for at in range(0, 1200, 20):
            journal.append(batch([(0, at + k, 1.0, 0) for k in range(20)], at), np.full(20, 0), 1)
            journal.flush()
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reader = JournalReader(tmp_path)
    while not done.is_set():
        number = reader.find([0], 0, 10_000, most=1000).number.tolist()
        assert number == list(range(len(number)))
    writer.join()
    assert len(reader.find([0], 0, 10_000, most=1000)) == 1200

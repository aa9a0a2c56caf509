"""The queue of lines: order, crashes of either side, the cap, and what it says of itself."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from andon.clock import ManualClock
from andon.readings import NS_PER_S
from sinks.segments import SEGMENT_BYTES, SegmentReader, SegmentWriter, files


def lines(*values: int) -> bytes:
    return b"".join(b"line %d %s\n" % (value, b"x" * (value % 7)) for value in values)


def values_of(data: bytes) -> list[int]:
    assert data == b"" or data.endswith(b"\n")
    found = [line.split() for line in data.splitlines()]
    for words in found:
        assert words[0] == b"line"
        assert len(words[2]) if len(words) == 3 else int(words[1]) % 7 == 0, "torn"
    return [int(words[1]) for words in found]


def opened(folder: Path, *, segment_bytes: int = SEGMENT_BYTES, max_bytes: int | None = None) -> SegmentWriter:
    writer = SegmentWriter(folder, segment_bytes=segment_bytes, max_bytes=max_bytes)
    writer.restore(None)
    return writer


def test_lines_come_out_in_order_over_segments_and_finished_ones_go(tmp_path: Path) -> None:
    writer, reader = opened(tmp_path, segment_bytes=200), SegmentReader(tmp_path)
    for value in range(100):
        writer.write(lines(value), 1)
    assert len(files.segments(tmp_path)) > 5
    assert reader.backlog_rows() == 100
    seen: list[int] = []
    while data := reader.read(150, 4):
        seen += values_of(data[0])
        if not data[0]:
            break
        assert data[0].count(b"\n") <= 4
        reader.done(data[1])
    assert seen == list(range(100))
    assert len(files.segments(tmp_path)) == 1
    assert (reader.backlog_bytes(), reader.backlog_rows(), reader.oldest_ns()) == (0, 0, None)
    reader.close()
    writer.close()


def test_a_folder_that_is_not_there_reads_as_empty(tmp_path: Path) -> None:
    with SegmentReader(tmp_path / "none") as reader:
        assert reader.read(1000)[0] == b""
        assert (reader.backlog_bytes(), reader.backlog_rows(), reader.oldest_ns(), reader.gaps()) == (0, 0, None, [])


def test_a_line_longer_than_the_limit_is_read_whole(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    writer.write(b"a" * 10_000 + b"\nb\n", 2)
    with SegmentReader(tmp_path) as reader:
        assert reader.read(10)[0] == b"a" * 10_000 + b"\n"
        assert reader.read(10)[0] == b"b\n"
    writer.close()


def test_a_torn_line_is_never_read_and_does_not_stay_in_the_backlog(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    writer.write(lines(1, 2), 2)
    position = writer.flush()
    with files.segments(tmp_path)[-1].path.open("ab") as file:
        file.write(b"line 3")  # a kill inside the write
    with SegmentReader(tmp_path) as reader:
        data, at = reader.read(1000)
        assert values_of(data) == [1, 2]
        assert reader.read(1000)[0] == b""
        reader.done(at)
        after = SegmentWriter(tmp_path)
        after.restore(None)
        assert reader.read(1000)[0] == b""
        assert (reader.backlog_bytes(), reader.oldest_ns()) == (0, None)
        after.restore(position)
        after.write(lines(3), 1)
        assert values_of(reader.read(1000)[0]) == [3]
        after.close()
    writer.close()


def test_what_came_after_the_position_goes_away(tmp_path: Path) -> None:
    writer = opened(tmp_path, segment_bytes=100)
    writer.write(lines(*range(5)), 5)
    position = writer.flush()
    for value in range(5, 40):
        writer.write(lines(value), 1)
    writer.close()
    again = SegmentWriter(tmp_path, segment_bytes=100)
    again.restore(position)
    again.write(lines(5, 6), 2)
    with SegmentReader(tmp_path) as reader:
        assert reader.backlog_rows() == 7
        seen = []
        while (data := reader.read(60))[0]:
            seen += values_of(data[0])
        assert seen == [0, 1, 2, 3, 4, 5, 6]
    again.close()


def test_a_reader_ahead_of_the_position_misses_nothing_of_the_replay(tmp_path: Path) -> None:
    writer, reader = opened(tmp_path), SegmentReader(tmp_path)
    writer.write(lines(1), 1)
    position = writer.flush()
    writer.write(lines(2, 3, 4), 3)
    ahead, at = reader.read(1000)
    assert values_of(ahead) == [1, 2, 3, 4]
    writer.close()
    again = SegmentWriter(tmp_path)
    again.restore(position)
    again.write(lines(20, 30), 2)  # other batches than before the crash
    reader.done(at)
    assert values_of(reader.read(1000)[0]) == [20, 30]
    assert reader.backlog_rows() == 2
    reader.close()
    again.close()


def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    writer, reader = opened(tmp_path), SegmentReader(tmp_path)
    writer.write(lines(1, 2, 3), 3)
    _, at = reader.read(1000)
    reader.done(at)
    for one in files.segments(tmp_path):
        one.path.unlink()  # somebody tidied up
    again = opened(tmp_path)
    again.write(lines(4, 5, 6), 3)
    assert values_of(reader.read(1000)[0]) == [4, 5, 6]
    assert values_of(SegmentReader(tmp_path).read(1000)[0]) == [4, 5, 6]
    again.close()
    writer.close()
    reader.close()


def test_a_broken_mark_means_delivered_again_not_lost(tmp_path: Path) -> None:
    writer, reader = opened(tmp_path), SegmentReader(tmp_path)
    writer.write(lines(1, 2), 2)
    reader.done(reader.read(1000)[1])
    (tmp_path / "delivered.json").write_bytes(b"")
    assert values_of(SegmentReader(tmp_path).read(1000)[0]) == [1, 2]
    writer.close()
    reader.close()


def test_at_the_cap_the_oldest_go_into_gaps(tmp_path: Path) -> None:
    writer = opened(tmp_path, segment_bytes=1000, max_bytes=4000)
    for value in range(2000):
        writer.write(lines(value), 1)
        assert sum(file.stat().st_size for file in tmp_path.glob("*.seg")) <= 4100
    with SegmentReader(tmp_path) as reader:
        kept = values_of(reader.read(1_000_000)[0])
        while (data := reader.read(1_000_000))[0]:
            kept += values_of(data[0])
        gone = sum(json.loads(gap.summary)["rows"] for gap in reader.gaps())
        assert kept == list(range(gone, 2000))
        assert gone > 1000
        for gap in reader.gaps():
            reader.gap_done(gap.number)
        assert reader.gaps() == []
    writer.close()


def test_a_segment_given_up_while_it_is_read(tmp_path: Path) -> None:
    writer, reader = opened(tmp_path, segment_bytes=1000, max_bytes=4000), SegmentReader(tmp_path)
    writer.write(lines(*range(10)), 10)
    first, at = reader.read(20)
    for value in range(10, 1000):
        writer.write(lines(value), 1)
    reader.done(at)
    reader.rewind()
    rest = values_of(reader.read(1_000_000)[0])
    assert values_of(first)[0] == 0
    assert rest == list(range(rest[0], rest[-1] + 1))
    assert sum(json.loads(gap.summary)["rows"] for gap in reader.gaps()) == rest[0]
    reader.close()
    writer.close()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = opened(tmp_path)
    writer.write(lines(1), 1)
    write, calls = os.write, []

    def short(handle: int, data: memoryview) -> int:
        calls.append(handle)
        if len(calls) == 1:
            return write(handle, data[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", short)
        with pytest.raises(OSError, match="No space"):
            writer.write(lines(2), 1)
    writer.write(lines(3), 1)
    with SegmentReader(tmp_path) as reader:
        assert values_of(reader.read(1000)[0]) == [1, 3]
    writer.close()


def test_half_a_line_and_a_closed_writer_are_refused(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    with pytest.raises(ValueError, match="line feed"):
        writer.write(b"a\nb", 2)
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"a\n", 1)


def test_age_of_the_oldest_line(tmp_path: Path) -> None:
    clock = ManualClock(1000 * NS_PER_S)
    writer, reader = SegmentWriter(tmp_path, clock=clock), SegmentReader(tmp_path, clock)
    writer.restore(None)
    writer.write(lines(1), 1)
    assert reader.oldest_ns() == 1000 * NS_PER_S
    clock.advance(50)
    reader.done(reader.read(1000)[1])
    assert reader.oldest_ns() is None
    clock.advance(50)
    writer.write(lines(2), 1)
    assert reader.oldest_ns() == 1050 * NS_PER_S  # last seen empty
    assert SegmentReader(tmp_path, clock).oldest_ns() == 1050 * NS_PER_S
    reader.close()
    writer.close()


class Crashes(RuleBasedStateMachine):
    """Kills of either side between any two steps, against a list of what must arrive."""

    @initialize()
    def begin(self) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)
        self.next = 0
        self.wanted: list[int] = []  # what the flow's log stands for, after rollbacks
        self.delivered: list[int] = []
        self.open_reads: list[tuple[list[int], tuple[int, int, int]]] = []
        self.snapshot: tuple[int, tuple[int, int, int]] | None = None
        self.writer = opened(self.folder, segment_bytes=120)
        self.reader = SegmentReader(self.folder)

    @rule(count=st.integers(1, 9))
    def write(self, count: int) -> None:
        fresh = list(range(self.next, self.next + count))
        self.next += count
        self.writer.write(lines(*fresh), count)
        self.wanted += fresh

    @rule()
    def snap(self) -> None:
        self.snapshot = (len(self.wanted), self.writer.flush())

    @rule(torn=st.booleans())
    def crash_writer(self, torn: bool) -> None:
        self.writer.close()
        if torn:
            with files.segments(self.folder)[-1].path.open("ab") as file:
                file.write(b"line 9")
        self.writer = SegmentWriter(self.folder, segment_bytes=120)
        if self.snapshot is None:
            self.writer.restore(None)
            self.wanted = []
        else:
            rows, position = self.snapshot
            self.writer.restore(position)
            self.wanted = self.wanted[:rows]

    @rule(most=st.integers(1, 200), rows=st.none() | st.integers(1, 5))
    def read(self, most: int, rows: int | None) -> None:
        data, position = self.reader.read(most, rows)
        if data:
            self.open_reads.append((values_of(data), position))

    @precondition(lambda self: self.open_reads)
    @rule()
    def deliver(self) -> None:
        seen, position = self.open_reads.pop(0)
        self.delivered += seen
        self.reader.done(position)

    @rule()
    def crash_reader(self) -> None:
        self.reader.close()
        self.open_reads = []
        self.reader = SegmentReader(self.folder)

    @rule()
    def lose_the_answer(self) -> None:
        if self.open_reads:
            self.delivered += self.open_reads[0][0]
        self.open_reads = []
        self.reader.rewind()

    def teardown(self) -> None:
        if not hasattr(self, "reader"):
            return
        while self.open_reads:
            self.deliver()
        self.reader.rewind()
        while (data := self.reader.read(50))[0]:
            self.delivered += values_of(data[0])
            self.reader.done(data[1])
        assert self.reader.backlog_bytes() == 0
        assert self.reader.backlog_rows() == 0
        assert len(files.segments(self.folder)) == 1
        rest = iter(self.delivered)
        missing = [value for value in self.wanted if value not in rest]  # a subsequence, in order
        assert missing == []
        self.writer.close()
        self.reader.close()
        self.temporary.cleanup()


Crashes.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestCrashes = Crashes.TestCase

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.clock import ManualClock
from andon.errors import SourceError
from sources.spool import Spool
from sources.spool import segments as seg

S = 1_000_000_000


@pytest.fixture
def clock():
    return ManualClock(1_767_225_600 * S)


@pytest.fixture
def spool(tmp_path, clock):
    with Spool(tmp_path / "spool" / "0", 0, clock, segment_bytes=64_000) as one:
        yield one


def drain(reader, max_messages=1000):
    got = []
    while part := reader.read(max_messages, 10_000_000):
        got.extend(part)
    return got


def fill(spool, body):
    """Append until refused: how many were taken, and the code."""
    taken = 0
    while True:
        try:
            taken = spool.append([body(taken)], "sim", b"%d" % taken)
        except SourceError as error:
            return taken, error.code


def files(spool):
    return sorted(path.name for path in spool.folder.glob("*.db"))


def test_messages_come_back_in_order_with_offsets_from_one(spool, clock):
    assert spool.append([b"a", b"", b"c"]) == 3
    clock.advance(1.5)
    assert spool.append([b"d"]) == 4
    messages = drain(spool.reader(0))
    assert [(m.offset, m.body) for m in messages] == [(1, b"a"), (2, b""), (3, b"c"), (4, b"d")]
    assert [m.received_ns - messages[0].received_ns for m in messages] == [0, 0, 0, 1_500_000_000]


def test_an_empty_append_and_an_empty_spool(spool):
    assert spool.append([]) == 0
    assert spool.reader(0).read(10, 10) == []
    assert (spool.first_offset(), spool.last_offset()) == (1, 0)


def test_folder_and_files_are_private(spool):
    spool.append([b"x"])
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in spool.folder.iterdir()} == {0o600}


def test_received_never_runs_backwards_even_over_segments_and_restarts(spool, clock):
    spool.append([b"x" * 70_000])  # fills the segment
    clock.advance(-3600)
    spool.append([b"y"])
    with Spool(spool.folder, 0, clock, segment_bytes=1) as again:
        again.append([b"z"])
        clock.advance(3601)
        again.append([b"later"])
    stamps = [m.received_ns for m in drain(spool.reader(0))]
    assert [stamp - stamps[0] for stamp in stamps] == [0, 0, 0, S]
    assert len(files(spool)) == 4


def test_a_read_stops_at_both_limits_but_returns_at_least_one(spool):
    spool.append([b"12345"] * 10)
    reader = spool.reader(0)
    assert len(reader.read(3, 1_000)) == 3
    assert len(reader.read(100, 12)) == 2
    assert len(reader.read(100, 1)) == 1
    assert reader.position == 6
    assert reader.depth() == 4
    assert len(reader.read(100, 10_000)) == 4
    assert reader.depth() == 0
    with pytest.raises(ValueError, match="at least 1"):
        reader.read(0, 10)


def test_a_reader_starts_anywhere_also_inside_a_row(spool):
    spool.append([b"%d" % i for i in range(100)])
    assert [m.body for m in drain(spool.reader(97))] == [b"97", b"98", b"99"]
    assert drain(spool.reader(100)) == []


def test_a_long_append_is_cut_into_rows(spool):
    bodies = [b"m%d" % i * 1000 for i in range(500)]
    spool.append(bodies)
    assert [m.body for m in drain(spool.reader(0), 7)] == bodies
    rows = seg.pack(0, 5, [b""] * 10_000)
    assert [row.n for row in rows] == [4096, 4096, 1808]
    assert [row.last for row in rows] == [4096, 8192, 10_000]


def test_segments_roll_and_the_oldest_released_go(spool):
    for i in range(40):
        spool.append([b"%04d" % i * 2500])
    assert len(files(spool)) >= 5
    reader = spool.reader(0)
    assert [m.body[:4] for m in drain(reader, 3)] == [b"%04d" % i for i in range(40)]
    before = spool.size_bytes()
    reader.release(20)
    first = spool.first_offset()
    assert 2 < first <= 21
    assert spool.size_bytes() < before / 1.5
    assert drain(spool.reader(first - 1))[0].offset == first
    with pytest.raises(SourceError, match="no longer kept") as info:
        spool.reader(first - 2)
    assert info.value.code == "spool.gone"
    reader.release(40)
    assert len(files(spool)) == 1  # the newest stays, so offsets are not used again
    assert spool.append([b"next"]) == 41
    assert [m.offset for m in drain(reader)] == [41]


def test_what_was_not_read_is_not_released(spool):
    for _ in range(20):
        spool.append([b"x" * 10_000])
    reader = spool.reader(0)
    reader.read(2, 10_000_000)
    reader.release(20)
    assert len(drain(reader)) == 18


def test_a_reader_follows_a_writer_over_rolls(spool):
    reader = spool.reader(0)
    got = []
    for i in range(60):
        spool.append([b"%d" % i + b"x" * 7_000])
        got.extend(m.offset for m in reader.read(10, 1_000_000))
        if i % 10 == 9:
            reader.release(i)
    assert got == list(range(1, 61))


def test_offsets_ahead_of_the_spool_are_refused(spool):
    spool.append([b"x"])
    with pytest.raises(SourceError) as info:
        spool.reader(2)
    assert info.value.code == "spool.ahead"
    assert "ends at 1" in info.value.text("en")


def test_checkpoints_belong_to_their_rows_and_survive_rolls(spool, clock):
    assert spool.checkpoint("sim") is None
    spool.append([b"x" * 70_000], "sim", b"1")
    spool.append([b"y" * 70_000], "other", b"o")
    spool.append([b"z" * 70_000])
    spool.append([], "sim", b"2")
    with Spool(spool.folder, 0, clock) as again:
        assert (again.checkpoint("sim"), again.checkpoint("other")) == (b"2", b"o")
    with pytest.raises(ValueError, match="go together"):
        spool.append([b"x"], "sim")


def test_two_writers_and_a_roll_by_the_other(spool, clock):
    with Spool(spool.folder, 0, clock, segment_bytes=20_000) as other:
        for i in range(30):
            assert (spool, other)[i % 2].append([b"x" * 9_000]) == i + 1
    assert [m.offset for m in drain(spool.reader(0))] == list(range(1, 31))


def test_threads_share_a_spool(spool):
    def work(name):
        for i in range(40):
            spool.append([b"%d %d" % (name, i)] * 3)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bodies = [m.body for m in drain(spool.reader(0))]
    assert len(bodies) == 480
    for name in range(4):
        mine = [int(body.split()[1]) for body in bodies if body.startswith(b"%d " % name)]
        assert mine == [i for i in range(40) for _ in range(3)]


def test_back_pressure_and_going_on(tmp_path, clock):
    with Spool(tmp_path / "q", 3, clock, max_bytes=400_000) as spool:
        taken, code = fill(spool, lambda _: b"x" * 5_000)
        assert code == "spool.full"
        assert 25 < taken < 80  # a fresh segment takes 40 kB of its 100
        reader = spool.reader(0)
        assert len(drain(reader)) == taken
        reader.release(taken)
        assert spool.append([b"again"]) == taken + 1
        assert [m.body for m in drain(reader)] == [b"again"]


def test_the_reserve_of_the_disk_is_left_alone(tmp_path, clock, monkeypatch):
    with Spool(tmp_path / "q", 0, clock) as spool:
        spool.append([b"x"])
        real = os.statvfs(tmp_path)
        full = os.statvfs_result((*real[:3], 0, 0, *real[5:10]))
        monkeypatch.setattr(os, "statvfs", lambda _: full)
        with pytest.raises(SourceError) as info:
            spool.append([b"y"])
        assert info.value.code == "spool.disk_full"
        monkeypatch.undo()
        assert spool.append([b"y"]) == 2


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="needs root to mount a small tmpfs")
def test_a_full_disk_is_said_and_survived(tmp_path, clock):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(mounted.stderr.decode())
    try:
        with Spool(disk / "q", 0, clock, segment_bytes=300_000, reserve_bytes=0) as spool:
            taken, code = fill(spool, lambda i: b"%06d" % i + b"x" * 3_000)
            assert code == "spool.disk_full"
            assert taken > 300
            assert spool.last_offset() == taken
            assert spool.checkpoint("sim") == b"%d" % (taken - 1)
            reader = spool.reader(0)
            assert [int(m.body[:6]) for m in drain(reader)] == list(range(taken))
            reader.release(taken)
            assert spool.append([b"again"]) == taken + 1
            assert [m.body for m in drain(reader)] == [b"again"]
            reader.close()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_damaged_row_is_found(spool):
    spool.append([b"aaaa"])
    spool.append([b"bbbb"])
    with sqlite3.connect(next(spool.folder.glob("*.db"))) as db:
        db.execute("update batch set body = x'00000000' where last = 2")
    db.close()
    reader = spool.reader(0)
    with pytest.raises(SourceError) as info:
        reader.read(10, 100)
    assert info.value.code == "spool.corrupt"
    assert "row 2" in info.value.text("en")


def test_a_file_that_is_no_database_is_named(tmp_path, clock):
    Spool(tmp_path / "q", 0, clock).close()
    (tmp_path / "q" / "00000000000000000001.db").write_bytes(b"garbage" * 1000)
    with pytest.raises(SourceError) as info:
        Spool(tmp_path / "q", 0, clock)
    assert info.value.code == "spool.corrupt"


def test_a_crash_while_a_segment_is_made_or_removed_leaves_nothing_behind(spool):
    for _ in range(8):
        spool.append([b"x" * 40_000])
    old = seg.segments(spool.folder)[0]
    reader = spool.reader(8)
    old.path.unlink()  # died between the main file and its parts
    Path(f"{old.path}-wal").touch()
    half = spool.folder / f"{99:020d}.new"  # died before the rename
    half.write_bytes(b"half")
    reader.close()
    reader = spool.reader(8)
    assert not Path(f"{old.path}-wal").exists()
    for _ in range(3):
        spool.append([b"x" * 70_000])
    assert not half.exists()
    assert [m.offset for m in drain(reader)] == [9, 10, 11]


@settings(max_examples=40, deadline=None)
@given(
    appends=st.lists(st.lists(st.binary(max_size=3000), max_size=6), max_size=25),
    reads=st.lists(st.tuples(st.integers(1, 7), st.integers(0, 5000)), min_size=1, max_size=10),
    start=st.integers(0, 20),
)
def test_any_appends_and_any_reads(tmp_path_factory, appends, reads, start):
    folder = tmp_path_factory.mktemp("spool")
    with Spool(folder, 0, ManualClock(1), segment_bytes=30_000) as spool:
        for bodies in appends:
            spool.append(bodies)
        written = [body for bodies in appends for body in bodies]
        start = min(start, len(written))
        got = []
        with spool.reader(start) as reader:
            for turn in range(len(written) + 1):
                got.extend(reader.read(*reads[turn % len(reads)]))
                reader.release(reader.position - 2)
        assert [m.body for m in got] == written[start:]
        assert [m.offset for m in got] == list(range(start + 1, len(written) + 1))
    shutil.rmtree(folder)


def test_texts_of_both_languages_have_the_same_codes_and_parameters():
    folder = Path(seg.__file__).parents[2] / "andon" / "locale"
    english = json.loads((folder / "en" / "sources.json").read_text())
    chinese = json.loads((folder / "zh-CN" / "sources.json").read_text())
    assert english.keys() == chinese.keys()
    for code, text in english.items():
        assert sorted(part.split("}")[0] for part in text.split("{")[1:]) == sorted(
            part.split("}")[0] for part in chinese[code].split("{")[1:]
        ), code

"""Old rows go by the log's own time, and never what may still be corrected."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Message, Reason
from andon.slots import SlotFiles
from flows.retention import HOUR_NS, KEPT_SNAPSHOTS, Horizon
from flows.shard import ShardEngine
from flows.writers import HistoryPartition
from sinks.history import HistoryWriter
from sinks.journal import Journal, verify
from tests.engine_world import START_NS, S, body, plant, run, tick

H = 3600
SHORT = {  # corrected for 2 h, journal for 6 h
    "time": {"lateness_s": 5.0, "idle_s": 30.0, "correct_for_h": 2.0, "future_s": 300.0},
    "retention": {"journal_d": 0.25, "history_d": 1.0},
    "windows": {"pane_s": 10.0, "sizes_s": [10.0, 60.0], "figures_s": 600.0},
}


def steady(hours: int, every_s: int = 60) -> list[tuple[int, bytes]]:
    """A cold room and a pump, a tick each time."""
    log = []
    for second in range(0, hours * H, every_s):
        now = START_NS + second * S
        log += [(now, body(now, "cold/room", "air", 5.0 + second % 7)), (now, tick(now))]
    return log


def engine_over(folder: Path, log: list[tuple[int, bytes]], cut: int = 200) -> tuple[ShardEngine, list]:
    engine = ShardEngine(plant(**SHORT), 0, Journal(folder / "journal", 100), SlotFiles(folder / "slots"))
    engine.restore(None)
    outputs = []
    messages = [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(log)]
    for begin in range(0, len(messages), cut):
        outputs.append(engine.step(messages[begin : begin + cut]))
        engine.snapshot()
    return engine, outputs


def test_the_journal_keeps_what_may_be_corrected_and_little_more(tmp_path):
    engine, _ = engine_over(tmp_path, steady(24), cut=20)
    files = sorted((tmp_path / "journal").glob("*.arrow"))
    rows_kept = len(files) * 100
    assert rows_kept < 2.0 * 6 * H / 60, "files were not removed"
    newest_ns = engine.newest_ns
    kept = engine.journal.points(0, 0, newest_ns + 1)
    assert int(kept["time_ns"][0]) <= newest_ns - 5 * H * S
    assert int(kept["time_ns"][0]) >= newest_ns - 7 * H * S - 60 * S
    assert len(kept) == (newest_ns - int(kept["time_ns"][0])) // (60 * S) + 1, "a hole in what is kept"
    assert verify(tmp_path / "journal") == []


def test_a_restart_finds_everything_its_snapshot_needs(tmp_path):
    """Going back to the oldest snapshot that counts, with all files removed that the newest one allows."""
    log = [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(steady(24))]
    engine = ShardEngine(plant(**SHORT), 0, Journal(tmp_path / "journal", 100), SlotFiles(tmp_path / "slots"))
    engine.restore(None)
    snapshots = []
    for begin in range(0, len(log), 200):
        engine.step(log[begin : begin + 200])
        snapshots.append((begin + 200, engine.journal.rows, engine.snapshot()))
    end, rows, state = snapshots[-3]
    again = ShardEngine(plant(**SHORT), 0, Journal(tmp_path / "journal", 100), SlotFiles(tmp_path / "slots"))
    again.restore(state)
    assert again.journal.rows == rows
    outputs = again.step(log[end:])
    assert outputs.last_offset == len(log)
    assert again.journal.rows == engine.journal.rows


def late_rows(hours: int, behind_s: list[int]) -> list[tuple[int, bytes]]:
    log = steady(hours)
    now = log[-1][0]
    late = [(now, body(now - second * S - 3 * S, "cold/room", "air", -9.0)) for second in behind_s]
    return [*log, *late, (now + S, tick(now + S)), (now + 2 * S, tick(now + 2 * S))]


def test_rows_inside_correct_for_h_are_corrected_after_days_of_pruning():
    seen = run(late_rows(24, [600, 7000]), 50, model=plant(**SHORT))
    assert not seen.dead
    corrected = [row for row in seen.windows if row[3] == "2"]
    minutes = [row for row in corrected if row[1] == repr(60 * S)]
    assert len(minutes) == 2
    assert all(row[4] == "2" for row in minutes), "a corrected minute holds its row and the late one"


def test_a_series_silent_for_longer_than_the_journal_starts_anew():
    """Behind its last row nothing can be told any more; ahead of it everything counts, however old."""
    silent = 12 * H
    at = [START_NS + second * S for second in range(0, 600, 20)]
    log = [(now, body(now, "util/pump", "vibration", 1.0)) for now in at]
    log += [(START_NS + second * S, tick(START_NS + second * S)) for second in range(600, silent, 60)]
    back = START_NS + silent * S
    log += [(back, body(at[-1] - 100 * S, "util/pump", "vibration", 1.0)),  # known once, or new? nobody knows
            (back, body(at[-1] + 7200 * S, "util/pump", "vibration", 2.0)),
            (back, body(at[-1] + 7190 * S, "util/pump", "vibration", 3.0))]  # fmt: skip
    log += [(back + 100 * S, tick(back + 100 * S)), (back + 101 * S, tick(back + 101 * S))]
    seen = run(log, 50, model=plant(**SHORT))
    assert [row[2] for row in seen.dead] == [int(Reason.stamp_too_old)]
    counted = sum(row[4] + row[5] for row in seen.ledger)
    assert counted == len(at) + 2


@given(st.lists(st.tuples(st.integers(0, 10 * H), st.integers(0, 8 * H)), min_size=1, max_size=12))
@settings(max_examples=4, deadline=None)
def test_any_cut_gives_the_same_rows_while_the_journal_is_pruned(late):
    """Late rows of any age, some twice, around the horizon."""
    log = steady(10, 240)
    end = log[-1][0]
    for second, behind in late:
        now = min(START_NS + second * S, end)
        log.append((now, body(max(now - behind * S, START_NS), "cold/room", "air", 1.5)))
    log.sort(key=lambda one: one[0])
    log += [(end + 100 * S, tick(end + 100 * S)), (end + 101 * S, tick(end + 101 * S))]
    whole = run(log, len(log), model=plant(**SHORT))
    for cut, restart in ((7, False), (61, True)):
        other = run(log, cut, restart=restart, model=plant(**SHORT))
        assert (other.windows, other.figures, other.ledger, other.dead) == (
            whole.windows, whole.figures, whole.ledger, whole.dead,
        )  # fmt: skip


def test_the_history_is_pruned_by_plant_time_once_an_hour(tmp_path, monkeypatch):
    passes = []
    prune = HistoryWriter.prune
    monkeypatch.setattr(HistoryWriter, "prune", lambda self, before: passes.append(before) or prune(self, before))
    _, outputs = engine_over(tmp_path, steady(30), cut=60)
    partition = HistoryPartition(HistoryWriter(tmp_path / "h.db", 0), 86_400.0)
    partition.write_batch(outputs)
    partition.close()
    assert 28 <= len(passes) <= 31
    with sqlite3.connect(tmp_path / "h.db") as db:
        (oldest,) = db.execute('select min(start_ns) from "window"').fetchone()
        (ledger,) = db.execute("select min(hour_ns) from ledger").fetchone()
    assert START_NS + 5 * H * S <= oldest <= START_NS + 6 * H * S + 60 * S
    assert ledger >= START_NS + 5 * H * S


def test_a_clock_that_jumps_a_year_costs_two_hours_of_rows():
    horizon = Horizon(24.0 * H)
    before = horizon.advance(START_NS)
    assert horizon.advance(START_NS + 366 * 24 * HOUR_NS) == before + 2 * HOUR_NS
    assert horizon.advance(START_NS + 366 * 24 * HOUR_NS + S) is None
    assert horizon.advance(START_NS + HOUR_NS) is None, "and nothing while it is back"


def test_files_go_only_when_every_snapshot_that_counts_allows_it(tmp_path):
    """A snapshot taken before the horizon moved must be able to go on."""
    journal = Journal(tmp_path / "journal", 100)
    removed = []
    journal.prune = lambda before_ns: removed.append(before_ns) or 0
    engine = ShardEngine(plant(**SHORT), 0, journal, SlotFiles(tmp_path / "slots"))
    engine.restore(None)
    log = [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(steady(KEPT_SNAPSHOTS + 10, H))]
    for begin in range(0, len(log), 2):  # a snapshot an hour
        engine.step(log[begin : begin + 2])
        engine.snapshot()
    assert removed[-1] == engine.journal.kept_from_ns - (KEPT_SNAPSHOTS - 1) * HOUR_NS

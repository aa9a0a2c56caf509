"""The history store: keys, revisions, replay, pruning, and reading several shards as one."""

from __future__ import annotations

import math
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.outputs import Figure, Latest, LedgerRows, ShardOutputs, StateChanges, WindowRows
from andon.readings import NS_PER_S, Event
from sinks.history import HistoryReader, HistoryWriter

HOUR_NS = 3600 * NS_PER_S
PATHS = {0: ("cold/room1", "air"), 1: ("filling/line1/filler1", "state")}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def windows(*rows: tuple[int, int, int, float], size_s: int = 10) -> WindowRows:
    """Rows of (series, start s, revision, mean)."""
    mean = np.array([row[3] for row in rows], np.float64)
    return WindowRows(
        np.array([row[0] for row in rows], np.int32), np.full(len(rows), size_s * NS_PER_S),
        ints(*(row[1] * NS_PER_S for row in rows)), np.array([row[2] for row in rows], np.int32),
        np.full(len(rows), 5), mean - 1, mean + 1, mean, np.zeros(len(rows)), mean, mean,
        np.full(len(rows), np.nan),
    )  # fmt: skip


def latest(series: int, time_s: int, value: float, score: float = math.nan) -> Latest:
    return Latest(
        np.array([series], np.int32), ints(time_s * NS_PER_S), ints(time_s * NS_PER_S + 5), np.array([value]),
        np.array([0], np.uint8), np.array([score]),
    )  # fmt: skip


def ledger(as_of: int, series: int, hour: int, counted: int, dead: int = 0) -> LedgerRows:
    zero = ints(0)
    return LedgerRows(
        as_of, np.array([series], np.int32), ints(hour * HOUR_NS), ints(counted + dead), ints(counted), zero, zero,
        zero, ints(dead), zero,
    )  # fmt: skip


def states(*rows: tuple[int, float], series: int = 1) -> StateChanges:
    return StateChanges(
        np.full(len(rows), series, np.int32), ints(*(row[0] * NS_PER_S for row in rows)),
        np.array([row[1] for row in rows]),
    )  # fmt: skip


def figure(start_s: int, revision: int, final: bool, **parts: float | None) -> Figure:
    return Figure(
        "filling/line1/filler1", "", "oee", start_s * NS_PER_S, (start_s + 3600) * NS_PER_S, revision, final, parts
    )


def outputs(offset: int, watermark_s: int = 0, shard: int = 0, **columns: object) -> ShardOutputs:
    return ShardOutputs(shard, offset, offset, watermark_s * NS_PER_S, 1, paths=PATHS, **columns)


def dump(path: Path) -> list[str]:
    """Everything in the file, for comparing two of them."""
    with sqlite3.connect(path) as db:
        lines = sorted(db.iterdump())
    db.close()
    return lines


def event(second: int, name: str, asset: str = "cold/room1", **data: object) -> Event:
    return Event(second * NS_PER_S, asset, name, data, second, second * NS_PER_S, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history" / "0.db"


def test_a_file_that_is_not_there_reads_as_empty_and_is_seen_once_written(path: Path) -> None:
    reader = HistoryReader([path])
    assert (reader.latest(), reader.marks(), reader.watermark_ns(), reader.ledger()) == ([], [], None, [])
    path.parent.mkdir()
    path.touch()
    assert reader.latest() == []  # created, no tables yet
    writer = HistoryWriter(path, 0)
    assert reader.marks() == []
    writer.write(outputs(7, watermark_s=60, latest=latest(0, 59, 4.5)))
    [value] = reader.latest()
    assert (value.asset, value.tag, value.value, value.score) == ("cold/room1", "air", 4.5, None)
    assert reader.marks()[0].last_offset == 7
    assert reader.lag_s(61 * NS_PER_S) == 1.0
    assert reader.lag_s(0) == 0.0
    reader.close()
    writer.close()


def test_the_file_is_private_and_the_reader_cannot_write(path: Path) -> None:
    writer = HistoryWriter(path, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    reader = HistoryReader([path])
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._all("delete from meta")
    reader.close()
    writer.close()


def test_windows_keep_the_highest_revision(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    writer.write(outputs(1, windows=windows((0, 0, 0, 5.0), (0, 10, 0, 6.0))))
    writer.write(outputs(2, windows=windows((0, 0, 1, 5.5))))
    writer.write(outputs(1, windows=windows((0, 0, 0, 5.0))))
    seen = reader.windows("cold/room1", "air", 10 * NS_PER_S, 0, HOUR_NS)
    assert (seen.start_ns, seen.revision, seen.mean) == ([0, 10 * NS_PER_S], [1, 0], [5.5, 6.0])
    assert seen.score == [None, None]
    assert reader.sizes("cold/room1", "air") == [10 * NS_PER_S]
    newest = reader.windows("cold/room1", "air", 10 * NS_PER_S, 0, HOUR_NS, limit=1)
    assert newest.start_ns == [10 * NS_PER_S]
    assert reader.windows("cold/room1", "air", 99, 0, HOUR_NS).start_ns == []
    reader.close()
    writer.close()


def test_a_correction_has_no_score_and_leaves_the_one_there_is(path: Path) -> None:
    """As InfluxDB does with a field that is left out; so both show the same."""
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    writer.write(outputs(1, windows=replace(windows((0, 0, 0, 5.0)), score=np.array([0.7]))))
    writer.write(outputs(2, windows=windows((0, 0, 1, 5.5))))
    seen = reader.windows("cold/room1", "air", 10 * NS_PER_S, 0, HOUR_NS)
    assert (seen.revision, seen.mean, seen.score) == ([1], [5.5], [0.7])
    reader.close()
    writer.close()


def test_a_running_figure_moves_on_is_made_final_and_then_only_revised(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    history = [(0, False, 1.0), (0, False, 2.0), (0, True, 3.0), (1, True, 4.0)]
    for offset, (revision, final, made) in enumerate(history):
        writer.write(outputs(offset, figures=[figure(0, revision, final, total=made, oee=None)]))
        [seen] = reader.figures("oee", 0, HOUR_NS)
        assert (seen.revision, seen.final, seen.parts) == (revision, final, {"total": made, "oee": None})
    writer.write(outputs(1, figures=[figure(0, 0, False, total=2.0)]))  # a replay of something older
    writer.write(outputs(9, figures=[figure(3600, 0, False, total=9.0)]))
    assert [one.parts["total"] for one in reader.figures("oee", 0, 2 * HOUR_NS)] == [4.0, 9.0]
    assert [one.parts["total"] for one in reader.newest_figures("oee")] == [9.0]
    assert reader.newest_figures("oee", since_ns=2 * HOUR_NS) == []
    assert reader.figures("oee", 0, HOUR_NS, asset="other") == reader.newest_figures("cold_chain") == []
    reader.close()
    writer.close()


def test_of_two_running_figures_in_one_step_the_later_one_stays(path: Path) -> None:
    """A step that catches up holds several; the first one would be shown until the next tick that makes one."""
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    writer.write(outputs(5, figures=[figure(0, 0, False, total=made) for made in (1.0, 2.0)]))
    assert [one.parts["total"] for one in reader.figures("oee", 0, HOUR_NS)] == [2.0]
    reader.close()
    writer.close()


def test_states_are_led_by_the_one_in_force(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    writer.write(outputs(1, states=states((10, 6.0), (20, 11.0), (30, 6.0))))
    writer.write(outputs(2, states=states((20, 4.0))))  # a conflict: the first stays
    path_of = PATHS[1]
    assert reader.states(*path_of, 25 * NS_PER_S, HOUR_NS) == [(20 * NS_PER_S, 11.0), (30 * NS_PER_S, 6.0)]
    assert reader.states(*path_of, 0, 15 * NS_PER_S) == [(10 * NS_PER_S, 6.0)]
    assert reader.states(*PATHS[0], 0, HOUR_NS) == []
    assert reader.newest_states() == {path_of: (30 * NS_PER_S, 6.0)}
    reader.close()
    writer.close()


def test_ledger_sums_hours_and_shards_and_shows_what_does_not_balance(path: Path, tmp_path: Path) -> None:
    second = tmp_path / "history" / "1.db"
    writer, other, reader = HistoryWriter(path, 0), HistoryWriter(second, 1), HistoryReader([path, second])
    writer.write(outputs(1, ledger=[ledger(1, 0, 0, 5)]))
    writer.write(outputs(2, ledger=[ledger(2, 0, 0, 3, dead=1)]))
    writer.write(outputs(2, ledger=[ledger(1, 0, 0, 5)]))  # replayed in another cut
    writer.write(outputs(3, ledger=[ledger(3, 0, 1, 2)]))
    writer.write(outputs(4, ledger=[ledger(4, -1, 1, 0, dead=3)]))
    other.write(outputs(4, shard=1, ledger=[ledger(4, -1, 1, 0, dead=4)]))
    unreadable, air = reader.ledger()
    assert (unreadable.asset, unreadable.dead) == ("", 7)
    assert (air.received, air.counted, air.dead, air.difference) == (11, 10, 1, 0)
    assert reader.ledger(HOUR_NS)[1].received == 2
    assert [(hour, row.received) for hour, row in reader.ledger_hours("cold/room1", "air")] == [(0, 9), (HOUR_NS, 2)]
    assert [row.dead for _, row in reader.ledger_hours("", "")] == [7]
    assert [mark.shard for mark in reader.marks()] == [0, 1]
    for one in (writer, other, reader):
        one.close()


def test_prune_keeps_the_state_in_force_and_what_still_runs(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    writer.write(outputs(
        1, windows=windows((0, 0, 0, 5.0), (0, 7200, 0, 6.0)),
        figures=[figure(0, 0, True, a=1.0), figure(3600, 0, False)],
        states=states((10, 6.0), (20, 11.0), (9000, 6.0)),
        ledger=[ledger(1, 0, 0, 5)], latest=latest(0, 10, 1.0),
    ))  # fmt: skip
    assert writer.prune(2 * HOUR_NS) == 4
    assert reader.windows("cold/room1", "air", 10 * NS_PER_S, 0, 9 * HOUR_NS).start_ns == [2 * HOUR_NS]
    assert [one.final for one in reader.figures("oee", 0, 9 * HOUR_NS)] == [False]
    assert [time_ns // NS_PER_S for time_ns, _ in reader.states(*PATHS[1], 0, 9 * HOUR_NS)] == [20, 9000]
    assert reader.ledger() == []
    assert len(reader.latest()) == 1
    assert writer.prune(2 * HOUR_NS) == 0
    reader.close()
    writer.close()


def test_events_are_kept_once_and_the_last_of_each_kind_stays(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    day = [event(10, "lot.started", lot="A"), event(20, "lot.started", lot="B"), event(30, "calibration.done", due="x")]
    writer.write(outputs(1, events=[*day, event(5, "lot.started", "cold/room2", lot="C")]))
    writer.write(outputs(2, events=day[1:]))  # told again
    kept = reader.events("cold/room1", 0, HOUR_NS)
    assert [(one.time_ns // NS_PER_S, one.event, dict(one.data)) for one in kept] == [
        (10, "lot.started", {"lot": "A"}), (20, "lot.started", {"lot": "B"}), (30, "calibration.done", {"due": "x"}),
    ]  # fmt: skip
    assert [one.data["lot"] for one in reader.events("cold/room1", 20 * NS_PER_S, 30 * NS_PER_S)] == ["B"]
    named = reader.events("cold/room1", 0, HOUR_NS, ("calibration.done", "lot.ended"))
    assert [one.event for one in named] == ["calibration.done"]
    assert writer.prune(HOUR_NS) == 1
    assert [one.time_ns // NS_PER_S for one in reader.events("cold/room1", 0, HOUR_NS)] == [20, 30]
    reader.close()
    writer.close()


def test_a_file_of_a_version_without_events_reads_as_having_none(path: Path) -> None:
    HistoryWriter(path, 0).close()
    with sqlite3.connect(path) as db:
        db.execute("drop table event")
    assert HistoryReader([path]).events("cold/room1", 0, HOUR_NS) == []


def test_a_failed_write_stores_nothing_and_can_be_tried_again(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    bad = outputs(1, windows=windows((0, 0, 0, 5.0)), figures=[figure(0, 0, True, odd=object())])
    with pytest.raises(TypeError):
        writer.write(bad)
    assert reader.marks() == []
    writer.write(outputs(1, windows=windows((0, 0, 0, 5.0))))
    assert reader.windows("cold/room1", "air", 10 * NS_PER_S, 0, HOUR_NS).mean == [5.0]
    reader.close()
    writer.close()


steps = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans(), st.integers(0, 3), st.integers(0, 5)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps, st.data())
def test_replaying_any_stretch_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, bool, int, int]], data: st.DataObject
) -> None:
    """A crash replays from some earlier offset to the end; the file equals the one of an uninterrupted run."""
    log, revisions = [], {}
    for offset, (slot, _, final, tick, value) in enumerate(rows):
        revision = revisions[slot] = revisions.get(slot, -1) + 1
        log.append(outputs(
            offset, watermark_s=offset, windows=windows((0, slot * 10, revision, float(value))),
            figures=[figure(slot * 3600, revision, final, total=float(value))], latest=latest(0, tick, float(value)),
            states=states((tick, float(value))), ledger=[ledger(offset, 0, slot, value)],
            events=[event(tick, "lot.started", lot=value)],
        ))  # fmt: skip
    crash = data.draw(st.integers(1, len(log)))
    resume = data.draw(st.integers(0, crash - 1))
    folder = tmp_path_factory.mktemp("replay")
    files = folder / "once.db", folder / "crashed.db"
    for file, run in zip(files, (log, log[:crash] + log[resume:]), strict=True):
        writer = HistoryWriter(file, 0)
        for step in run:
            writer.write(step)
        writer.close()
    assert dump(files[0]) == dump(files[1])


def test_every_revision_of_a_figure_is_kept_with_the_time_at_which_it_was_known(path: Path) -> None:
    writer, reader = HistoryWriter(path, 0), HistoryReader([path])
    texts, void = {"product": "VIAL-10"}, {"void": "late"}
    for offset, (known_s, one) in enumerate([
        (3_600, replace(figure(0, 1, True, total=4.0), about=texts)), (9_000, figure(0, 2, True, total=5.0)),
        (9_500, replace(figure(0, 3, True, total=None), about=void)),
    ]):  # fmt: skip
        step = outputs(offset, figures=[replace(one, known_ns=known_s * NS_PER_S)])
        writer.write(step)
        writer.write(step)  # a replay changes nothing
    known = [
        [(one.revision, one.parts["total"], dict(one.about)) for one in
         reader.figures("oee", 0, HOUR_NS, as_of_ns=at_s * NS_PER_S)]
        for at_s in (3_599, 3_600, 8_999, 9_000, 9_500)
    ]  # fmt: skip
    assert known == [[], [(1, 4.0, texts)], [(1, 4.0, texts)], [(2, 5.0, {})], []]
    assert reader.figures("oee", 0, HOUR_NS) == reader.newest_figures("oee") == []
    assert [one.revision for one in reader.figures("oee", 0, HOUR_NS, gone=True)] == [3]
    assert writer.prune(2 * HOUR_NS) == 1
    assert reader.figures("oee", 0, HOUR_NS, as_of_ns=9_000 * NS_PER_S) == []


def test_a_file_of_a_version_before_is_read_and_upgraded_in_place(path: Path) -> None:
    HistoryWriter(path, 0).close()
    with sqlite3.connect(path) as db:
        db.execute("drop table figure_revision")
        db.execute("drop table figure")
        db.execute(
            """create table figure (
            asset text not null, tag text not null, kind text not null, start_ns integer not null,
            end_ns integer not null, revision integer not null, final integer not null, offset integer not null,
            parts text not null, primary key (kind, asset, tag, start_ns)) without rowid"""
        )
        db.execute("insert into figure values ('a', '', 'oee', 0, 10, 2, 1, 7, '{\"total\":4.0}')")
    db.close()
    reader = HistoryReader([path])
    before = reader.figures("oee", 0, 10), reader.figures("oee", 0, 10, as_of_ns=10), reader.newest_figures("oee")
    assert [[one.parts["total"] for one in found] for found in before] == [[4.0]] * 3
    writer = HistoryWriter(path, 0)
    assert (reader.figures("oee", 0, 10), reader.figures("oee", 0, 10, as_of_ns=10)) == before[:2]
    writer.write(outputs(8, figures=[Figure("a", "", "oee", 0, 10, 3, True, {"total": 5.0}, known_ns=20)]))
    assert [one.parts["total"] for one in reader.figures("oee", 0, 10, as_of_ns=19)] == [4.0]
    assert [one.parts["total"] for one in reader.figures("oee", 0, 10)] == [5.0]

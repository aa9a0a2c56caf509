"""Late rows over many hours, crashes in the middle of them, and running figures that turn out not to be there."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from flows import figure_late, figure_specs
from tests import toy_machines
from tests.engine_world import IN_MEMORY, START_NS, S, body, open_engine, tick
from tests.test_figure_board import ROOM, model, newest, run
from tests.test_figure_troubles import numbered

HOURS, TICKS = 5, 25


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setattr(figure_specs, "SUBJECTS", (toy_machines.specs,))
    monkeypatch.setattr(figure_late, "READS", 1)  # a stretch a tick: a job lasts many ticks


def at(seconds, value, received_s=None):
    """A row of the air, sent when it is measured or later."""
    return (
        START_NS + (seconds if received_s is None else received_s) * S,
        body(START_NS + seconds * S, ROOM, "air", value),
    )


def ticks(first_s, last_s):
    return [(START_NS + one * S, tick(START_NS + one * S)) for one in range(first_s, last_s)]


def hours(late):
    """A row every five minutes for some hours, each followed by a tick; then what is late, and ticks for its rerun."""
    log = []
    for number in range(HOURS * 12):
        log += [at(number * 300, float(number % 11)), *ticks(number * 300, number * 300 + 1)]
    now = HOURS * 3600
    return [*log, *(at(seconds, value, now) for seconds, value in late), *ticks(now, now + TICKS)]


def final(figures):
    return [one for one in figures if one.final]


LATE = [(301, 9.5), (2 * 3600 + 7, 3.5)]


def restarted(log, folder, first):
    """Every message by itself, and from `first` on a new engine for each; figures, and where the jobs stood."""
    engine, figures, places = open_engine(model(), folder), [], {}
    engine.restore(None)
    figures += engine.step(log[:first]).figures
    for message in log[first:]:
        figures += engine.step([message]).figures
        state = engine.snapshot()
        engine = open_engine(model(), folder)
        engine.restore(state)
        for runner in engine._machines.runners:
            if runner.job and runner.job.position_ns is not None:
                places.setdefault(runner.spec.kind, []).append(runner.job.position_ns)
    return figures, places


def in_memory():
    return tempfile.TemporaryDirectory(dir=IN_MEMORY)


def once(log):
    """In one step, without a restart."""
    with in_memory() as folder:
        return run(numbered(log), Path(folder), [0])[0]


def test_a_crash_at_every_tick_of_a_rerun_changes_nothing():
    log = hours(LATE)
    whole = once(log)
    with in_memory() as folder:
        figures, places = restarted(numbered(log), Path(folder), len(log) - TICKS - len(LATE))
    assert final(figures) == final(whole)
    assert len(set(places["toy_tally"])) >= HOURS - 2  # it was met in the middle of its job, hour after hour
    before = newest(once(hours([])))
    assert {key[0] for key, one in newest(whole).items() if before.get(key) != one} == {
        "toy_windows", "toy_runs", "toy_tally"
    }  # fmt: skip


def test_more_late_rows_before_where_a_rerun_stands_begin_it_anew():
    now = HOURS * 3600 + 6  # the first rerun is on its way
    more = [at(61, 8.5, now), *ticks(now, now + 6), at(62, 2.5, now + 6), *ticks(now + 6, now + 20)]
    log = [*hours([(2 * 3600 + 1, 9.5)])[: 6 - TICKS], *more]
    whole = once(log)
    with in_memory() as folder:
        figures, places = restarted(numbered(log), Path(folder), len(log) - len(more) - 6)
    assert final(figures) == final(whole)
    stood = places["toy_tally"]
    assert [(before, after) for before, after in pairwise(stood) if after < before]


def test_a_run_that_begins_earlier_than_was_shown_is_taken_back_and_never_final():
    """Shown to run from 60 s on; a late row says that it began at 31 s; then it ends."""
    log = [at(0, 5.0), *ticks(0, 60)]
    for now in range(60, 220, 10):
        log += [at(now, 9.0 if now < 180 else 5.0), *ticks(now, now + 10)]
        if now == 120:
            log.append(at(31, 8.5, now + 10))
    for restart in (False, True):
        with in_memory() as folder:
            cuts = range(len(log)) if restart else [0]
            figures, _ = run(numbered(log), Path(folder), cuts, restart=restart)
        runs = [one for one in figures if one.kind == "toy_runs"]
        shown = [((one.start_ns - START_NS) // S, one.final, one.revision, one.about.get("void", "")) for one in runs]
        told = list(dict.fromkeys(shown))  # each once, in the order of the first time
        assert told == [(60, False, 0, ""), (60, False, 0, "late"), (31, False, 0, ""), (31, True, 1, "")]
        gone = next(one for one in runs if "void" in one.about)
        assert set(gone.parts.values()) <= {None}
        assert [one.start_ns for one in runs[runs.index(gone) + 1 :]] == [START_NS + 31 * S] * (
            len(runs) - runs.index(gone) - 1
        )  # nothing of it once it was taken back

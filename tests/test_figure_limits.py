"""What bounds the figures of a shard: how far back late rows are taken, and how many events are remembered."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from random import Random

import orjson
import pytest

from andon.readings import Reason
from flows import figure_events, figure_specs
from tests import toy_machines
from tests.engine_world import IN_MEMORY, START_NS, S, body, open_engine, plant, tick
from tests.test_figure_board import ROOM, event
from tests.test_figure_troubles import numbered

BACK_S = 1800
MS = 1_000_000


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setattr(figure_specs, "SUBJECTS", (toy_machines.specs,))


def model():
    """Late rows of half an hour."""
    series = [{"tag": "air", "unit": "Cel", "range": [-30.0, 60.0]}, {"tag": "door", "kind": "boolean"}]
    return plant(
        template=[{"name": "room", "series": series}], asset=[{"path": ROOM, "template": "room"}], cycle=[], rule=[],
        windows={"pane_s": 5.0, "sizes_s": [10.0], "figures_s": 60.0},
        time={"lateness_s": 5.0, "idle_s": 30.0, "correct_for_h": BACK_S / 3600},
    )  # fmt: skip


def run(log, cuts, *, restart=False):
    """(final figures, dead letters, most events held of an asset)."""
    figures, dead, held = [], [], 0
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        engine = open_engine(model(), Path(name))
        engine.restore(None)
        for begin, end in pairwise([*cuts, len(log)]):
            out = engine.step(log[begin:end])
            figures += [one for one in out.figures if one.final]
            dead += list(zip(out.dead.offset.tolist(), out.dead.reason.tolist(), map(bytes, out.dead.raw), strict=True))
            held = max([held, *(len(one.between(0, 2**62)) for one in engine._machines.events.values())])
            if restart:
                state = engine.snapshot()
                engine = open_engine(model(), Path(name))
                engine.restore(state)
    return figures, dead, held


def at(seconds, now_s, tag="air", value=5.0):
    return (START_NS + round(now_s * S), body(START_NS + round(seconds * S), ROOM, tag, value))


def ticks(first_s, last_s):
    return [(START_NS + one * S, tick(START_NS + one * S)) for one in range(first_s, last_s)]


def in_time(until_s):
    return [one for now in range(0, until_s, 20) for one in (at(now, now), *ticks(now, now + 1))]


def finish(now_s):
    return ticks(now_s, now_s + 70)


@pytest.mark.parametrize(("behind_s", "is_taken"), [(BACK_S - 0.001, True), (BACK_S, True), (BACK_S + 0.001, False)])
def test_a_row_is_taken_up_to_the_limit_and_dead_beyond_it(behind_s, is_taken):
    newest_s = 5_000
    late = at(newest_s - behind_s, newest_s, value=9.5)
    log = numbered([*in_time(newest_s + 1), late, *finish(newest_s + 1)])
    figures, dead, _ = run(log, [0])
    assert [reason for _, reason, _ in dead] == ([] if is_taken else [Reason.stamp_too_old])
    again = {(one.kind, one.start_ns) for one in figures if one.revision > 1}
    window = ("toy_windows", START_NS + int(newest_s - behind_s) // 60 * 60 * S)
    assert (window in again) == is_taken
    assert bool(again) == is_taken
    assert bool([one for one in figures if one.kind == "toy_runs"]) == is_taken


def some_log(random, events):
    """Rows of both inputs at most an hour late, many of them about as late as is taken."""
    messages, now = [], 3_000
    for number in range(60):
        now += random.choice([0, 1, 20, 45, 300])
        late = random.choice([0, 0, 0, 0, 40, 700, BACK_S - 30, BACK_S, BACK_S + 1, 2 * BACK_S])
        tag = random.choice(["air", "air", "door"])
        value = random.choice([5.0, 9.0, 8.5, 7.0])
        messages.append(at(now - late, now, tag, value > 8 if tag == "door" else value))
        if random.random() < events:
            happened = START_NS + (now - random.choice([0, 0, 50, 900, 3_000])) * S + number * MS
            messages.append((START_NS + now * S, event(happened, f"p{number}")))
        messages += ticks(now, now + 1)
    return numbered([*messages, *finish(now + 1)])


@pytest.mark.parametrize("events", [0.0, 0.4])
def test_what_is_taken_is_the_same_in_any_cut_and_after_restarts(events, monkeypatch):
    monkeypatch.setattr(figure_events, "MOST", 5)
    rejected, revised, most = 0, 0, 0
    for seed in range(8):
        random = Random(seed)
        log = some_log(random, events)
        whole = run(log, [0])
        singles = run(log, range(len(log)))
        assert singles[:2] == whole[:2], seed
        cuts = [0, *sorted(random.sample(range(1, len(log)), 12))]
        assert run(log, cuts, restart=True)[:2] == whole[:2], seed
        rejected += len(whole[1])
        revised += sum(one.revision > 1 for one in whole[0])
        most = max(most, singles[2])
    assert rejected > 10
    assert revised > 50
    assert most == (5 if events else 0)


def test_a_dead_row_says_which_it_was():
    log = numbered([*in_time(4_001), at(100, 4_000, value=7.25), *finish(4_001)])
    _, dead, _ = run(log, [0])
    assert [orjson.loads(raw)["value"] for _, _, raw in dead] == [7.25]

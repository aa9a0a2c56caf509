"""Streaming figures in the shard's engine: any cut, restarts and late rows against the machine over the sorted log."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from andon.readings import Message
from flows import figure_specs
from operators.machines import Every, Inputs
from tests import toy_machines
from tests.engine_world import START_NS, S, body, open_engine, plant, tick

ROOM = "cold/room"


def model():
    series = [{"tag": "air", "unit": "Cel", "range": [-30.0, 60.0]}, {"tag": "door", "kind": "boolean"}]
    return plant(
        template=[{"name": "room", "series": series}], asset=[{"path": ROOM, "template": "room"}], cycle=[], rule=[],
        windows={"pane_s": 5.0, "sizes_s": [10.0], "figures_s": 60.0}, time={"lateness_s": 5.0, "idle_s": 30.0},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setattr(figure_specs, "SUBJECTS", (toy_machines.specs,))


def event(time_ns, product):
    return orjson.dumps(
        {"ts": time_ns // 1_000_000, "asset": ROOM, "event": "product.started", "data": {"product": product}}
    )


def run(log, folder, cuts, *, restart=False):
    """Every figure in order, and the newest fed_ns of each machine."""
    engine = open_engine(model(), folder)
    engine.restore(None)
    figures = []
    for begin, end in pairwise([*cuts, len(log)]):
        figures += engine.step(log[begin:end]).figures
        if restart:
            state = engine.snapshot()
            engine = open_engine(model(), folder)
            engine.restore(state)
    return figures, engine


def newest(figures):
    """The last final version of each figure that is there."""
    found = {(one.kind, one.tag, one.start_ns): one for one in figures if one.final}
    return {
        key: (one.end_ns, dict(one.parts), dict(one.about)) for key, one in found.items() if "void" not in one.about
    }


def sorted_log(entries, engine):
    """What the machines give over the sorted rows and events in one step."""
    found = {}
    rows = sorted({(at, tag != "air", value) for at, tag, value in entries if tag != "event"})
    for runner in engine._machines.runners:
        spec = runner.spec
        tags = [path[1] for path in spec.paths]
        mine = [row for row in rows if ("door" if row[1] else "air") in tags]
        begin_ns = min(row[0] for row in mine) // (60 * S) * 60 * S
        events = [Happened(at, value) for at, tag, value in entries if tag == "event"] if spec.events else []
        events = sorted({one.time_ns: one for one in events if one.time_ns >= begin_ns - spec.reach_ns}.values(),
                        key=lambda one: one.time_ns)  # fmt: skip
        inputs = Inputs(
            np.array([row[0] for row in mine], np.int64), np.array([row[1] for row in mine], np.int32),
            np.array([float(row[2]) for row in mine]), np.zeros(len(mine), np.uint8), events,
        )  # fmt: skip
        machine = spec.make(begin_ns, Every(60 * S))
        for one in machine.step(inputs.before(runner.fed_ns)[0], runner.fed_ns):
            key = (spec.kind, one.tag or spec.tag, one.start_ns)
            found[key] = (one.end_ns, dict(one.parts), dict(one.about))
    return found


class Happened:
    def __init__(self, time_ns, product):
        self.time_ns, self.event, self.data = time_ns, "product.started", {"product": product}


ROW = st.tuples(
    st.sampled_from(["air", "air", "air", "door"]),
    st.integers(0, 3),  # how much later than the row before, steps
    st.sampled_from([0, 0, 0, 0, 0, 40, 130, 700, 3_700, 8_000]),  # how late, s
    st.sampled_from([5.0, 5.0, 9.0, 8.5, 7.0]),
)


def make(rows, events, step_s):
    """(log, entries): entries are (time_ns, tag or "event", value or product), each time of a tag once."""
    entries, messages, now = [], [], START_NS + 10_000 * S
    seen = set()
    for number, (tag, more, late_s, value) in enumerate(rows):
        now += more * step_s * S
        at = now - late_s * S
        if number in events:
            happened = now - events[number] * S
            messages.append((now, event(happened, f"p{number}")))
            entries.append((happened, "event", f"p{number}"))
        if (tag, at) not in seen:
            seen.add((tag, at))
            messages.append((now, body(at, ROOM, tag, bool(value > 8) if tag == "door" else value)))
            entries.append((at, tag, bool(value > 8) if tag == "door" else value))
        messages.append((now, tick(now)))
    # So that everything is closed, and what is late has rested.
    messages += [(now + more * S, tick(now + more * S)) for more in range(1, 70)]
    return [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(messages)], entries


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(ROW, min_size=3, max_size=40),
    events=st.dictionaries(st.integers(0, 100), st.sampled_from([0, 0, 50, 400, 4_000]), max_size=4),
    step_s=st.sampled_from([1, 7, 45, 600]),
    seed=st.integers(0, 2**16),
)
def test_any_cut_restarts_and_late_rows_give_the_figures_of_the_sorted_log(
    tmp_path_factory, rows, events, step_s, seed
):
    log, entries = make(rows, events, step_s)
    events_at = [at for at, tag, _ in entries if tag == "event"]
    assume(len(set(events_at)) == len(events_at))  # those of one time stand in the order of the log
    whole, engine = run(log, tmp_path_factory.mktemp("whole"), [0])
    assert newest(whole) == sorted_log(entries, engine)
    singles, _ = run(log, tmp_path_factory.mktemp("one"), range(len(log)))
    assert singles == whole
    random = np.random.default_rng(seed)
    cuts = [0, *sorted(set(random.integers(1, len(log), 6).tolist()))]
    restarted, _ = run(log, tmp_path_factory.mktemp("again"), cuts, restart=True)
    assert [one for one in restarted if one.final] == [one for one in whole if one.final]
    revisions = {}
    for one in whole:
        if one.final:
            key = (one.kind, one.tag, one.start_ns)
            assert one.revision == revisions.get(key, 0) + 1
            revisions[key] = one.revision

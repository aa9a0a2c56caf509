"""What must not stop the flow of figures: machines that raise, parts that are no numbers, devices decades behind."""

from __future__ import annotations

import pytest

from andon.readings import Message
from flows import figure_specs
from operators.machines import MachineSpec, Made
from tests import toy_machines
from tests.engine_world import START_NS, S, body, open_engine, tick
from tests.test_figure_board import ROOM, Happened, event, model, newest, run

FAILS = {"step": False, "snapshot": False, "restore": False, "running": False}


class Brittle(toy_machines.Windows):
    """Raises where it is told to."""

    def step(self, inputs, upto_ns):
        if FAILS["step"] and 55.5 in inputs.value:
            raise ZeroDivisionError
        return super().step(inputs, upto_ns)

    def running(self):
        if FAILS["running"]:
            raise KeyError("running")
        return super().running()

    def snapshot(self):
        if FAILS["snapshot"]:
            raise RuntimeError("snapshot")
        return super().snapshot()

    def restore(self, snapshot):
        if FAILS["restore"]:
            raise IndexError("restore")
        super().restore(snapshot)


class Odd(toy_machines.Windows):
    """Gives what is no number, and a text that is too long."""

    def _made(self, end_ns):
        return Made(self._start_ns, end_ns, {"sum": float("nan"), "count": 1.0}, {"product": "x" * 100})


def specs(plant, asset):
    air = (asset, "air")
    return [
        MachineSpec("brittle", asset, "air", (air,), "1", Brittle, 0),
        MachineSpec("odd", asset, "air", (air,), "1", Odd, 0),
        MachineSpec("sound", asset, "air", (air,), "1", toy_machines.Windows, 0),
    ]


@pytest.fixture(autouse=True)
def _machines(monkeypatch):
    monkeypatch.setattr(figure_specs, "SUBJECTS", (specs,))
    for name in FAILS:
        monkeypatch.setitem(FAILS, name, False)


def rows(values, begin_s=0, step_s=5):
    """A log of one row every few seconds, with a tick after each, and ticks at its end."""
    entries = []
    for number, value in enumerate(values):
        now = START_NS + (begin_s + number * step_s) * S
        entries += [(now, body(now, ROOM, "air", value)), (now, tick(now))]
    return entries


def numbered(entries):
    return [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(entries)]


def finish(last_s):
    return [(START_NS + at * S, tick(START_NS + at * S)) for at in range(last_s, last_s + 70)]


VALUES = [float(number % 7) for number in range(60)]


def whole(folder, log):
    return newest(run(log, folder, [0])[0])


@pytest.mark.parametrize("where", ["step", "running", "snapshot"])
def test_a_machine_that_raises_is_set_aside_told_and_tried_again_by_the_next_start(where, tmp_path):
    values = [*VALUES[:30], 55.5, *VALUES[31:]]
    log = numbered([*rows(values), *finish(300)])
    wanted = whole(tmp_path / "well", log)
    FAILS[where] = True
    engine = open_engine(model(), tmp_path / "bad")
    engine.restore(None)
    cut = 2 * 45
    first = engine.step(log[:cut])
    assert [(one.kind, one.rule_id, one.asset, one.tag) for one in first.conditions] == [
        ("raised", "andon-figure", ROOM, "brittle")
    ]
    assert {key for key in newest(first.figures) if key[0] == "sound"}
    state = engine.snapshot()
    FAILS[where] = False
    again = open_engine(model(), tmp_path / "bad")
    again.restore(state)
    second = again.step(log[cut:])
    assert newest([*first.figures, *second.figures]) == wanted
    told = [(one.kind, one.tag, one.start_ns, one.revision) for one in [*first.figures, *second.figures] if one.final]
    assert len(told) == len(set(told))
    assert [(one.kind, one.start_ns) for one in second.conditions] == [("cleared", first.conditions[0].start_ns)]


def test_a_machine_that_cannot_be_restored_waits_for_the_next_start(tmp_path):
    log = numbered([*rows(VALUES), *finish(300)])
    wanted = whole(tmp_path / "well", log)
    engine = open_engine(model(), tmp_path / "bad")
    engine.restore(None)
    figures, state = list(engine.step(log[:60]).figures), engine.snapshot()
    told = []
    for fails, part in ((True, log[60:80]), (False, log[80:])):
        FAILS["restore"] = fails
        engine = open_engine(model(), tmp_path / "bad")
        engine.restore(state)
        out = engine.step(part)
        figures, told, state = (
            figures + list(out.figures),
            told + [one.kind for one in out.conditions],
            engine.snapshot(),
        )
    assert told == ["raised", "cleared"]
    assert newest(figures) == wanted


def test_a_late_row_that_breaks_the_machine_breaks_nothing_else(tmp_path):
    FAILS["step"] = True
    late = [(START_NS + 300 * S, body(START_NS + 31 * S, ROOM, "air", 55.5))]
    log = numbered([*rows(VALUES), *late, *finish(300)])
    out, engine = run(log, tmp_path, [0])
    assert engine._machines.troubles.aside == {0}
    FAILS["step"] = False
    wanted = whole(tmp_path / "well", log)
    assert {key: one for key, one in newest(out).items() if key[0] == "sound"} == {
        key: one for key, one in wanted.items() if key[0] == "sound"
    }


def test_what_is_no_number_is_unknown_and_long_texts_are_cut(tmp_path):
    found = whole(tmp_path, numbered([*rows(VALUES), *finish(300)]))
    parts = [(parts, about) for (kind, _, _), (_, parts, about) in found.items() if kind == "odd"]
    assert parts
    assert all(one == ({"sum": None, "count": 1.0}, {"product": "x" * 64}) for one in parts)


def test_a_clock_that_was_fifty_years_behind_costs_no_hour_of_them(tmp_path, monkeypatch):
    monkeypatch.setattr(figure_specs, "SUBJECTS", (toy_machines.specs,))
    years = 52 * 365 * 86_400
    calls = []
    step = toy_machines.Windows.step
    monkeypatch.setattr(toy_machines.Windows, "step", lambda self, *args: (calls.append(1), step(self, *args))[1])
    late = [(START_NS + 300 * S, body(START_NS - 5_000 * S, ROOM, "air", 3.0))]
    old = rows(VALUES[:5], -years)
    log = numbered([*old, *rows(VALUES), *late, *finish(300)])
    figures, engine = run(log, tmp_path / "a", [0])
    found = newest(figures)
    assert len(calls) < 20_000  # a week of panes at most, not half a million hours
    assert engine._machines.runners[0].job is None
    on_time = numbered([*old, *rows([3.0], -5_000), *rows(VALUES), *finish(300)])
    assert found == newest(run(on_time, tmp_path / "b", [0])[0])


def test_equal_events_count_once_and_the_oldest_go_first(monkeypatch):
    from flows import figure_events

    monkeypatch.setattr(figure_events, "MOST", 3)
    heard = figure_events.EventsOf()

    class Told(Happened):
        asset = ROOM

    assert [heard.add(Told(at * S, "p")) for at in (5, 3, 5, 4, 9)] == [True, True, False, True, True]
    assert [one.time_ns // S for one in heard.between(0, 100 * S)] == [4, 5, 9]
    assert event(START_NS, "p")

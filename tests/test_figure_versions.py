"""A figure whose definition changes: it begins anew at the window that runs, its keys and revisions go on."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from flows import figure_specs
from tests import toy_machines
from tests.engine_world import IN_MEMORY, START_NS, S, body, open_engine, tick
from tests.test_figure_board import ROOM, model, newest
from tests.test_figure_troubles import numbered

CHANGED_S = 350  # in the sixth window of a minute


class Doubled(toy_machines.Windows):
    """Another definition: twice the sum."""

    def _made(self, end_ns):
        made = super()._made(end_ns)
        return replace(made, parts={**made.parts, "sum": 2 * made.parts["sum"]})


class Unreadable(Doubled):
    """And another layout of its state."""

    def restore(self, snapshot):
        raise ValueError("layout 2 expected")


class Shouting(toy_machines.Runs):
    """The peak as another number."""

    def step(self, inputs, upto_ns):
        return [replace(one, parts={"peak": one.parts["peak"] + 100}) for one in super().step(inputs, upto_ns)]


def specs(windows, runs, version):
    def of(plant, asset):
        found = [one for one in toy_machines.specs(plant, asset) if one.kind != "toy_tally"]
        makes = {"toy_windows": windows, "toy_runs": runs}
        return [replace(one, version=version, make=makes[one.kind]) for one in found]

    return of


def value_at(seconds):
    return 9.0 if seconds % 120 in (10, 20) or 302 <= seconds <= 310 else float(seconds % 7)


def messages(first_s, last_s, late=()):
    log = []
    for now in range(first_s, last_s):
        at = START_NS + now * S
        if now % 2 == 0 or (now, "air") in late:
            log.append((at, body(at, ROOM, "air", value_at(now))))
        log += [(at, body(START_NS + row * S, ROOM, "air", value)) for when, row, value in late if when == now]
        log.append((at, tick(at)))
    return log


def told(monkeypatch, first, second, late=(), restarts=1):
    """Final figures before and after the definition changed from `first` to `second`: (windows, runs, version)."""
    log, after = messages(0, CHANGED_S), messages(CHANGED_S, 700, late)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        monkeypatch.setattr(figure_specs, "SUBJECTS", (specs(*first),))
        engine, found = open_engine(model(), Path(name)), ([], [])
        engine.restore(None)
        every = numbered([*log, *after])
        found[0].extend(engine.step(every[: len(log)]).figures)
        monkeypatch.setattr(figure_specs, "SUBJECTS", (specs(*second),))
        for begin in range(len(log), len(every), -(-len(after) // restarts)):
            state = engine.snapshot()
            engine = open_engine(model(), Path(name))
            engine.restore(state)
            found[1].extend(engine.step(every[begin : begin + -(-len(after) // restarts)]).figures)
    return tuple([one for one in part if one.final] for part in found)


FIRST = (toy_machines.Windows, toy_machines.Runs, "1")


def minute(one):
    return (one.start_ns - START_NS) // S // 60


@pytest.mark.parametrize(("windows", "restarts"), [(Doubled, 1), (Doubled, 40), (Unreadable, 1)])
def test_what_was_told_stays_and_the_window_that_runs_is_of_the_new_version(monkeypatch, windows, restarts):
    before, after = told(monkeypatch, FIRST, (windows, toy_machines.Runs, "2"), restarts=restarts)
    plain, _ = told(monkeypatch, FIRST, FIRST)
    assert before == plain
    old = [one for one in before if one.kind == "toy_windows"]
    new = [one for one in after if one.kind == "toy_windows"]
    assert [minute(one) for one in old] == [0, 1, 2, 3, 4]
    assert [minute(one) for one in new] == list(range(5, 5 + len(new)))  # once each, none of the old ones again
    assert len(new) >= 5
    assert {one.revision for one in [*old, *new]} == {1}
    same = {minute(one): one for one in told(monkeypatch, FIRST, FIRST)[1] if one.kind == "toy_windows"}
    for one in new:
        assert one.parts == {**same[minute(one)].parts, "sum": 2 * same[minute(one)].parts["sum"]}


@pytest.mark.parametrize("restarts", [1, 40])
def test_a_late_row_before_the_change_makes_the_next_revision_by_the_new_definition(monkeypatch, restarts):
    late = [(400, 65, 50.0)]
    before, after = told(monkeypatch, FIRST, (Doubled, toy_machines.Runs, "2"), late, restarts)
    known = {(one.kind, one.start_ns): one for one in before}
    (again,) = [one for one in after if one.kind == "toy_windows" and minute(one) == 1]
    assert again.revision == 2
    assert again.parts["sum"] == 2 * (known["toy_windows", again.start_ns].parts["sum"] + 50.0)
    for key in {(one.kind, one.start_ns) for one in [*before, *after]}:
        revisions = [one.revision for one in [*before, *after] if (one.kind, one.start_ns) == key]
        assert revisions == list(range(1, len(revisions) + 1)), key


def test_what_ended_by_itself_in_the_window_that_runs_is_told_again_only_where_it_differs(
    monkeypatch,
):
    for runs, wanted in ((toy_machines.Runs, []), (Shouting, [(2, 109.0)])):
        before, after = told(monkeypatch, FIRST, (toy_machines.Windows, runs, "2"))
        inside = {one.start_ns for one in before if one.kind == "toy_runs" and minute(one) == 5}
        assert inside == {START_NS + 302 * S}
        again = [(one.revision, one.parts["peak"]) for one in after if one.start_ns in inside]
        assert again == wanted
        assert len(newest([*before, *after])) == len({(one.kind, one.start_ns) for one in [*before, *after]})

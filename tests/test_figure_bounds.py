"""Windows that end at more bounds from a version on: nothing overlaps, nothing is lost, late rows or not."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from flows import figure_specs, shard_state
from operators.machines import Both, Every
from tests import toy_machines
from tests.engine_world import IN_MEMORY, START_NS, S, open_engine
from tests.test_figure_board import model
from tests.test_figure_troubles import numbered
from tests.test_figure_versions import CHANGED_S, messages, specs

FIRST = (toy_machines.Windows, toy_machines.Runs, "1")


def figures_of(monkeypatch, bounds, late, restarts, version):
    """All figures before and after windows end at `bounds` too, and not only every minute."""
    log, after = messages(0, CHANGED_S), messages(CHANGED_S, 700, late)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        monkeypatch.setattr(figure_specs, "SUBJECTS", (specs(*FIRST),))
        monkeypatch.setattr(shard_state, "figure_bounds", lambda plant: Every(60 * S))
        engine, found = open_engine(model(), Path(name)), ([], [])
        engine.restore(None)
        every = numbered([*log, *after])
        found[0].extend(engine.step(every[: len(log)]).figures)
        monkeypatch.setattr(figure_specs, "SUBJECTS", (specs(toy_machines.Windows, toy_machines.Runs, version),))
        monkeypatch.setattr(shard_state, "figure_bounds", lambda plant: bounds)
        for begin in range(len(log), len(every), -(-len(after) // restarts)):
            state = engine.snapshot()
            engine = open_engine(model(), Path(name))
            engine.restore(state)
            found[1].extend(engine.step(every[begin : begin + -(-len(after) // restarts)]).figures)
    return found


@pytest.mark.parametrize(("other_s", "late", "restarts", "version"), [
    (90, [], 1, "1"), (90, [(400, 65, 50.0)], 40, "1"), (355, [(400, 310, 50.0)], 1, "1"),
    (315, [(400, 358, 50.0)], 1, "2"),
    (20, [(400, 250, 50.0), (600, 430, 50.0)], 40, "2"),
])  # fmt: skip
def test_windows_lie_end_to_end_and_count_every_row_once(monkeypatch, other_s, late, restarts, version):
    bounds = Both((Every(60 * S), Every(other_s * S)))
    before, after = figures_of(monkeypatch, bounds, late, restarts, version)
    newest = {}
    for one in [*before, *after]:
        if one.kind == "toy_windows" and one.final:
            assert one.start_ns not in newest or one.revision > newest[one.start_ns].revision
            newest[one.start_ns] = one
    told = [newest[start_ns] for start_ns in sorted(newest) if newest[start_ns].parts]
    assert all(one.end_ns == other.start_ns for one, other in pairwise(told))
    last_s = (told[-1].end_ns - START_NS) // S
    rows = sum(now % 2 == 0 for now in range(last_s)) + sum(row < last_s for _, row, _ in late)
    assert sum(one.parts["count"] for one in told) == rows
    assert any((one.end_ns - one.start_ns) < 60 * S for one in told), "the other bounds count"

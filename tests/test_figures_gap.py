"""Windows of figures behind a long silence: those without rows cost nothing, and nothing else changes."""

from __future__ import annotations

import time

from andon.readings import Message
from sources.ticks import tick_body
from tests.engine_world import START_NS, S, body, open_engine, plant


def final_figures(folder, times_ns):
    """Every final figure of a log whose rows have these stamps, each followed by a tick of its time."""
    engine = open_engine(plant(), folder)
    engine.restore(None)
    log = []
    for number, at in enumerate(times_ns):
        log.append(Message(2 * number + 1, at, body(at, "cold/room", "air", 5.0 + number % 3)))
        log.append(Message(2 * number + 2, at, tick_body(at)))
    outputs = [engine.step(log[begin : begin + 8]) for begin in range(0, len(log), 8)]
    found = [figure for one in outputs for figure in one.figures if figure.final]
    return [(one.asset, one.kind, one.start_ns, one.revision, sorted(one.parts.items())) for one in found]


def test_a_device_that_boots_in_the_year_2000_does_not_stop_the_others(tmp_path):
    """A quarter of a million empty hours lie between its first rows and those after its clock was set."""
    year_2000 = 946_684_800 * S
    began = time.process_time()
    silent = final_figures(tmp_path / "a", [START_NS + n * S for n in range(200)])
    usual_s = time.process_time() - began
    began = time.process_time()
    found = final_figures(
        tmp_path / "b", [year_2000 + n * S for n in range(10)] + [START_NS + n * S for n in range(200)]
    )
    assert [one for one in found if one[2] >= START_NS] == silent
    assert [one[2] // S for one in found if one[2] < START_NS] == [year_2000 // S]
    assert time.process_time() - began < 20 * usual_s + 5  # every hour computed took some minutes

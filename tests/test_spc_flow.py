"""A control chart in the flow: the same figures for any split and for rows that came late, and an alarm of a signal."""

from __future__ import annotations

import random

from tests.engine_world import START_NS, S, body, figures, plant, tick

SHIFTED = range(150, 175)
PLANT = {
    "template": [
        {
            "name": "filler",
            "series": [{"tag": "weight", "unit": "g"}],
            "chart": [
                {"tag": "weight", "kind": "xbar_r", "size": 5, "phase_one": 10, "lower_spec": 4.0, "upper_spec": 16.0}
            ],
        }
    ],
    "asset": [{"path": "line1/filler", "template": "filler"}],
    "cycle": [],
    "rule": [
        {"id": "out", "on": "line1/filler/weight", "figure": "spc.signal", "above": 0.5, "raises": "quality_event"}
    ],
    "route": [{"raises": "quality_event"}],
}


def log(late=()):
    """A weight a second, 8 g too much for a while; those in `late` come 40 s after they were."""
    draw, messages, held = random.Random(4), [], []
    for second in range(240):
        at = START_NS + second * S
        weight = round(draw.gauss(10.0, 2.0) + (8.0 if second in SHIFTED else 0.0), 3)
        (held if second in late else messages).append((at, body(at, "line1/filler", "weight", weight)))
        messages.append((at, tick(at)))
        if late and second == late[-1] + 40:
            messages += [(at, raw) for _, raw in held]
    return messages + [(START_NS + second * S, tick(START_NS + second * S)) for second in range(240, 340)]


def test_a_chart_in_the_flow():
    whole, _, raised = figures(plant(**PLANT), log(), 10**6)
    points = {start_ns: figure for (kind, _, start_ns), figure in whole.items() if kind == "spc"}
    assert len(points) == 48
    signals = {(start_ns - START_NS) // S for start_ns, (_, parts, _) in points.items() if parts["signal"]}
    assert signals >= set(range(150, 175, 5))
    assert [parts["signal"] for _, (_, parts, _) in sorted(points.items())[:10]] == [None] * 10
    assert any(kind == "capability" for kind, _, _ in whole)
    assert [(one.rule_id, one.start_ns) for one in raised][:1] == [("out", START_NS + min(signals) * S)]
    cut = figures(plant(**PLANT), log(), 7)
    assert (cut.final, cut.raised) == (whole, raised)


def test_late_rows_give_the_same_figures():
    on_time = figures(plant(**PLANT), log(), 50).final
    corrected = figures(plant(**PLANT), log(range(100, 110)), 50).final
    assert corrected == on_time

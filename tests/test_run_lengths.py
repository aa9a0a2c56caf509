"""The benchmark of run lengths: simulated charts agree with theory, and one that is not would be seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import run_lengths

CHARTS = [one for one in run_lengths.charts() if one.expected < 50]


@pytest.mark.parametrize("chart", CHARTS, ids=[f"{one.name} {one.delta}" for one in CHARTS])
def test_a_chart_is_as_long_as_theory_says(chart):
    mean, error = run_lengths.simulated(chart, 2000, 1)
    assert abs(mean - chart.expected) < 4 * error
    other, _ = run_lengths.simulated(replace(chart, delta=chart.delta + 0.5), 2000, 1)
    assert abs(other - chart.expected) > 4 * error
    assert run_lengths.simulated(chart, 2000, 1) == (mean, error)

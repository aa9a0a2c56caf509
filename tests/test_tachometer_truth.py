"""A simulated drive whose speed wanders: bearing lines by its tachometer against the true damage."""

from __future__ import annotations

import pytest

from simulators import wave
from tests.test_tachometer import RPM, block, plant, tacho, told


def test_a_simulated_drive_that_slows_down_shows_its_true_damage_at_every_speed():
    """Lines of like hits differ by what a Hann window reads low between bins, up to 15 %; nominal speed loses them."""
    speeds = [RPM * share for share in (1.0, 0.97, 0.94, 0.9, 0.85)]
    blocks = [wave.Block(5, "m", at, 1.0, rpm, hit=6.0) for at, rpm in enumerate(speeds)]
    rows = [
        [tacho(10 * at, round(one.rpm + 0.3, 1)), block(10 * at, one.samples(), rate_hz=wave.RATE_HZ)]
        for at, one in enumerate(blocks)
    ]
    measured = told(plant(rpm=RPM), *(row for pair in rows for row in pair))
    nominal = told(plant(rpm=RPM), *(row for _, row in rows))
    lines = [one[".bpfo"][0] for one in measured]
    assert [one[".speed"][0] for one in measured] == pytest.approx(speeds, abs=0.5)
    assert min(lines) > 0.8 * max(lines)
    assert nominal[0][".bpfo"][0] == pytest.approx(lines[0], rel=0.01)
    assert all(blind[".bpfo"][0] < 0.3 * line for blind, line in zip(nominal[2:], lines[2:], strict=True))

"""Shock of a transport: what a peak acceleration and its duration mean together."""

from __future__ import annotations

import math
from dataclasses import dataclass

STANDARD_GRAVITY = 9.80665  # m/s2


def half_sine_change(peak_g: float, duration_ms: float) -> float:
    """Change of velocity of a half-sine pulse, m/s: 2/pi times peak times duration.

    peak_g: in standard gravities; duration_ms: ms. A peak alone says nothing: it is the change that does the damage.

    >>> round(half_sine_change(50.0, 11.0), 3)
    3.434
    """
    return 2.0 / math.pi * peak_g * STANDARD_GRAVITY * duration_ms / 1000.0


@dataclass(frozen=True, slots=True)
class Shock:
    """A pulse. axis: 0, 1, 2 of the sensor; peak_g signed, in standard gravities; duration_ms above the threshold."""

    axis: int
    peak_g: float
    duration_ms: float

    @property
    def change_m_s(self) -> float:
        """Change of velocity as a half sine, m/s, >= 0."""
        return half_sine_change(abs(self.peak_g), self.duration_ms)


def shocks(samples_g: list[tuple[float, float, float]], rate_hz: float, threshold_g: float) -> list[Shock]:
    """Pulses of an acceleration record, axis by axis, in order of their beginning.

    samples_g: (x, y, z) in standard gravities at rate_hz, gravity taken off. A pulse is a run of samples of one sign
    with an absolute value of at least threshold_g > 0.
    """
    found: list[tuple[int, Shock]] = []
    for axis in range(3):
        begin, peak = -1, 0.0
        for at, sample in enumerate([*samples_g, (0.0, 0.0, 0.0)]):
            value = sample[axis]
            inside = abs(value) >= threshold_g and (begin < 0 or (value > 0) == (peak > 0))
            if begin >= 0 and not inside:
                found.append((begin, Shock(axis, peak, (at - begin) / rate_hz * 1000.0)))
                begin, peak = -1, 0.0
            if abs(value) >= threshold_g:
                begin = at if begin < 0 else begin
                peak = max(peak, value, key=abs)
    return [shock for _, shock in sorted(found, key=lambda one: (one[0], one[1].axis))]

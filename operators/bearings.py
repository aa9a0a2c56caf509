"""How often the rolling elements of a bearing pass a defect, from its geometry and the speed of the shaft."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BearingRates:
    """Rates of a bearing whose inner ring turns and whose outer ring stands, Hz.

    ftf : the cage's turns (fundamental train frequency). bpfo, bpfi: balls that pass a point of the outer, inner ring.
    bsf : turns of a ball. A pit on a ball hits both rings, so it often shows at 2 * bsf.
    """

    ftf: float
    bpfo: float
    bpfi: float
    bsf: float


def bearing_rates(
    balls: int, ball_diameter: float, pitch_diameter: float, contact_deg: float, rpm: float
) -> BearingRates:
    """Rates without slip; real ones lie 1 to 3 % beside them.

    ball_diameter, pitch_diameter: in one unit, 0 < ball < pitch. contact_deg: 0 for a deep-groove ball bearing, 90
    for an axial one.
    k = d/D cos a, f = rpm/60: ftf = f/2 (1 - k), bpfo = n ftf, bpfi = n f/2 (1 + k), bsf = D/(2 d) f (1 - k^2).
    ValueError for a geometry that no bearing has. Source: ISO 13373-3:2015, annex D; Case Western Reserve's tables.

    >>> bearing_rates(8, 10.0, 50.0, 0.0, 1800.0)
    BearingRates(ftf=12.0, bpfo=96.0, bpfi=144.0, bsf=72.0)
    """
    if balls < 1 or not 0.0 < ball_diameter < pitch_diameter or not 0.0 <= contact_deg <= 90.0:
        raise ValueError(f"no bearing: {balls} balls of {ball_diameter} on {pitch_diameter}, {contact_deg} deg")
    turns = rpm / 60.0
    k = ball_diameter / pitch_diameter * math.cos(math.radians(contact_deg))
    ftf = turns * (1.0 - k) / 2.0
    bsf = pitch_diameter / (2.0 * ball_diameter) * turns * (1.0 - k * k)
    return BearingRates(ftf, balls * ftf, balls * turns * (1.0 + k) / 2.0, bsf)

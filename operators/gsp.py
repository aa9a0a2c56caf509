"""What China's GSP, appendix 3 (2013), asks of temperature monitoring: sensors, intervals, errors."""

from __future__ import annotations

import math
from typing import Literal

Place = Literal["storage", "transport"]
REFRESH_S = 60  # the newest value is never older
RECORD_S = {"storage": 1800, "transport": 300}
RECORD_OUT_S = 120  # while out of range
HUMIDITY_ERROR = 5.0  # % relative humidity


def vehicle_sensors(volume_m3: float) -> int:
    """Sensors a vehicle needs: two, and one for each started 20 m3 beyond 20.

    >>> [vehicle_sensors(volume) for volume in (8, 20, 21, 40, 45)]
    [2, 2, 3, 3, 4]
    """
    return 2 + max(0, math.ceil((volume_m3 - 20.0) / 20.0))


def record_interval_s(place: Place, *, out_of_range: bool) -> int:
    """The longest time between two records, s (article 5).

    >>> record_interval_s("storage", out_of_range=False), record_interval_s("transport", out_of_range=True)
    (1800, 120)
    """
    return RECORD_OUT_S if out_of_range else RECORD_S[place]


def permissible_error(value_c: float) -> float | None:
    """Largest error of a sensor at a temperature, Cel (article 4); None where the rule says nothing.

    >>> permissible_error(38.0), permissible_error(0.0), permissible_error(-18.0), permissible_error(-60.0)
    (0.5, 0.5, 1.0, None)
    """
    if 0.0 <= value_c <= 40.0:
        return 0.5
    return 1.0 if -25.0 <= value_c < 0.0 else None

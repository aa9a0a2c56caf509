"""Places on the way: distance, fences with hysteresis, standing still, arrival and time of arrival."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from shapely.geometry import Point, Polygon

EARTH_KM = 6371.0088  # mean radius (IUGG)
KM_PER_DEGREE = math.pi * EARTH_KM / 180.0


def distance_km(one: tuple[float, float], other: tuple[float, float], radius_km: float = EARTH_KM) -> float:
    """Great-circle distance of two (latitude, longitude) points in degrees, km (haversine).

    >>> round(distance_km((36.12, -86.67), (33.94, -118.4)), 2)
    2886.45
    """
    lat1, lon1, lat2, lon2 = map(math.radians, (*one, *other))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2.0 * radius_km * math.asin(min(1.0, math.sqrt(half)))


class Fence:
    """Inside or outside by a ring: in at r_in, out beyond r_out >= r_in, after n fixes in a row that say so."""

    def __init__(self, r_in: float, r_out: float, n: int) -> None:
        if not 0 < r_in <= r_out or n < 1:
            raise ValueError(
                f"fence: found r_in={r_in}, r_out={r_out}, n={n}; 0 < r_in <= r_out and n >= 1 are allowed"
            )
        self._r_in, self._r_out, self._n = r_in, r_out, n
        self.inside = False
        self._in_a_row = 0

    def step(self, distance: float) -> bool | None:
        """True: with this fix it is inside, False: outside; None: nothing changed. NaN is no fix."""
        if math.isnan(distance):
            return None
        other = distance > self._r_out if self.inside else distance <= self._r_in
        self._in_a_row = self._in_a_row + 1 if other else 0
        if self._in_a_row < self._n:
            return None
        self.inside, self._in_a_row = not self.inside, 0
        return self.inside

    def snapshot(self) -> tuple[Any, ...]:
        """Plain values."""
        return (self.inside, self._in_a_row)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self.inside, self._in_a_row = snapshot


@dataclass(frozen=True)
class Area:
    """A place as a polygon of (latitude, longitude) corners in degrees; not over a pole or the date line."""

    corners: tuple[tuple[float, float], ...]

    def distance_km(self, at: tuple[float, float]) -> float:
        """From a point to the area, km; 0 inside. Flat around the point: right to 0.1 % within 100 km."""
        east = KM_PER_DEGREE * math.cos(math.radians(at[0]))
        flat = Polygon([((lon - at[1]) * east, (lat - at[0]) * KM_PER_DEGREE) for lat, lon in self.corners])
        return float(flat.distance(Point(0.0, 0.0)))


def hours_to_go(remaining_km: float, moved_km: float, took_h: float, least_km_h: float = 5.0) -> float | None:
    """Time to the goal at the mean speed of the way so far, h; None while that is below least_km_h."""
    if took_h <= 0.0 or moved_km / took_h < least_km_h:
        return None
    return remaining_km / (moved_km / took_h)


def on_time(arrived_ns: int, from_ns: int, to_ns: int) -> bool:
    """Whether an arrival lies in its window; both ends are inside."""
    return from_ns <= arrived_ns <= to_ns

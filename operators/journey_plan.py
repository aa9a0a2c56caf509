"""Where a journey should be when: plans with their way, what is left of it, and how long that takes. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import stdtrit
from shapely.geometry import Polygon

from andon.config.calibration import moment_ns
from andon.config.journey import GeoPlace, JourneyPlan
from andon.readings import F64, NS_PER_S
from operators.event_data import LONGEST, number_of
from operators.geo import KM_PER_DEGREE, distance_km, hours_to_go

NS_PER_MIN = 60 * NS_PER_S
LEAST_H = 1.0 / 60.0  # of driving, before a speed means something
LEAST_SLOTS = 3  # for an interval
CONFIDENCE = 0.975  # two-sided 95 %
MOST_STOPS = 200
MOST_S = 720.0 * 3600.0  # that a stop is meant to last, as long as a journey can
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Planned:
    """A stop that is to come: its place, arrival window (both ends inside), how long it stands there, s."""

    place: str
    from_ns: int | None = None
    to_ns: int | None = None
    stays_s: float = 0.0

    def plain(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return (self.place, self.from_ns, self.to_ns, self.stays_s)

    def off_s(self, arrived_ns: int) -> tuple[float, float]:
        """How early and how late an arrival is, s, both >= 0."""
        early = 0 if self.from_ns is None else max(0, self.from_ns - arrived_ns)
        late = 0 if self.to_ns is None else max(0, arrived_ns - self.to_ns)
        return early / NS_PER_S, late / NS_PER_S

    @property
    def windowed(self) -> bool:
        """Whether an arrival there can be early or late."""
        return self.from_ns is not None or self.to_ns is not None


def centre_of(place: GeoPlace) -> Point:
    """(latitude, longitude) of a place's middle."""
    if place.centre is not None:
        return place.centre
    middle = Polygon(place.corners).centroid
    return float(middle.x), float(middle.y)


def legs_of(
    plan: JourneyPlan | None, stops: Sequence[str], centres: Mapping[str, Point]
) -> tuple[tuple[Point, ...], ...]:
    """The way to each stop as points, the stop's own last; empty where its place is not known.

    It follows the plan where the stops are the plan's, else it is straight from stop to stop.
    """
    same = plan is not None and [one.place for one in plan.stop] == list(stops)
    before = [centres[plan.begins]] if plan is not None and plan.begins in centres else []
    legs = []
    for number, place in enumerate(stops):
        via = plan.stop[number].via if plan is not None and same else ()
        end = [centres[place]] if place in centres else []
        legs.append((*before, *via, *end) if end else ())
        before = end or before
    return tuple(legs)


def along_km(at: Point, leg: Sequence[Point]) -> float:
    """What is left of a leg from the point of it that is nearest, and the way there, km. leg: at least one point.

    It may go over the date line, in pieces of less than 180 degrees.
    """
    lengths = [distance_km(one, other) for one, other in pairwise(leg)]
    if not lengths:
        return distance_km(at, leg[0])
    east = KM_PER_DEGREE * math.cos(math.radians(at[0]))
    lons = np.unwrap([at[1], *(lon for _, lon in leg)], period=360.0)[1:].tolist()
    flat = [((lon - at[1]) * east, (lat - at[0]) * KM_PER_DEGREE) for (lat, _), lon in zip(leg, lons, strict=True)]
    best, left = math.inf, 0.0
    for number, length in enumerate(lengths):
        (x1, y1), (x2, y2) = flat[number], flat[number + 1]
        square = (x2 - x1) ** 2 + (y2 - y1) ** 2
        share = 0.0 if square == 0.0 else min(1.0, max(0.0, -(x1 * (x2 - x1) + y1 * (y2 - y1)) / square))
        off = math.hypot(x1 + share * (x2 - x1), y1 + share * (y2 - y1))
        if off < best:
            best, left = off, off + (1.0 - share) * length + sum(lengths[number + 1 :])
    return left


@dataclass(frozen=True, slots=True)
class Driven:
    """What speed is measured from: closed stretches of driving float64[n, 2] (km, h), and the one that runs."""

    closed: F64
    km: float
    hours: float

    def hours_for(self, way_km: float) -> float | None:
        """Time for a way at the mean speed so far, h; None without a minute of driving, and below 5 km/h."""
        hours = float(self.closed[:, 1].sum()) + self.hours
        if hours < LEAST_H:
            return None
        return hours_to_go(way_km, float(self.closed[:, 0].sum()) + self.km, hours)

    @property
    def speed(self) -> float | None:
        """Mean speed while driving, km/h."""
        hours = float(self.closed[:, 1].sum()) + self.hours
        return (float(self.closed[:, 0].sum()) + self.km) / hours if hours >= LEAST_H else None

    def interval(self, way_km: float) -> tuple[float | None, float | None]:
        """Shortest and longest time for a way, h, two-sided 95 %; None each where nothing can be said.

        The mean speed of the m stretches to come against that of the n behind, independent and of one spread:
        v +- t(n - 1) s sqrt(1/n + 1/m). At least three stretches; no longest time where the speed may be nil.
        """
        count = len(self.closed)
        if count < LEAST_SLOTS or self.hours_for(way_km) is None:
            return None, None
        speeds = self.closed[:, 0] / self.closed[:, 1]
        mean, spread = float(speeds.mean()), float(speeds.std(ddof=1))
        to_come = max(1.0, way_km / mean / float(self.closed[:, 1].mean()))
        half = float(stdtrit(count - 1, CONFIDENCE)) * spread * math.sqrt(1.0 / count + 1.0 / to_come)
        low = mean - half
        return way_km / (mean + half), way_km / low if low > 0.0 else None


def planned(plan: JourneyPlan, start_ns: int) -> tuple[Planned, ...]:
    """The stops of a plan for a journey that begins at start_ns."""
    return tuple(
        Planned(
            one.place,
            None if one.earliest_min is None else start_ns + round(one.earliest_min * NS_PER_MIN),
            None if one.latest_min is None else start_ns + round(one.latest_min * NS_PER_MIN),
            one.stays_min * 60.0,
        )
        for one in plan.stop
    )


def told_stops(data: Mapping[str, Any]) -> tuple[Planned, ...]:
    """The stops that an event journey.started names: `stops`, a list of {place, from, to, stays_s}, or of names.

    Windows are RFC 3339 stamps. What cannot be read is left out: a window that is none is not judged.
    """
    told = data.get("stops")
    found = []
    for one in told[:MOST_STOPS] if isinstance(told, list | tuple) else ():
        each: Mapping[str, Any] = one if isinstance(one, Mapping) else {"place": one}
        place = each.get("place")
        if isinstance(place, str) and place:
            stays_s = number_of(each, "stays_s", 0.0, MOST_S) or 0.0
            found.append(Planned(place[:LONGEST], _stamp(each.get("from")), _stamp(each.get("to")), stays_s))
    return tuple(found)


def _stamp(told: object) -> int | None:
    try:
        return moment_ns(told) if isinstance(told, str) else None
    except (ValueError, OverflowError):
        return None


def line_of(legs: Sequence[Sequence[Point]]) -> F64:
    """The whole way as points, float64[n, 2]."""
    points = [point for leg in legs for point in leg]
    return np.array(points, np.float64).reshape(-1, 2)

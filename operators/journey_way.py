"""The way of a vehicle from its positions: distance, standstills, fences, corridor, gaps. The kernel of journeys.

A position is a latitude and a longitude of about the same time. All of it is decided at positions alone, one by one,
so that any split of the rows into steps gives the same bits. Sphere of the mean radius (haversine) between positions,
flat around a position for polygons and ways: right to 0.1 % within 100 km.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, U8, Status

EARTH_KM = 6371.0088  # mean radius (IUGG)
KM_PER_DEGREE = math.pi * EARTH_KM / 180.0
LATITUDE, LONGITUDE, ACCURACY, SPEED, SHOCK = range(5)  # roles of inputs
LEFT, STANDS, FENCED = 1, 2, 4  # what a position changed: a stop ended, one is sure, a fence was crossed
NEVER_NS = -(2**62)
AGREE = 3  # positions in a row that are believed whatever speed they would need
SLOTS_KEPT = 12
#: Places in the int64 record; times and lengths in ns.
(
    LAT_NS, LON_NS, ACC_NS, PAIR_NS, FIX_NS, HAVE, GAP, OUTSIDE, IS_OUT, FIXES, LEFT_OUT, UNCERTAIN, STAND_NS,
    STANDING, STAND_GAP, STAND_OUT, STOP_END, STOP_GAP, STEP_NS, STEP_BLIND, SLOT_NS, SLOTS, PEND_NS, PENDING,
    LAT_STATUS, LON_STATUS, FLAGS, INTS,
) = range(28)  # fmt: skip
#: Places in the float64 record.
(
    LAT, LON, ACC, FIX_LAT, FIX_LON, STAND_LAT, STAND_LON, STEP_LAT, STEP_LON, PEND_LAT, PEND_LON, STOP_LAT, STOP_LON,
    KM, BLIND_KM, SLOT_KM, TOP_SPEED, FLOATS,
) = range(18)  # fmt: skip
#: Places in the terms: int64 ns and numbers, float64 km, km/h, m.
GAP_NS, PAIR_MOST_NS, STOP_NS, DRIVING_NS, ROW, TERM_INTS = range(6)
DRIFT_KM, CHORD_KM, OUT_KM, MOST_ACC_M, FASTEST, TO_KM_H, CORRIDOR_KM, TERM_FLOATS = range(8)
_UNCERTAIN = int(Status.UNCERTAIN)
_jit = njit(nogil=True, cache=True, error_model="numpy")


class Way(NamedTuple):
    """State of one vehicle.

    ints int64[INTS], floats float64[FLOATS]; slots float64[SLOTS_KEPT, 2], km and h of stretches of driving;
    fences int64[places, 2], inside and positions in a row that say otherwise; changed int64[places], what the last
    position changed: 1 in, -1 out.
    """

    ints: I64
    floats: F64
    slots: F64
    fences: I64
    changed: I64


class Ground(NamedTuple):
    """Places.

    centre float64[p, 2], degrees; radius float64[p], km; corners float64[c, 2], degrees, of place i from first[i] to
    first[i + 1], first int64[p + 1]; a place without corners is a circle.
    """

    centre: F64
    radius: F64
    first: I64
    corners: F64


@_jit
def apart_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Great-circle distance of two points in degrees, km; as `operators.geo.distance_km`."""
    one, other = math.radians(lat1), math.radians(lat2)
    half = math.sin((other - one) / 2) ** 2
    half += math.cos(one) * math.cos(other) * math.sin((math.radians(lon2) - math.radians(lon1)) / 2) ** 2
    return 2.0 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


@_jit
def line_km(lat: float, lon: float, points: F64, first: int, end: int, closed: bool) -> float:
    """From a point to a line of points float64[n, 2] from first to end, km; inside of a closed one 0."""
    east = KM_PER_DEGREE * math.cos(math.radians(lat))
    best, inside = math.inf, False
    turn = -360.0 * round((points[first, 1] - lon) / 360.0)  # each step the short way: over the date line too
    for at in range(first, end):
        after = at + 1
        if after == end:
            if not closed:
                break
            after = first
        x1, y1 = (points[at, 1] - lon + turn) * east, (points[at, 0] - lat) * KM_PER_DEGREE
        turn -= 360.0 * round((points[after, 1] - points[at, 1]) / 360.0)
        x2, y2 = (points[after, 1] - lon + turn) * east, (points[after, 0] - lat) * KM_PER_DEGREE
        dx, dy = x2 - x1, y2 - y1
        length = dx * dx + dy * dy
        share = 0.0 if length == 0.0 else min(1.0, max(0.0, -(x1 * dx + y1 * dy) / length))
        best = min(best, math.hypot(x1 + share * dx, y1 + share * dy))
        if (y1 > 0.0) != (y2 > 0.0) and x1 - y1 * dx / dy > 0.0:
            inside = not inside
    return 0.0 if closed and inside else best


@_jit
def _fences(way: Way, ground: Ground, terms: F64, row: int, lat: float, lon: float) -> bool:
    """Which fences this position crosses, into way.changed; whether any."""
    crossed = False
    for at in range(ground.radius.shape[0]):
        if ground.first[at] < ground.first[at + 1]:
            off = line_km(lat, lon, ground.corners, ground.first[at], ground.first[at + 1], True)
        else:
            off = apart_km(lat, lon, ground.centre[at, 0], ground.centre[at, 1]) - ground.radius[at]
        other = off > terms[OUT_KM] if way.fences[at, 0] else off <= 0.0
        way.fences[at, 1] = way.fences[at, 1] + 1 if other else 0
        way.changed[at] = 0
        if way.fences[at, 1] >= row:
            way.changed[at] = -1 if way.fences[at, 0] else 1
            way.fences[at, 0], way.fences[at, 1] = 1 - way.fences[at, 0], 0
            crossed = True
    return crossed


@_jit
def _believed(ints: I64, floats: F64, terms: F64, time_ns: int, lat: float, lon: float) -> int:
    """Whether a position can follow the last one: 0 no, 1 yes, 2 only since several in a row agree."""
    off = apart_km(floats[FIX_LAT], floats[FIX_LON], lat, lon) - terms[CHORD_KM]
    if ints[HAVE] == 0 or off <= terms[FASTEST] * ((time_ns - ints[FIX_NS]) / 3.6e12):
        ints[PENDING] = 0
        return 1
    near = False
    if ints[PENDING] > 0:
        off = apart_km(floats[PEND_LAT], floats[PEND_LON], lat, lon) - terms[CHORD_KM]
        near = off <= terms[FASTEST] * ((time_ns - ints[PEND_NS]) / 3.6e12)
    ints[PENDING] = ints[PENDING] + 1 if near else 1
    ints[PEND_NS], floats[PEND_LAT], floats[PEND_LON] = time_ns, lat, lon
    if ints[PENDING] < AGREE:
        return 0
    ints[PENDING] = 0
    return 2


@_jit
def _moves(way: Way, numbers: I64, terms: F64, time_ns: int, lat: float, lon: float, jumped: bool) -> None:
    """Way in chords, and speed over stretches of driving that have neither a gap nor a stop in them."""
    ints, floats = way.ints, way.floats
    chord = apart_km(floats[STEP_LAT], floats[STEP_LON], lat, lon)
    if chord < terms[CHORD_KM] and not jumped:
        return
    took = time_ns - ints[STEP_NS]
    if not jumped:
        floats[KM] += chord
        if ints[STEP_BLIND]:
            floats[BLIND_KM] += chord
        elif took < numbers[STOP_NS]:
            floats[SLOT_KM] += chord
            ints[SLOT_NS] += took
            if ints[SLOT_NS] >= numbers[DRIVING_NS]:
                at = ints[SLOTS] % SLOTS_KEPT
                way.slots[at, 0], way.slots[at, 1] = floats[SLOT_KM], ints[SLOT_NS] / 3.6e12
                ints[SLOTS] += 1
                ints[SLOT_NS], floats[SLOT_KM] = 0, 0.0
    ints[STEP_NS], ints[STEP_BLIND], floats[STEP_LAT], floats[STEP_LON] = time_ns, 0, lat, lon


@_jit
def _stands(ints: I64, floats: F64, numbers: I64, terms: F64, time_ns: int, lat: float, lon: float) -> int:
    """Whether it stands, before ints[GAP] knows of the time before this position; LEFT, STANDS or 0."""
    flags = 0
    if ints[HAVE] == 0 or apart_km(floats[STAND_LAT], floats[STAND_LON], lat, lon) > terms[DRIFT_KM]:
        if ints[STANDING]:
            flags = LEFT
            ints[STOP_END], ints[STOP_GAP] = ints[FIX_NS], ints[GAP] - ints[STAND_GAP]
            floats[STOP_LAT], floats[STOP_LON] = floats[STAND_LAT], floats[STAND_LON]
        ints[STAND_NS], ints[STANDING], floats[STAND_LAT], floats[STAND_LON] = time_ns, 0, lat, lon
        blind = time_ns - ints[FIX_NS] - numbers[GAP_NS]
        ints[STAND_GAP] = ints[GAP] + max(0, blind)
        ints[STAND_OUT] = ints[OUTSIDE]
    elif ints[STANDING] == 0 and time_ns - ints[STAND_NS] >= numbers[STOP_NS]:
        ints[STANDING] = 1
        flags = STANDS
    return flags


@_jit
def _position(
    way: Way, ground: Ground, numbers: I64, terms: F64, line: F64, time_ns: int, lat: float, lon: float
) -> int:
    """One position; what it changed."""
    ints, floats = way.ints, way.floats
    ints[PAIR_NS] = time_ns
    poor = time_ns - ints[ACC_NS] < numbers[GAP_NS] and floats[ACC] > terms[MOST_ACC_M]
    none = not (abs(lat) <= 90.0 and abs(lon) <= 180.0) or (lat == 0.0 and lon == 0.0)  # what a blind receiver sends
    sure = 0 if poor or none else _believed(ints, floats, terms, time_ns, lat, lon)
    if sure == 0:
        ints[LEFT_OUT] += 1
        return 0
    first = ints[HAVE] == 0
    if not first and ints[IS_OUT]:
        ints[OUTSIDE] += min(time_ns - ints[FIX_NS], numbers[GAP_NS])
    flags = _stands(ints, floats, numbers, terms, time_ns, lat, lon)
    blind = time_ns - ints[FIX_NS] - numbers[GAP_NS]
    if blind > 0:
        ints[GAP] += blind
        ints[STEP_BLIND] = 1
    _moves(way, numbers, terms, time_ns, lat, lon, first or sure == 2)
    ints[HAVE], ints[FIX_NS], floats[FIX_LAT], floats[FIX_LON] = 1, time_ns, lat, lon
    ints[FIXES] += 1
    if ints[LAT_STATUS] == _UNCERTAIN or ints[LON_STATUS] == _UNCERTAIN:
        ints[UNCERTAIN] += 1
    if _fences(way, ground, terms, numbers[ROW], lat, lon):
        flags |= FENCED
    corridor = terms[CORRIDOR_KM] > 0.0 and line.shape[0] > 1
    ints[IS_OUT] = 1 if corridor and line_km(lat, lon, line, 0, line.shape[0], False) > terms[CORRIDOR_KM] else 0
    return flags


@_jit
def drive(
    way: Way, ground: Ground, numbers: I64, terms: F64, line: F64, roles: I64, time_ns: I64, of: I32, value: F64,
    status: U8, begin: int, end: int,
) -> int:  # fmt: skip
    """Rows [begin, end) in order, as far as the first position that changes something, into way.ints[FLAGS].

    roles int64[k] by input. Returns the number of the row after the last one taken.
    """
    ints, floats = way.ints, way.floats
    ints[FLAGS] = 0
    for row in range(begin, end):
        role, now = roles[of[row]], time_ns[row]
        if role == ACCURACY:
            ints[ACC_NS], floats[ACC] = now, value[row]
        elif role == SPEED:
            floats[TOP_SPEED] = max(floats[TOP_SPEED], value[row] * terms[TO_KM_H])
        elif role in (LATITUDE, LONGITUDE):
            if role == LATITUDE:
                ints[LAT_NS], ints[LAT_STATUS], floats[LAT] = now, status[row], value[row]
                other = ints[LON_NS]
            else:
                ints[LON_NS], ints[LON_STATUS], floats[LON] = now, status[row], value[row]
                other = ints[LAT_NS]
            if now > ints[PAIR_NS] and other > ints[PAIR_NS] and now - other <= numbers[PAIR_MOST_NS]:
                ints[FLAGS] = _position(way, ground, numbers, terms, line, now, floats[LAT], floats[LON])
                if ints[FLAGS]:
                    return row + 1
    return end


def fresh_way(begin_ns: int, places: int) -> Way:
    """Nothing known; a gap counts from begin_ns on."""
    ints, floats = np.zeros(INTS, np.int64), np.zeros(FLOATS)
    ints[[LAT_NS, LON_NS, ACC_NS, PAIR_NS]] = NEVER_NS
    ints[FIX_NS] = begin_ns
    floats[TOP_SPEED] = -1.0
    return Way(ints, floats, np.zeros((SLOTS_KEPT, 2)), np.zeros((places, 2), np.int64), np.zeros(places, np.int64))

"""transport/truck1: a refrigerated truck between Suzhou and Shanghai."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

from simulators.device import Cause, Device, Sample, State
from simulators.noise import between, unit

# (latitude, longitude) in degrees: Suzhou Industrial Park, Kunshan, Anting, Hongqiao
ROUTE = ((31.3187, 120.7151), (31.3846, 120.9807), (31.2926, 121.1609), (31.1979, 121.3363))
EARTH_KM = 6371.0088
OUTSIDE_C, WALL_TAU_S, DOOR_TAU_S = 24.0, 3000.0, 1100.0
COOLING_C_S, ON_C, OFF_C = 0.016, 5.2, 3.4
FAN_C_S = 0.008  # warm air from a dead evaporator
HOLE_SLOT_S = 1200  # at most one radio hole in each slot


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great-circle distance of two (latitude, longitude) points, km (haversine)."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*one, *other))
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(half))


LEGS_KM = tuple(distance_km(one, other) for one, other in pairwise(ROUTE))
ROUTE_KM = sum(LEGS_KM)


def place(km: float) -> tuple[float, float]:
    """(latitude, longitude) so many km from the start of the route."""
    for leg, (start, end) in zip(LEGS_KM, pairwise(ROUTE), strict=True):
        if km <= leg:
            share = max(0.0, km / leg)
            return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
        km -= leg
    return ROUTE[-1]


@lru_cache(maxsize=256)
def _radio_hole(seed: int, slot: int) -> tuple[int, int]:
    """[start, end) of the slot's hole, s; (0, 0) where it has none."""
    if unit(seed, "radio", slot) > 0.7:
        return 0, 0
    start = slot * HOLE_SLOT_S + int(between(60, 900, seed, "radio", slot, "start"))
    return start, start + int(between(60, 240, seed, "radio", slot, "length"))


def radio_back_s(seed: int, second: int) -> int | None:
    """The second at which the radio is back if it is dead in this one, else None. Holes last 1 to 4 minutes."""
    start, end = _radio_hole(seed, second // HOLE_SLOT_S)
    return end if start <= second < end else None


@dataclass(slots=True)
class TruckState(State):
    """km along the route, way +1 out or -1 back, standing_s left at a stop, opened_s the cargo door is open."""

    km: float = 0.0
    way: int = 1
    speed: float = 0.0
    standing_s: int = 90
    opened_s: int = 0
    cargo: float = 4.4
    cooling: bool = False


class Truck(Device[TruckState]):
    """Drives the route, stands 7 to 12 minutes at each end with the cargo door open for the first 90 s.

    Radio holes are not seen here: what is measured in one is sent afterwards (see `radio_back_s`).
    Faults: truck_cooling_failure: the refrigeration stops and its fan blows warm air.
    """

    asset = "transport/truck1"
    units: ClassVar[Mapping[str, str]] = {"cargo_temp": "Cel", "latitude": "deg", "longitude": "deg", "speed": "km/h"}
    gauss, uniform = 4, 1
    state_type = TruckState

    def first_state(self) -> TruckState:
        """Loaded, standing at the start of the route."""
        return TruckState(cargo=between(3.6, 5.0, self.seed, self.asset, "cargo"))

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """One second of the way, and of heat in and cooling out."""
        state = self.state
        temp_noise, lat_noise, lon_noise, speed_noise, length = noise
        self._drive(speed_noise, length)
        self._cool(failed=cause is not None and cause.name == "truck_cooling_failure")
        latitude, longitude = place(state.km)
        return [
            Sample("cargo_temp", round(state.cargo + 0.05 * temp_noise, 2)),
            Sample("latitude", round(latitude + 1e-5 * lat_noise, 6)),
            Sample("longitude", round(longitude + 1e-5 * lon_noise, 6)),
            Sample("speed", round(state.speed, 1)),
        ]

    def _drive(self, speed_noise: float, length: float) -> None:
        state = self.state
        state.opened_s = max(0, state.opened_s - 1)
        if state.standing_s:
            state.standing_s -= 1
            state.speed = 0.0
            return
        ahead = ROUTE_KM - state.km if state.way > 0 else state.km
        wanted = min(72.0, 8.0 + 45.0 * ahead)
        state.speed = max(3.0, state.speed + (wanted - state.speed) / 15.0 + 0.5 * speed_noise)
        state.km = min(ROUTE_KM, max(0.0, state.km + state.way * state.speed / 3600.0))
        if state.km in (0.0, ROUTE_KM):
            state.way = -state.way
            state.standing_s, state.opened_s = 420 + int(300 * length), 90

    def _cool(self, *, failed: bool) -> None:
        state = self.state
        state.cooling = not failed and (state.cargo >= ON_C or (state.cooling and state.cargo > OFF_C))
        change = (OUTSIDE_C - state.cargo) / WALL_TAU_S
        if state.opened_s:
            change += (OUTSIDE_C - state.cargo) / DOOR_TAU_S
        if failed:
            change += FAN_C_S
        elif state.cooling:
            change -= COOLING_C_S
        state.cargo += change

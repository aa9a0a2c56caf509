"""What a journey's machine is made with, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from andon.config.journey import GeoPlace, Journey, JourneyPlan
from andon.plant import PlantModel
from andon.readings import F64, I64, NS_PER_S
from operators import journey_way as way
from operators.held import gap_of
from operators.journey_plan import Point, centre_of

TO_KM_H = {"km/h": 1.0, "m/s": 3.6}
TO_G = {"[g]": 1.0, "m/s2": 1.0 / 9.80665}
ROLES = {"accuracy": way.ACCURACY, "speed": way.SPEED, "latitude": way.LATITUDE, "longitude": way.LONGITUDE}


@dataclass(frozen=True, slots=True)
class Shocks:
    """Axes of acceleration: what makes standard gravities of each, how long a value stands, ns; the threshold, g."""

    scale: tuple[float, ...]
    gap_ns: tuple[int, ...]
    threshold_g: float


@dataclass(frozen=True)
class JourneySetup:
    """roles: of each input, `operators.journey_way`; gap_ns: how long a position stands."""

    declared: Journey
    roles: tuple[int, ...]
    gap_ns: int
    to_km_h: float
    places: tuple[GeoPlace, ...]
    plans: tuple[JourneyPlan, ...]
    shocks: Shocks

    @cached_property
    def numbers(self) -> I64:
        """int64[TERM_INTS] of the kernel."""
        one = self.declared
        seconds = (one.pair_s, one.stop_s, one.speed_over_min * 60.0)
        return np.array([self.gap_ns, *(round(each * NS_PER_S) for each in seconds), one.fixes], np.int64)

    def terms(self, corridor_m: float | None = None) -> F64:
        """float64[TERM_FLOATS] of the kernel, with the corridor of a plan."""
        one = self.declared
        lengths = (one.drift_m, one.chord_m, one.fence_out_m)
        found = [*(each / 1000.0 for each in lengths), one.most_accuracy_m, one.fastest_km_h, self.to_km_h]
        return np.array([*found, (corridor_m or 0.0) / 1000.0])

    @cached_property
    def ground(self) -> way.Ground:
        """The places as the kernel reads them."""
        corners = [corner for place in self.places for corner in place.corners]
        first = np.concatenate([[0], np.cumsum([len(place.corners) for place in self.places])]).astype(np.int64)
        centres = np.array([self.centres[place.id] for place in self.places]).reshape(-1, 2)
        radii = np.array([place.radius_m / 1000.0 for place in self.places])
        return way.Ground(centres, radii, first, np.array(corners, np.float64).reshape(-1, 2))

    @cached_property
    def centres(self) -> Mapping[str, Point]:
        """Middle of each place."""
        return {place.id: centre_of(place) for place in self.places}

    @cached_property
    def plan_of(self) -> Mapping[str, JourneyPlan]:
        """Plan by id."""
        return {plan.id: plan for plan in self.plans}


def setup_of(plant: PlantModel, asset: str, declared: Journey) -> tuple[JourneySetup, list[str]]:
    """The setup and the tags of the inputs, accelerations last."""
    wanted = {name: tag for name in ROLES if (tag := getattr(declared, name)) is not None}
    gap_ns = max(gap_of(plant.series[asset, tag]) for tag in (declared.latitude, declared.longitude))
    speed = plant.series[asset, declared.speed].unit if declared.speed else "km/h"
    axes = [plant.series[asset, tag] for tag in declared.shock]
    shocks = Shocks(
        tuple(TO_G.get(one.unit, 1.0) for one in axes), tuple(gap_of(one) for one in axes), declared.shock_g
    )
    roles = (*(ROLES[name] for name in wanted), *(way.SHOCK for _ in axes))
    places, plans = plant.config.place, plant.config.journey_plan
    setup = JourneySetup(declared, roles, gap_ns, TO_KM_H.get(speed, 1.0), places, plans, shocks)
    return setup, [*wanted.values(), *declared.shock]

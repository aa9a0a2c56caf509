"""What the simulated truck truly did: where it stood, when it left a place, how far it drove; from its hidden state.

Without the noise of its receiver, and worked out here alone: nothing of operators/ is used.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.device import CauseOf, no_causes
from simulators.truck import ROUTE, ROUTE_KM, Truck, distance_km, place

STANDS_S = 180  # a shorter stand is no stop


@dataclass(frozen=True, slots=True)
class TrueStop:
    """[start_s, end_s): the seconds in which it stands; end: which end of the route, 0 or 1. None: it still stands."""

    start_s: int
    end_s: int | None
    end: int


@dataclass(frozen=True, slots=True)
class TrueJourney:
    """left_s: first second beyond so many km of the end it came from; arrived_s: first second at the other end.

    km: the way between these two.
    """

    left_s: int
    arrived_s: int
    to: int
    km: float


@dataclass(frozen=True)
class TruckTruth:
    """Its place along the route by second, km, and what follows from it."""

    km: tuple[float, ...]

    def stops(self) -> list[TrueStop]:
        """Stands of at least STANDS_S at an end of the route; the one at the beginning too where it is that long."""
        found, start = list[TrueStop](), 0
        for second in range(1, len(self.km) + 1):
            if second < len(self.km) and self.km[second] == self.km[start]:
                continue
            if second - start >= STANDS_S and self.km[start] in (0.0, ROUTE_KM):
                over = second < len(self.km)
                found.append(TrueStop(start, second if over else None, int(self.km[start] > 0.0)))
            start = second
        return found

    def journeys(self, beyond_km: float) -> list[TrueJourney]:
        """From each end to the other; a place is left beyond_km from it, as the crow flies."""
        found, left_s = list[TrueJourney](), -1
        came_from = 0
        for second, km in enumerate(self.km):
            if left_s < 0 and distance_km(place(km), (ROUTE[0], ROUTE[-1])[came_from]) > beyond_km:
                left_s = second
            if left_s >= 0 and km == (ROUTE_KM, 0.0)[came_from]:
                found.append(TrueJourney(left_s, second, 1 - came_from, abs(km - self.km[left_s])))
                left_s, came_from = -1, 1 - came_from
        return found

    def left_km(self, second: int, to: int) -> float:
        """The way to an end of the route, along the route."""
        return ROUTE_KM - self.km[second] if to else self.km[second]


def truck_truth(seed: int, seconds: int, cause_of: CauseOf = no_causes) -> TruckTruth:
    """The truck over the first seconds of a simulation."""
    device, km = Truck(seed, cause_of), []
    for _ in range(seconds):
        device.step()
        km.append(device.state.km)
    return TruckTruth(tuple(km))

"""The machines of a truck or a shipper that a configuration asks for: journeys, stops and shocks."""

from __future__ import annotations

from collections.abc import Callable

from andon.plant import PlantModel
from operators.journey_setup import JourneySetup, setup_of
from operators.journeys import LAYOUT, JourneyMachine
from operators.machines import Bounds, Machine, MachineSpec
from operators.shock_machine import LAYOUT as SHOCKS
from operators.shock_machine import REACH_NS as SHOCK_REACH_NS
from operators.shock_machine import ShockMachine

NS_PER_H = 3_600 * 10**9
REACH_NS = 72 * NS_PER_H  # at least; a journey as long as `longest_h` is still known where a machine begins anew


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """Journeys, stops and shocks of an asset; none where its template has no journey."""
    declared = plant.template_of(asset).journey
    if declared is None:
        return []
    setup, tags = setup_of(plant, asset, declared)
    paths = tuple((asset, tag) for tag in tags)
    fences = [(place.id, place.centre, place.radius_m, place.corners) for place in setup.places]
    version = repr((LAYOUT, declared, fences, setup.plans, setup.gap_ns, setup.shocks, setup.to_km_h))
    reach_ns = max(REACH_NS, round(declared.longest_h * NS_PER_H))
    found = [
        MachineSpec(kind, asset, declared.latitude, paths, version, _maker(setup, stops=stops), reach_ns, events=True)
        for kind, stops in (("journey", False), ("journey_stop", True))
    ]
    if declared.shock:

        def make(begin_ns: int, _bounds: Bounds) -> Machine:
            return ShockMachine(begin_ns, setup.shocks, declared.shock)

        axes = tuple((asset, tag) for tag in declared.shock)
        version = repr((SHOCKS, setup.shocks, declared.shock))
        found.append(MachineSpec("shock", asset, declared.shock[0], axes, version, make, SHOCK_REACH_NS))
    return found


def _maker(setup: JourneySetup, *, stops: bool) -> Callable[[int, Bounds], Machine]:
    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return JourneyMachine(begin_ns, setup, stops=stops)

    return make

"""The cold-chain figures of an asset: windows of each temperature, excursions, USP windows, stays of lots.

Which of them a configuration asks for, from which series and under which limits; the machines are the neighbours.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from andon.config.models import ColdChain
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from operators.cold_chain_windows import CONTACT, WindowMachine
from operators.cold_chain_windows import LAYOUT as WINDOWS
from operators.contacts import Contact, Warming
from operators.excursions import LAYOUT as EXCURSIONS
from operators.excursions import REACH_NS, ExcursionMachine, Terms
from operators.held import Held, Limits, gap_of
from operators.humidity_machine import LAYOUT as HUMIDITY
from operators.humidity_machine import HumidityMachine
from operators.lot_stays import LAYOUT as LOT_STAYS
from operators.lot_stays import REACH_NS as STAY_REACH_NS
from operators.lot_stays import LotMachine
from operators.machines import Bounds, Machine, MachineSpec
from operators.profiles import Profile, profile_of
from operators.usp import LAYOUT as USP
from operators.usp import UspMachine
from operators.who_pqs import LAYOUT as WHO
from operators.who_pqs import RULES, WhoMachine


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """The machines of one asset; none where its template has no cold chain."""
    declared = plant.cold_chain_of(asset)
    if declared is None:
        return []
    decides = declared.product_probe or declared.temperature
    return [
        *(_window_spec(plant, asset, declared, tag) for tag in (declared.temperature, *declared.probes)),
        *(_excursion_spec(plant, asset, declared, tag) for tag in (decides, *declared.probes)),
        *_usp_specs(plant, asset, declared, decides),
        _lot_spec(plant, asset, declared, decides),
        *_humidity_specs(plant, asset, declared),
        *_who_specs(asset, declared, decides),
    ]


def contacts(declared: ColdChain) -> list[str]:
    """Tags of door and defrost, those that are declared."""
    return [tag for tag in (declared.door, declared.defrost) if tag is not None]


def _window_spec(plant: PlantModel, asset: str, declared: ColdChain, tag: str) -> MachineSpec:
    profile = profile_of(plant, declared)
    tags = [tag, *contacts(declared)]
    gaps = [gap_of(plant.series[asset, one]) for one in tags]
    names = [name for name in ("door_s", "defrost_s") if getattr(declared, name.removesuffix("_s")) is not None]

    def make(begin_ns: int, bounds: Bounds) -> Machine:
        held = [Held(begin_ns, gaps[0], profile.limits), *(Held(begin_ns, gap, CONTACT) for gap in gaps[1:])]
        return WindowMachine(begin_ns, bounds, held, names, profile.about)

    version = repr((WINDOWS, profile, gaps, names))
    paths = tuple((asset, one) for one in tags)
    return MachineSpec("cold_chain", asset, tag, paths, version, make, reach_ns=max(gaps))


def _excursion_spec(plant: PlantModel, asset: str, declared: ColdChain, tag: str) -> MachineSpec:
    profile = profile_of(plant, declared)
    terms = Terms(
        declared.hysteresis_c, round(declared.hold_off_s * NS_PER_S), round(declared.door_within_s * NS_PER_S)
    )
    air, door, defrost = declared.temperature, declared.door, declared.defrost
    tags = list(dict.fromkeys([tag, door or air, *([defrost] if defrost else [])]))
    gaps = {one: gap_of(plant.series[asset, one]) for one in tags}

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        opened = Contact(gaps[door]) if door else Warming(gaps[air], declared.door_slope_c_min)
        thawed = (tags.index(defrost), Contact(gaps[defrost])) if defrost else (0, None)
        causes = [(tags.index(door or air), opened), thawed]
        return ExcursionMachine(begin_ns, Held(begin_ns, gaps[tag], profile.limits), terms, profile, causes)

    version = repr((EXCURSIONS, profile, terms, gaps, door, defrost, declared.door_slope_c_min))
    paths = tuple((asset, one) for one in tags)
    return MachineSpec("excursion", asset, tag, paths, version, make, reach_ns=REACH_NS, events=True)


def _usp_specs(plant: PlantModel, asset: str, declared: ColdChain, tag: str) -> list[MachineSpec]:
    """USP windows, where the asset's product has a limit of its mean kinetic temperature."""
    profile = profile_of(plant, declared)
    product = profile.product
    if product is None or product.condition.mkt_h is None:
        return []
    gap_ns = gap_of(plant.series[asset, tag])
    limits = replace(profile.limits, allowed_high=product.condition.allowed_high)

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return UspMachine(begin_ns, Held(begin_ns, gap_ns, limits), profile, product, declared.least_coverage)

    version = repr((USP, profile, gap_ns, declared.least_coverage))
    reach_ns = round(product.condition.mkt_h * 3600 * NS_PER_S)
    return [MachineSpec("usp", asset, tag, ((asset, tag),), version, make, reach_ns)]


def _lot_spec(plant: PlantModel, asset: str, declared: ColdChain, tag: str) -> MachineSpec:
    gap_ns = gap_of(plant.series[asset, tag])

    @cache
    def profiles(name: str) -> Profile:
        return profile_of(plant, declared, name)

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return LotMachine(begin_ns, Held(begin_ns, gap_ns, Limits()), profiles)

    version = repr((LOT_STAYS, plant.config.product, declared.product, declared.low, declared.high, gap_ns))
    return MachineSpec("lot_stay", asset, tag, ((asset, tag),), version, make, STAY_REACH_NS, events=True)


def _humidity_specs(plant: PlantModel, asset: str, declared: ColdChain) -> list[MachineSpec]:
    if declared.humidity is None:
        return []
    goods = [declared.product_probe] if declared.product_probe else []
    tags = [declared.humidity, declared.temperature, *goods]
    gaps = [gap_of(plant.series[asset, one]) for one in tags]
    limits = Limits(declared.humidity_low, declared.humidity_high, activation_j_mol=0.0)

    def make(begin_ns: int, bounds: Bounds) -> Machine:
        return HumidityMachine(begin_ns, bounds, limits, gaps)

    paths = tuple((asset, one) for one in tags)
    version = repr((HUMIDITY, limits, gaps))
    return [MachineSpec("humidity", asset, declared.humidity, paths, version, make, reach_ns=max(gaps))]


def _who_specs(asset: str, declared: ColdChain, tag: str) -> list[MachineSpec]:
    if not declared.who:
        return []
    rules = [RULES[name] for name in dict.fromkeys(declared.who)]

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return WhoMachine(begin_ns, rules)

    return [MachineSpec("who", asset, tag, ((asset, tag),), repr((WHO, rules)), make, REACH_NS, events=True)]

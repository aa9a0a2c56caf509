"""What the configuration decides for the OEE of one unit, resolved once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from andon.calendars import ShiftCalendar, midnight_ns
from andon.plant import PlantModel, SeriesSpec
from andon.readings import F64, I64, NS_PER_S
from operators import oee_kernel as at
from operators.oee_window import NO_MORE, Counters
from operators.time_model import OTHER_MODE, PRODUCTION, SETUP_MODE, starting_table, state_table

FAR = 2**63 - 1
GAP_INTERVALS = 3  # a value stands for so many expected intervals; beyond it nothing is known
MODES = 32  # PackML has at most 31 unit modes
ROLES = {
    "state": at.STATE_ROLE, "total": at.TOTAL, "good": at.GOOD, "scrap": at.SCRAP, "rework": at.REWORK,
    "mode": at.MODE_ROLE, "reason": at.REASON_ROLE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cycle:
    """Planned run time per item of a product (empty: of any) in [from_ns, until_ns)."""

    product: str
    seconds: float
    from_ns: int = -FAR
    until_ns: int = FAR


@dataclass(frozen=True)
class OeeSetup:
    """What the configuration decides for one unit.

    roles: role of each input (operators/oee_kernel.py), in the order of the paths. modulus float64[4] by role of
    counter, NaN where it does not wrap. starts, categories: `operators.time_model.state_table`; modes int64[].
    starting: `starting_table`, by default of no state.
    """

    roles: I64
    modulus: F64
    starts: F64
    categories: I64
    modes: I64
    micro_ns: int
    state_gap_ns: int
    mode_gap_ns: int
    startup_ns: int = 0
    cycles: tuple[Cycle, ...] = ()
    has: Counters = NO_MORE
    calendar: ShiftCalendar | None = None
    starting: I64 = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        if not len(self.starting):
            object.__setattr__(self, "starting", np.zeros(len(self.starts), np.int64))


def cycle_at(cycles: Sequence[Cycle], product: str, time_ns: int) -> float | None:
    """Planned run time per item of a product at an instant, s; None where no cycle says.

    The product's own before that of any product. While the product is not known: the one that all cycles agree on.
    """
    valid = [one for one in cycles if one.from_ns <= time_ns < one.until_ns]
    own = [one.seconds for one in valid if one.product == product] or [one.seconds for one in valid if not one.product]
    if own or product:
        return own[0] if own else None
    agreed = {one.seconds for one in valid}
    return agreed.pop() if len(agreed) == 1 else None


def inputs_of(plant: PlantModel, asset: str) -> dict[str, str]:
    """Tag by name of role, of those that the asset has, in the order of the paths; empty without an OEE."""
    declared = plant.oee_of(asset)
    told = {name: getattr(declared, name, None) for name in ROLES}
    return {name: tag for name, tag in told.items() if tag is not None}


def setup_of(plant: PlantModel, asset: str) -> OeeSetup:
    """The set-up of an asset with an OEE."""
    declared, tags = plant.oee_of(asset), inputs_of(plant, asset)
    tags.pop("reason", None)  # of single stops alone
    if declared is None:
        raise ValueError(f"{asset} has no [template.oee]")
    series = {name: plant.series[asset, tag] for name, tag in tags.items()}
    modulus = np.full(at.REWORK + 1, np.nan)
    for name, spec in series.items():
        if ROLES[name] <= at.REWORK and spec.modulus is not None:
            modulus[ROLES[name]] = spec.modulus
    modes = np.full(MODES, OTHER_MODE, np.int64)
    modes[[one for one in declared.setup_modes if 0 <= one < MODES]] = SETUP_MODE
    modes[[one for one in declared.production_modes if 0 <= one < MODES]] = PRODUCTION
    meaning = series["state"].states, declared.mapping, declared.states
    starts, categories = state_table(*meaning)
    state_gap, mode_gap = (_gap_ns(series.get(name, series["state"])) for name in ("state", "mode"))
    return OeeSetup(
        np.array([ROLES[name] for name in tags], np.int64), modulus, starts, categories, modes,
        round(declared.micro_stop_s * NS_PER_S), state_gap, mode_gap, round(declared.startup_s * NS_PER_S),
        cycles=cycles_of(plant, asset), has=Counters("scrap" in tags, "rework" in tags), calendar=plant.shift_calendar,
        starting=starting_table(*meaning),
    )  # fmt: skip


def _gap_ns(spec: SeriesSpec) -> int:
    return round(GAP_INTERVALS * spec.every_s * NS_PER_S)


def cycles_of(plant: PlantModel, asset: str) -> tuple[Cycle, ...]:
    """What [[cycle]] says of an asset, with its days as instants of the site."""
    zone = plant.config.site.timezone
    return tuple(
        Cycle(
            one.product, one.seconds, midnight_ns(zone, one.since) if one.since else -FAR,
            midnight_ns(zone, one.until) if one.until else FAR,
        )
        for one in plant.config.cycle if one.asset == asset
    )  # fmt: skip


def version_of(plant: PlantModel, asset: str) -> str:
    """Text of everything in the configuration that decides the OEE of an asset."""
    config = plant.config
    series = [plant.series[asset, tag] for tag in inputs_of(plant, asset).values()]
    decided = [(one.tag, one.kind, one.every_s, one.states, one.modulus) for one in series]
    cycles = [one.model_dump() for one in config.cycle if one.asset == asset]
    shifts = [one.model_dump() for one in config.shift]
    declared = plant.oee_of(asset)
    own = declared.model_dump(exclude={"bottleneck", "stops"}) if declared else {}
    return repr((own, decided, cycles, config.site.timezone, config.calendar.model_dump(), shifts))

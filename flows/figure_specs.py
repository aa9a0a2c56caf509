"""Every streaming figure that the configuration asks for, by subject."""

from __future__ import annotations

from collections.abc import Callable

from andon.calendars import Calendar
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from flows import group_specs
from operators import (
    calibration_machine,
    cold_chain_machine,
    health_machine,
    journey_machine,
    line_machine,
    oee_machine,
    spc_machine,
    sterilisation_machine,
    stops_machine,
)
from operators.machines import Both, Bounds, Every, MachineSpec, OnCalendar

#: One a subject: `specs(plant, asset)` of operators/<subject>_machine.py.
SUBJECTS: tuple[Callable[[PlantModel, str], list[MachineSpec]], ...] = (
    oee_machine.specs,
    line_machine.specs,
    stops_machine.specs,
    cold_chain_machine.specs,
    sterilisation_machine.specs,
    health_machine.specs,
    spc_machine.specs,
    calibration_machine.specs,
    journey_machine.specs,
    group_specs.specs,
)


def machine_specs(plant: PlantModel, shard: int) -> list[MachineSpec]:
    """The machines of a shard's assets, in the order of assets and subjects; not those without an input."""
    assets = [asset for asset in plant.assets if plant.shard_of(asset) == shard]
    return [spec for asset in assets for specs in SUBJECTS for spec in specs(plant, asset) if spec.paths]


def figure_bounds(plant: PlantModel) -> Bounds:
    """Where windows of figures end: every windows.figures_s, and with every shift; with local days where none is."""
    zone, declared = plant.config.site.timezone, plant.config.shift
    begins = [one.begins.split(":") for one in declared]
    shifts = [60 * int(hour) + int(minute) for hour, minute in begins]
    calendar = Calendar("shift", zone, shifts) if shifts else Calendar("day", zone)
    return Both((Every(round(plant.config.windows.figures_s * NS_PER_S)), OnCalendar(calendar)))

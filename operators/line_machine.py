"""OEE of a line as it streams, from the series of its cells: what [[line]] of the configuration asks for.

By its bottleneck: time, counts and cycle are those of one cell. By its running cells: the line produces while enough of
its cells do; items are those of the bottleneck, since they pass through all, or of all cells where these stand side by
side. Windows, orders, shifts, losses and ratios are those of a unit (operators/oee_machine.py); orders and other events
are the line's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from andon.plant import PlantModel
from andon.readings import F64, I64, NS_PER_S
from operators import oee_kernel as at
from operators.event_data import LONGEST
from operators.line_kernel import take_line
from operators.machines import Bounds, Inputs, Machine, MachineSpec, Made
from operators.oee_machine import REACH_NS, OeeMachine
from operators.oee_setup import ROLES, OeeSetup, cycles_of, inputs_of, setup_of, version_of
from operators.oee_window import Counters
from operators.time_model import UNKNOWN

TAG = "line"  # what a line's figure is kept under
ORDER = ("state", "total", "good", "scrap", "rework", "mode")  # of inputs of one instant, as a unit has them


@dataclass(frozen=True)
class LineSetup:
    """What the configuration decides for one line. Arrays have a row for each cell, in the order of the line.

    line: of the line as a whole; least: so many cells must produce. paths, cell_of, roles: of each input.
    names: the cells' as `about` tells them. rule, bottleneck: what `about` tells of the way of judging.
    """

    line: OeeSetup
    least: int
    paths: tuple[tuple[str, str], ...]
    cell_of: I64
    roles: I64
    starts: F64
    categories: I64
    starting: I64
    modes: I64
    gaps: I64
    modulus: F64
    names: tuple[str, ...]
    rule: str
    bottleneck: str


class LineMachine(OeeMachine):
    """The windows of one line. State: that of a unit, and a clock and the last counts of each cell."""

    def __init__(self, begin_ns: int, bounds: Bounds, setup: LineSetup) -> None:
        super().__init__(begin_ns, bounds, setup.line)
        self._cells = np.tile(self._clock, (len(setup.names), 1))
        self._cells[:, at.STATE] = UNKNOWN
        self._last = np.full((len(setup.names), at.REWORK + 1), np.nan)
        self._of = setup

    def _take(self, inputs: Inputs, begin: int, end: int, upto_ns: int) -> Sequence[Made]:
        of = self._of
        take_line(
            self._clock, self._cells, self._limits, self._sums, self._counts, self._last, of.modulus, of.starts,
            of.categories, of.starting, of.modes, of.gaps, of.cell_of, of.roles, of.least, inputs.time_ns, inputs.input,
            inputs.value, inputs.status, begin, end, upto_ns,
        )  # fmt: skip
        return ()

    def _open(self, time_ns: int) -> None:
        super()._open(time_ns)
        self._cells[:, at.STOP_HERE] = 0

    def _figure(self, end_ns: int) -> list[Made]:
        told = {"rule": self._of.rule, "bottleneck": self._of.bottleneck}
        stood = self._cells[:, at.STOP_HERE]
        if len(stood) > 1 and stood.any():
            told["stopped_by"] = self._of.names[int(np.argmax(stood))]
        told = {name: text for name, text in told.items() if text}
        return [replace(one, about={**one.about, **told}) for one in super()._figure(end_ns)]

    def snapshot(self) -> tuple[Any, ...]:
        """See `operators.machines.Machine`."""
        return (*super().snapshot(), self._cells.tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """See `operators.machines.Machine`."""
        super().restore(snapshot[:3])
        self._cells.reshape(-1)[:] = np.frombuffer(snapshot[3], np.int64)


def line_setup(plant: PlantModel, asset: str) -> LineSetup:
    """The set-up of a line. KeyError for an asset that is none."""
    declared = plant.lines[asset]
    by_bottleneck = declared.least_running is None
    bottleneck = declared.bottleneck or declared.cells[0]
    cells = (bottleneck,) if by_bottleneck else declared.cells
    counted = cells if declared.parallel else (bottleneck,)
    units = [setup_of(plant, cell) for cell in cells]
    told = [
        (name, place, cell, tag) for name in ORDER for place, cell in enumerate(cells)
        if (tag := inputs_of(plant, cell).get(name)) and (name in ("state", "mode") or cell in counted)
    ]  # fmt: skip
    main = units[cells.index(bottleneck)]
    own = cycles_of(plant, asset)
    has = [units[cells.index(cell)].has for cell in counted]
    line = replace(
        main,
        micro_ns=main.micro_ns if declared.micro_stop_s is None else round(declared.micro_stop_s * NS_PER_S),
        startup_ns=main.startup_ns if declared.startup_s is None else round(declared.startup_s * NS_PER_S),
        cycles=own or (() if declared.parallel else main.cycles),
        has=Counters(all(one.scrap for one in has), all(one.rework for one in has)),
    )
    wide = max(len(one.starts) for one in units)
    return LineSetup(
        line, declared.least_running or 1, tuple((cell, tag) for _, _, cell, tag in told),
        np.array([place for _, place, _, _ in told]), np.array([ROLES[name] for name, *_ in told]),
        np.array([_padded(one.starts, wide, np.inf) for one in units]),
        np.array([_padded(one.categories, wide, UNKNOWN) for one in units]),
        np.array([_padded(one.starting, wide, 0) for one in units]), np.array([one.modes for one in units]),
        np.array([(one.state_gap_ns, one.mode_gap_ns) for one in units]), np.array([one.modulus for one in units]),
        tuple(_name(asset, cell) for cell in cells),
        "bottleneck" if by_bottleneck else f"{declared.least_running} of {len(cells)}",
        "" if declared.parallel else _name(asset, bottleneck),
    )  # fmt: skip


def _padded(values: Any, length: int, fill: float) -> Any:
    return np.pad(values, (0, length - len(values)), constant_values=fill)


def _name(line: str, cell: str) -> str:
    """A cell as people of its line call it."""
    return cell.removeprefix(f"{line}/")[:LONGEST]


def line_version(plant: PlantModel, asset: str) -> str:
    """Text of everything in the configuration that decides the OEE of a line."""
    declared = plant.lines[asset]
    cycles = [one.model_dump() for one in plant.config.cycle if one.asset == asset]
    return repr((declared.model_dump(), cycles, [version_of(plant, cell) for cell in declared.cells]))


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """The OEE of an asset that is a line."""
    if asset not in plant.lines:
        return []
    setup = line_setup(plant, asset)

    def make(begin_ns: int, bounds: Bounds) -> Machine:
        return LineMachine(begin_ns, bounds, setup)

    return [MachineSpec("oee", asset, TAG, setup.paths, line_version(plant, asset), make, REACH_NS, events=True)]

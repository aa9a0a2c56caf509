"""From the rows and events of an asset to the judged points of one control chart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from andon.readings import F64, U8
from operators.box_cox import box_cox
from operators.counters import deltas
from operators.machines import Happened, Inputs
from operators.spc_chart import ChartPlan, ControlChart, Judged
from operators.spc_events import Making, cause_of, limits_of
from operators.spc_phase_one import Observed
from operators.spc_subgroups import BY_EVENT, CUT, Closed, Cutting, Subgroups

LAYOUT = 2
_ONE = np.ones(1, np.uint8)


@dataclass(frozen=True, slots=True)
class Wiring:
    """A chart and its inputs. The last input is the value; one before it tells how many items were inspected.

    counters: for each input None, or the modulus of a counter, 0 for none: then what it counted is the value.
    items: inspected items a row where no input tells; 0: does not matter. event: ends subgroups; empty: none does.
    exponent: of the Box-Cox transformation; None: none.
    """

    name: str
    plan: ChartPlan
    cutting: Cutting
    counters: tuple[float | None, ...] = (None,)
    items: float = 0.0
    event: str = ""
    exponent: float | None = None


class ChartFeed:
    """Sequential; the same points however its input is split."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._chart = ControlChart(wiring.plan)
        self._subgroups = Subgroups(wiring.cutting)
        self._counted: list[float | None] = [None] * len(wiring.counters)
        self._changes = wiring.exponent is not None or any(one is not None for one in wiring.counters)
        self._making = Making()
        self._cause: tuple[int, str] = (0, "")

    def advance(self, inputs: Inputs, upto_ns: int) -> list[Judged]:
        """The points of the subgroups that closed by upto_ns; rows and events are all earlier."""
        rows = self._rows(inputs) if len(inputs) else inputs
        main = self._main(rows)
        if not inputs.events:
            return self._judged(self._subgroups.take(rows.time_ns, main, rows.value, rows.status, upto_ns))
        points: list[Judged] = []
        begun = 0

        def rows_to(end: int, at_ns: int) -> Closed:
            part = slice(begun, end)
            return self._subgroups.take(rows.time_ns[part], main[part], rows.value[part], rows.status[part], at_ns)

        for one in inputs.events:
            end = int(np.searchsorted(rows.time_ns, one.time_ns))
            points += self._judged(rows_to(end, one.time_ns))
            begun = end
            points += self._told(one)
        return points + self._judged(rows_to(len(rows), upto_ns))

    def _main(self, rows: Inputs) -> U8:
        """1 for each row of the value, 0 for one of inspected items."""
        last = len(self._wiring.counters) - 1
        if last == 0 and len(rows) == 1:
            return _ONE
        main: U8 = (rows.input == last).view(np.uint8)
        return main

    def _rows(self, inputs: Inputs) -> Inputs:
        """One row an instant and input, counters as what they counted, values transformed."""
        rows = inputs
        if len(inputs) > 1:
            twice = (inputs.time_ns[1:] == inputs.time_ns[:-1]) & (inputs.input[1:] == inputs.input[:-1])
            if twice.any():  # of equal stamps the last stands
                keep = np.append(~twice, True)
                rows = Inputs(inputs.time_ns[keep], inputs.input[keep], inputs.value[keep], inputs.status[keep])
        if not self._changes:
            return rows
        value = rows.value.astype(np.float64)
        for number, modulus in enumerate(self._wiring.counters):
            mine = rows.input == number
            if modulus is not None and bool(mine.any()):
                value[mine], self._counted[number] = deltas(self._counted[number], value[mine], modulus or math.nan)
        return self._transformed(rows, value)

    def _transformed(self, rows: Inputs, value: F64) -> Inputs:
        exponent = self._wiring.exponent
        if exponent is None:
            return Inputs(rows.time_ns, rows.input, value, rows.status)
        found = (box_cox(one, exponent) for one in value.tolist())
        kept = np.array([math.nan if one is None else one for one in found])
        return Inputs(rows.time_ns, rows.input, kept, rows.status)

    def _told(self, one: Happened) -> list[Judged]:
        making, known = self._making.after(one), limits_of(one, self._wiring.name)
        cause = cause_of(one, self._wiring.name)
        if cause is not None:
            self._cause = (one.time_ns, cause)
        ends = bool(self._wiring.event) and one.event == self._wiring.event
        if making == self._making and known is None and not ends:
            return []
        points = self._judged(self._subgroups.cut(one.time_ns, BY_EVENT if ends else CUT))
        self._making = making
        if known is not None:
            self._chart.set_limits(known)
        return points

    def _judged(self, closed: Closed) -> list[Judged]:
        whole, parts = closed
        if not len(whole):
            return []
        items = self._wiring.items
        if items and len(self._wiring.counters) == 1:
            parts[:, 4] = whole[:, 6] * items
        return list(self._chart.judge(whole, parts, self._making, *self._cause))

    def observed(self) -> dict[str, list[Observed]]:
        """The points of phase I so far, by product."""
        return self._chart.observed()

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return (
            LAYOUT, self._subgroups.snapshot(), self._chart.snapshot(), tuple(self._counted), tuple(self._making),
            self._cause,
        )  # fmt: skip

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        layout, subgroups, chart, counted, making, cause = snapshot
        if layout != LAYOUT:
            raise ValueError(f"chart feed of layout {layout}; this version reads {LAYOUT}")
        self._subgroups.restore(subgroups)
        self._chart.restore(chart)
        self._counted, self._making, self._cause = list(counted), Making(*making), (cause[0], cause[1])

"""Which rows are for which machine of a shard: a slot for each input of each machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from andon.readings import F64, I32, I64, U8
from operators.machines import NO_INPUTS, Happened, Inputs, MachineSpec
from operators.waiting_inputs import WaitingInputs

FOREVER = np.iinfo(np.int64).max
Found = tuple[I32, I64, F64, U8]  # series, time_ns, value, status; by series, then time


class Slots:
    """Slots of machine m: first[m] .. first[m + 1] - 1. Rows wait here until they are handed on."""

    def __init__(self, specs: Sequence[MachineSpec]) -> None:
        counts = [len(spec.paths) for spec in specs]
        self._begin: I64 = np.cumsum([0, *counts]).astype(np.int64)
        self.first: I64 = self._begin[:-1]
        self.machine: I64 = np.repeat(np.arange(len(specs)), counts)
        self.series = np.full(int(self._begin[-1]), -1)  # of each slot
        self._input: I32 = (np.arange(len(self.series)) - self.first[self.machine]).astype(np.int32)
        self._wanted: dict[tuple[str, str], list[int]] = {}
        for slot, path in enumerate(path for spec in specs for path in spec.paths):
            self._wanted.setdefault(path, []).append(slot)
        self._waiting = WaitingInputs()
        self._slots_of: list[list[int]] = []
        self._fan: I32 = np.zeros(0, np.int32)
        self._begin_of: I64 = np.zeros(0, np.int64)
        self._slots: I32 = np.zeros(0, np.int32)

    def bind(self, series: int, asset: str, tag: str) -> None:
        """The next series id."""
        slots = self._wanted.get((asset, tag), [])
        self._slots_of.append(slots)
        self.series[slots] = series

    def all_bound(self) -> None:
        """After `bind`."""
        if len(self._fan) < len(self._slots_of):
            self._fan = np.array([len(slots) for slots in self._slots_of], np.int32)
            self._begin_of = np.concatenate([[0], np.cumsum(self._fan)[:-1]]).astype(np.int64)
            self._slots = np.array([slot for slots in self._slots_of for slot in slots], np.int32)

    def of(self, series: I32, usable: NDArray[np.bool_] | None = None) -> tuple[I64, I32]:
        """Rows that a machine wants: places of them, slots. One series may be for several machines."""
        wanted = self._fan[series] > 0
        at = np.flatnonzero(wanted if usable is None else usable & wanted)
        fan = self._fan[series[at]]
        first = self._begin_of[series[at]]
        if len(at) < fan.sum():
            begins = np.cumsum(fan) - fan
            first = np.repeat(first - begins, fan) + np.arange(int(fan.sum()))
            at = np.repeat(at, fan)
        return at, self._slots[first]

    def wait(self, slot: I32, time_ns: I64, value: F64, status: U8) -> None:
        """Keep rows until `take`."""
        self._waiting.add(slot, time_ns, value, status)

    def least(self) -> I64:
        """Time of the earliest row that waits, int64[machines]; FOREVER where there is none."""
        return self.by_machine(self._waiting.least(len(self.series)))

    def by_machine(self, of_slots: I64) -> I64:
        """The least of each machine's slots."""
        least: I64 = np.minimum.reduceat(of_slots, self.first)
        return least

    def ready(self, upto_ns: I64) -> I64:
        """How many rows wait before upto_ns int64[machines], of each machine."""
        count: I64 = np.add.reduceat(self._waiting.ready(upto_ns[self.machine]), self.first)
        return count

    def take(self, upto_ns: I64) -> Taken:
        """Rows before upto_ns int64[machines]; the others go on waiting."""
        time_ns, value, status, bounds = self._waiting.take(upto_ns[self.machine])
        counts = np.diff(bounds)
        return Taken(time_ns, np.repeat(self._input, counts), value, status, bounds[self._begin], self.machine, counts)

    def read(self, machines: Iterable[int]) -> I32:
        """The series of some machines, each once, ascending."""
        series = np.concatenate([self.series[self._begin[one] : self._begin[one + 1]] for one in machines])
        return np.unique(series[series >= 0]).astype(np.int32)

    def between(self, machine: int, found: Found, from_ns: int, end_ns: int) -> Taken:
        """Rows of one machine in [from_ns, end_ns) among those found; `Taken.of(0)` gives them."""
        series, time_ns, value, status = found
        columns: list[tuple[int, int]] = []
        for one in self.series[self._begin[machine] : self._begin[machine + 1]].tolist():
            begin, end = np.searchsorted(series, (one, one + 1)) if one >= 0 else (0, 0)
            first, last = np.searchsorted(time_ns[begin:end], (from_ns, end_ns))
            columns.append((int(begin + first), int(begin + last)))
        where = np.concatenate([np.arange(begin, end) for begin, end in columns])
        counts = np.array([end - begin for begin, end in columns])
        number = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        bounds, machine_of = np.array([0, len(where)]), np.zeros(len(counts), np.int64)
        return Taken(time_ns[where], number, value[where], status[where], bounds, machine_of, counts)


class Taken:
    """Rows of several machines, of each in order of time, input, value."""

    def __init__(
        self, time_ns: I64, number: I32, value: F64, status: U8, bounds: I64, machine_of: I64, counts: I64
    ) -> None:
        self._bounds: list[int] = bounds.tolist()
        rows = len(time_ns)
        if rows > 1:
            machine = np.repeat(machine_of, counts)
            order = np.lexsort((value, number, time_ns, machine))
            time_ns, number, value, status = time_ns[order], number[order], value[order], status[order]
        self._columns = time_ns, number, value, status

    def of(self, machine: int, from_ns: int, events: Sequence[Happened] = ()) -> Inputs:
        """What one machine gets, no row from before from_ns."""
        begin, end = self._bounds[machine], self._bounds[machine + 1]
        time_ns, number, value, status = self._columns
        if begin < end and time_ns[begin] < from_ns:  # wanted by a machine that a job has replaced since
            begin += int(np.searchsorted(time_ns[begin:end], from_ns))
        if begin == end and not events:
            return NO_INPUTS
        here = slice(begin, end)
        return Inputs(time_ns[here], number[here], value[here], status[here], events)

"""Running time, starts and cycles of a machine from its state and a counter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, NS_PER_S, U8
from operators.counters import counted

# int64[7]: accounted until, value stands until, it runs, it ran when time last passed, running, known, starts
SINCE, UNTIL, RUNS, RAN, RUNNING, KNOWN, STARTS = range(7)
# float64[2]: the counter's last value (NaN: none), what it counted
LAST, COUNTED = range(2)
_jit = njit(nogil=True, cache=True)


@_jit
def pass_time(upto_ns: int, state: I64) -> None:
    """The value that stands counts until upto_ns or its own end."""
    end = min(upto_ns, state[1])
    if end <= state[0]:
        return
    lasted = end - state[0]
    state[0] = end
    state[5] += lasted
    if state[2]:
        state[4] += lasted
        if not state[3]:
            state[6] += 1
    state[3] = state[2]


@_jit
def take_rows(
    time_ns: I64, of: I32, value: F64, running_codes: U8, gap_ns: int, modulus: float, state: I64, count: F64
) -> None:
    """Rows of the state (of 0) and of the counter (of 1) in order of time; others are not looked at.

    running_codes uint8[k]: 1 where a state runs; a code beyond does not. modulus: as of `counted`.
    """
    for at in range(time_ns.shape[0]):
        if of[at] == 0:
            pass_time(time_ns[at], state)
            code = int(value[at])
            state[0] = time_ns[at]
            state[1] = time_ns[at] + gap_ns
            state[2] = running_codes[code] if 0 <= code < running_codes.shape[0] else 0
        elif of[at] == 1:
            if value[at] < 0.0:
                continue  # no count
            if not math.isnan(count[0]):
                count[1] += counted(count[0], value[at], modulus)
            count[0] = value[at]


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """codes: 1 for each state that runs. gap_ns: how long a state stands. modulus: of the counter; NaN, never wraps."""

    codes: U8
    gap_ns: int
    modulus: float


class Meter:
    """What ran and was counted since the machine began; callers take differences."""

    def __init__(self, spec: MeterSpec) -> None:
        self._spec = spec
        self._state: I64 = np.zeros(7, np.int64)
        self._count: F64 = np.array([math.nan, 0.0])

    def take(self, time_ns: I64, of: I32, value: F64) -> None:
        """Rows in order of time; of int32: 0 state, 1 counter."""
        spec = self._spec
        take_rows(time_ns, of, value, spec.codes, spec.gap_ns, spec.modulus, self._state, self._count)

    def at(self, now_ns: int) -> Reading:
        """What it shows at now_ns, no row of which or later was taken; the meter is left as it was."""
        state = self._state.copy()
        pass_time(now_ns, state)
        running, known, starts = (int(state[place]) for place in (RUNNING, KNOWN, STARTS))
        return Reading(running, known, starts, float(self._count[COUNTED]))

    @property
    def counts(self) -> bool:
        """Whether the counter has had a row."""
        return not math.isnan(self._count[LAST])

    def snapshot(self) -> tuple[Any, ...]:
        """Plain numbers; None for a counter without a row."""
        last, counted = self._count.tolist()
        return tuple(self._state.tolist()), (last if self.counts else None, counted)

    def restore(self, snapshot: Sequence[Any]) -> None:
        """Take over a snapshot."""
        state, (last, counted) = snapshot
        self._state = np.array(state, np.int64)
        self._count = np.array([math.nan if last is None else last, counted])


@dataclass(frozen=True, slots=True)
class Reading:
    """What a meter shows: ns in which it ran, ns in which its state was known, starts, cycles."""

    running_ns: int
    known_ns: int
    starts: int
    cycles: float

    def since(self, before: Reading) -> Reading:
        """What came since an earlier reading."""
        return Reading(
            self.running_ns - before.running_ns, self.known_ns - before.known_ns, self.starts - before.starts,
            self.cycles - before.cycles,
        )  # fmt: skip

    @property
    def hours(self) -> float:
        """Running hours."""
        return self.running_ns / (3_600 * NS_PER_S)


ZERO = Reading(0, 0, 0, 0.0)

"""Rows that wait until every input of their machine is closed up to them, handed on by slot and time."""

from __future__ import annotations

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, U8

_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _count(slot: I32, time_ns: I64, used: int, upto_ns: I64, counts: I64) -> int:
    """Ready rows of each slot into counts int64[k + 1], shifted by one; returns how many in all."""
    ready = 0
    for i in range(used):
        if time_ns[i] < upto_ns[slot[i]]:
            counts[slot[i] + 1] += 1
            ready += 1
    return ready


@_jit
def _part(
    slot: I32, time_ns: I64, value: F64, status: U8, used: int, upto_ns: I64, place: I64, out_ns: I64, out_value: F64,
    out_status: U8,
) -> int:  # fmt: skip
    """Move ready rows to their slots' places, the others together; returns how many are left."""
    left = 0
    for i in range(used):
        key = slot[i]
        if time_ns[i] < upto_ns[key]:
            at = place[key]
            out_ns[at], out_value[at], out_status[at] = time_ns[i], value[i], status[i]
            place[key] = at + 1
        else:
            slot[left], time_ns[left], value[left], status[left] = key, time_ns[i], value[i], status[i]
            left += 1
    return left


@_jit
def _least(slot: I32, time_ns: I64, used: int, least: I64) -> None:
    for i in range(used):
        least[slot[i]] = min(least[slot[i]], time_ns[i])


class WaitingInputs:
    """Rows in log order; 21 B each."""

    def __init__(self) -> None:
        self._slot: I32 = np.zeros(1024, np.int32)
        self._time_ns: I64 = np.zeros(1024, np.int64)
        self._value: F64 = np.zeros(1024, np.float64)
        self._status: U8 = np.zeros(1024, np.uint8)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, slot: I32, time_ns: I64, value: F64, status: U8) -> None:
        """Take rows, columns of length n; slots are ids of the later `take`."""
        end = self._used + len(slot)
        if end > len(self._slot):
            room = max(2 * len(self._slot), end)
            self._slot, self._time_ns = np.resize(self._slot, room), np.resize(self._time_ns, room)
            self._value, self._status = np.resize(self._value, room), np.resize(self._status, room)
        here = slice(self._used, end)
        self._slot[here], self._time_ns[here], self._value[here], self._status[here] = slot, time_ns, value, status
        self._used = end

    def least(self, slots: int) -> I64:
        """Time of each slot's earliest row, int64[slots]; the largest number where there is none."""
        least = np.full(slots, np.iinfo(np.int64).max)
        _least(self._slot, self._time_ns, self._used, least)
        return least

    def ready(self, upto_ns: I64) -> I64:
        """How many rows `take` would give, int64[k]."""
        counts = np.zeros(len(upto_ns) + 1, np.int64)
        _count(self._slot, self._time_ns, self._used, upto_ns, counts)
        return counts[1:]

    def take(self, upto_ns: I64) -> tuple[I64, F64, U8, I64]:
        """Rows with a time before their slot's upto_ns, int64[k]; the others go on waiting.

        Returns time_ns, value and status by slot, in log order, and bounds int64[k + 1] of the slots' rows.
        """
        bounds = np.zeros(len(upto_ns) + 1, np.int64)
        ready = _count(self._slot, self._time_ns, self._used, upto_ns, bounds)
        time_ns, value, status = np.empty(ready, np.int64), np.empty(ready), np.empty(ready, np.uint8)
        if ready:
            np.cumsum(bounds, out=bounds)
            self._used = _part(
                self._slot, self._time_ns, self._value, self._status, self._used, upto_ns, bounds[:-1].copy(),
                time_ns, value, status,
            )  # fmt: skip
        return time_ns, value, status, bounds

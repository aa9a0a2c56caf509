"""Rows that wait until their series is closed: kept as they came, handed on by member and time."""

from __future__ import annotations

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64

Rows = tuple[I32, I64, F64]  # member, time_ns, value
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _count(member: I32, time_ns: I64, used: int, closed_ns: I64, counts: I64) -> int:
    """Ready rows of each member into counts int64[k + 1], shifted by one; returns how many in all."""
    ready = 0
    for i in range(used):
        key = member[i]
        if time_ns[i] < closed_ns[key]:
            counts[key + 1] += 1
            ready += 1
    return ready


@_jit
def _part(
    member: I32, time_ns: I64, value: F64, used: int, closed_ns: I64, place: I64, out_time_ns: I64, out_value: F64
) -> int:
    """Move ready rows to their members' places, the others together; returns how many are left."""
    left = 0
    for i in range(used):
        key = member[i]
        at = place[key]
        if time_ns[i] < closed_ns[key]:
            out_time_ns[at] = time_ns[i]
            out_value[at] = value[i]
            place[key] = at + 1
        else:
            member[left] = key
            time_ns[left] = time_ns[i]
            value[left] = value[i]
            left += 1
    return left


@_jit
def _unsorted(time_ns: I64, bounds: I64) -> int:
    """The first member whose rows are not in order; -1: all are."""
    for key in range(bounds.shape[0] - 1):
        for i in range(bounds[key] + 1, bounds[key + 1]):
            if time_ns[i] < time_ns[i - 1]:
                return key
    return -1


class WaitingRows:
    """Rows in log order; 20 B each. Ties in time stay in log order."""

    def __init__(self) -> None:
        self._member: I32 = np.zeros(1024, np.int32)
        self._time_ns: I64 = np.zeros(1024, np.int64)
        self._value: F64 = np.zeros(1024, np.float64)
        self._used = 0

    def add(self, member: I32, time_ns: I64, value: F64) -> None:
        """Take rows, all of length n; members are ids of the later `take`."""
        end = self._used + len(member)
        if end > len(self._member):
            room = max(2 * len(self._member), end)
            self._member = np.resize(self._member, room)
            self._time_ns = np.resize(self._time_ns, room)
            self._value = np.resize(self._value, room)
        self._member[self._used : end] = member
        self._time_ns[self._used : end] = time_ns
        self._value[self._used : end] = value
        self._used = end

    def take(self, closed_ns: I64) -> tuple[I64, F64, I64]:
        """Rows with a time before their member's closed_ns, int64[k]; the others go on waiting.

        Returns time_ns and value by member, then time, and bounds int64[k + 1]: rows bounds[m]:bounds[m + 1] are m's.
        """
        bounds = np.zeros(len(closed_ns) + 1, np.int64)
        ready = _count(self._member, self._time_ns, self._used, closed_ns, bounds)
        time_ns, value = np.empty(ready, np.int64), np.empty(ready, np.float64)
        if not ready:
            return time_ns, value, bounds
        np.cumsum(bounds, out=bounds)
        place = bounds[:-1].copy()
        self._used = _part(
            self._member, self._time_ns, self._value, self._used, closed_ns, place, time_ns, value
        )  # fmt: skip
        if _unsorted(time_ns, bounds) >= 0:
            order = np.lexsort((time_ns, np.repeat(np.arange(len(closed_ns)), np.diff(bounds))))
            time_ns, value = time_ns[order], value[order]
        return time_ns, value, bounds

    def snapshot(self) -> tuple[bytes, bytes, bytes]:
        """Bytes of the columns."""
        used = slice(0, self._used)
        return self._member[used].tobytes(), self._time_ns[used].tobytes(), self._value[used].tobytes()

    @staticmethod
    def rows(snapshot: tuple[bytes, bytes, bytes]) -> Rows:
        """The columns of a snapshot."""
        member, time_ns, value = snapshot
        return np.frombuffer(member, np.int32), np.frombuffer(time_ns, np.int64), np.frombuffer(value, np.float64)

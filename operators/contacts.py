"""Whether a door was open, or a defrost ran, shortly before an instant: by a contact, or by how the air warms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from andon.readings import F64, I64, NS_PER_S
from operators.cold_chain import HOTTEST_C, ZERO_CELSIUS

STEP_NS = 60 * NS_PER_S  # slopes are taken over at least so long: of a noisy reading a second they mean nothing
STEPS = 2  # one after the other
_jit = njit(nogil=True, cache=True, error_model="numpy")


class Contact:
    """A boolean series; a value stands until the next one, at most gap_ns."""

    def __init__(self, gap_ns: int) -> None:
        self._gap_ns = gap_ns
        self._known = False
        self._open_ns: int | None = None  # the newest row, if it says open
        self._end_ns: int | None = None  # where the newest open time ended

    def take(self, time_ns: I64, value: F64) -> None:
        """Rows in order of time, later than those before."""
        if not len(time_ns):
            return
        self._known = True
        opened = np.flatnonzero(value > 0.5)
        if len(opened):
            last = int(opened[-1])
            self._open_ns = int(time_ns[last])
            if last + 1 < len(time_ns):
                self._close(int(time_ns[last + 1]))
        elif self._open_ns is not None:
            self._close(int(time_ns[0]))

    def _close(self, at_ns: int) -> None:
        self._end_ns = min(at_ns, (self._open_ns or 0) + self._gap_ns)
        self._open_ns = None

    def within(self, at_ns: int, within_ns: int) -> bool | None:
        """Whether it was open at at_ns or less than within_ns before; None where it never told anything."""
        if not self._known:
            return None
        if self._open_ns is not None:
            return at_ns - self._open_ns < self._gap_ns + within_ns
        return self._end_ns is not None and at_ns - self._end_ns < within_ns

    def snapshot(self) -> tuple[Any, ...]:
        """Plain values."""
        return (self._known, self._open_ns, self._end_ns)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self._known, self._open_ns, self._end_ns = snapshot


@_jit
def warming(state: I64, anchor: F64, time_ns: I64, value: F64, slope_c_min: float, gap_ns: int) -> None:
    """state int64[4]: whether there is an anchor, its time, fast steps in a row, end of the newest pair (-1: none).

    anchor float64[1]: its value. A step ends at the first row at least STEP_NS after the anchor.
    """
    for row in range(len(time_ns)):
        if not -ZERO_CELSIUS < value[row] < HOTTEST_C:
            continue
        if state[0] == 0:
            state[0] = 1
            state[1] = time_ns[row]
            anchor[0] = value[row]
            continue
        apart = time_ns[row] - state[1]
        if apart < STEP_NS:
            continue
        fast = (value[row] - anchor[0]) / (apart / 60e9) >= slope_c_min
        state[2] = state[2] + 1 if fast and apart < STEP_NS + gap_ns else 0
        if state[2] >= STEPS:
            state[3] = time_ns[row]
        state[1] = time_ns[row]
        anchor[0] = value[row]


class Warming:
    """The door by the air: it warms by slope_c_min, Cel/min, in two steps of a minute one after the other."""

    def __init__(self, gap_ns: int, slope_c_min: float) -> None:
        self._gap_ns, self._slope = gap_ns, slope_c_min
        self._state, self._anchor = np.array([0, 0, 0, -1], np.int64), np.zeros(1)

    def take(self, time_ns: I64, value: F64) -> None:
        """Rows in order of time, later than those before."""
        if len(time_ns):
            warming(self._state, self._anchor, time_ns, value, self._slope, self._gap_ns)

    def within(self, at_ns: int, within_ns: int) -> bool | None:
        """Whether it warmed like that less than within_ns before at_ns; None before the first row."""
        newest = int(self._state[3])
        return (newest >= 0 and at_ns - newest < within_ns) if self._state[0] else None

    def snapshot(self) -> tuple[Any, ...]:
        """Plain values."""
        return (self._state.tobytes(), self._anchor.tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        state, anchor = snapshot
        self._state, self._anchor = np.frombuffer(state, np.int64).copy(), np.frombuffer(anchor).copy()

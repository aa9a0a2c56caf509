"""Shocks of a transport from series of acceleration: each run beyond the threshold, of one axis and sign.

A value stands until the next one of its series, at most three expected intervals. So durations are as fine as the
series is sampled; what peak and duration mean together is that of operators/shock.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64
from operators.journey_setup import Shocks
from operators.machines import Inputs, Made
from operators.shock import Shock

LAYOUT = 1
REACH_NS = 3_600 * 10**9
BEGIN, LAST, PULSE_INTS = range(3)  # of each axis: since when it is beyond the threshold (-1: it is not), newest row
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def pulses(
    ints: I64, peaks: F64, scale: F64, gap_ns: I64, threshold: float, first: int, time_ns: I64, of: I32, value: F64,
    begin: int, end: int, upto_ns: int, out: I64, found_g: F64,
) -> int:  # fmt: skip
    """Rows [begin, end) of the inputs from `first` on; ends before upto_ns go to out int64[m, 3]: begin, end, axis.

    found_g float64[m] their peaks; m >= 2 * (end - begin) + axes. Returns how many.
    """
    found = 0
    for row in range(begin, end):
        axis = of[row] - first
        if axis < 0:
            continue
        now, force = time_ns[row], value[row] * scale[axis]
        if ints[axis, BEGIN] >= 0:
            silent = ints[axis, LAST] + gap_ns[axis]
            beyond = abs(force) >= threshold and (force > 0.0) == (peaks[axis] > 0.0)
            if silent <= now or not beyond:
                if now > ints[axis, BEGIN]:  # of one instant the last value stands
                    out[found, 0], out[found, 1], out[found, 2] = ints[axis, BEGIN], min(silent, now), axis
                    found_g[found] = peaks[axis]
                    found += 1
                ints[axis, BEGIN] = -1
        if abs(force) >= threshold:
            if ints[axis, BEGIN] < 0:
                ints[axis, BEGIN], peaks[axis] = now, force
            elif abs(force) > abs(peaks[axis]):
                peaks[axis] = force
            ints[axis, LAST] = now
    for axis in range(ints.shape[0]):
        silent = ints[axis, LAST] + gap_ns[axis]
        if ints[axis, BEGIN] >= 0 and silent < upto_ns:
            out[found, 0], out[found, 1], out[found, 2] = ints[axis, BEGIN], silent, axis
            found_g[found] = peaks[axis]
            found += 1
            ints[axis, BEGIN] = -1
    return found


class Found(NamedTuple):
    """A shock with its times, ns."""

    start_ns: int
    end_ns: int
    shock: Shock


class Pulses:
    """Shocks of up to three axes as rows come; the inputs from `first` on are their axes."""

    def __init__(self, shocks: Shocks, first: int) -> None:
        self._first, self._threshold = first, shocks.threshold_g
        self._scale, self._gap_ns = np.array(shocks.scale, np.float64), np.array(shocks.gap_ns, np.int64)
        self._ints = np.full((len(shocks.scale), PULSE_INTS), -1, np.int64)
        self._peaks = np.zeros(len(shocks.scale))

    def take(self, time_ns: I64, of: I32, value: F64, begin: int, end: int, upto_ns: int) -> list[Found]:
        """Rows [begin, end), and time to upto_ns: what ended, by end and axis."""
        axes = len(self._scale)
        if not axes or (begin == end and not (self._ints[:, BEGIN] >= 0).any()):
            return []
        room = 2 * (end - begin) + axes
        out, peak = np.empty((room, 3), np.int64), np.empty(room)
        count = pulses(
            self._ints, self._peaks, self._scale, self._gap_ns, self._threshold, self._first, time_ns, of, value,
            begin, end, upto_ns, out, peak,
        )  # fmt: skip
        rows = zip(out[:count].tolist(), peak[:count].tolist(), strict=True)
        return sorted(
            (self._found(start, ended, axis, peak_g) for (start, ended, axis), peak_g in rows),
            key=lambda one: (one.end_ns, one.shock.axis, one.start_ns),
        )

    def _found(self, start_ns: int, end_ns: int, axis: int, peak_g: float) -> Found:
        return Found(start_ns, end_ns, Shock(axis, peak_g, (end_ns - start_ns) / 1e6))

    def lasting(self, now_ns: int) -> list[Found]:
        """Those that still last."""
        axes = np.flatnonzero(self._ints[:, BEGIN] >= 0).tolist()
        begun = [(int(self._ints[axis, BEGIN]), axis) for axis in axes]
        return [self._found(start, now_ns, axis, float(self._peaks[axis])) for start, axis in begun if start < now_ns]

    def snapshot(self) -> tuple[Any, ...]:
        """Plain values."""
        return (self._ints.tobytes(), self._peaks.tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        ints, peaks = snapshot
        self._ints = np.frombuffer(ints, np.int64).reshape(-1, PULSE_INTS).copy()
        self._peaks = np.frombuffer(peaks).copy()


class ShockMachine:
    """A figure each shock, under the tag of its axis (input 0, 1, 2)."""

    def __init__(self, begin_ns: int, shocks: Shocks, tags: Sequence[str]) -> None:
        self._begin_ns = self._upto_ns = begin_ns
        self._pulses, self._tags = Pulses(shocks, 0), tags

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `operators.machines.Machine`."""
        found = self._pulses.take(inputs.time_ns, inputs.input, inputs.value, 0, len(inputs), upto_ns)
        self._upto_ns = upto_ns
        return [self._made(one) for one in found if one.end_ns > self._begin_ns]

    def running(self) -> list[Made]:
        """See `operators.machines.Machine`."""
        return [self._made(one) for one in self._pulses.lasting(self._upto_ns)]

    def _made(self, one: Found) -> Made:
        shock = one.shock
        parts = {
            "peak_g": abs(shock.peak_g), "duration_ms": shock.duration_ms, "change_m_s": shock.change_m_s,
            "positive": float(shock.peak_g > 0.0),
        }  # fmt: skip
        return Made(one.start_ns, one.end_ns, parts, tag=self._tags[shock.axis])

    def snapshot(self) -> tuple[Any, ...]:
        """See `operators.machines.Machine`."""
        return (LAYOUT, self._upto_ns, self._pulses.snapshot())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """See `operators.machines.Machine`."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"shocks: layout {snapshot[0]}, {LAYOUT} is known")
        _, self._upto_ns, kept = snapshot
        self._pulses.restore(kept)

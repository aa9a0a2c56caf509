"""Drift of what a model reads and says: input, score and share of alarming rows, by windows of event time.

A model may be right about each row and yet be about a plant that is no longer there. So of each series the means of
quarter days are compared with those of a reference week, by Page and Hinkley's test of detectors/drift.py.

Rejected: ADWIN on the same means (12 kB a series instead of half a one, and windows of six hours are too few for its
bound); told alarms instead of the share of rows at or above the alarm threshold (the alarm manager mutes what repeats,
so that the rate of those it tells cannot rise for long).
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from andon.prefetch import prefetch
from andon.readings import F64, I32, I64, NS_PER_S
from detectors.alarm_manager import AlarmSettings
from detectors.drift_kernel import PH_ROWS, PH_WIDTH, page_hinkley

LAYOUT: Final = 1
SIGNALS: Final = ("input", "score", "alarm_rate")  # by place in every array of signals
WINDOW_NS: Final = 6 * 3600 * NS_PER_S
REFERENCE: Final = 28  # windows that say what is usual: a week
RECENT: Final = 4  # windows whose mean is told as the level after the drift: a day
ALLOWED, THRESHOLD = 1.0, 12.0  # of Page and Hinkley's test, standard deviations
MOST_ALIKE: Final = 0.9  # correlation of a window with the one before it
MOST: Final = 4.0  # of one window, standard deviations: one bad day part is no drift
OF_ROWS: Final = 0.2  # a spread of windows is at least so much of that of rows: less than that is nothing to a model
LEAST_SPREAD: Final = (0.0, 0.05, 0.01)  # of a signal; a share of alarms that was always 0 has none of its own
AHEAD: Final = 24  # rows, how far ahead the open windows are fetched
_KEEP: Final = 1.0  # sums keep everything
#: The open window, which changes with every row; apart from the rest, so that a snapshot writes little anew.
OPEN = np.dtype([("window", "i8"), ("rows", "i8"), ("mean", "f8", 3), ("square", "f8", 2)])
#: The reference and the last windows, which change when a window closes. square: of rows; there is none of alarms.
STATE = np.dtype([
    ("windows", "i8", 3), ("usual", "f8", 3), ("spread", "f8", 3), ("within", "f8", 3),  # of the reference
    ("turns", "f8", 3),  # sum of squared steps from window to window of the reference
    ("closed", "i8"), ("recent", "f8", (3, RECENT)),
])  # fmt: skip
Snapshot = tuple[int, bytes, bytes, bytes]


class Drifts(NamedTuple):
    """Drifts in the order of the rows that closed their windows; columns of one length.

    row: int32, place of the row that closed the window; series: int32; signal: int32, place in SIGNALS; time_ns:
    int64, end of the window; before, after: in the unit of the signal (of the input its own, of the score its own, of
    the alarm rate a share of rows).
    """

    row: I32
    series: I32
    signal: I32
    time_ns: I64
    before: F64
    after: F64


@njit(nogil=True, cache=True, error_model="numpy")
def _scaled(s: Any, mean: float, j: int) -> float:
    """How far the mean of the closed window is from the usual one, standard deviations, at most MOST."""
    # By von Neumann's ratio; a sum of windows that resemble each other spreads so much more (AR(1)).
    alike = 1.0 - s.turns[j] / (2.0 * s.spread[j]) if s.spread[j] > 0.0 else 0.0
    alike = max(0.0, min(MOST_ALIKE, alike))
    spread = math.sqrt(s.spread[j] / (REFERENCE - 1) * (1.0 + alike) / (1.0 - alike))
    of_rows = OF_ROWS * math.sqrt(s.within[j] / REFERENCE)
    rounding = 1e-9 * abs(s.usual[j]) + 1e-300
    spread = max(spread, of_rows, LEAST_SPREAD[j], rounding)
    return float(max(-MOST, min(MOST, (mean - s.usual[j]) / spread)))


@njit(nogil=True, cache=True, error_model="numpy")
def _learn(s: Any, mean: float, within: float, sums: F64, j: int) -> None:
    """The closed window becomes a part of the reference, which counts as windows whose mean was the usual one."""
    if s.windows[j] > 0:
        s.turns[j] += (mean - s.recent[j, (s.closed - 2) % RECENT]) ** 2
    s.windows[j] += 1
    off = mean - s.usual[j]
    s.usual[j] += off / s.windows[j]
    s.spread[j] += off * (mean - s.usual[j])
    s.within[j] += within
    sums[:] = 0.0
    sums[PH_ROWS] = s.windows[j]


@njit(nogil=True, cache=True, error_model="numpy")
def _forget(s: Any, j: int) -> None:
    """The next windows are the reference of a signal."""
    s.windows[j], s.usual[j], s.spread[j], s.within[j], s.turns[j] = 0, 0.0, 0.0, 0.0, 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def watch_rows(
    series: I32, time_ns: I64, value: F64, score: F64, threshold: float, begin: int, opens: np.ndarray,
    states: np.ndarray, sums: F64, found: I32, levels: F64, end_ns: I64,
) -> tuple[int, int, bool]:  # fmt: skip
    """Rows from `begin` on, until the room for drifts is full: (row to go on with, drifts found, whether any closed).

    found: int32[room, 3], row, series and signal; levels: float64[room, 2], before and after; end_ns: int64[room].
    sums: float64[3 * capacity, PH_WIDTH]. A window closes with the first row after it.
    """
    count, closed = 0, False
    ids, scaled, drift = np.zeros(1, np.int32), np.zeros(1), np.zeros(1, np.uint8)
    for i in range(begin, len(score)):
        if i + AHEAD < len(score):
            prefetch(opens, np.int64(series[i + AHEAD]))
        y, x = score[i], value[i]
        if not (y >= 0.0 and abs(x) <= 1e150):  # not judged
            continue
        if count + 3 > len(found):
            return i, count, closed
        w = opens[series[i]]
        window = time_ns[i] // WINDOW_NS
        if w.rows > 0 and window > w.window:
            s, closed = states[series[i]], True
            for j in range(3):
                s.recent[j, s.closed % RECENT] = w.mean[j]
            s.closed += 1
            for j in range(3):
                ids[0] = 3 * series[i] + j
                if s.windows[j] < REFERENCE:
                    _learn(s, w.mean[j], w.square[j] / w.rows if j < 2 else 0.0, sums[ids[0]], j)
                    continue
                scaled[0], drift[0] = _scaled(s, w.mean[j], j), 0
                page_hinkley(ids, scaled, sums, 0.0, ALLOWED, THRESHOLD, _KEEP, drift)
                if drift[0]:
                    found[count, 0], found[count, 1], found[count, 2] = i, series[i], j
                    levels[count, 0], levels[count, 1] = s.usual[j], s.recent[j].mean()
                    end_ns[count] = (w.window + 1) * WINDOW_NS
                    count += 1
                    _forget(s, j)
            w.rows = 0
        if w.rows == 0:
            w.window = window
            w.mean[:] = 0.0
            w.square[:] = 0.0
        w.rows += 1
        share = 1.0 / w.rows
        off = x - w.mean[0]
        w.mean[0] += off * share
        w.square[0] += off * (x - w.mean[0])
        off = y - w.mean[1]
        w.mean[1] += off * share
        w.square[1] += off * (y - w.mean[1])
        alarming = 1.0 if y >= threshold else 0.0
        w.mean[2] += (alarming - w.mean[2]) * share
    return len(score), count, closed


class DriftWatch:
    """Drift of input, score and alarm rate of many series, against a reference of each.

    The first week of windows of six hours of event time that have rows is the reference; each one after it is compared
    with it, in standard deviations of the windows (wider where windows resemble the one before; at least a fifth of
    those of rows), at most four. A drift is a sum of what lies more than one off that reaches twelve; the week after
    it is the new reference of that signal. The alarm rate is the share of rows whose score reaches the alarm manager's
    threshold.

    Good at: a lasting change of level by 3 standard deviations or more: told within two days; days, shifts and
    weekends, which are in the reference, are none. Bad at: changes smaller than one standard deviation, and such that
    leave the mean; what lasts for less than a day; a reference week that was not usual.

    False drifts of an input, simulated, 1,000 streams of a year each: of independent windows none; of windows
    correlated by 0.3 one in 110 years, by 0.5 one in 30, by 0.7 one in 11, by 0.95 one in 1.7. A change by 3 standard
    deviations is told after 8 windows (median) where they are independent, after 12 where they are correlated by 0.5.

    Cost: O(1), 7 to 10 ns a row; 424 bytes an id, and 368 that the last snapshot keeps. The same rows in any split give
    the same drifts.
    """

    def __init__(self, capacity: int) -> None:
        self._opens, self._states = np.zeros(capacity, OPEN), np.zeros(capacity, STATE)
        self._sums = np.zeros((3 * capacity, PH_WIDTH))
        self._kept: tuple[bytes, bytes] | None = None  # of the last snapshot, while no window has closed since

    @property
    def nbytes(self) -> int:
        """Memory of the state and of what is kept of the last snapshot, bytes; bounded by the number of series."""
        return self._opens.nbytes + self._states.nbytes + self._sums.nbytes + sum(map(len, self._kept or ()))

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        more = capacity - len(self._states)
        if more > 0:
            self._kept = None
            self._opens = np.append(self._opens, np.zeros(more, OPEN))
            self._states = np.append(self._states, np.zeros(more, STATE))
            self._sums = np.concatenate([self._sums, np.zeros((3 * more, PH_WIDTH))])

    def begin(self, series: int) -> None:
        """Know nothing of a series: another model judges it from here on."""
        self._kept = None
        self._opens[series : series + 1] = 0
        self._states[series : series + 1] = 0
        self._sums[3 * series : 3 * series + 3] = 0.0

    def step(self, series: I32, time_ns: I64, value: F64, score: F64) -> Drifts:
        """The drifts that these rows tell.

        series: int32[n], ids; time_ns: int64[n], not falling within a series; value, score: float64[n]; rows with a
        score that is NaN are not judged and are passed over. None is changed.

        Raises: ValueError where lengths differ or an id is outside 0..capacity - 1.
        """
        n = len(score)
        if not len(series) == len(time_ns) == len(value) == n:
            lengths = f"series {len(series)}, time_ns {len(time_ns)}, value {len(value)}, score {n}"
            raise ValueError(f"lengths differ: {lengths}")
        if n and not 0 <= int(series.min()) <= int(series.max()) < len(self._states):
            here = f"allowed 0..{len(self._states) - 1}; call grow first"
            raise ValueError(f"step: series {series.min()}..{series.max()}, {here}")
        room, at, parts = 64, 0, []
        while at < n:
            found, levels, end_ns = np.zeros((room, 3), np.int32), np.zeros((room, 2)), np.zeros(room, np.int64)
            at, count, closed = watch_rows(
                series, time_ns, value, score, AlarmSettings.threshold, at, self._opens, self._states, self._sums,
                found, levels, end_ns,
            )  # fmt: skip
            self._kept = None if closed else self._kept
            if count:
                row, place, signal = found[:count].T
                parts.append(Drifts(row, place, signal, end_ns[:count], levels[:count, 0], levels[:count, 1]))
        if len(parts) == 1:
            return parts[0]
        return Drifts(*map(np.concatenate, zip(*parts, strict=True))) if parts else NONE

    def snapshot(self) -> Snapshot:
        """Everything the watch knows, as plain data."""
        if self._kept is None:
            self._kept = self._states.tobytes(), self._sums.tobytes()
        return LAYOUT, self._opens.tobytes(), *self._kept

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """
        layout, *found = snapshot
        count = len(found[0]) // OPEN.itemsize if found else 0
        sizes = [count * OPEN.itemsize, count * STATE.itemsize, 3 * count * PH_WIDTH * 8]
        if layout != LAYOUT or [len(one) for one in found] != sizes:
            here = f"layout {LAYOUT} of {OPEN.itemsize}, {STATE.itemsize} and {3 * PH_WIDTH * 8} bytes a series"
            raise ValueError(f"restore: found layout {layout}, {[len(one) for one in found]} bytes, this is {here}")
        capacity = len(self._states)
        opens, states, sums = found
        self._kept = None
        self._opens, self._states = np.frombuffer(opens, OPEN).copy(), np.frombuffer(states, STATE).copy()
        self._sums = np.frombuffer(sums).reshape(-1, PH_WIDTH).copy()
        self.grow(capacity)


_NO_IDS: Final = np.empty(0, np.int32)
NONE: Final = Drifts(_NO_IDS, _NO_IDS, _NO_IDS, np.empty(0, np.int64), np.empty(0), np.empty(0))

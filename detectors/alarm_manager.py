"""From scores to alarms that a person gets to see: one an episode, and no more of them than the budget.

A score says how unusual a row is; of ten thousand rows one is as unusual as that. Who sees every such row switches the
detector off. So an episode is told once, when it begins, and only if alarms as strong have been rarer of late than the
budget allows. What repeats is thereby habit, and what is stronger than all that repeats always comes through.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, NS_PER_S, U8

LAYOUT = 1
PEAKS = 16  # episodes remembered of each series
STATE = np.dtype([
    ("rows", "i8"), ("first_ns", "i8"), ("hot_row", "i8"), ("hot_ns", "i8"),  # last row at or above the threshold
    ("episodes", "i8"),  # so far; the latest stands at (episodes - 1) % PEAKS
    ("peak", "f8", PEAKS), ("time_ns", "i8", PEAKS),
])  # fmt: skip
DAY_NS = 86_400 * NS_PER_S
Snapshot = tuple[int, bytes]


@dataclass(frozen=True)
class AlarmSettings:
    """Of all series of a manager. Only `false_alarm_days` is for users; the rest is frozen, see docs/detection.md."""

    false_alarm_days: float = 7.0  # about one false alarm of a series in so many days, > 0
    threshold: float = 4.0  # score below which nothing is ever an alarm
    margin: float = 0.8  # the threshold is at least log10(rows in false_alarm_days) + margin
    habit: float = 3.0  # so many episodes of late that were as strong are habit: the next one is not told
    alike: float = 1.0  # an episode is as strong if its peak is at most so much lower: a tenfold probability
    quiet_rows: int = 50  # an episode is over after so many rows below the threshold
    quiet_s: float = 3600.0  # and so much time, s
    worse: float = 2.0  # an episode is told again when its score is so many times its peak

    def __post_init__(self) -> None:
        for name in ("false_alarm_days", "habit", "worse"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"AlarmSettings: {name} must be above 0, got {getattr(self, name)!r}")
        for name in ("alike", "quiet_rows", "quiet_s"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"AlarmSettings: {name} must be at least 0, got {getattr(self, name)!r}")


@njit(nogil=True, cache=True, error_model="numpy")
def _as_strong(peak: F64, time_ns: I64, now_ns: int, least: float, memory_ns: float) -> float:
    """Episodes remembered with a peak of at least `least`; one that began t ago counts exp(-t / memory_ns)."""
    count = 0.0
    for j in range(PEAKS):
        if peak[j] > 0.0 and peak[j] >= least:
            count += math.exp(-max(now_ns - time_ns[j], 0) / memory_ns)
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def manage_rows(
    series: I32, time_ns: I64, score: F64, days_of: F64, threshold: float, margin: float, habit: float, alike: float,
    quiet_rows: int, quiet_ns: int, worse: float, states: np.ndarray, alarm: U8, goes_on: U8,
) -> None:  # fmt: skip
    """Write 1 into alarm uint8[n] where one begins or becomes much worse. The caller checks ids and lengths.

    days_of: float64[capacity], `false_alarm_days` of each series. goes_on: uint8[n], written: 1 where an episode is not
    over, told or not.
    """
    for i in range(len(score)):
        x = score[i]
        if not x >= 0.0:  # NaN
            continue
        s = states[series[i]]
        now = time_ns[i]
        if s.rows == 0:
            s.first_ns = now
        s.rows += 1
        over = s.rows - s.hot_row > quiet_rows and now - s.hot_ns > quiet_ns
        goes_on[i] = s.episodes > 0 and not over
        if x < threshold:
            continue
        days = days_of[series[i]]
        memory_ns = days * DAY_NS * habit
        if s.rows > 1 and now > s.first_ns:
            usual_ns = (now - s.first_ns) / (s.rows - 1)
            if x < math.log10(days * DAY_NS / usual_ns) + margin:
                continue
        goes_on[i] = 1
        if s.episodes == 0 or over:
            at = s.episodes % PEAKS
            if _as_strong(s.peak, s.time_ns, now, x - alike, memory_ns) < habit:
                alarm[i] = 1
            s.peak[at], s.time_ns[at] = x, now
            s.episodes += 1
        else:
            at = (s.episodes - 1) % PEAKS
            if x > s.peak[at]:
                if x > worse * s.peak[at] and _as_strong(s.peak, s.time_ns, now, x - alike, memory_ns) < habit:
                    alarm[i] = 1
                s.peak[at] = x
        s.hot_row, s.hot_ns = s.rows, now


class AlarmManager:
    """Alarms of many series from their scores, one pass, one frozen setting.

    An alarm is 1 on the row where an episode begins (a score at or above the threshold after `quiet_rows` rows and
    `quiet_s` below it), and again on a row of the same episode with a score `worse` times its peak; 0 on every other
    row, also while an episode goes on. It is told unless episodes of late that were as strong, or not `alike` weaker,
    are habit: one that began t days ago counts exp(-t / (habit * false_alarm_days)), and `habit` of them are enough.
    Episodes that are not told count as well, or a repeating one would be told for ever.

    So what is equally strong is told while it comes less than once in `false_alarm_days` days in the long run, four
    times if it comes all at once, and no more once it is more frequent; what is ten times rarer than that is told.

    The threshold is raised for fast series to what a row may reach about once in six times `false_alarm_days`, as if
    rows were independent: 4.1 for readings every five minutes, 6.6 at 1 Hz.

    Cost: O(1), about 0.01 us a row; 296 bytes an id. The same rows in any split give the same alarms.

    capacity: ids of series are 0..capacity - 1; see `grow`.

    >>> score = np.zeros(1000)
    >>> score[[300, 310, 500]] = 5.0, 6.0, 5.0
    >>> manager = AlarmManager(capacity=1)
    >>> alarm = manager.step(np.zeros(1000, np.int32), np.arange(1000) * 300_000_000_000, score)
    >>> np.flatnonzero(alarm).tolist()
    [300, 500]
    """

    def __init__(self, capacity: int, settings: AlarmSettings | None = None) -> None:
        self.settings = settings or AlarmSettings()
        self._states = np.zeros(capacity, STATE)
        self._days = np.full(capacity, self.settings.false_alarm_days)

    @property
    def nbytes(self) -> int:
        """Memory of the state, bytes; bounded by the number of series."""
        return self._states.nbytes

    def grow(self, capacity: int) -> None:
        """Make room for ids up to capacity - 1; never shrinks."""
        more = capacity - len(self._states)
        if more > 0:
            self._states = np.append(self._states, np.zeros(more, STATE))
        more = len(self._states) - len(self._days)
        if more > 0:
            self._days = np.append(self._days, np.full(more, self.settings.false_alarm_days))

    def set_days(self, series: int, days: float) -> None:
        """`false_alarm_days` of one series from here on, > 0; of all others that of the settings."""
        self._days[series] = days

    def known(self, series: int) -> np.ndarray:
        """What is known of a series, STATE, for `begin` of another manager."""
        return self._states[series : series + 1].copy()

    def begin(self, series: int, known: np.ndarray | None = None) -> None:
        """Know of a series what another manager knows of it; None: nothing."""
        self._states[series : series + 1] = 0 if known is None or not len(known) else known

    def step(self, series: I32, time_ns: I64, score: F64, part: U8 | None = None) -> U8:
        """Alarm of each row, uint8[n], 0 or 1.

        series: int32[n], ids; time_ns: int64[n], not falling within a series; score: float64[n], NaN is passed over;
        part: uint8[n], what said it, for whoever tells the alarm; it does not decide. None is changed.

        Raises: ValueError where lengths differ or an id is outside 0..capacity - 1.
        """
        return self.episodes(series, time_ns, score, part)[0]

    def episodes(self, series: I32, time_ns: I64, score: F64, part: U8 | None = None) -> tuple[U8, U8]:
        """As `step`: (alarm, whether an episode is not over at the row, told or not), uint8[n] both."""
        n = len(score)
        if not len(series) == len(time_ns) == n or (part is not None and len(part) != n):
            raise ValueError(f"lengths differ: series {len(series)}, time_ns {len(time_ns)}, score {n}")
        alarm, goes_on = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
        if n == 0:
            return alarm, goes_on
        if series.min() < 0 or series.max() >= len(self._states):
            found, most = f"{series.min()}..{series.max()}", len(self._states) - 1
            raise ValueError(f"series {found}, allowed 0..{most}; call grow first")
        our = self.settings
        manage_rows(
            series, time_ns, score, self._days, our.threshold, our.margin, our.habit, our.alike,
            our.quiet_rows, round(our.quiet_s * NS_PER_S), our.worse, self._states, alarm,
            goes_on,
        )  # fmt: skip
        return alarm, goes_on

    def snapshot(self) -> Snapshot:
        """Everything the manager knows, as plain data; not its settings, nor the days of a series."""
        return LAYOUT, self._states.tobytes()

    def restore(self, snapshot: Snapshot) -> None:
        """Know what `snapshot` knew, and nothing else; capacity becomes at least its own.

        Raises: ValueError on another layout or torn data.
        """
        layout, states = snapshot
        if layout != LAYOUT or len(states) % STATE.itemsize:
            here = f"layout {LAYOUT} of {STATE.itemsize} bytes a series"
            raise ValueError(f"restore: found layout {layout} and {len(states)} bytes, this is {here}")
        capacity = len(self._states)
        self._states = np.frombuffer(states, STATE).copy()
        self.grow(capacity)

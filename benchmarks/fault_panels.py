"""How a plant would set its detectors on the assets of `simulators.fault_plants`; chosen on the seeds of development.

Channels, by asset (all causal; an alarm stands at the end of the window that it comes of):
- ensemble: each measurement of the machine by itself, row by row, less the level of its product; of its bearing, which
  settles slowly, the change from row to row too. Of the cold room one of the pair of air probes row by row, and hourly
  means, since its signals cycle. Not on rows every 10 s: group and pair watch there.
- spectral: each measurement of the machine, as the ensemble: oscillations that no row shows.
- mewma: the measurements of an asset as a group, means of ten rows (cold room: of an hour, and of eight, from defrost
  to defrost), a detector for each product; of the machine also the scatter of 20 rows, of the cold room the unit's time
  on and off a start from defrost to defrost. For it and for the twin the alarm manager budgets the scores.
- twin: the difference of the pair: two air probes, the load probe against the temperature of its steam. Means of ten
  rows.
- rule: a limit as of a demo plant: the room's air above 8 degC for 20 min, the load probe more than 0.75 K from what it
  usually is against its steam, over a mean of ten rows; vibration above the limit of zone B for an hour,
  or a measurement that repeats 15 times.

After a change of product or state no mean is judged for SETTLE_MIN, and no row for as long as BY_ROW says, as with the
grace of an alarm rule: what happens in it is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from andon.readings import F64, I64, NS_PER_S
from detectors.alarm_manager import AlarmManager, AlarmSettings
from detectors.ensemble import EnsembleDetector
from detectors.mewma import REFERENCE_ROWS, MewmaDetector
from detectors.spectral import SpectralDetector
from detectors.twin import TwinDetector
from simulators.fault_plants import NOT_JUDGED, Record, saturation_c

CHANNELS = ("ensemble", "spectral", "mewma", "twin", "rule")
PAIRS = {"cold_room": ("air", "air_twin"), "steriliser": ("load", "steam")}
MEAN_ROWS, HOUR_S = 10, 3600
ROOM_HIGH_C, ROOM_MIN, POCKET_K, ZONE_MM_S, ZONE_MIN = 8.0, 20, 0.75, 2.8, 60
COOLS_A, RESTS_A = 7.0, 3.0  # the unit's current above which it cools, and below which it rests; between: defrost
BY_ROW = {  # measurements that are judged row by row, and how long not after a change, min
    "machine": {"vibration": 15, "bearing_temp": 60, "current": 15}, "cold_room": {"air": 0},
}  # fmt: skip
SLOW = {"machine": ("bearing_temp",)}  # settle so slowly that their change from row to row is judged meanwhile
LEVEL_ROWS = 400
CHANGE, HOURS = 50, 60  # numbers of the streams of changes, and of means of an hour
PERIODS = 60  # of a defrost, that the group of their means learns from
STUCK_ROWS = 15  # repeats of a measurement that a rule calls stuck
SCATTER_ROWS, MORE, LONG, STARTS = 20, 100, 200, 201  # numbers of the groups of scatter, long means and starts
SETTLE_MIN = {"machine": 60, "cold_room": 0, "water_loop": 5, "steriliser": 2}  # after a change of product or state
CONTEXTS = {"machine": (0, 1, 2), "cold_room": (0,), "water_loop": (0, 1), "steriliser": (0,)}
Judge = EnsembleDetector | SpectralDetector | MewmaDetector | TwinDetector
Stream = tuple[str, int, I64, F64]  # channel, id, rows of the record, values [n] or [n, p]


def windows(x: F64, rows: I64, size: int) -> tuple[I64, F64]:
    """(last row, mean) of each whole run of `size` values, in order. x: float64[n] or [n, p]."""
    whole = len(x) // size
    return rows[: whole * size].reshape(whole, size)[:, -1], x[: whole * size].reshape(whole, size, *x.shape[1:]).mean(
        1
    )


def judged(record: Record, settle_min: int | None = None) -> I64:
    """int64[n], the context of each row; NOT_JUDGED too for so long after a change, as an alarm rule's grace.

    settle_min: None: SETTLE_MIN of the asset.
    """
    minutes = SETTLE_MIN[record.kind] if settle_min is None else settle_min
    n, rows = len(record.context), np.arange(len(record.context))
    changed = np.flatnonzero(np.diff(record.context) != 0) + 1
    since = np.full(n, n)
    if len(changed):
        last = np.searchsorted(changed, rows, side="right") - 1
        since = np.where(last >= 0, rows - changed[np.maximum(last, 0)], n)
    return np.where(since * record.interval_s < minutes * 60, NOT_JUDGED, record.context)


def streams(record: Record) -> Iterator[Stream]:
    """What each channel but the rule is given."""
    yield from _by_row(record)
    context, per_hour = judged(record), HOUR_S // record.interval_s
    every = np.stack([*record.values.values()], axis=1)
    for number, one in enumerate(CONTEXTS[record.kind]):
        rows = np.flatnonzero(context == one)
        size = per_hour if record.kind == "cold_room" else MEAN_ROWS
        yield "mewma", number, *windows(every[rows], rows, size)
        if record.kind == "machine":
            # how much it scatters within a window says what its mean does not
            yield "mewma", MORE + number, *scatter(every[rows], rows)
    if record.kind == "cold_room":  # a cycling signal: its hour, not its row, says how it does
        rows = np.arange(len(context))
        for number, value in enumerate(record.values.values()):
            yield "ensemble", HOURS + number, *windows(value, rows, per_hour)
        yield "mewma", LONG, *windows(every, rows, 8 * per_hour)  # from defrost to defrost: what the unit has to work
        yield "mewma", STARTS, *starts(record.values["unit"], rows, 8 * per_hour)
    if record.kind in PAIRS:
        rows = np.flatnonzero(context != NOT_JUDGED)
        yield "twin", 0, *windows(np.stack(pair(record), axis=1)[rows], rows, MEAN_ROWS)


def _by_row(record: Record) -> Iterator[Stream]:
    """Single measurements, less what is the level of each context."""
    for at, (tag, settle_min) in enumerate(BY_ROW.get(record.kind, {}).items()):
        rows, value = levelled(record.values[tag], judged(record, settle_min))
        yield "ensemble", at, rows, value
        if record.kind == "machine":
            yield "spectral", at, rows, value
    for number, tag in enumerate(SLOW.get(record.kind, ())):
        rows = np.arange(1, len(record.context))
        yield "ensemble", CHANGE + number, rows, np.diff(record.values[tag])


def levelled(value: F64, context: I64) -> tuple[I64, F64]:
    """(rows, values less the median of the first LEVEL_ROWS of their context), without those rows: they teach."""
    off, kept = value.copy(), context != NOT_JUDGED
    for one in np.unique(context[kept]).tolist():
        rows = np.flatnonzero(context == one)
        off[rows] -= np.median(value[rows[:LEVEL_ROWS]])
        kept[rows[:LEVEL_ROWS]] = False
    rows = np.flatnonzero(kept)
    return rows, off[rows]


def scatter(x: F64, rows: I64) -> tuple[I64, F64]:
    """(last row, ln of the standard deviation) of each whole run of SCATTER_ROWS values; x: float64[n, p]."""
    whole = len(x) // SCATTER_ROWS
    parts = x[: whole * SCATTER_ROWS].reshape(whole, SCATTER_ROWS, x.shape[1])
    ends = rows[: whole * SCATTER_ROWS].reshape(whole, SCATTER_ROWS)[:, -1]
    return ends, np.log(parts.std(axis=1) + 1e-12)


def starts(current: F64, rows: I64, size: int) -> tuple[I64, F64]:
    """(last row, ln of rows that the unit cools and rests a start) of each whole run of `size` rows: float64[n, 2].

    A warm day makes it cool longer and rest shorter; a weak unit only cools longer.
    """
    whole = len(current) // size
    parts = current[: whole * size].reshape(whole, size)
    cools = parts > COOLS_A
    begun = np.maximum(1, np.count_nonzero(np.diff(cools.astype(np.int8), axis=1) == 1, axis=1))
    spent = np.stack([cools.sum(axis=1), (parts < RESTS_A).sum(axis=1)], axis=1)
    return rows[: whole * size].reshape(whole, size)[:, -1], np.log(np.maximum(1, spent) / begun[:, None])


def pair(record: Record) -> tuple[F64, F64]:
    """Two measurements that should agree."""
    first, second = (record.values[tag] for tag in PAIRS[record.kind])
    return first, saturation_c(second) if record.kind == "steriliser" else second


def budget_days(record: Record, days: float, *, per_asset: bool) -> float:
    """`false_alarm_days` of each series: that of the asset times its streams, if the budget is the asset's."""
    return days * len(list(streams(record))) if per_asset else days


@dataclass
class Panel:
    """The detectors of one asset. days: false_alarm_days of each stream."""

    days: float
    detectors: dict[tuple[str, int], tuple[Judge, AlarmManager]] = field(default_factory=dict)

    def judge(self, record: Record, since: int = 0) -> dict[str, I64]:
        """Rows of the alarms of each channel, in order; of rows from `since` on; earlier ones have been judged."""
        found: dict[str, list[I64]] = {name: [] for name in CHANNELS}
        for channel, number, rows, values in streams(record):
            fresh = rows >= since
            found[channel].append(self._alarms(channel, number, rows[fresh], values[fresh], record.interval_s))
        rule = rules(record)
        found["rule"].append(rule[rule >= since])
        return {name: np.sort(np.concatenate(rows or [np.zeros(0, np.int64)])) for name, rows in found.items()}

    def _alarms(self, channel: str, number: int, rows: I64, values: F64, every_s: int) -> I64:
        if (channel, number) not in self.detectors:
            made = _detector(channel, number, values)
            self.detectors[channel, number] = made, AlarmManager(1, AlarmSettings(false_alarm_days=self.days))
        detector, manager = self.detectors[channel, number]
        time_ns, series = rows * every_s * NS_PER_S, np.zeros(len(rows), np.int32)
        if isinstance(detector, EnsembleDetector | SpectralDetector):
            score = detector.score_many(series, time_ns, np.ascontiguousarray(values)).score
        elif isinstance(detector, TwinDetector):
            score = detector.score_many(time_ns, values[:, 0], values[:, 1]).score
        else:
            score = detector.score_many(time_ns, values).score
        return rows[manager.step(series, time_ns, score) > 0]


def _detector(channel: str, number: int, values: F64) -> Judge:
    if channel == "mewma":
        return MewmaDetector(values.shape[1], PERIODS if number in (LONG, STARTS) else REFERENCE_ROWS)
    if channel == "twin":
        return TwinDetector()
    return SpectralDetector(1) if channel == "spectral" else EnsembleDetector(1)


def rules(record: Record) -> I64:
    """Rows on which an ordinary rule of the asset begins to be broken for as long as it asks."""
    if record.kind == "cold_room":
        return lasting(record.values["air"] > ROOM_HIGH_C, ROOM_MIN * 60 // record.interval_s)
    if record.kind == "machine":
        value = record.values["vibration"]
        zone = lasting(value > ZONE_MM_S, ZONE_MIN * 60 // record.interval_s)
        return np.sort(np.concatenate([zone, lasting(np.diff(value, prepend=np.nan) == 0.0, STUCK_ROWS)]))
    if record.kind == "steriliser":
        rows = np.flatnonzero(judged(record) != NOT_JUDGED)
        first, second = pair(record)
        ends, off = windows((first - second)[rows], rows, MEAN_ROWS)
        return ends[lasting(np.abs(off - np.median(off[:400])) > POCKET_K, 1)]
    return np.zeros(0, np.int64)


def lasting(broken: np.ndarray, rows: int) -> I64:
    """Places where `broken` has been true for just so many rows in a row."""
    at = np.arange(len(broken))
    since = at - np.maximum.accumulate(np.where(broken, -1, at))
    return np.flatnonzero(since == rows)

"""What one step of a shard's flow hands to the local writers. Every row has a deterministic key."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from andon.conditions import ConditionChange
from andon.models import LearningTurn, ModelAlarm, ModelDrift
from andon.readings import F64, I32, I64, U8, DeadLetters, Event


@dataclass(frozen=True, slots=True)
class WindowRows:
    """Closed windows of numeric series, columns of length n. Key: series, size_ns, start_ns; the higher revision wins.

    count is int64 rows; minimum, maximum, mean, std (population), first, last float64 in the series' unit; score is
    the highest anomaly score in the window, NaN where the series is not scored.
    """

    series: I32
    size_ns: I64
    start_ns: I64
    revision: I32
    count: I64
    minimum: F64
    maximum: F64
    mean: F64
    std: F64
    first: F64
    last: F64
    score: F64

    def __len__(self) -> int:
        return len(self.series)

    @staticmethod
    def joined(parts: Sequence[WindowRows]) -> WindowRows:
        """Windows of several parts, in their order."""
        filled = [part for part in parts if len(part)]
        if len(filled) < 2:
            return filled[0] if filled else NO_WINDOWS
        return WindowRows(*(np.concatenate([getattr(part, name) for part in filled]) for name in WindowRows.__slots__))

    @staticmethod
    def empty() -> WindowRows:
        """No windows."""
        i64, i32, f64 = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64)
        return WindowRows(i32, i64, i64, i32, i64, f64, f64, f64, f64, f64, f64, f64)


NO_WINDOWS = WindowRows.empty()  # of most steps and ticks; nobody can change it


@dataclass(frozen=True, slots=True)
class SpanRows:
    """Closed declared windows ([[window]]), columns of length n. Key: series, window, start_ns.

    The higher revision wins; of two rows with one key and revision the later one.

    window: id of each row's window; [start_ns, end_ns) of event time; count int64 rows; values float64[n, m], a column
    for each of `statistics`, NaN where not declared or not known. A window that late rows took away (a session that
    was merged into an earlier one) is written again with count 0 and no value.
    """

    series: I32
    window: tuple[str, ...]
    start_ns: I64
    end_ns: I64
    revision: I32
    count: I64
    statistics: tuple[str, ...]
    values: F64

    def __len__(self) -> int:
        return len(self.series)

    @staticmethod
    def empty() -> SpanRows:
        """No windows."""
        i64, i32 = np.empty(0, np.int64), np.empty(0, np.int32)
        return SpanRows(i32, (), i64, i64, i32, i64, (), np.empty((0, 0), np.float64))

    def told(self, row: int) -> dict[str, float]:
        """The statistics of a row that are known, in their order."""
        known = zip(self.statistics, self.values[row].tolist(), strict=True)
        return {name: value for name, value in known if math.isfinite(value)}

    def each(self) -> Iterator[tuple[int, str, int, int, int, int, dict[str, float]]]:
        """(series, window, start_ns, end_ns, revision, count, statistics that are known) of every row."""
        told = map(self.told, range(len(self)))
        numbers = (self.start_ns.tolist(), self.end_ns.tolist(), self.revision.tolist(), self.count.tolist())
        return zip(self.series.tolist(), self.window, *numbers, told, strict=True)

    @staticmethod
    def joined(parts: Sequence[SpanRows]) -> SpanRows:
        """Rows of one plant, one after the other."""
        filled = [part for part in parts if len(part)]
        if len(filled) < 2:
            return filled[0] if filled else SpanRows.empty()
        columns = ("series", "start_ns", "end_ns", "revision", "count", "values")
        series, start_ns, end_ns, revision, count, values = (
            np.concatenate([getattr(part, name) for part in filled]) for name in columns
        )
        window = tuple(name for part in filled for name in part.window)
        return SpanRows(series, window, start_ns, end_ns, revision, count, filled[0].statistics, values)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of [start_ns, end_ns): of a window, a cycle, a subgroup. Key: asset, tag, kind, start_ns.

    kind is one of `andon.config.rule_references.FIGURES`. While it runs, final is False and revision 0; later writes
    replace it. A final one has revision 1, and each correction one more; one that late data took away is written again
    with every part None and `about["void"]` = "late". parts are additive where the figure allows it (ratios are divided
    at read time) and None where unknown. about: what is told beside numbers, as texts: product, order, lot, version
    of limits, codes. known_ns: time of the tick that published it, so that it can be asked what was known then.
    """

    asset: str
    tag: str
    kind: str
    start_ns: int
    end_ns: int
    revision: int
    final: bool
    parts: Mapping[str, float | None]
    about: Mapping[str, str] = field(default_factory=dict)
    known_ns: int = 0


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest reading of each series touched, columns; score NaN where not scored."""

    series: I32
    time_ns: I64
    received_ns: I64
    value: F64
    status: U8
    score: F64


@dataclass(frozen=True, slots=True)
class StateChanges:
    """Changes of state and boolean series, columns. Key: series, time_ns."""

    series: I32
    time_ns: I64
    value: F64


@dataclass(frozen=True, slots=True)
class LedgerRows:
    """Rows since the tick before, by series and hour, columns; key series, hour_ns. series -1: unreadable.

    Additive: the store adds a row unless it already holds one of the same or a later `as_of`, so a replay counts
    nothing twice. received = counted + late + duplicate + bad + dead, to the row; conflict is a part of counted
    and late.
    """

    as_of: int  # offset of the tick that closed the count
    series: I32
    hour_ns: I64
    received: I64
    counted: I64
    late: I64
    duplicate: I64
    bad: I64
    dead: I64
    conflict: I64


@dataclass(frozen=True, slots=True)
class ShardOutputs:
    """Everything one step of one shard gives out. first_offset..last_offset are the messages it consumed."""

    shard: int
    first_offset: int
    last_offset: int
    watermark_ns: int  # newest tick or accepted event time of the shard
    readings: int  # accepted rows in this step
    windows: WindowRows = field(default_factory=WindowRows.empty)
    spans: SpanRows = field(default_factory=SpanRows.empty)
    figures: Sequence[Figure] = ()
    latest: Latest | None = None
    states: StateChanges | None = None
    ledger: Sequence[LedgerRows] = ()  # one for each tick, in order
    conditions: Sequence[ConditionChange] = ()
    dead: DeadLetters = field(default_factory=DeadLetters.empty)
    paths: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # series id -> (asset, tag), of all ids above
    events: Sequence[Event] = ()  # in log order
    rebirths: Sequence[tuple[str, str]] = ()  # Sparkplug edge nodes (group, node) whose births should be sent again
    model_alarms: Sequence[ModelAlarm] = ()  # of scored series, told or in shadow, in log order
    model_drifts: Sequence[ModelDrift] = ()  # of series with a champion, in log order
    learning_turns: Sequence[LearningTurn] = ()  # of series that detectors judge, in log order

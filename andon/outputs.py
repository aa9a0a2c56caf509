"""What one step of a shard's flow hands to the local writers. Every row has a deterministic key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from andon.conditions import ConditionChange
from andon.readings import F64, I32, I64, U8, DeadLetters


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
    def empty() -> WindowRows:
        """No windows."""
        i64, i32, f64 = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64)
        return WindowRows(i32, i64, i64, i32, i64, f64, f64, f64, f64, f64, f64, f64)


@dataclass(frozen=True, slots=True)
class Figure:
    """An OEE or cold-chain figure of [start_ns, end_ns). Key: asset, tag, kind, start_ns.

    While the window runs, final is False and revision 0; later writes replace it. parts are additive where the
    figure allows it (ratios are divided at read time) and None where unknown.
    """

    asset: str
    tag: str
    kind: Literal["oee", "cold_chain"]
    start_ns: int
    end_ns: int
    revision: int
    final: bool
    parts: Mapping[str, float | None]


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
    figures: Sequence[Figure] = ()
    latest: Latest | None = None
    states: StateChanges | None = None
    ledger: Sequence[LedgerRows] = ()  # one for each tick, in order
    conditions: Sequence[ConditionChange] = ()
    dead: DeadLetters = field(default_factory=DeadLetters.empty)
    paths: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # series id -> (asset, tag), of all ids above

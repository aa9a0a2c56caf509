"""From columns of a binary format to readings and dead letters, after the rules that JSON rows are judged by.

A decoder of a format brings rows to `WireRows`; what follows is the same for all of them: stamp, unit, quality, value,
in that order, and ids for series seen for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from andon.plant import PlantModel
from andon.readings import F64, I32, I64, NS_PER_S, U8, DeadLetters, Decoded, Messages, Readings, Reason, Status
from andon.series import SeriesDictionary
from sources.decode.layout import (
    FALSE,
    NULL,
    OK,
    REAL,
    STAMP_IN_FUTURE,
    STAMP_UNREADABLE,
    STRING,
    TRUE,
    UNKNOWN_STATE,
    WHOLE,
    WRONG_TYPE,
)  # fmt: skip

UNREADABLE = -1  # as time_ns: no stamp
_NUMBER, _BOOLEAN, _STATE, _WAVEFORM = 0, 1, 2, 3
_KINDS = {"number": _NUMBER, "counter": _NUMBER, "boolean": _BOOLEAN, "state": _STATE, "waveform": _WAVEFORM}
_BAD = int(Status.BAD)


class WireRows(NamedTuple):
    """Rows as a format has them, columns of length n, in log order.

    place   : int32, index into `SeriesDictionary.declared`; -1 where verdict says why there is none.
    time_ns : int64, -1 where the stamp cannot be read or is outside the years 1971 to 2200.
    value   : float64; of a STRING the index of the state, -1 for a text that is none.
    kind    : uint8, what the value was: layout.WHOLE, REAL, TRUE, FALSE, NULL, STRING, NESTED (never a value).
    verdict : uint8, 0 or the `Reason` found so far.
    status  : uint8, `Status` after the quality that was given.
    message : int32, index of the message; line: int32, index of the row in it.
    """

    place: I32
    time_ns: I64
    value: F64
    kind: U8
    verdict: U8
    status: U8
    message: I32
    line: I32

    @staticmethod
    def empty(count: int) -> WireRows:
        """Room for count rows."""
        return WireRows(
            np.empty(count, np.int32), np.empty(count, np.int64), np.empty(count, np.float64),
            np.empty(count, np.uint8), np.empty(count, np.uint8), np.empty(count, np.uint8),
            np.empty(count, np.int32), np.empty(count, np.int32),
        )  # fmt: skip

    @staticmethod
    def refused(reason: Reason, message: int) -> WireRows:
        """One row for a message that is refused as a whole."""
        i32, u8 = np.int32, np.uint8
        return WireRows(
            np.full(1, -1, i32), np.zeros(1, np.int64), np.zeros(1), np.full(1, NULL, u8), np.full(1, reason, u8),
            np.zeros(1, u8), np.full(1, message, i32), np.zeros(1, i32),
        )  # fmt: skip

    @staticmethod
    def joined(parts: Sequence[WireRows]) -> WireRows:
        """All rows of the parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        return WireRows._make(np.concatenate(column) for column in zip(*parts, strict=True))

    def taken(self, which: slice | I64) -> WireRows:
        """The rows at these places."""
        return WireRows._make(column[which] for column in self)


class SeriesColumns(NamedTuple):
    """What judging must know of the declared series, by place."""

    what: U8
    low: F64
    high: F64
    states: I32  # how many

    @staticmethod
    def of(dictionary: SeriesDictionary) -> SeriesColumns:
        """The declared series of a shard."""
        specs = dictionary.declared
        return SeriesColumns(
            np.array([_KINDS[spec.kind] for spec in specs], np.uint8),
            np.array([spec.low for spec in specs], np.float64),
            np.array([spec.high for spec in specs], np.float64),
            np.array([len(spec.states) for spec in specs], np.int32),
        )


Raw = Callable[[I64], Sequence[bytes]]  # bytes of dead rows, by their indices in the WireRows


class RowJudge:
    """Judges the rows of one shard's binary messages. Gives ids to series, in the order of the rows."""

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel) -> None:
        self._dictionary, self._series = dictionary, SeriesColumns.of(dictionary)
        self._future_ns = round(plant.config.time.future_s * NS_PER_S)

    def decoded(self, rows: WireRows, messages: Messages, raw: Raw) -> Decoded:
        """Readings and dead letters. raw is asked only for rows that are dead. Writes into `rows`."""
        n = len(rows.place)
        ids = self._dictionary.declared_ids
        out = _Good(
            np.empty(n, np.int64), np.empty(n, np.int32), np.empty(n, np.float64), np.empty(n, np.uint8),
            np.empty(n, np.int64), np.empty(n, np.int64),
        )  # fmt: skip
        good, unseen = _judge(rows, messages.offset, messages.received_ns, self._future_ns, self._series, ids, out)
        if unseen:
            out.series[:good] = self._dictionary.ids_at(rows.place)[rows.verdict == OK]
        readings = Readings(
            out.time_ns[:good], out.series[:good], out.value[:good], out.status[:good], out.offset[:good],
            out.received_ns[:good],
        )  # fmt: skip
        if good == n:
            return Decoded(readings, rows_in=n)
        at = np.flatnonzero(rows.verdict)
        message = rows.message[at]
        dead = DeadLetters(
            messages.offset[message], rows.line[at], messages.received_ns[message], rows.verdict[at],
            ids[rows.place[at]], raw(at),
        )  # fmt: skip
        return Decoded(readings, dead=dead, rows_in=n)


class _Good(NamedTuple):
    """The columns of `Readings`, with room for all rows."""

    time_ns: I64
    series: I32
    value: F64
    status: U8
    offset: I64
    received_ns: I64


@njit(nogil=True, cache=True, error_model="numpy")
def _judge(
    rows: WireRows, offsets: I64, received_ns: I64, future_ns: int, series: SeriesColumns, ids: I32, out: _Good
) -> tuple[int, int]:
    """Finish verdicts and put good rows out, one behind the other.

    offsets, received_ns: int64[messages]. ids: int32 by place, -1 before the first sight.
    returns: (good rows, 1 where a row's series has no id yet).
    """
    # every access of a tuple's array in the loop would count its references, 5 ns each time
    places, times, values, kinds, verdicts, statuses, message, _ = rows
    what, low, high, states = series
    out_time, out_series, out_value, out_status, out_offset, out_received = out
    good, unseen = 0, 0
    for i in range(places.shape[0]):
        at, m, t, x, kind = places[i], message[i], times[i], values[i], kinds[i]
        if at < 0:
            continue
        if kind == REAL and np.isnan(x):  # what JSON writes as null
            kind = NULL
        if ids[at] < 0:
            unseen = 1
        if t < 0:
            verdicts[i] = STAMP_UNREADABLE
        elif t > received_ns[m] + future_ns:
            verdicts[i] = STAMP_IN_FUTURE
        elif verdicts[i] == OK:
            verdicts[i] = _fits(kind, x, what[at], states[at])
        if verdicts[i] != OK:
            continue
        if kind == NULL:
            x = np.nan
        out_time[good], out_series[good], out_value[good] = t, ids[at], x
        out_status[good] = statuses[i] if low[at] <= x <= high[at] else _BAD
        out_offset[good], out_received[good] = offsets[m], received_ns[m]
        good += 1
    return good, unseen


@njit(nogil=True, cache=True, error_model="numpy")
def _fits(kind: int, x: float, what: int, states: int) -> int:
    """Verdict of a value for a series of a kind (as `judge.judge_value`)."""
    if what == _WAVEFORM:
        return WRONG_TYPE
    if kind == NULL:
        return OK
    if kind == STRING:
        return WRONG_TYPE if what != _STATE else OK if x >= 0.0 else UNKNOWN_STATE
    if kind in (TRUE, FALSE):
        return OK if what == _BOOLEAN else WRONG_TYPE
    if kind not in (WHOLE, REAL) or not np.isfinite(x):
        return WRONG_TYPE
    if what == _BOOLEAN:
        return OK if x in (0.0, 1.0) else WRONG_TYPE
    if what == _STATE:
        return OK if 0.0 <= x < states and x == np.floor(x) else UNKNOWN_STATE
    return OK

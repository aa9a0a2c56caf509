"""Arrow batches of the same layout and dictionaries, one behind the other: their columns are worked on together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from andon.readings import I32, I64, NS_PER_MS, Reason, Status
from andon.series import SeriesDictionary
from sources.decode import stamps
from sources.decode.arrow_names import NameTable
from sources.decode.arrow_rows import NEW_NAMES, OUTSIDE, OWN_UNIT, Chunks, Stamps, Units, settle
from sources.decode.arrow_schema import ArrowLayout
from sources.decode.columns import WireRows
from sources.decode.layout import NULL, OK, STRING, TRUE
from sources.decode.units import ROWS, to_series

_NO_CODE = -1  # of a null
_GOOD_Q = 192
_STATUS = np.where(np.arange(256) >= _GOOD_Q, Status.GOOD, np.where(np.arange(256) >= 64, 1, 2)).astype(np.uint8)
_MOST_Q = 0xFFFF_FFFF
_OTHER_UNIT = -2  # of no declared series


class Chunk(NamedTuple):
    """One batch as numpy columns; codes of names, states and units, -1 for null."""

    message: int
    first_line: int
    ts: NDArray[Any]
    asset: NDArray[Any]
    tag: NDArray[Any] | None
    value: NDArray[Any]  # NaN for null
    quality: NDArray[Any] | None
    unit: NDArray[Any] | None


class Layers(NamedTuple):
    """What batches of one run have in common. states, units: of the codes in the batches."""

    layout: ArrowLayout
    names: NameTable
    states: tuple[str | None, ...]
    units: tuple[str | None, ...]


def codes(column: pa.Array) -> NDArray[Any]:
    """Indices of a dictionary column, -1 for null."""
    indices = column.indices
    if indices.null_count:
        indices = indices.cast(pa.int64()).fill_null(_NO_CODE)
    found: NDArray[Any] = indices.to_numpy()
    return found


def whole(column: pa.Array, null: int) -> NDArray[Any]:
    """A column of whole numbers or stamps."""
    if column.null_count:
        column = column.cast(pa.int64()).fill_null(null)
    elif pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    found: NDArray[Any] = column.to_numpy()
    return found


def numbers(column: pa.Array) -> NDArray[Any]:
    """A column of numbers or booleans, NaN for null."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if column.null_count and pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    found: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return found


class Run:
    """Batches that share `Layers`."""

    def __init__(self, layers: Layers, dictionary: SeriesDictionary, unit_ids: dict[str, int], units_of: I32) -> None:
        self.layers, self._dictionary = layers, dictionary
        self._unit_ids, self._units_of = unit_ids, units_of
        self.chunks: list[Chunk] = []

    def rows(self) -> WireRows:
        """All rows; IndexError when a code is outside of its dictionary."""
        layout, chunks, names = self.layers.layout, self.chunks, self.layers.names
        asset = _joined([chunk.asset for chunk in chunks], np.int64)
        tag = _joined([chunk.tag for chunk in chunks if chunk.tag is not None], np.int64)
        value = _joined([chunk.value for chunk in chunks], np.float64)
        first, end = (ms * NS_PER_MS // layout.tick_ns for ms in (stamps.FIRST_MS, stamps.END_MS))
        given = Stamps(_joined([chunk.ts for chunk in chunks], np.int64), layout.tick_ns, first, end)
        place = Chunks(*np.array([(len(one.ts), one.message, one.first_line) for one in chunks], np.int64).T.copy())
        rows, units, coded = WireRows.empty(len(asset)), self._units(), names.coded(asset, tag)
        state = settle(coded, given, units, value, layout.kind, place, rows)
        if state == NEW_NAMES:
            names.learn(coded)
            state = settle(coded, given, units, value, layout.kind, place, rows)
        if state == OUTSIDE:
            raise IndexError("code outside of its dictionary")
        if layout.kind == STRING:
            rows.value[:] = self._states(value.astype(np.int64), rows.place)
            rows.kind[np.isnan(rows.value)] = NULL
        self._convert(rows)
        rows.status[:] = self._status(rows.place, rows.verdict)
        return rows

    def _convert(self, rows: WireRows) -> None:
        """Rows in another unit than their series', where it converts."""
        other = np.flatnonzero(rows.verdict == Reason.unit_mismatch)
        if not len(other):
            return
        code = _joined([chunk.unit for chunk in self.chunks if chunk.unit is not None], np.int64)
        codes = code[other] if len(code) else np.full(len(other), -1)
        pairs, which = np.unique(np.stack([rows.place[other].astype(np.int64), codes]), axis=1, return_inverse=True)
        for number, (place, unit) in enumerate(pairs.T.tolist()):
            given = self.layers.units[unit] if unit >= 0 else self.layers.layout.unit
            change = None if given is None else to_series(given, self._dictionary.declared[place])
            if change is not None:
                mine = other[which.reshape(-1) == number]
                rows.verdict[mine] = OK
                rows.value[mine] = change(rows.value[mine])
                ROWS.labels("arrow").inc(len(mine))

    def _states(self, code: I64, place: I32) -> NDArray[np.float64]:
        """Numbers of states by name: NaN for null, -1 for a name that the series does not have."""
        names = self.layers.states
        if len(code) and not _NO_CODE <= code.min() <= code.max() < len(names):
            raise IndexError(code.max())
        pairs, inverse = np.unique(np.stack([place.astype(np.int64), code]), axis=1, return_inverse=True)
        numbers = []
        for one, name in zip(pairs[0].tolist(), [None if k < 0 else names[k] for k in pairs[1].tolist()], strict=True):
            states = self._dictionary.declared[one].states if one >= 0 else ()
            numbers.append(np.nan if name is None else states.index(name) if name in states else -1)
        return np.array(numbers, np.float64)[inverse.reshape(-1)]

    def _units(self) -> Units:
        layout, last = self.layers.layout, OWN_UNIT
        if layout.unit_column < 0 and layout.unit is not None:
            last = self._unit_ids.get(layout.unit, _OTHER_UNIT)
        ids = [OWN_UNIT if unit is None else self._unit_ids.get(unit, _OTHER_UNIT) for unit in self.layers.units]
        code = _joined([chunk.unit for chunk in self.chunks if chunk.unit is not None], np.int64)
        return Units(code, np.array([*ids, last], np.int32), self._units_of)

    def _status(self, place: I32, verdict: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.layers.layout.quality < 0:
            return np.zeros(len(place), np.uint8)
        given = [chunk.quality for chunk in self.chunks if chunk.quality is not None]
        if all(one.dtype == np.uint8 for one in given):
            return _STATUS.take(np.concatenate(given))
        code = _joined(given, np.int64)
        wrong = (code < 0) | (code > _MOST_Q)
        verdict[wrong & (place >= 0) & (verdict == OK)] = Reason.wrong_type
        high: NDArray[np.int64] = np.minimum(code >> 30, 2)
        return np.where(code <= 255, _STATUS[np.clip(code, 0, 255)], high).astype(np.uint8)

    def as_json(self, row: int) -> bytes:
        """A row as the JSON reading that says the same."""
        layout, at = self.layers.layout, row
        chunk = self.chunks[0]
        for chunk in self.chunks:
            if at < len(chunk.ts):
                break
            at -= len(chunk.ts)
        asset, tag = self.layers.names.names(int(chunk.asset[at]), 0 if chunk.tag is None else int(chunk.tag[at]))
        value: Any = chunk.value[at].item()
        if layout.kind == STRING:
            value = self.layers.states[value] if value >= 0 else None
        elif layout.kind == TRUE:
            value = None if np.isnan(value) else bool(value)
        elif not np.isfinite(value):
            value = None if np.isnan(value) else str(value)
        row_json = {"ts": _json_stamp(int(chunk.ts[at]), layout.tick_ns), "asset": asset, "tag": tag, "value": value}
        if chunk.quality is not None:
            row_json["q"] = int(chunk.quality[at])
        unit = layout.unit
        if chunk.unit is not None:
            unit = self.layers.units[int(chunk.unit[at])] if chunk.unit[at] >= 0 else None
        return orjson.dumps(row_json if unit is None else {**row_json, "unit": unit})


def _json_stamp(ts: int, tick_ns: int) -> int | str:
    if tick_ns == NS_PER_MS:
        return ts
    ms, rest = divmod(ts * tick_ns, NS_PER_MS)
    if rest == 0 or not stamps.FIRST_MS <= ms < stamps.END_MS:
        return ms if abs(ms) < 1 << 63 else str(ms)  # more than orjson takes
    return f"{np.datetime64(ms * NS_PER_MS + rest, 'ns')}Z"


def _joined(parts: list[NDArray[Any]], kind: type[np.generic]) -> NDArray[Any]:
    if len(parts) < 2:
        return parts[0].astype(kind) if parts else np.empty(0, kind)
    return np.concatenate(parts, dtype=kind, casting="unsafe")

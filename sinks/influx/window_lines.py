"""Windows as line protocol, by a kernel: 1/40 of the CPU time of influxdb-client's Point objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.outputs import WindowRows
from andon.readings import F64, I64, NS_PER_S, U8
from sinks.influx.digits import CHUNK_BYTES, FLOAT_BYTES, INT_BYTES, copy, write_float, write_int
from sinks.influx.lines import head, place
from sinks.influx.schema import WINDOW_FIELDS

Path = tuple[str, str]  # asset, tag
SIZE = re.compile(r"[0-9.]+s")  # what `size_name` gives; other values of the tag are ids of declared windows
_NAMES = [f"{name}=".encode() for name in WINDOW_FIELDS]
_NAME_BYTES: U8 = np.frombuffer(b"".join(name.ljust(CHUNK_BYTES, b"\0") for name in _NAMES), np.uint8)
_NAME_SIZES: I64 = np.array([len(name) for name in _NAMES])
_LINE_BYTES = sum(len(name) + 1 + FLOAT_BYTES for name in _NAMES) + INT_BYTES + 2  # without the prefix


@njit(nogil=True, cache=True, error_model="numpy")
def _encode(out: U8, prefixes: U8, ends: I64, which: I64, values: F64, time_ns: I64, names: U8, name_sizes: I64) -> int:
    """Write one line a row into `out`; returns how many bytes.

    out      : uint8[], long enough for every prefix, field and time, and CHUNK_BYTES more
    prefixes : uint8[], measurement and tags of all series; the k-th ends at ends[k], int64[m]; then CHUNK_BYTES
    which    : int64[n], the prefix of each row
    values   : float64[n, f], NaN and infinities are left out; at least one field of a row is finite
    time_ns  : int64[n]
    names    : uint8[f * CHUNK_BYTES], "name=" of the f fields; the k-th has name_sizes[k] bytes, int64[f]
    """
    at = 0
    to, heads, labels = out.ctypes.data, prefixes.ctypes.data, names.ctypes.data
    bits = values.view(np.uint64)
    for row in range(len(which)):
        key = which[row]
        begin = ends[key - 1] if key else 0
        copy(to + at, heads + begin, ends[key] - begin)
        at += ends[key] - begin
        between = np.uint8(32)
        for field in range(values.shape[1]):
            if not np.isfinite(values[row, field]):
                continue
            out[at] = between
            at += 1
            between = np.uint8(44)
            copy(to + at, labels + CHUNK_BYTES * field, CHUNK_BYTES)
            at += name_sizes[field]
            at = write_float(out, at, bits[row, field])
        out[at] = 32
        at = write_int(out, at + 1, time_ns[row])
        out[at] = 10
        at += 1
    return at


def size_name(size_ns: int) -> str:
    """Length of a window as its tag says it: seconds, with a fraction only where there is one.

    >>> size_name(60 * NS_PER_S), size_name(NS_PER_S // 2)
    ('60s', '0.5s')
    """
    whole, rest = divmod(size_ns, NS_PER_S)
    return f"{whole}s" if not rest else f"{whole}.{rest:09d}".rstrip("0") + "s"


class WindowEncoder:
    """Encodes the windows of one shard; keeps the escaped head of each series and size.

    units : unit by (asset, tag); a series that is not in it has the unit "1".
    """

    def __init__(self, site: str, units: Mapping[Path, str]) -> None:
        self._site, self._units = site, units
        self._sizes: I64 = np.zeros(0, np.int64)  # ascending
        self._table: I64 = np.zeros((0, 0), np.int64)  # prefix by series id and place of the size; -1: none yet
        self._heads: list[bytes] = []
        self._prefixes: U8 = np.zeros(0, np.uint8)
        self._ends: I64 = np.zeros(0, np.int64)

    def encode(self, rows: WindowRows, paths: Mapping[int, Path]) -> bytes:
        """One line a row, in order. paths: (asset, tag) of every series id in `rows`."""
        if not len(rows):
            return b""
        which = self._which(rows, paths)
        values: F64 = np.empty((len(rows), len(WINDOW_FIELDS)), np.float64)
        columns: tuple[NDArray[Any], ...] = (
            rows.count, rows.minimum, rows.maximum, rows.mean, rows.std, rows.first, rows.last, rows.score,
            rows.revision,
        )  # fmt: skip
        for number, column in enumerate(columns):
            values[:, number] = column
        lengths = np.diff(self._ends, prepend=0)[which]
        out: U8 = np.empty(int(lengths.sum()) + len(rows) * _LINE_BYTES + CHUNK_BYTES, np.uint8)
        time_ns = np.ascontiguousarray(rows.start_ns, np.int64)
        used = _encode(out, self._prefixes, self._ends, which, values, time_ns, _NAME_BYTES, _NAME_SIZES)
        return out[:used].tobytes()

    def _which(self, rows: WindowRows, paths: Mapping[int, Path]) -> I64:
        """The prefix of each row; heads not met before are made."""
        self._grow(rows)
        places = np.searchsorted(self._sizes, rows.size_ns)
        which: I64 = self._table[rows.series, places]
        if (fresh := np.flatnonzero(which < 0)).size:
            for row in fresh.tolist():
                series, column = int(rows.series[row]), int(places[row])
                if self._table[series, column] < 0:
                    self._table[series, column] = len(self._heads)
                    self._heads.append(self._head(paths[series], int(rows.size_ns[row])))
            self._prefixes = np.frombuffer(b"".join([*self._heads, bytes(CHUNK_BYTES)]), np.uint8)
            self._ends = np.cumsum([len(one) for one in self._heads])
            which = self._table[rows.series, places]
        return which

    def _grow(self, rows: WindowRows) -> None:
        """Make room in the table for new ids and sizes."""
        highest = int(rows.series.max())
        sizes = np.union1d(self._sizes, rows.size_ns)
        if highest < len(self._table) and len(sizes) == len(self._sizes):
            return
        table = np.full((max(len(self._table), highest + 1), len(sizes)), -1, np.int64)
        table[: len(self._table), np.searchsorted(sizes, self._sizes)] = self._table
        self._sizes, self._table = sizes, table

    def _head(self, path: Path, size_ns: int) -> bytes:
        asset, tag = path
        unit = self._units.get(path, "1")
        return head("window", place(self._site, asset, tag) | {"unit": unit, "size": size_name(size_ns)})

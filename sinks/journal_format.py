"""How rows of the journal stand in its files: Arrow streams, one after another, the columns as narrow as they can be.

Whole numbers of a column are `base + unit * code`: base and unit are metadata of the field, codes have the fewest bytes
that hold them (a column of one number has none, and stands as null). A thousand series with stamps in milliseconds take
20 bytes a row, where the plain columns take 53, and 18 compressed by lz4 at ten times the cost. A field without
metadata is plain; files written before had one stream of plain columns, compressed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from numba import njit
from numpy.typing import NDArray

ROW = np.dtype(
    [
        ("time_ns", "i8"), ("series", "i4"), ("value", "f8"), ("status", "u1"), ("offset", "i8"),
        ("received_ns", "i8"), ("closed_ns", "i8"), ("tick", "i8"),
    ]
)  # fmt: skip
Column = NDArray[Any]
Columns = dict[str, Column]  # of ROW, by name, all of one length
Rows = NDArray[Any]  # of ROW
SCHEMA = pa.schema([(name, pa.from_numpy_dtype(ROW[name])) for name in ROW.names or ()])
UNITS = (1_000_000_000, 1_000_000, 1_000, 1)
CODES = (np.uint8, np.uint16, np.uint32)
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def _survey(column):  # type: ignore[no-untyped-def]  # numba
    """(least, greatest, place in UNITS of what all numbers are multiples of, seen from the first). Not empty."""
    first = column[0]
    low, high, unit = first, first, 0
    for i in range(column.shape[0]):
        x = column[i]
        low, high = min(low, x), max(high, x)
        off = x - first
        if unit == 0 and off % 1_000_000_000 != 0:
            unit = 1
        if unit == 1 and off % 1_000_000 != 0:
            unit = 2
        if unit == 2 and off % 1_000 != 0:
            unit = 3
    return low, high, unit


@_jit
def _codes(column, base, unit, out):  # type: ignore[no-untyped-def]  # numba
    """(column - base) / unit, a whole number below 2**32: so exact, though divided by multiplying."""
    factor = 1.0 / unit
    for i in range(column.shape[0]):
        out[i] = np.int64((column[i] - base) * factor + 0.5)


@_jit
def _numbers(codes, base, unit, out):  # type: ignore[no-untyped-def]  # numba
    for i in range(codes.shape[0]):
        out[i] = base + np.int64(codes[i]) * unit


def encode(columns: Columns) -> bytes:
    """Rows as one whole Arrow stream of one record batch; at least one row."""
    fields, arrays = [], []
    for name, column in columns.items():
        field, array = _encode_column(name, column)
        fields.append(field)
        arrays.append(array)
    schema = pa.schema(fields)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _encode_column(name: str, column: Column) -> tuple[pa.Field, pa.Array]:
    if column.dtype.kind == "f":
        return pa.field(name, pa.float64()), pa.array(column)
    low, high, place = _survey(column)
    span, unit = int(high) - int(low), UNITS[place]
    kind = next((kind for kind in CODES if span // unit <= np.iinfo(kind).max), None)
    if kind is None:
        return pa.field(name, pa.from_numpy_dtype(column.dtype)), pa.array(column)
    metadata = {"base": str(low), "unit": str(unit)}
    if not span:
        return pa.field(name, pa.null(), metadata=metadata), pa.nulls(len(column))
    codes = np.empty(len(column), kind)
    _codes(column, low, unit, codes)
    return pa.field(name, pa.from_numpy_dtype(codes.dtype), metadata=metadata), pa.array(codes)


def encode_plain(columns: Columns) -> bytes:
    """Rows as one stream of plain columns, compressed by zstd: a fifth of the size, for what is written once."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(pa.record_batch(list(columns.values()), schema=SCHEMA))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode(data: bytes, most: int | None = None) -> Rows:
    """All whole record batches of a file's streams; a torn tail is left out, and what is after `most` rows not read.

    What a power cut left in a tail may be anything: pyarrow has an error of its own for each.
    """
    parts, held = [], 0
    source = pa.BufferReader(data)
    try:
        while source.tell() < len(data) and (most is None or held < most):
            with pa.ipc.open_stream(source) as reader:
                for batch in reader:  # one by one: what is whole before a torn one counts
                    parts.append(_decode_batch(batch))
                    held += batch.num_rows
    except (pa.ArrowException, OSError, KeyError, ValueError):
        pass
    return np.concatenate(parts)[:most] if parts else np.zeros(0, ROW)


def _decode_batch(batch: pa.RecordBatch) -> Rows:
    rows = np.zeros(batch.num_rows, ROW)
    for name in ROW.names or ():
        field = batch.schema.field(name)
        if field.metadata is None:
            rows[name] = batch.column(name).to_numpy()
            continue
        base, unit = int(field.metadata[b"base"]), int(field.metadata[b"unit"])
        if pa.types.is_null(field.type):
            rows[name] = base
            continue
        numbers = np.empty(batch.num_rows, np.int64)
        _numbers(batch.column(name).to_numpy(), base, unit, numbers)
        rows[name] = numbers
    return rows

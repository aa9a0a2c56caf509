"""A column of the journal as narrow as it can be, and back to the bit.

Whole numbers are `base + unit * code`: base and unit are metadata of the field, codes have the fewest bytes that hold
them (a column of one number has none, and stands as null). Values are whole numbers divided by `scale`, a power of ten,
where that gives each of them to the bit: readings of two decimals take two bytes. `nan` is then the whole number that
stands for NaN. Other values are float32 where that is exact, as many controllers send them, and float64 else.

A column is looked at in passes that run on vectors: a division a number, for what it is a multiple of, costs more than
all else. So a few numbers say what the unit and the scale may be, and the pass that writes the codes proves it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from andon.readings import F64, I64

ROW = np.dtype(
    [
        ("time_ns", "i8"), ("series", "i4"), ("value", "f8"), ("status", "u1"), ("offset", "i8"),
        ("received_ns", "i8"), ("closed_ns", "i8"), ("tick", "i8"),
    ]
)  # fmt: skip
Column = NDArray[Any]
Columns = dict[str, Column]  # of ROW, by name, all of one length
Rows = NDArray[Any]  # of ROW
UNITS = (1_000_000_000, 1_000_000, 1_000, 1)
SCALES = (1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
CODES = ((np.uint8, 2**8 - 1), (np.uint16, 2**16 - 1), (np.uint32, 2**32 - 1))  # and the greatest each holds
SAMPLE = 64  # numbers of a column that are looked at before all of them are
MOST = 2.0**51  # up to which adding ROUND leaves whole numbers, on either side of 0
ROUND = 1.5 * 2.0**52  # added and taken away again, it leaves a whole number: `rint` would be a call for each
MINUS_ZERO = np.iinfo(np.int64).min  # its bits
BLOCK = 4_096  # values after which a scale that does not fit is given up
NAN_BITS = int(np.array(np.nan).view(np.int64))  # of the only NaN that a whole number may stand for
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def bounds(column: Column) -> tuple[int, int]:
    """(least, greatest) of a column that is not empty; nothing else in the loop, so that it runs on vectors."""
    low, high = column[0], column[0]
    for i in range(column.shape[0]):
        low, high = min(low, column[i]), max(high, column[i])
    return low, high


@_jit
def _coarsest(column: Column, base: int) -> int:
    """Place in UNITS of what some of the numbers, seen from base, are multiples of: no coarser one can be right."""
    unit = 0
    step = max(1, column.shape[0] // SAMPLE)
    for i in range(0, column.shape[0], step):
        off = column[i] - base
        if unit == 0 and off % 1_000_000_000 != 0:
            unit = 1
        if unit == 1 and off % 1_000_000 != 0:
            unit = 2
        if unit == 2 and off % 1_000 != 0:
            unit = 3
    return unit


@_jit
def _codes(column: Column, base: int, unit: int, out: Column) -> Any:
    """(column - base) / unit, a whole number below 2**32: so exact, though divided by multiplying.

    False: some number is not a multiple of the unit, and out is of no use. Multiplying back costs a fraction of a
    division with its remainder for each number.
    """
    factor = 1.0 / unit
    rest = np.int64(0)
    for i in range(column.shape[0]):
        off = np.int64(column[i]) - base
        code = np.int64(off * factor + 0.5)
        rest |= off - code * unit
        out[i] = code
    return rest == 0


@_jit
def _numbers(codes: Column, base: int, unit: int, out: I64) -> None:
    for i in range(codes.shape[0]):
        out[i] = base + np.int64(codes[i]) * unit


@_jit
def _decimals(column: F64, bits: I64, scale: float, out: I64) -> int:
    """Whole numbers that give the column when divided by scale, anything for NaN; bits: the column seen as int64.

    Returns how many are NaN, -1: some value is not given back to the bit, and out is of no use.
    """
    nans = 0
    for begin in range(0, column.shape[0], BLOCK):
        some, seen, to = column[begin : begin + BLOCK], bits[begin : begin + BLOCK], out[begin : begin + BLOCK]
        others, here = 0, 0
        for i in range(some.shape[0]):  # from 0, or numba asks of each index whether it is counted from the end
            number = (some[i] * scale + ROUND) - ROUND
            others += (number / scale != some[i]) | (abs(number) > MOST) | (seen[i] == MINUS_ZERO)
            here += seen[i] == NAN_BITS
            to[i] = np.int64(number)
        if others != here:  # a NaN is not equal to itself, so it is among the others
            return -1
        nans += here
    return nans


def encode_column(name: str, column: Column) -> tuple[pa.Field, pa.Array]:
    """The field and the array that hold a column of at least one row, contiguous."""
    found = _encode_values(name, column) if column.dtype.kind == "f" else _encode_whole(name, column, {})
    return found or (pa.field(name, pa.from_numpy_dtype(column.dtype)), pa.array(column))


def _encode_whole(name: str, column: Column, metadata: dict[str, str]) -> tuple[pa.Field, pa.Array] | None:
    """Whole numbers; None: they take more than four bytes.

    The base of scaled ones has a name of its own, or a version that knows no scale would take them as they are.
    """
    base = "scaled_base" if metadata else "base"
    low, high = bounds(column)
    if low == high:
        found = metadata | {base: str(low), "unit": str(UNITS[0])}
        return pa.field(name, pa.null(), metadata=found), pa.nulls(len(column))
    span = int(high) - int(low)
    for unit in UNITS[_coarsest(column, low) :]:
        kind = next((kind for kind, most in CODES if span // unit <= most), None)
        if kind is None:
            break
        codes = np.empty(len(column), kind)
        if _codes(column, low, unit, codes):
            found = metadata | {base: str(low), "unit": str(unit)}
            return pa.field(name, pa.from_numpy_dtype(codes.dtype), metadata=found), pa.array(codes)
    return None


def _encode_values(name: str, column: F64) -> tuple[pa.Field, pa.Array] | None:
    """Values of few decimals or of single precision; None: neither."""
    some = np.ascontiguousarray(column[:: max(1, len(column) // SAMPLE)])
    numbers: I64 = np.empty(len(column), np.int64)
    for scale in SCALES:
        if _decimals(some, some.view(np.int64), scale, numbers) < 0:
            continue
        nans = _decimals(column, column.view(np.int64), scale, numbers)
        if nans < 0:
            continue
        metadata = {"scale": str(int(scale))}
        if nans:
            metadata["nan"] = str(_mark_nans(column, numbers))
        found = _encode_whole(name, numbers, metadata)
        if found:
            return found
        break
    if _is_single(some) and _is_single(column):
        return pa.field(name, pa.float32()), pa.array(column.astype(np.float32))
    return None


def _mark_nans(column: F64, numbers: I64) -> int:
    """Put a number that no value has where the NaN are; returns it."""
    is_nan = np.isnan(column)
    others = numbers[~is_nan]
    mark = int(others.min()) - 1 if len(others) else 0
    numbers[is_nan] = mark
    return mark


def _is_single(column: F64) -> bool:
    """Whether float32 holds every value to the bit."""
    with np.errstate(over="ignore", invalid="ignore"):
        again = column.astype(np.float32).astype(np.float64)
    return bool((again.view(np.int64) == column.view(np.int64)).all())


def decode_column(field: pa.Field, array: pa.Array, out: Column) -> None:
    """Write the numbers of an array into out, of as many rows. KeyError, ValueError: metadata that is not ours."""
    if field.metadata is None:
        out[:] = array.to_numpy()
        return
    scaled = b"scale" in field.metadata
    base, unit = int(field.metadata[b"scaled_base" if scaled else b"base"]), int(field.metadata[b"unit"])
    numbers: I64 = np.full(len(array), base, np.int64)
    if not pa.types.is_null(field.type):
        _numbers(array.to_numpy(), base, unit, numbers)
    if not scaled:
        out[:] = numbers
        return
    out[:] = numbers / float(field.metadata[b"scale"])
    if b"nan" in field.metadata:
        out[numbers == int(field.metadata[b"nan"])] = np.nan

"""Numbers as text inside a kernel: the shortest decimal that reads back as the same float64, as Python's repr gives it.

Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2021; layout of the tables after A. Bolz, Drachennest).
Rejected: a fixed number of decimals (loses small values) and trying 1 to 15 digits with repr for the rest: every mean
and standard deviation needs 16 or 17, so nearly half of the numbers would leave the kernel, at 10x the cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it ships no types
from numba import njit, types
from numba.extending import intrinsic

from andon.readings import U8

_jit = njit(nogil=True, cache=True, error_model="numpy")
# numba counts the references of each array at each call, which took most of the time of a field
_inline = njit(nogil=True, cache=True, error_model="numpy", inline="always")

FLOAT_BYTES = 25  # of the longest text: -1.2345678901234567e-308
INT_BYTES = 20
CHUNK_BYTES = 16
_FIRST_POWER = -292
_LAST_POWER = 324


def _powers() -> np.ndarray[Any, np.dtype[np.uint64]]:
    """10**k for k in -292..324 as 128-bit significands, rounded up: rows of (high, low)."""
    rows = []
    for k in range(_FIRST_POWER, _LAST_POWER + 1):
        shift = 127 - ((k * 1741647) >> 19)  # 127 - floor(log2(10**k))
        if k >= 0:
            scaled = 10**k << shift if shift >= 0 else -((-(10**k)) >> -shift)
        else:
            scaled = -(-(1 << shift) // 10**-k)
        rows.append((scaled >> 64, scaled & (2**64 - 1)))
    return np.array(rows, np.uint64)


_POWERS = _powers()
_U0, _U1, _U2, _U4, _U10, _U40 = (np.uint64(n) for n in (0, 1, 2, 4, 10, 40))
_U63, _U52, _U48, _U100 = (np.uint64(n) for n in (63, 52, 48, 100))
_TENS = np.array([10**power for power in range(20)], np.uint64)
_SHORT_PLACES, _SHORT_TEN, _SHORT_BELOW = 4, 1e4, 1e11
_FRACTION, _EXPONENT, _HIDDEN = np.uint64(2**52 - 1), np.uint64(2047), np.uint64(2**52)


@intrinsic
def _upper_half(_typing: Any, _a: Any, _b: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def _float_of(_typing: Any, _bits: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), generate


float_of: Any = _float_of  #: the float64 with these bits (uint64)


upper_half: Any = _upper_half  #: the high 64 bits of the product of two uint64


@_inline
def _product(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(high, low) of the 128-bit product of two uint64."""
    return upper_half(a, b), a * b


@_inline
def _scaled(high: np.uint64, low: np.uint64, c: np.uint64) -> np.uint64:
    """The top 64 bits of (high, low) * c; the last bit is set where anything was cut off."""
    carry, _ = _product(low, c)
    top, rest = _product(high, c)
    rest = rest + carry
    if rest < carry:
        top = top + _U1
    return top | _U1 if rest > _U1 else top


@_jit
def shortest(bits: np.uint64) -> tuple[np.uint64, Any]:
    """(digits uint64, exponent of ten int64) of a positive finite float64 given as its bits: digits * 10**exponent."""
    fraction, exponent = bits & _FRACTION, np.int64((bits >> _U52) & _EXPONENT)
    if exponent:
        c, q = fraction | _HIDDEN, exponent - 1075
    else:
        c, q = fraction, np.int64(-1074)
    even = (c & _U1) == _U0
    closer = fraction == _U0 and exponent > 1  # the gap below a power of two is half as wide
    k = (q * 1262611 - (524031 if closer else 0)) >> 22
    h = np.uint64(q + ((-k * 1741647) >> 19) + 1)
    high, low = _POWERS[-k - _FIRST_POWER, 0], _POWERS[-k - _FIRST_POWER, 1]
    four = c * _U4
    below = _scaled(high, low, (four - (_U1 if closer else _U2)) << h)
    value = _scaled(high, low, four << h)
    above = _scaled(high, low, (four + _U2) << h)
    lower = below if even else below + _U1
    upper = above if even else above - _U1
    s = value // _U4
    if s >= _U10:
        tens = s // _U10
        under, over = lower <= _U40 * tens, _U40 * tens + _U40 <= upper
        if under != over:
            return (tens + _U1 if over else tens), k + 1
    under, over = lower <= _U4 * s, _U4 * s + _U4 <= upper
    if under != over:
        return (s + _U1 if over else s), k
    middle = _U4 * s + _U2
    if value > middle or (value == middle and (s & _U1) != _U0):
        return s + _U1, k
    return s, k


@intrinsic
def _copy_chunk(_typing: Any, _to: Any, _text: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        chunk = ir.VectorType(ir.IntType(8), CHUNK_BYTES)
        to, text = (builder.inttoptr(one, chunk.as_pointer()) for one in args)
        value = builder.load(text)
        value.align = 1
        builder.store(value, to, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


copy_chunk: Any = _copy_chunk  #: CHUNK_BYTES to an address from another


@_inline
def copy(to: int, text: int, size: int) -> None:
    """Copy `size` bytes between addresses in chunks: up to CHUNK_BYTES - 1 more are read and written."""
    for k in range(0, size, CHUNK_BYTES):
        copy_chunk(to + k, text + k)


@_inline
def write_digits(out: U8, at: int, number: np.uint64) -> int:
    """Write a uint64 in decimal; returns the index behind it."""
    count = 16 if number >= _TENS[15] else 1
    while count < 20 and number >= _TENS[count]:
        count += 1
    return write_padded(out, at, number, count)


@_inline
def write_padded(out: U8, at: int, number: np.uint64, count: int) -> int:
    """Write the last `count` digits of a uint64, zeros before it where it has less; returns the index behind it."""
    place = at + count
    while place >= at + 2:
        rest = number // _U100
        two = number - rest * _U100
        tens = two // _U10
        place -= 2
        out[place] = np.uint8(_U48 + tens)
        out[place + 1] = np.uint8(_U48 + (two - tens * _U10))
        number = rest
    if place > at:
        out[at] = np.uint8(_U48 + number % _U10)
    return at + count


@_inline
def write_decimal(out: U8, at: int, number: np.uint64, places: int) -> int:
    """Write number / 10**places (uint64, 1 <= places <= 19) with its point; returns the index behind it."""
    whole = number // _TENS[places]
    at = write_digits(out, at, whole)
    out[at] = 46
    return write_padded(out, at + 1, number - whole * _TENS[places], places)


@_inline
def write_int(out: U8, at: int, number: int) -> int:
    """Write an int64 in decimal (at most `INT_BYTES`); returns the index behind it."""
    if number < 0:
        out[at] = 45
        return write_digits(out, at + 1, ~np.uint64(number) + _U1)
    return write_digits(out, at, np.uint64(number))


@_inline
def write_float(out: U8, at: int, bits: np.uint64) -> int:
    """Write a finite float64, given as its bits, at most `FLOAT_BYTES`; returns the index behind it.

    Whole numbers below 1e16 have no point (line protocol reads them as floats all the same); below 1e-5 and from 1e16
    on the text has an exponent.
    """
    if bits >> _U63:
        out[at] = 45
        at += 1
        bits = bits & ~(_U1 << _U63)
    if bits == _U0:
        out[at] = 48
        return at + 1
    value = float_of(bits)
    if value < _SHORT_BELOW:
        # a decimal of up to 15 digits that reads back as the number is the only one, so it is the shortest
        nearest = np.rint(value * _SHORT_TEN)
        if nearest / _SHORT_TEN == value:
            short, places = np.uint64(nearest), _SHORT_PLACES
            while places > 0 and short % _U10 == _U0:
                short = short // _U10
                places -= 1
            return write_decimal(out, at, short, places) if places > 0 else write_digits(out, at, short)
    digits, power = shortest(bits)
    while digits % _U10 == _U0:
        digits = digits // _U10
        power += 1
    if -17 < power < 0 and digits >= _TENS[-power]:
        return write_decimal(out, at, digits, -power)
    end = write_digits(out, at, digits)
    count = end - at
    point: int = count + power  # digits before the point
    if 0 < point <= 16:
        for _ in range(power):
            out[end] = 48
            end += 1
        return end
    if -5 < point <= 0:
        shift = 2 - point
        for place in range(end - 1, at - 1, -1):
            out[place + shift] = out[place]
        out[at], out[at + 1] = 48, 46
        for place in range(at + 2, at + shift):
            out[place] = 48
        return end + shift
    if count > 1:
        for place in range(end, at + 1, -1):
            out[place] = out[place - 1]
        out[at + 1] = 46
        end += 1
    out[end] = 101
    return write_int(out, end + 1, point - 1)

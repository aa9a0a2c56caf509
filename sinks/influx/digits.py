"""Numbers as text inside a kernel: the shortest decimal that reads back as the same float64, as Python's repr gives it.

Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2021; layout of the tables after A. Bolz, Drachennest).
Rejected: a fixed number of decimals (loses small values) and trying 1 to 15 digits with repr for the rest: every mean
and standard deviation needs 16 or 17, so nearly half of the numbers would leave the kernel, at 10x the cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_jit = njit(nogil=True, cache=True, error_model="numpy")
_inline = njit(nogil=True, cache=True, error_model="numpy", inline="always")

FLOAT_BYTES = 25  # of the longest text: -1.2345678901234567e-308
INT_BYTES = 20
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
_U32, _U63, _U52, _U48 = (np.uint64(n) for n in (32, 63, 52, 48))
_LOW32 = np.uint64(0xFFFFFFFF)
_FRACTION, _EXPONENT, _HIDDEN = np.uint64(2**52 - 1), np.uint64(2047), np.uint64(2**52)


@_inline
def _product(a, b):  # type: ignore[no-untyped-def]  # numba infers the types of kernels
    """(high, low) of the 128-bit product of two uint64."""
    a_low, a_high = a & _LOW32, a >> _U32
    b_low, b_high = b & _LOW32, b >> _U32
    low = a_low * b_low
    middle = a_high * b_low + (low >> _U32)
    other = a_low * b_high + (middle & _LOW32)
    return a_high * b_high + (middle >> _U32) + (other >> _U32), a * b


@_inline
def _scaled(high, low, c):  # type: ignore[no-untyped-def]
    """The top 64 bits of (high, low) * c; the last bit is set where anything was cut off."""
    carry, _ = _product(low, c)
    top, rest = _product(high, c)
    rest = rest + carry
    if rest < carry:
        top = top + _U1
    return top | _U1 if rest > _U1 else top


@_jit
def shortest(bits):  # type: ignore[no-untyped-def]
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


@_jit
def write_digits(out, at, number):  # type: ignore[no-untyped-def]
    """Write a uint64 in decimal; returns the index behind it."""
    count, rest = 1, number // _U10
    while rest != _U0:
        count += 1
        rest = rest // _U10
    for place in range(at + count - 1, at - 1, -1):
        out[place] = np.uint8(_U48 + number % _U10)
        number = number // _U10
    return at + count


@_jit
def write_int(out, at, number):  # type: ignore[no-untyped-def]
    """Write an int64 in decimal (at most `INT_BYTES`); returns the index behind it."""
    if number < 0:
        out[at] = 45
        return write_digits(out, at + 1, ~np.uint64(number) + _U1)
    return write_digits(out, at, np.uint64(number))


@_jit
def write_float(out, at, bits):  # type: ignore[no-untyped-def]
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
    digits, power = shortest(bits)
    while digits % _U10 == _U0:
        digits = digits // _U10
        power += 1
    end = write_digits(out, at, digits)
    count = end - at
    point = count + power  # digits before the point
    if 0 < point <= 16:
        if power >= 0:
            for _ in range(power):
                out[end] = 48
                end += 1
            return end
        for place in range(end, at + point, -1):
            out[place] = out[place - 1]
        out[at + point] = 46
        return end + 1
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

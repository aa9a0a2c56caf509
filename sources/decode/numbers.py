"""Decimal text to float64 in a kernel, correctly rounded, or the word that it cannot tell.

Up to 2**53 and 10**22 one exact multiplication or division does (Clinger, PLDI 1990). Above that Eisel and Lemire's
product with a 128-bit power of five decides all but about 1 in 10**11 numbers of up to 19 digits (Lemire, "Number
parsing at a gigabyte per second", Software: Practice and Experience 51, 2021). Real sensors need it: a float64 printed
in full has 16 or 17 digits. Twin: Python's float() in tests/test_decode_numbers.py.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from sources.decode.memory import byte_at, word_at

ERROR, INTEGER, FRACTION, UNDECIDED = 0, 1, 2, 3  # what `number` found

_SMALLEST, _LARGEST = -342, 308
TEN = np.array([10.0**power for power in range(23)])
_MAX_DIGITS = 19  # of them always fit uint64


def _power_of_five(power: int) -> Any:
    """The leading 128 bits of 5**power; rounded up for negative powers, as the proof wants it."""
    if power >= 0:
        value = 5**power
        shift = value.bit_length() - 128
        return value >> shift if shift > 0 else value << -shift
    five = 5**-power
    z = (five - 1).bit_length()
    value = (1 << (z + 127 if power >= -27 else 2 * z + 128)) // five + 1
    return value >> max(0, value.bit_length() - 128)


_FIVE = np.array(
    [(_power_of_five(p) >> 64, _power_of_five(p) & (1 << 64) - 1) for p in range(_SMALLEST, _LARGEST + 1)], np.uint64
)
_U: Any = np.uint64  # kernels turn integers into these types; for mypy they stay integers
_S: Any = np.int64
_ALL = _U(0xFFFFFFFFFFFFFFFF)
_LOW32 = _U(0xFFFFFFFF)
ZEROS, OVER_9, HIGH_BITS = _U(0x3030303030303030), _U(0x4646464646464646), _U(0x8080808080808080)
_NIBBLES = _U(0x0F0F0F0F0F0F0F0F)
_U1, _U32, _U63 = _U(1), _U(32), _U(63)


@njit(nogil=True, cache=True, error_model="numpy")
def number(i: int) -> tuple[int, int, Any, Any]:  # noqa: C901 - one flat pass over the grammar
    """Read a JSON number at address i (a digit or '-'); a byte that is no part of a number must follow it.

    returns: (address after it, kind, integer, value). INTEGER: `integer` is exact up to 18 digits (else 2**62), value
             its float64; FRACTION: value; UNDECIDED: grammar is right, value is not known; ERROR: not a JSON number.
    """
    negative = byte_at(i) == 45
    if negative:
        i += 1
    mantissa, digits, tens = _U(0), 0, 0
    c = byte_at(i) - 48
    if c == 0:
        i += 1
        c = byte_at(i) - 48
        if 0 <= c <= 9:
            return i, ERROR, 0, 0.0
    elif 1 <= c <= 9:
        begun = i
        word = word_at(i)
        if ((word + OVER_9) | (word - ZEROS)) & HIGH_BITS == _U(0):
            mantissa = eight_digits(word)
            i += 8
            c = byte_at(i) - 48
        while 0 <= c <= 9:
            mantissa = mantissa * _U(10) + _U(c)
            i += 1
            c = byte_at(i) - 48
        digits = i - begun
    else:
        return i, ERROR, 0, 0.0
    kind = INTEGER
    if c == -2:  # '.'
        kind = FRACTION
        i += 1
        begun = i
        c = byte_at(i) - 48
        while 0 <= c <= 9:
            mantissa = mantissa * _U(10) + _U(c)
            if digits > 0 or c > 0:
                digits += 1
            i += 1
            c = byte_at(i) - 48
        tens = begun - i
        if tens == 0:
            return i, ERROR, 0, 0.0
    if c in (21, 53):  # 'E' or 'e'
        kind = FRACTION
        i += 1
        c = byte_at(i)
        down = c == 45
        if c == 43 or down:
            i += 1
        c = byte_at(i) - 48
        if not 0 <= c <= 9:
            return i, ERROR, 0, 0.0
        exponent = 0
        while 0 <= c <= 9:
            if exponent < 100_000_000:
                exponent = exponent * 10 + c
            i += 1
            c = byte_at(i) - 48
        tens += -exponent if down else exponent
    if digits > _MAX_DIGITS:
        return i, UNDECIDED, 0, 0.0
    if kind == INTEGER:
        whole = _S(mantissa) if digits <= 18 else _S(4611686018427387904)
        value: Any = np.float64(mantissa)
        if negative and mantissa != _U(0):  # -0 is the integer 0
            return i, kind, -whole, -value
        return i, kind, whole, value
    if mantissa <= _U(9007199254740992) and -22 <= tens <= 22:
        value = np.float64(mantissa)
        value = value / TEN[-tens] if tens < 0 else value * TEN[tens]
    else:
        value = eisel_lemire(mantissa, tens)
        if value < 0:
            return i, UNDECIDED, 0, 0.0
    return i, kind, 0, -value if negative else value


@njit(nogil=True, cache=True, error_model="numpy")
def eight_digits(word: Any) -> Any:
    """The number that the eight digits of a word write (uint64): twos, fours, eight."""
    word = (word & _NIBBLES) * _U(2561) >> _U(8)
    word = (word & _U(0x00FF00FF00FF00FF)) * _U(6553601) >> _U(16)
    return (word & _U(0x0000FFFF0000FFFF)) * _U(42949672960001) >> _U32


@njit(nogil=True, cache=True, error_model="numpy")
def eisel_lemire(mantissa: Any, tens: int) -> float:
    """The float64 nearest to mantissa * 10**tens (uint64, int64), inf above the range, -1 where it cannot tell."""
    if mantissa == _U(0):
        return 0.0
    if tens > _LARGEST:
        return np.inf
    if tens < _SMALLEST:
        return -1.0
    zeros = 0
    w = mantissa
    while (w >> _U63) == _U(0):
        w <<= _U1
        zeros += 1
    high, low = _product(w, _FIVE[tens - _SMALLEST, 0])
    if (high & _U(0x1FF)) == _U(0x1FF):
        more, _ = _product(w, _FIVE[tens - _SMALLEST, 1])
        low += more
        if low < more:
            high += _U1
    if low == _ALL and not -27 <= tens <= 55:
        return -1.0
    upper = high >> _U63
    shift = upper + _U(9)
    bits = high >> shift
    power = ((217706 * tens) >> 16) + 63 + _S(upper) - zeros + 1023
    if power <= 0:  # subnormal: left to the slow path
        return -1.0
    if low <= _U1 and -4 <= tens <= 23 and (bits & _U(3)) == _U1 and (bits << shift) == high:
        bits &= ~_U1  # exactly half way: to even
    bits += bits & _U1
    bits >>= _U1
    if bits >= _U(1 << 53):
        bits >>= _U1
        power += 1
    if power >= 2047:
        return np.inf
    return math.ldexp(np.float64(bits), power - 1075)


@njit(nogil=True, cache=True, error_model="numpy")
def _product(x: Any, y: Any) -> tuple[Any, Any]:
    """(high, low) 64 bits of the product of two uint64."""
    x0, x1, y0, y1 = x & _LOW32, x >> _U32, y & _LOW32, y >> _U32
    low = x0 * y0
    middle = x1 * y0 + (low >> _U32)
    other = x0 * y1 + (middle & _LOW32)
    return x1 * y1 + (middle >> _U32) + (other >> _U32), x * y

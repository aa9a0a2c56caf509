"""Texts and numbers of well-formed rows, many bytes at a time: the parts of the template path.

Each gives what the general path (`text`, `numbers`) gives for the same bytes, or says that it does not know.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sources.decode.layout import offsets_of
from sources.decode.memory import (
    NUMBER_BYTES,
    VECTOR_BYTES,
    byte_at,
    float64_at,
    int64_at,
    low_bit,
    low_byte,
    not_digits,
    put_float64,
    put_int64,
    string_end,
    word_at,
)  # fmt: skip
from sources.decode.numbers import HIGH_BITS, OVER_9, TEN, ZEROS, eight_digits, eisel_lemire
from sources.decode.stamps import END_MS, FIRST_MS

_inline = njit(nogil=True, cache=True, error_model="numpy", inline="always")  # a call costs as much as what they do
_U: Any = np.uint64  # kernels turn integers into these types; for mypy they stay integers
_S: Any = np.int64
_U0, _U1, _U8 = _U(0), _U(1), _U(8)
_LAST_5 = _U(0x0F0F0F0F0F000000)
_ALL, _NIBBLES = _U(0xFFFFFFFFFFFFFFFF), _U(0x0F0F0F0F0F0F0F0F)
_EXACT = _U(9007199254740992)  # 2**53

# what a step of a template keeps of the last rows, only to be quicker with the next; `NO_MEMO` nothing yet
MEMO = np.dtype([
    ("word", "u8"), ("mask", "u8"), ("size", "i8"), ("number", "i8"),
    ("point", "i8"), ("not_first", "i8"), ("places", "u8"), ("whole", "u8"), ("ten", "f8"),  # of a decimal's shape
])  # fmt: skip
NO_MEMO = np.array([(0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, -1, *(6 * [0]))], MEMO)  # what no digit is like
M_WORD, M_MASK, M_SIZE, M_NUMBER, M_POINT, M_NOT_FIRST, M_PLACES, M_WHOLE, M_TEN = offsets_of(MEMO)
_TENS = np.array([10**power for power in range(20)], np.uint64)
_MOST_DIGITS = 18


@_inline
def string_stop(i: int, stop: int) -> Any:
    """Address of the first quote, backslash or control at or after i.

    stop: address behind the last byte that may be read. Bytes above 127 are not looked at.
    """
    while i + VECTOR_BYTES <= stop:
        step = string_end(i)
        i += step
        if step < VECTOR_BYTES:
            return i
    c = byte_at(i)
    while c >= 32 and c not in (34, 92):
        i += 1
        c = byte_at(i)
    return i


@_inline
def digits(i: int) -> tuple[Any, Any]:
    """(number uint64, count) of the digits from address i on; above 19 digits the number has no meaning."""
    number, count = _U0, 0
    while True:
        word = word_at(i + count)
        others = ((word + OVER_9) | (word - ZEROS)) & HIGH_BITS
        if others == _U0:
            number = number * _TENS[8] + eight_digits(word)
            count += 8
            continue
        more = low_byte(others)
        word = (word << _U(8 * (7 - more))) << _U8  # the digits as the last of eight, whose first are 0
        return number * _TENS[more] + eight_digits(word), count + more


@_inline
def milliseconds(i: int, memo: int) -> Any:
    """The number of 13 digits at address i as a stamp in ms, in the years 1971 to 2200; else -1. Reads 13 bytes.

    memo: address of `MEMO`; the first eight digits are the same for 100 s.
    """
    high, low = word_at(i), word_at(i + 5)
    others = ((low + OVER_9) | (low - ZEROS)) & HIGH_BITS
    if others != _U0:
        return -1
    rest = _S(eight_digits(low & _LAST_5))
    if high == word_at(memo + M_WORD):
        return int64_at(memo + M_NUMBER) + rest
    if ((high + OVER_9) | (high - ZEROS)) & HIGH_BITS != _U0 or byte_at(i) == 48:
        return -1
    ms = _S(eight_digits(high)) * 100_000
    if not FIRST_MS <= ms < END_MS:
        return -1
    put_int64(memo + M_WORD, _S(high))
    put_int64(memo + M_NUMBER, ms)
    return ms + rest


@_inline
def code(i: int, memo: int) -> tuple[Any, Any]:
    """(size, number) of a whole number without sign of at most 18 digits; (-1, 0) for anything else.

    memo: address of `MEMO`; a code is mostly the one before it.
    """
    word = word_at(i)
    if (word ^ word_at(memo + M_WORD)) & word_at(memo + M_MASK) == _U0:
        return int64_at(memo + M_SIZE), int64_at(memo + M_NUMBER)
    number, count = digits(i)
    if count == 0 or count > _MOST_DIGITS or (count > 1 and byte_at(i) == 48):
        return -1, 0
    if count < 8:
        put_int64(memo + M_WORD, _S(word))
        put_int64(memo + M_MASK, _S(_ALL >> _U(56 - 8 * count)))
        put_int64(memo + M_SIZE, count)
        put_int64(memo + M_NUMBER, _S(number))
    return count, _S(number)


@_inline
def decimal(i: int, stop: int, memo: int) -> tuple[Any, Any]:
    """(address behind it, float64) of a number without exponent, of at most 18 digits; (-1, 0.0) for anything else.

    memo: address of `MEMO`; most numbers of a log have the shape of the one before them. At least 8 bytes that may be
    read stand before the number.
    """
    negative = byte_at(i) == 45
    if negative:
        i += 1
    others = not_digits(i) if i + NUMBER_BYTES <= stop else _not_digits_before(i, stop)
    if (
        others & word_at(memo + M_MASK) == word_at(memo + M_WORD)
        and byte_at(i + int64_at(memo + M_POINT)) == 46
        and byte_at(i) != int64_at(memo + M_NOT_FIRST)
    ):
        i += int64_at(memo + M_SIZE)
        word = word_at(i - 8)
        word = (word & word_at(memo + M_PLACES)) | ((word & word_at(memo + M_WHOLE)) << _U8)
        value: Any = np.float64(eight_digits(word)) / float64_at(memo + M_TEN)
    else:
        i, value = any_decimal(i, others, memo)
    return i, -value if negative else value


@njit(nogil=True, cache=True, error_model="numpy")
def any_decimal(i: int, others: Any, memo: int) -> tuple[Any, Any]:
    """`decimal` without the sign, of any shape. others: as `not_digits` gives them."""
    count = low_bit(others)
    if count == 0 or count > _MOST_DIGITS or (count > 1 and byte_at(i) == 48):
        return -1, 0.0
    mantissa, _ = digits(i)
    if byte_at(i + count) != 46:
        if mantissa == _U0 and byte_at(i - 1) == 45:  # -0 is the integer 0
            return -1, 0.0
        return i + count, np.float64(mantissa)
    places = low_bit(others & (others - _U1)) - count - 1
    if places <= 0 or count + places > _MOST_DIGITS:
        return -1, 0.0
    fraction, _ = digits(i + count + 1)
    mantissa = mantissa * _TENS[places] + fraction
    if mantissa <= _EXACT:
        value = np.float64(mantissa) / TEN[places]
    else:
        value = eisel_lemire(mantissa, -places)
        if value < 0:
            return -1, 0.0
    size = count + 1 + places
    if size <= 8:
        _remember(memo, count, places)
    return i + size, value


@njit(nogil=True, cache=True, error_model="numpy")
def _not_digits_before(i: int, stop: int) -> Any:
    """`not_digits` of the last bytes that may be read."""
    others = _U0
    for k in range(stop - i):
        if not 48 <= byte_at(i + k) <= 57:
            others |= _U1 << _U(k)
    return others


@_inline
def _remember(memo: int, count: int, places: int) -> None:
    """Take up the shape of a number of at most 8 characters when it is that of the last one that was not expected."""
    size = count + 1 + places
    if int64_at(memo + M_NUMBER) != size * 8 + count:
        put_int64(memo + M_NUMBER, size * 8 + count)
        return
    put_int64(memo + M_MASK, (2 << size) - 1)
    put_int64(memo + M_WORD, (1 << size) | (1 << count))
    put_int64(memo + M_SIZE, size)
    put_int64(memo + M_POINT, count)
    put_int64(memo + M_NOT_FIRST, 48 if count > 1 else -1)
    put_int64(memo + M_PLACES, _S(~(_ALL >> _U(8 * places)) & _NIBBLES))
    put_int64(memo + M_WHOLE, _S((_ALL >> _U(8 * places + 8)) & ~(_ALL >> _U(8 * size - 8) >> _U8) & _NIBBLES))
    put_float64(memo + M_TEN, TEN[places])

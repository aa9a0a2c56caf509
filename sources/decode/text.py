"""JSON text in a kernel: whitespace, strings, literals, and values that are only checked and skipped.

A position is an address. A byte 0 follows each message: no JSON goes over it, so no position is compared with an end.
A position of -1 means: not JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from sources.decode.memory import byte_at, low_byte, word_at
from sources.decode.numbers import ERROR, number

MAX_DEPTH = 32  # arrays and objects inside each other; more is no message of a machine
_U = np.uint64
_ONES, _HIGH_BITS = _U(0x0101010101010101), _U(0x8080808080808080)
_QUOTES, _BACKSLASHES, _BLANKS = _U(0x2222222222222222), _U(0x5C5C5C5C5C5C5C5C), _U(0x2020202020202020)
_PLAIN, _QUOTE, _BACKSLASH, _CONTROL, _HIGH = 0, 1, 2, 3, 4
_CLASS = np.zeros(256, np.uint8)
_CLASS[34], _CLASS[92], _CLASS[:32], _CLASS[128:] = _QUOTE, _BACKSLASH, _CONTROL, _HIGH


@njit(nogil=True, cache=True, error_model="numpy")
def blank(i: int, lines: bool) -> int:
    """The next byte at or after i that is no whitespace; with `lines` a line feed is none."""
    c = byte_at(i)
    while c in (32, 9, 13) or (c == 10 and not lines):
        i += 1
        c = byte_at(i)
    return i


@njit(nogil=True, cache=True, error_model="numpy")
def string(i: int) -> tuple[int, bool]:
    """(address of the closing quote, has escapes) of the string whose first character is at i; checks UTF-8."""
    escapes = False
    while True:
        i = _plain(i)
        what = _CLASS[np.uint8(byte_at(i))]
        if what == _PLAIN:
            i += 1
        elif what == _QUOTE:
            return i, escapes
        elif what == _BACKSLASH:
            escapes = True
            i = _escape(i + 1)
            if i < 0:
                return -1, escapes
        elif what == _HIGH:
            i = _utf8(i)
            if i < 0:
                return -1, escapes
        else:
            return -1, escapes


@njit(nogil=True, cache=True, error_model="numpy")
def _plain(i: int) -> Any:
    """Address of the first byte at or after i that is more than a plain character of a string.

    Eight at a time, which saves a third of the parse: a zero byte in `word ^ quotes` borrows from the byte above, so
    its high bit shows. Above the first hit there may be false ones, which do not matter.
    """
    while True:
        word = word_at(i)
        quotes, backslashes = word ^ _QUOTES, word ^ _BACKSLASHES
        hits = (quotes - _ONES) & ~quotes | (backslashes - _ONES) & ~backslashes | (word - _BLANKS) & ~word | word
        hits &= _HIGH_BITS
        if hits != _U(0):
            return i + low_byte(hits)
        i += 8


@njit(nogil=True, cache=True, error_model="numpy")
def _escape(i: int) -> int:
    """Address after the escape whose letter is at i."""
    c = byte_at(i)
    if c == 117:  # uXXXX
        for k in range(1, 5):
            h = byte_at(i + k)
            if not (48 <= h <= 57 or 65 <= h <= 70 or 97 <= h <= 102):
                return -1
        return i + 5
    if c in (34, 92, 47, 98, 102, 110, 114, 116):
        return i + 1
    return -1


@njit(nogil=True, cache=True, error_model="numpy")
def _utf8(i: int) -> int:
    """Address after the character of several bytes at i; no overlong forms, no surrogates (RFC 3629)."""
    c, low, high = byte_at(i), 0x80, 0xBF
    if 0xC2 <= c <= 0xDF:
        more = 1
    elif 0xE0 <= c <= 0xEF:
        more = 2
        if c == 0xE0:
            low = 0xA0
        elif c == 0xED:
            high = 0x9F
    elif 0xF0 <= c <= 0xF4:
        more = 3
        if c == 0xF0:
            low = 0x90
        elif c == 0xF4:
            high = 0x8F
    else:
        return -1
    for k in range(1, more + 1):
        if not low <= byte_at(i + k) <= high:
            return -1
        low, high = 0x80, 0xBF
    return i + more + 1


@njit(nogil=True, cache=True, error_model="numpy")
def literal(i: int) -> int:
    """Address after true, false or null at i."""
    c = byte_at(i)
    if c == 116:
        ok = byte_at(i + 1) == 114 and byte_at(i + 2) == 117 and byte_at(i + 3) == 101
        return i + 4 if ok else -1
    if c == 102:
        if byte_at(i + 1) != 97 or byte_at(i + 2) != 108 or byte_at(i + 3) != 115:
            return -1
        return i + 5 if byte_at(i + 4) == 101 else -1
    if c == 110:
        ok = byte_at(i + 1) == 117 and byte_at(i + 2) == 108 and byte_at(i + 3) == 108
        return i + 4 if ok else -1
    return -1


@njit(nogil=True, cache=True, error_model="numpy")
def skip(i: int, lines: bool, depth: int) -> int:  # noqa: C901 - the grammar, without recursion
    """Address after the JSON value at i, checked to the last byte.

    depth: arrays and objects that are open around it. Cost: one pass, the nesting is a bit each in one integer.
    """
    outside, inside_object = depth, _U(0)
    while True:
        c = byte_at(i)
        closed = False
        if c in (123, 91):  # { [
            depth += 1
            if depth > MAX_DEPTH:
                return -1
            inside_object = (inside_object << _U(1)) | (_U(1) if c == 123 else _U(0))
            i = blank(i + 1, lines)
            if byte_at(i) == c + 2:  # } ]
                closed = True
            elif c == 91:
                continue
            else:
                i = _key(i, lines)
                if i < 0:
                    return -1
                continue
        elif c == 34:
            i, _ = string(i + 1)
            if i < 0:
                return -1
            i += 1
        elif c == 45 or 48 <= c <= 57:
            i, kind, _, _ = number(i)
            if kind == ERROR:
                return -1
        else:
            i = literal(i)
            if i < 0:
                return -1
        while True:  # after a value: close what ends here, or go to the next member
            if closed:
                i += 1
                depth -= 1
                inside_object >>= _U(1)
            if depth == outside:
                return i
            i = blank(i, lines)
            c = byte_at(i)
            in_object = (inside_object & _U(1)) == _U(1)
            if c == 44:
                i = blank(i + 1, lines)
                if in_object:
                    i = _key(i, lines)
                    if i < 0:
                        return -1
                break
            closed = c == (125 if in_object else 93)
            if not closed:
                return -1


@njit(nogil=True, cache=True, error_model="numpy")
def _key(i: int, lines: bool) -> int:
    """Address of the value after the key at i and its colon."""
    if byte_at(i) != 34:
        return -1
    i, _ = string(i + 1)
    if i < 0:
        return -1
    i = blank(i + 1, lines)
    return blank(i + 1, lines) if byte_at(i) == 58 else -1

"""The declared series once more, packed for the template path: a row's series costs two or three cache lines.

A slot is 8 bytes, most of a hash and the place behind it, so that a wrong entry is nearly never touched. An entry holds
everything that a good row of its series is compared with, texts included. The bytes of asset, tag and unit are
compared, so no collision can lie. Series whose texts are long, or are written with escapes in JSON, are not in it:
their rows take the general path.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from sources.decode.layout import offsets_of
from sources.decode.memory import (
    address,
    byte_at,
    float64_at,
    int32_at,
    int64_at,
    put_float64,
    put_int64,
    word_at,
)  # fmt: skip
from sources.decode.table import (
    ASSET,
    ASSET_SIZE,
    HIGH,
    KIND,
    LOW,
    TAG,
    TAG_SIZE,
    UNIT,
    UNIT_SIZE,
    Addresses,
    entry,
)  # fmt: skip

TEXT_BYTES = 96  # for asset and tag, each filled up to whole words
UNIT_BYTES = 7
_ENTRY = np.dtype([
    ("low", "f8"), ("high", "f8"),
    ("unit", "u8"),  # its bytes, and their number in the highest
    ("sizes", "u8"),  # of asset, and of tag from bit 32 on; the kind from bit 56 on
    ("text", f"V{TEXT_BYTES}"),
])  # fmt: skip
ENTRY_BYTES = _ENTRY.itemsize
FAST_LOW, FAST_HIGH, FAST_UNIT, _SIZES, _TEXT = offsets_of(_ENTRY)
_LINE_BYTES = 64

_U: Any = np.uint64  # kernels turn integers into these types; for mypy they stay integers
_S: Any = np.int64
_MIX, _SEED = _U(0xFF51AFD7ED558CCD), _U(0x9E3779B97F4A7C15)
_U0, _U1, _U29, _U32, _U56 = _U(0), _U(1), _U(29), _U(32), _U(56)
_PLACE, _HASH, _BOTH_SIZES = _U(0xFFFFFFFF), _U(0xFFFFFFFF00000000), _U(0x00FFFFFFFFFFFFFF)


class Slots(NamedTuple):
    """The lookup as a kernel sees it. slots: uint64, mask + 1 of them; 0 empty, else half a hash and place + 1."""

    slots: int
    mask: int
    entries: int


class Lookup:
    """Holds what `find_fast` addresses. Made once from the table of the configuration, so that no message can fill it.

    Memory: 128 bytes a series, and 20 to 40 for slots.
    """

    def __init__(self, table: Addresses) -> None:
        slots = np.zeros(1 << max(4, (3 * table.series).bit_length()), np.uint64)
        memory = np.zeros(table.series * ENTRY_BYTES + _LINE_BYTES, np.uint8)
        self._kept = (slots, memory)
        self.addresses = Slots(address(slots), len(slots) - 1, -(-address(memory) // _LINE_BYTES) * _LINE_BYTES)
        _fill(table, self.addresses)


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(table: Addresses, lookup: Slots) -> None:
    for place in range(table.series):
        one, fast = entry(table, place), lookup.entries + place * ENTRY_BYTES
        asset, asset_size = int64_at(one + ASSET), int32_at(one + ASSET_SIZE)
        tag, tag_size = int64_at(one + TAG), int32_at(one + TAG_SIZE)
        unit, unit_size = int64_at(one + UNIT), int32_at(one + UNIT_SIZE)
        if (asset_size + 7) // 8 * 8 + (tag_size + 7) // 8 * 8 > TEXT_BYTES or unit_size > UNIT_BYTES:
            continue
        if not (_plain(asset, asset_size) and _plain(tag, tag_size) and _plain(unit, unit_size)):
            continue
        put_float64(fast + FAST_LOW, float64_at(one + LOW))
        put_float64(fast + FAST_HIGH, float64_at(one + HIGH))
        put_int64(fast + FAST_UNIT, _S(unit_word(unit, unit_size)))
        put_int64(fast + _SIZES, asset_size | tag_size << 32 | int32_at(one + KIND) << 56)
        _copy(fast + _TEXT, asset, asset_size)
        _copy(fast + _TEXT + (asset_size + 7) // 8 * 8, tag, tag_size)
        h = hash_of(asset, asset_size, tag, tag_size)
        slot = _S(h) & lookup.mask
        while word_at(lookup.slots + 8 * slot) != _U0:
            slot = (slot + 1) & lookup.mask
        put_int64(lookup.slots + 8 * slot, _S((h & _HASH) | _U(place + 1)))


@njit(nogil=True, cache=True, error_model="numpy")
def _plain(text: int, size: int) -> Any:
    """Whether JSON writes a text as it is."""
    for k in range(size):
        c = byte_at(text + k)
        if c < 32 or c in (34, 92):
            return False
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _copy(out: int, text: int, size: int) -> None:
    """Whole words, zeros behind the text."""
    for k in range(0, size - 7, 8):
        put_int64(out + k, int64_at(text + k))
    if size % 8:
        put_int64(out + size // 8 * 8, _S(last_word(text + size // 8 * 8, size % 8)))


@njit(nogil=True, cache=True, error_model="numpy")
def last_word(text: int, size: int) -> Any:
    """The first 1 to 8 bytes at an address, zeros behind them; reads 8."""
    return word_at(text) & (_U(0xFFFFFFFFFFFFFFFF) >> _U(64 - 8 * size))


@njit(nogil=True, cache=True, error_model="numpy")
def unit_word(unit: int, size: int) -> Any:
    """A unit of up to UNIT_BYTES as one word that no other unit has."""
    return (last_word(unit, size) if size > 0 else _U0) | _U(size) << _U56


@njit(nogil=True, cache=True, error_model="numpy")
def hash_of(asset: int, asset_size: int, tag: int, tag_size: int) -> Any:
    """Hash of two texts (uint64)."""
    h = _mixed(_mixed(_SEED, asset, asset_size), tag, tag_size)
    return h ^ (h >> _U29)


@njit(nogil=True, cache=True, error_model="numpy")
def _mixed(h: Any, text: int, size: int) -> Any:
    stop = text + size
    while text + 8 < stop:
        h = (h ^ word_at(text)) * _MIX
        h ^= h >> _U32
        text += 8
    if text < stop:
        h = (h ^ last_word(text, stop - text)) * _MIX
        h ^= h >> _U32
    return (h ^ _U(size)) * _MIX


@njit(nogil=True, cache=True, error_model="numpy")
def candidate(lookup: Slots, h: Any) -> Any:
    """The place whose hash this may be; -1 when none is. Of two places with one hash it knows the first.

    The first two slots are looked at together: which of them it is, the processor cannot guess.
    """
    slot = _S(h) & lookup.mask
    first, second = word_at(lookup.slots + 8 * slot), word_at(lookup.slots + 8 * ((slot + 1) & lookup.mask))
    word = first if (first ^ h) >> _U32 == _U0 else second
    if (word ^ h) >> _U32 == _U0:
        return _S(word & _PLACE) - 1
    slot = (slot + 2) & lookup.mask
    while first != _U0 and second != _U0:  # noqa: PLR1714 - a kernel compares twice, it makes no tuple
        first = word_at(lookup.slots + 8 * slot)
        if (first ^ h) >> _U32 == _U0:
            return _S(first & _PLACE) - 1
        slot = (slot + 1) & lookup.mask
    return -1


@njit(nogil=True, cache=True, error_model="numpy")
def kind_if_same(one: int, asset: int, asset_size: int, tag: int, tag_size: int) -> Any:
    """The kind of the series of an entry if it has this asset and tag, else -1."""
    if asset_size > TEXT_BYTES or tag_size > TEXT_BYTES:
        return -1
    sizes = word_at(one + _SIZES)
    if sizes & _BOTH_SIZES != _U(asset_size | tag_size << 32):
        return -1
    text = one + _TEXT
    if not _same(text, asset, asset_size) or not _same(text + (asset_size + 7) // 8 * 8, tag, tag_size):
        return -1
    return _S(sizes >> _U56)


@njit(nogil=True, cache=True, error_model="numpy")
def _same(kept: int, text: int, size: int) -> Any:
    """Whether `size` bytes are equal; zeros fill up the last word of `kept`."""
    stop = text + size
    while text + 8 < stop:
        if word_at(kept) != word_at(text):
            return False
        kept += 8
        text += 8
    return text == stop or word_at(kept) == last_word(text, stop - text)

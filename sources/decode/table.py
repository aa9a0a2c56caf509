"""What the kernels must know of the declared series: look-up by asset and tag, unit, kind, range, states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from andon.plant import SeriesSpec
from sources.decode.layout import offsets_of
from sources.decode.memory import address, int32_at, int64_at, put_int32, text_buffer, word_at

NUMBER, BOOLEAN, STATE, WAVEFORM = 0, 1, 2, 3
_KINDS = {"number": NUMBER, "counter": NUMBER, "boolean": BOOLEAN, "state": STATE, "waveform": WAVEFORM}

# 64 bytes a series, one cache line of what a row of it needs
_ENTRY = np.dtype([
    ("asset", "i8"), ("tag", "i8"), ("unit", "i8"),  # addresses of their text
    ("low", "f8"), ("high", "f8"),
    ("asset_size", "i4"), ("tag_size", "i4"), ("unit_size", "i4"), ("kind", "i4"),
    ("state_first", "i4"), ("state_count", "i4"),  # its states' entries
])  # fmt: skip
_NAME = np.dtype([("text", "i8"), ("size", "i4"), ("unused", "i4")])
(ASSET, TAG, UNIT, LOW, HIGH, ASSET_SIZE, TAG_SIZE, UNIT_SIZE, KIND, _STATE_FIRST, STATE_COUNT) = offsets_of(_ENTRY)

_U: Any = np.uint64  # kernels turn integers into these types; for mypy they stay integers
_S: Any = np.int64
_MIX = _U(0xFF51AFD7ED558CCD)
_SEED = _U(0x9E3779B97F4A7C15)
_BYTE = 8
_U29, _U32 = _U(29), _U(32)


class Addresses(NamedTuple):
    """The table as a kernel sees it.

    slots: int32, open addressing, slots_mask + 1 of them, at least twice the entries, -1 empty. Made once from the
    configuration, so that no message can fill it. Entries from `series` on are the assets, with an empty tag; from
    `foreign` on those of other shards.
    """

    slots: int
    slots_mask: int
    entries: int
    states: int
    series: int
    foreign: int


class SeriesTable:
    """The declared series of a shard by place, behind them its assets (for events), then the assets of other shards.

    Holds what kernels address.
    """

    def __init__(self, declared: Sequence[SeriesSpec], own: Sequence[str], foreign: Sequence[str]) -> None:
        assets = [*own, *foreign]
        self._texts: dict[str, np.ndarray[tuple[int], np.dtype[np.uint8]]] = {}
        entries = np.zeros(len(declared) + len(assets) + 1, _ENTRY)
        states = np.zeros(sum(len(spec.states) for spec in declared) + 1, _NAME)
        first = 0
        for place, spec in enumerate(declared):
            entries[place] = (
                *(self._text(text) for text in (spec.asset, spec.tag, spec.unit)), spec.low, spec.high,
                *(len(text.encode()) for text in (spec.asset, spec.tag, spec.unit)), _KINDS[spec.kind],
                first, len(spec.states),
            )  # fmt: skip
            for number, state in enumerate(spec.states):
                states[first + number] = (self._text(state), len(state.encode()), 0)
            first += len(spec.states)
        for place, asset in enumerate(assets, len(declared)):
            entries["asset"][place], entries["tag"][place] = self._text(asset), self._text("")
            entries["asset_size"][place] = len(asset.encode())
        slots = np.full(1 << max(4, (4 * len(entries)).bit_length()), -1, np.int32)
        self._kept = (entries, states, slots)
        self.addresses = Addresses(
            address(slots), len(slots) - 1, address(entries), address(states), len(declared), len(declared) + len(own)
        )
        _fill(self.addresses, len(declared) + len(assets))

    def _text(self, text: str) -> int:
        if text not in self._texts:
            self._texts[text] = text_buffer(text.encode())
        return address(self._texts[text])


@njit(nogil=True, cache=True, error_model="numpy")
def entry(table: Addresses, place: int) -> int:
    """Address of a place's entry."""
    return table.entries + place * 64


@njit(nogil=True, cache=True, error_model="numpy")
def _fill(table: Addresses, count: int) -> None:
    for place in range(count):
        one = entry(table, place)
        slot = _hash(int64_at(one + ASSET), int32_at(one + ASSET_SIZE), int64_at(one + TAG), int32_at(one + TAG_SIZE))
        slot &= table.slots_mask
        while int32_at(table.slots + 4 * slot) >= 0:
            slot = (slot + 1) & table.slots_mask
        put_int32(table.slots + 4 * slot, place)


@njit(nogil=True, cache=True, error_model="numpy")
def find(table: Addresses, asset: int, asset_size: int, tag: int, tag_size: int) -> Any:
    """Place of the asset and tag at these addresses, bytes compared; -1 when they are not in the table."""
    slot = _hash(asset, asset_size, tag, tag_size) & table.slots_mask
    while True:
        place = int32_at(table.slots + 4 * slot)
        if place < 0:
            return -1
        one = entry(table, place)
        if (
            int32_at(one + ASSET_SIZE) == asset_size
            and int32_at(one + TAG_SIZE) == tag_size
            and _same(int64_at(one + ASSET), asset, asset_size)
            and _same(int64_at(one + TAG), tag, tag_size)
        ):
            return place
        slot = (slot + 1) & table.slots_mask


@njit(nogil=True, cache=True, error_model="numpy")
def is_unit(table: Addresses, place: int, text: int, size: int) -> Any:
    """Whether the text is the unit of a place."""
    one = entry(table, place)
    return int32_at(one + UNIT_SIZE) == size and _same(int64_at(one + UNIT), text, size)


@njit(nogil=True, cache=True, error_model="numpy")
def state_number(table: Addresses, place: int, text: int, size: int) -> int:
    """Index of a state's name in its series, -1 if it has no such state."""
    one = entry(table, place)
    name = table.states + 16 * int32_at(one + _STATE_FIRST)
    for k in range(int32_at(one + STATE_COUNT)):
        if int32_at(name + 8) == size and _same(int64_at(name), text, size):
            return k
        name += 16
    return -1


@njit(nogil=True, cache=True, error_model="numpy")
def _same(left: int, right: int, size: int) -> Any:
    """Whether size bytes are equal; reads whole words, which the padding of both texts allows."""
    stop = left + size
    while left + _BYTE <= stop:
        if word_at(left) != word_at(right):
            return False
        left += _BYTE
        right += _BYTE
    if left == stop:
        return True
    return ((word_at(left) ^ word_at(right)) << _U(8 * (_BYTE - (stop - left)))) == _U(0)


@njit(nogil=True, cache=True, error_model="numpy")
def _hash(asset: int, asset_size: int, tag: int, tag_size: int) -> Any:
    h = _mixed(_mixed(_SEED, asset, asset_size), tag, tag_size)
    return _S((h ^ (h >> _U32)) & _U(0x7FFFFFFF))


@njit(nogil=True, cache=True, error_model="numpy")
def _mixed(h: Any, text: int, size: int) -> Any:
    stop = text + size
    while text + _BYTE <= stop:
        h = (h ^ word_at(text)) * _MIX
        h ^= h >> _U29
        text += _BYTE
    if text < stop:
        h = (h ^ (word_at(text) << _U(8 * (_BYTE - (stop - text))))) * _MIX
        h ^= h >> _U29
    return (h ^ _U(size)) * _MIX

"""The births of a shard as the kernel looks metrics up in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from andon.readings import I32, I64, U8, Reason
from andon.units import Conversion
from sources.decode.layout import OK
from sources.decode.memory import address
from sources.decode.sparkplug_births import Stream, definitions
from sources.decode.sparkplug_names import Meant, MetricNames
from sources.decode.sparkplug_settle import Tables, fill

_MOST_TYPE = 255  # as datatype: any that is none of ours


class _Birth(NamedTuple):
    packed: bytes
    meant: list[Meant]
    alias: I64
    has_alias: U8
    datatype: U8
    names: list[bytes]


class BirthTables:
    """Births by number; a stream keeps its number, whatever it is born with. Tables are made when they are asked for.

    Cost: a loop in Python over the metrics of a birth that is new, and one copy of all births.
    """

    def __init__(self, names: MetricNames) -> None:
        self._names = names
        self._numbers: dict[Stream, int] = {}
        self._births: list[_Birth] = []
        self._tables: Tables | None = None
        self._first: list[int] = []  # entry of each birth
        self._changes: dict[int, Conversion] = {}

    def number_of(self, stream: Stream) -> int | None:
        """The number of a stream that was born at any time."""
        return self._numbers.get(stream)

    def packed(self, number: int) -> bytes:
        """The definitions a birth came with."""
        return self._births[number].packed

    def add(self, stream: Stream, packed: bytes) -> int:
        """Take up a birth; returns its number."""
        birth = self._read(stream, packed)
        number = self._numbers.setdefault(stream, len(self._births))
        if number < len(self._births):
            self._births[number] = birth
        else:
            self._births.append(birth)
        self._tables = None
        return number

    def places(self, number: int) -> I32:
        """Places of all series of a birth, each once."""
        places = [one.place for one in self._births[number].meant if one.place >= 0 and one.verdict == OK]
        return np.array(list(dict.fromkeys(places)), np.int32)

    def meant(self, number: int, entry: int) -> Meant:
        """What an entry of the tables, which is of this birth, stands for."""
        return self._births[number].meant[entry - self._first[number]]

    def changes(self) -> Mapping[int, Conversion]:
        """By entry of the tables that were asked for: into the unit of its series, where it came in another."""
        return self._changes

    def _read(self, stream: Stream, packed: bytes) -> _Birth:
        metrics = definitions(packed)
        meant, taken = [], set()
        for one in (self._names.meant(stream, metric) for metric in metrics):
            twice = one.place >= 0 and one.place in taken
            taken.add(one.place)
            meant.append(Meant(one.asset, one.tag, -1, Reason.unknown_series) if twice else one)
        alias = np.array([metric.alias or 0 for metric in metrics], np.uint64).view(np.int64)
        has_alias = np.array([metric.alias is not None for metric in metrics], np.uint8)
        datatype = np.array([min(metric.datatype, _MOST_TYPE) for metric in metrics], np.uint8)
        return _Birth(packed, meant, alias, has_alias, datatype, [metric.name.encode() for metric in metrics])

    def tables(self) -> Tables:
        """All births, for the kernel; the same object until one changes."""
        if self._tables is None:
            self._tables = _tables(self._births)
            meant = [one for birth in self._births for one in birth.meant]
            self._changes = {entry: one.change for entry, one in enumerate(meant) if one.change is not None}
            self._first = np.cumsum([0, *(len(birth.meant) for birth in self._births)]).tolist()
        return self._tables


def _tables(births: Sequence[_Birth]) -> Tables:
    sizes = np.array([len(birth.meant) for birth in births], np.int64)
    slots = np.array([1 << max(2, (2 * int(size)).bit_length()) for size in sizes], np.int64)
    meant = [one for birth in births for one in birth.meant]
    names = [name for birth in births for name in birth.names]
    name_end = np.cumsum([len(name) for name in names], dtype=np.int64)
    tables = Tables(
        first=np.cumsum(slots) - slots, mask=slots - 1,
        by_alias=np.full(int(slots.sum()), -1, np.int32), by_name=np.full(int(slots.sum()), -1, np.int32),
        alias=np.concatenate([birth.alias for birth in births]),
        has_alias=np.concatenate([birth.has_alias for birth in births]),
        place=np.array([one.place for one in meant], np.int32),
        verdict=np.array([one.verdict for one in meant], np.uint8),
        datatype=np.concatenate([birth.datatype for birth in births]),
        name_begin=np.concatenate([[0], name_end[:-1]]).astype(np.int64)[: len(names)], name_end=name_end,
        names=np.array(bytearray(b"".join(names) + b"\0"), np.uint8),
    )  # fmt: skip
    end = np.cumsum(sizes)
    for number in range(len(births)):
        fill(number, int(end[number] - sizes[number]), int(end[number]), tables, address(tables.names))
    return tables

"""Which number a series has inside its shard: dense ids given at first sight, in the order of the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from andon.plant import PlantModel, SeriesSpec
from andon.readings import I32, I64

_NEVER = float("inf")


class SeriesDictionary:
    """Dense int32 ids of the series of one shard; part of the shard's state.

    An id is given when the log shows a configured series for the first time, so ids depend only on the log. It is
    never taken back: a series that left the configuration keeps its number (`configured` is False) but is not
    resolved any more. Decoders address a series by its place in `declared` until it has an id.
    """

    def __init__(self, plant: PlantModel, shard: int) -> None:
        self.shard = shard
        #: the configured series of this shard, in the order of the configuration
        self.declared: tuple[SeriesSpec, ...] = tuple(
            spec for spec in plant.series.values() if plant.shard_of(spec.asset) == shard
        )
        #: int32[len(declared) + 1], the id of each declared series, -1 before its first sight; the last is always -1
        self.declared_ids: I32 = np.full(len(self.declared) + 1, -1, np.int32)
        #: one spec for each id given; of a series no longer configured only asset and tag mean something
        self.specs: list[SeriesSpec] = []
        self._configured: list[bool] = []

    @cached_property
    def _place(self) -> dict[tuple[str, str], int]:
        return {(spec.asset, spec.tag): place for place, spec in enumerate(self.declared)}

    def __len__(self) -> int:
        """How many ids are given: valid ids are 0 .. len - 1."""
        return len(self.specs)

    def place_of(self, asset: str, tag: str) -> int:
        """Index in `declared`, or -1 when the configuration of this shard has no such series. Gives no id."""
        return self._place.get((asset, tag), -1)

    def id_of(self, asset: str, tag: str) -> int:
        """The id of a series, given now if this is its first sight; -1 when it is not configured."""
        place = self.place_of(asset, tag)
        return -1 if place < 0 else self._id_at(place)

    def ids_at(self, places: I32 | I64) -> I32:
        """Ids for indices into `declared` (int[n], -1 = none), new ones given in the order of the rows.

        returns int32[n], -1 where places is -1. Cost: two gathers; Python only for series seen for the first time.
        """
        ids: I32 = self.declared_ids[places]
        fresh = places[(ids < 0) & (places >= 0)]
        if len(fresh):
            for place in dict.fromkeys(fresh.tolist()):
                self._id_at(place)
            ids = self.declared_ids[places]
        return ids

    def spec(self, series: int) -> SeriesSpec:
        """What the configuration says about an id; IndexError for a number that was never given."""
        if series < 0:
            raise IndexError(series)
        return self.specs[series]

    def configured(self, series: int) -> bool:
        """False when the series has left the configuration since its id was given."""
        return self._configured[series]

    def path(self, series: int) -> str:
        """asset-path/tag of an id; empty for -1."""
        return self.specs[series].path if series >= 0 else ""

    def paths(self) -> Sequence[str]:
        """asset-path/tag of every id, in the order of the ids."""
        return [spec.path for spec in self.specs]

    def snapshot(self) -> tuple[str, ...]:
        """The paths in the order of their ids; plain, so it outlives versions of this class."""
        return tuple(self.paths())

    def restore(self, paths: Iterable[str]) -> None:
        """Take over ids from a snapshot; what this dictionary held before is forgotten."""
        self.specs, self._configured = [], []
        self.declared_ids = np.full(len(self.declared) + 1, -1, np.int32)
        for path in paths:
            asset, _, tag = path.rpartition("/")  # a tag has no "/", an asset path may
            place = self.place_of(asset, tag)
            if place >= 0:
                self._id_at(place)
            else:
                self.specs.append(SeriesSpec(asset, tag, "number", "", -_NEVER, _NEVER, 1.0, (), None, "", True))
                self._configured.append(False)

    def _id_at(self, place: int) -> int:
        if self.declared_ids[place] < 0:
            self.declared_ids[place] = len(self.specs)
            self.specs.append(self.declared[place])
            self._configured.append(True)
        return int(self.declared_ids[place])

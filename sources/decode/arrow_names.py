"""From the dictionaries of Arrow batches to declared series. A dictionary is read once for all batches that have it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from andon.readings import I32, I64, Reason

_UNSEEN = -9  # of a pair of names that no row had so far
_MOST_PAIRS = 1 << 20  # in a table: 4 MB


class NameTable:
    """Places of series by the codes of one or two dictionaries."""

    def __init__(self, assets: list[str | None], tags: list[str | None] | None, place: Callable[..., int]) -> None:
        self._assets, self._tags, self._place = assets, tags, place
        count = len(assets) * (1 if tags is None else len(tags))
        self._table = np.full(count, _UNSEEN, np.int32) if count <= _MOST_PAIRS else None

    def places(self, assets: I64, tags: I64 | None) -> I32:
        """int32[n]: the place, or minus the Reason why there is none. Codes are within their dictionaries."""
        pairs = assets if tags is None or self._tags is None else assets * len(self._tags) + tags
        if self._table is None:
            found, inverse = np.unique(pairs, return_inverse=True)
            return np.array([self._look_up(pair) for pair in found.tolist()], np.int32)[inverse]
        places: I32 = self._table[pairs]
        fresh = pairs[places == _UNSEEN]
        if len(fresh):
            for pair in np.unique(fresh).tolist():
                self._table[pair] = self._look_up(pair)
            places = self._table[pairs]
        return places

    def check(self, assets: I64, tags: I64 | None) -> None:
        """IndexError when a code is outside of its dictionary; -1 is a null."""
        for found, names in ((assets, self._assets), (tags, self._tags)):
            if found is None or names is None or not len(found):
                continue
            if not -1 <= int(found.min()) <= int(found.max()) < len(names):
                raise IndexError(int(found.max()))

    def names(self, asset: int, tag: int) -> tuple[str | None, str | None]:
        """Asset and tag of a row."""
        if self._tags is not None:
            return self._assets[asset] if asset >= 0 else None, self._tags[tag] if tag >= 0 else None
        path = self._assets[asset] if asset >= 0 else None
        return (None, None) if path is None else (path.rpartition("/")[0], path.rpartition("/")[2])

    def _look_up(self, pair: int) -> int:
        asset, tag = self.names(pair, 0) if self._tags is None else self.names(*divmod(pair, len(self._tags)))
        return -Reason.wrong_type if asset is None or tag is None else self._place(asset, tag)

"""From the dictionaries of Arrow batches to declared series. A dictionary is read once for all batches that have it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from andon.readings import I64, Reason
from sources.decode.arrow_rows import UNSEEN, Names

_MOST_PAIRS = 1 << 20  # in a table: 4 MB


class NameTable:
    """Places of series by the codes of one or two dictionaries."""

    def __init__(self, assets: list[str | None], tags: list[str | None] | None, place: Callable[..., int]) -> None:
        self._assets, self._tags, self._place = assets, tags, place
        count = len(assets) * (1 if tags is None else len(tags))
        self._table = np.full(count, UNSEEN, np.int32) if count <= _MOST_PAIRS else None

    def coded(self, assets: I64, tags: I64) -> Names:
        """Codes of rows and the table that they are looked up in; tags is empty where assets are whole paths."""
        width = 1 if self._tags is None else len(self._tags)
        if self._table is not None:
            return Names(assets, tags, len(self._assets), width, self._table)
        self._check(assets, self._assets)
        self._check(tags, self._tags)
        pairs = np.where((assets < 0) | (tags < 0), -1, assets * width + tags) if len(tags) else assets
        found, own = np.unique(pairs, return_inverse=True)  # the codes of these rows only
        nulls = int(len(found) > 0 and found[0] < 0)
        table = np.array([self._look_up(pair) for pair in found[nulls:].tolist()], np.int32)
        return Names(own.astype(np.int64) - nulls, tags[:0], len(table), 1, table)

    def learn(self, coded: Names) -> None:
        """Look up all pairs of the rows that the table does not have. Codes are within their dictionaries."""
        named = coded.asset >= 0 if not len(coded.tag) else (coded.asset >= 0) & (coded.tag >= 0)
        pairs = coded.asset[named] * coded.tags + (coded.tag[named] if len(coded.tag) else 0)
        for pair in np.unique(pairs[coded.table[pairs] == UNSEEN]).tolist():
            coded.table[pair] = self._look_up(pair)

    @staticmethod
    def _check(found: I64, names: list[str | None] | None) -> None:
        if len(found) and names is not None and not -1 <= int(found.min()) <= int(found.max()) < len(names):
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

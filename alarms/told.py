"""The conditions told of late, by series and rule: what a judgement of late rows is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from alarms.anew import Told
from alarms.kernels import LONG_AGO, OPEN_END

#: Of one rule on one series; of one that chatters the oldest are forgotten, and rows before their end come too late.
MOST = 512
TOLD = np.dtype(
    [
        ("series", "<i4"), ("rule", "<i4"), ("start", "<i8"), ("begun", "<i8"), ("cleared", "<i8"), ("peak", "<f8"),
        ("out", "<i8"), ("merged_into", "<i8"), ("upper", "u1"), ("late", "u1"), ("voided", "u1"),
    ]
)  # fmt: skip
Key = tuple[int, str]  # series, rule id


class ToldTable:
    """What was told, in the order of identities; kept while late rows may change it.

    floor: by series and rule, the end of the newest one forgotten; rows before it are not judged anew.
    """

    def __init__(self) -> None:
        self._of: dict[Key, list[Told]] = {}
        self.floor: dict[Key, int] = {}
        self._packed: dict[Key, bytes] = {}

    def of(self, series: int, rule_id: str) -> Sequence[Told]:
        """All of a rule on a series."""
        return self._of.get((series, rule_id), ())

    def find(self, series: int, rule_id: str, start: int) -> Told | None:
        """The one with this identity."""
        mine = self._of.get((series, rule_id), ())
        return next((one for one in reversed(mine) if one.start == start), None)

    def add(self, series: int, rule_id: str, told: Told) -> None:
        """One more."""
        key = (series, rule_id)
        mine = self._of.setdefault(key, [])
        mine.append(told)
        if len(mine) > 1 and mine[-2].start > told.start:
            mine.sort(key=lambda one: one.start)
        if len(mine) > MOST:
            self._forget(key, [mine[0]])
        self.touch(series, rule_id)

    def touch(self, series: int, rule_id: str) -> None:
        """One of them was changed."""
        self._packed.pop((series, rule_id), None)

    def forget_before(self, series_time: NDArray[np.int64], keep_ns: int) -> None:
        """Drop what ended more than keep_ns before the newest row of its series; series_time int64[series]."""
        for key in list(self._of):
            before = int(series_time[key[0]]) - keep_ns
            gone = [one for one in self._of[key] if one.cleared is not None and one.cleared < before]
            if gone:
                self._forget(key, gone)

    def _forget(self, key: Key, gone: Sequence[Told]) -> None:
        ends = [one.begun if one.cleared is None else one.cleared for one in gone]
        self.floor[key] = max(self.floor.get(key, LONG_AGO), *ends)
        self._packed.pop(key, None)
        starts = {one.start for one in gone}
        left = [one for one in self._of[key] if one.start not in starts]
        if left:
            self._of[key] = left
        else:
            del self._of[key]

    def snapshot(self) -> tuple[bytes, tuple[tuple[int, str, int], ...]]:
        """TOLD records, and the floors."""
        for key, mine in self._of.items():
            if key not in self._packed:
                self._packed[key] = _records(key[0], mine).tobytes()
        floors = tuple((series, rule_id, end) for (series, rule_id), end in sorted(self.floor.items()))
        return b"".join(self._packed[key] for key in sorted(self._of)), floors

    def restore(
        self, records: NDArray[np.void], floors: Sequence[tuple[int, str, int]], places: Mapping[int, tuple[int, str]]
    ) -> None:
        """Take over TOLD records; places: of a rule's number there, its number now and its id."""
        self._of, self._packed = {}, {}
        for row in records:
            rule, rule_id = places[int(row["rule"])]
            cleared, merged = int(row["cleared"]), int(row["merged_into"])
            told = Told(
                rule, int(row["start"]), int(row["begun"]), None if cleared == OPEN_END else cleared,
                float(row["peak"]), int(row["out"]), bool(row["upper"]), bool(row["late"]), bool(row["voided"]),
                None if merged == LONG_AGO else merged,
            )  # fmt: skip
            self._of.setdefault((int(row["series"]), rule_id), []).append(told)
        self.floor = {(series, rule_id): end for series, rule_id, end in floors}

    def rules(self) -> set[int]:
        """The rules that any of them names."""
        return {one.rule for mine in self._of.values() for one in mine}


def _records(series: int, mine: Sequence[Told]) -> NDArray[np.void]:
    records = np.zeros(len(mine), TOLD)
    for row, one in zip(records, mine, strict=True):
        cleared = OPEN_END if one.cleared is None else one.cleared
        merged = LONG_AGO if one.merged_into is None else one.merged_into
        row["series"], row["rule"], row["start"], row["begun"] = series, one.rule, one.start, one.begun
        row["cleared"], row["peak"], row["out"], row["merged_into"] = cleared, one.peak, one.out, merged
        row["upper"], row["late"], row["voided"] = one.upper, one.late, one.voided
    return records

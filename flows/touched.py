"""Per series: the newest reading for the control room, and changes of state series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.outputs import Latest, StateChanges
from andon.readings import F64, Readings, Status

NEWEST = np.dtype(
    [
        ("time_ns", "i8"), ("received_ns", "i8"), ("value", "f8"), ("score", "f8"), ("state", "f8"),
        ("status", "u1"), ("is_state", "?"), ("touched", "?"),
    ]
)  # fmt: skip


class Touched:
    """What changed since the last `take_*`; the last state of each state series is kept for ever."""

    def __init__(self) -> None:
        self._set(np.zeros(0, NEWEST))
        self._changes: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def bind(self, is_state: Sequence[bool]) -> None:
        """The next series ids, one for each flag."""
        fresh = np.zeros(len(is_state), NEWEST)
        fresh["is_state"], fresh["state"], fresh["score"] = is_state, np.nan, np.nan
        self._set(np.concatenate([self._newest, fresh]))

    def _set(self, newest: NDArray[Any]) -> None:
        self._newest = newest
        self._place = np.full(len(newest), -1, np.int64)  # scratch of `add`
        self._any_state = bool(newest["is_state"].any())

    def add(self, rows: Readings, score: F64, ahead: NDArray[np.bool_]) -> None:
        """Accepted rows; only those ahead of their series count."""
        live, live_score = (rows, score) if ahead.all() else (rows.rows(ahead), score[ahead])
        if not len(live):
            return
        newest, key = self._newest, live.series
        self._place[key] = np.arange(len(live))  # of repeated keys the last one stays
        fresh = np.flatnonzero(self._place >= 0)
        last = self._place[fresh]
        self._place[fresh] = -1
        newest["time_ns"][fresh], newest["received_ns"][fresh] = live.time_ns[last], live.received_ns[last]
        newest["value"][fresh], newest["status"][fresh] = live.value[last], live.status[last]
        newest["touched"][fresh] = True
        newest["score"][fresh] = np.where(np.isnan(live_score[last]), newest["score"][fresh], live_score[last])
        if not self._any_state:
            return
        states = newest["is_state"][key] & (live.status != Status.BAD)
        if states.any():
            self._add_states(live.rows(states))

    def _add_states(self, rows: Readings) -> None:
        order = np.argsort(rows.series, kind="stable")
        key, value, time_ns = rows.series[order], rows.value[order], rows.time_ns[order]
        before = np.concatenate([[np.nan], value[:-1]])
        first = np.concatenate([[True], key[1:] != key[:-1]])
        before[first] = self._newest["state"][key[first]]
        changed = value != before
        self._newest["state"][key] = value
        if changed.any():
            self._changes.append((key[changed], time_ns[changed], value[changed]))

    def take_latest(self) -> Latest | None:
        """The newest reading of each series touched; None where there is none."""
        series = np.flatnonzero(self._newest["touched"]).astype(np.int32)
        if not len(series):
            return None
        rows = self._newest[series]
        self._newest["touched"] = False
        return Latest(
            series=series, time_ns=rows["time_ns"].copy(), received_ns=rows["received_ns"].copy(),
            value=rows["value"].copy(), status=rows["status"].copy(), score=rows["score"].copy(),
        )  # fmt: skip

    def take_states(self) -> StateChanges | None:
        """Changes of state; None where there is none."""
        if not self._changes:
            return None
        series, time_ns, value = (np.concatenate(column) for column in zip(*self._changes, strict=True))
        self._changes = []
        return StateChanges(series=series, time_ns=time_ns, value=value)

    def snapshot(self) -> tuple[object, ...]:
        """The records of all series as bytes."""
        return (len(self._newest), self._newest.tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        _, data = snapshot
        self._set(np.frombuffer(data, NEWEST).copy())

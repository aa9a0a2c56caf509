"""Drifts of what models read and say (detectors/drift_watch.py), as an alarm of the series.

One alarm a series, of the first signal that drifted; it ends when a day has passed without another. Told at ticks, so
that it depends on the log alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any, Final

from andon.conditions import ConditionChange
from andon.models import ModelDrift
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S

RULE: Final = "andon-drift"
QUIET_NS: Final = 24 * 3600 * NS_PER_S
PERCENT: Final = 100.0


class DriftAlarms:
    """Drifts that no tick has followed yet; open alarms: the first drift of each, end of the last, when it was told."""

    def __init__(self, spec_of: Callable[[str, str], SeriesSpec]) -> None:
        self._spec_of = spec_of
        self._fresh: list[ModelDrift] = []
        self._waiting: list[tuple[int, ModelDrift]] = []  # offset of the row that told it, in log order
        self._open: dict[tuple[str, str], tuple[ModelDrift, int, int]] = {}
        self._look_ns = 0  # plant time before which no alarm can have been quiet long enough

    def note(self, drifts: Sequence[tuple[int, ModelDrift]]) -> None:
        """Drifts with the offsets of the rows that told them, in log order."""
        self._waiting += drifts
        self._fresh += [drift for _, drift in drifts]

    def take(self) -> list[ModelDrift]:
        """Drifts since the last call."""
        taken, self._fresh = self._fresh, []
        return taken

    def tick(self, tick_ns: int, offset: int) -> list[ConditionChange]:
        """What began before this tick, and what has been quiet long enough; by asset and tag."""
        changes = []
        while self._waiting and self._waiting[0][0] < offset:
            _, drift = self._waiting.pop(0)
            place = drift.asset, drift.tag
            first = self._open[place][0] if place in self._open else drift
            if place not in self._open:
                changes.append(self._change(drift, None, offset))
            self._open[place] = first, drift.time_ns, tick_ns
            self._look_ns = min(self._look_ns, tick_ns + QUIET_NS)
        if not self._open or tick_ns < self._look_ns:
            return changes
        for place in sorted(self._open):
            first, last_ns, told_ns = self._open[place]
            if tick_ns - told_ns >= QUIET_NS:
                changes.append(self._change(first, last_ns + QUIET_NS, offset))
                del self._open[place]
        self._look_ns = min((told_ns for *_, told_ns in self._open.values()), default=tick_ns) + QUIET_NS
        return changes

    def _change(self, drift: ModelDrift, cleared_ns: int | None, offset: int) -> ConditionChange:
        scale, unit = {
            "input": (1.0, self._spec_of(drift.asset, drift.tag).unit), "score": (1.0, "1"),
            "alarm_rate": (PERCENT, "%"),
        }[drift.signal]  # fmt: skip
        return ConditionChange(
            kind="raised" if cleared_ns is None else "cleared", asset=drift.asset, tag=drift.tag, rule_id=RULE,
            rule_version="1", raises="none", priority="low", condition=f"drift_{drift.signal}", limit=None, unit=unit,
            start_ns=drift.time_ns, confirmed_ns=drift.time_ns, cleared_ns=cleared_ns, peak=scale * drift.after,
            out_s=((cleared_ns or drift.time_ns) - drift.time_ns) / NS_PER_S, offset=offset,
            evidence={"model": drift.model, "expected": scale * drift.before, "value_unit": unit},
        )  # fmt: skip

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples; taken when `take` has taken everything."""
        opened = tuple((*astuple(first), *told) for _, (first, *told) in sorted(self._open.items()))
        return tuple((offset, *astuple(drift)) for offset, drift in self._waiting), opened

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        waiting, opened = snapshot
        self._waiting = [(offset, ModelDrift(*drift)) for offset, *drift in waiting]
        self._open = {(one[0], one[1]): (ModelDrift(*one[:-2]), *one[-2:]) for one in opened}
        self._look_ns = 0

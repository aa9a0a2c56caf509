"""Two values for one series and time: kept and computed with like any other, counted in the ledger, and alarmed here.

One alarm a series, however many rows; it ends when an hour has passed without another. Told at ticks, so that it
depends on the log alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from andon.conditions import ConditionChange
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S, Readings

RULE = "andon-conflict"
QUIET_NS = 3600 * NS_PER_S


class ConflictWatch:
    """Open conflicts by series: event time of the first, of the last, its value, when it came."""

    def __init__(self, spec_of: Callable[[int], SeriesSpec]) -> None:
        self._spec_of = spec_of
        self._open: dict[int, tuple[int, int, float, int]] = {}
        self._untold: set[int] = set()
        self._look_ns = 0  # plant time before which nothing can have been quiet long enough

    def note(self, rows: Readings) -> None:
        """Conflicting rows, in log order."""
        series = rows.series.tolist()
        stamps = rows.time_ns.tolist()
        columns = zip(stamps, rows.value.tolist(), rows.received_ns.tolist(), strict=True)
        first = dict(zip(reversed(series), reversed(stamps), strict=True))  # of equal keys a dict keeps the last
        for one, last in dict(zip(series, columns, strict=True)).items():
            known = self._open.get(one)
            if known is None:
                self._untold.add(one)
            self._open[one] = (first[one] if known is None else known[0], *last)
            self._look_ns = min(self._look_ns, last[2] + QUIET_NS)  # behind the others where the clock was set back

    def tick(self, tick_ns: int, offset: int) -> list[ConditionChange]:
        """What began since the tick before, and what has been quiet long enough; by series."""
        changes = [self._change(series, None, offset) for series in sorted(self._untold)]
        self._untold = set()
        if not self._open or tick_ns < self._look_ns:
            return changes
        for series in sorted(self._open):
            first_ns, last_ns, _, received_ns = self._open[series]
            if tick_ns - received_ns >= QUIET_NS:
                changes.append(self._change(series, max(first_ns, last_ns), offset))
                del self._open[series]
        self._look_ns = min((received_ns for *_, received_ns in self._open.values()), default=tick_ns) + QUIET_NS
        return changes

    def _change(self, series: int, cleared_ns: int | None, offset: int) -> ConditionChange:
        spec = self._spec_of(series)
        first_ns, last_ns, value, _ = self._open[series]
        return ConditionChange(
            kind="raised" if cleared_ns is None else "cleared", asset=spec.asset, tag=spec.tag, rule_id=RULE,
            rule_version="1", raises="none", priority="low", condition="conflict", limit=None, unit=spec.unit,
            start_ns=first_ns, confirmed_ns=first_ns, cleared_ns=cleared_ns, peak=value,
            out_s=max(0, last_ns - first_ns) / NS_PER_S, offset=offset,
        )  # fmt: skip

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples."""
        return (tuple((series, *state) for series, state in sorted(self._open.items())), tuple(sorted(self._untold)))

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        opened, untold = snapshot
        self._open = {series: tuple(state) for series, *state in opened}
        self._untold, self._look_ns = set(untold), 0

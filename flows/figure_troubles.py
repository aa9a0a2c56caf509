"""Figures whose machine raised an error: set aside until the next start, counted, logged once, and told as an alarm.

One alarm an asset and kind of figure. It ends when a later start has taken the machine past where it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import structlog
from prometheus_client import Counter

from andon.conditions import ConditionChange
from andon.readings import NS_PER_S
from operators.machines import MachineSpec

RULE = "andon-figure"
Place = tuple[str, str]  # asset, kind
log = structlog.get_logger()
_failed = Counter("andon_figure_machines_failed_total", "Figures set aside because of an error.", ["kind"])


class Guard:
    """Around a call of a machine: an error of it goes to `fail`, if any, and no further, except that memory ran out."""

    def __init__(self, fail: Callable[[Exception], None] | None) -> None:
        self._fail = fail

    def __enter__(self) -> None:
        return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or isinstance(error, MemoryError):
            return False
        if self._fail:
            self._fail(error)
        return True


class Troubles:
    """Which machines are set aside, by number, and which alarms stand."""

    def __init__(self) -> None:
        self.aside: set[int] = set()
        self._open: dict[Place, tuple[int, int, str]] = {}  # since when, past when it is well again, error
        self._untold: set[Place] = set()
        self._healed: list[tuple[Place, int]] = []

    def fail(self, number: int, spec: MachineSpec, at_ns: int, error: Exception) -> None:
        """A machine raised something at about at_ns, event time."""
        self.aside.add(number)
        _failed.labels(spec.kind).inc()
        log.error("figures.set_aside", asset=spec.asset, kind=spec.kind, tag=spec.tag, exc_info=error)
        place = spec.asset, spec.kind
        if place in self._open:
            since_ns, past_ns, told = self._open[place]
            self._open[place] = since_ns, max(past_ns, at_ns), told
        else:
            self._open[place] = at_ns, at_ns, type(error).__name__
            self._untold.add(place)

    def look(self, machines: Iterable[tuple[int, MachineSpec, int]]) -> None:
        """Which are well again: (number, spec, how far fed) of all; those of one place all have to be."""
        if not self._open:
            return
        well = {place: past_ns for place, (_, past_ns, _) in self._open.items() if place not in self._untold}
        for number, spec, fed_ns in machines:
            place = spec.asset, spec.kind
            if place in well and (number in self.aside or fed_ns <= well[place]):
                del well[place]
        self._healed += sorted(well.items())

    def tick(self, offset: int) -> list[ConditionChange]:
        """What began, and what ended, since the tick before; by asset and kind."""
        changes = [self._change(place, None, offset) for place in sorted(self._untold)]
        changes += [self._change(place, past_ns, offset) for place, past_ns in self._healed]
        for place, _ in self._healed:
            del self._open[place]
        self._untold.clear()
        self._healed.clear()
        return changes

    def _change(self, place: Place, cleared_ns: int | None, offset: int) -> ConditionChange:
        since_ns, past_ns, error = self._open[place]
        return ConditionChange(
            kind="raised" if cleared_ns is None else "cleared", asset=place[0], tag=place[1], rule_id=RULE,
            rule_version="1", raises="none", priority="high", condition="figure_failed", limit=None, unit="1",
            start_ns=since_ns, confirmed_ns=since_ns, cleared_ns=cleared_ns, peak=0.0,
            out_s=(past_ns - since_ns) / NS_PER_S, offset=offset, evidence={"error": error},
        )  # fmt: skip

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuples. Machines that are set aside are tried again after a restart, so they are not in it."""
        return (tuple((*place, *state) for place, state in sorted(self._open.items())), tuple(sorted(self._untold)))

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        opened, untold = snapshot
        self._open = {(asset, kind): tuple(state) for asset, kind, *state in opened}
        self._untold = {(asset, kind) for asset, kind in untold}

"""Control charts and capability as machines of the flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from operators.capability import Specification
from operators.event_data import LONGEST
from operators.machines import Bounds, Inputs, Made, Parts
from operators.run_rules import names
from operators.spc_capability import Gathered
from operators.spc_chart import Judged
from operators.spc_feed import ChartFeed, Wiring
from operators.spc_judge import EXCLUDED, FIRED

LAYOUT = 2
ENDED = ("full", "time", "gap", "cut", "event")


class ChartMachine:
    """A `Made` of kind spc for each subgroup, at its end. A subgroup that is still open is not told."""

    def __init__(self, wiring: Wiring, begin_ns: int) -> None:
        self._feed = ChartFeed(wiring)
        self._names = wiring.plan.told
        self._rules = wiring.plan.judged
        self._begin_ns = begin_ns
        self._setting: tuple[object, ...] = ()
        self._abouts: dict[tuple[int, int, float], dict[str, str]] = {}  # what is told of points of this setting

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """Subgroups that ended before the begin are judged for what they leave behind, but not told."""
        made: list[Made] = []
        for judged in self._feed.advance(inputs, upto_ns):
            made += self._made(judged)
        return made

    def _made(self, judged: Judged) -> Iterator[Made]:
        """Points of one setting; those about which the same is told share the text."""
        setting = (judged.known, judged.making, judged.cause)
        if setting != self._setting:
            self._setting, self._abouts = setting, {}
        abouts = self._abouts
        columns = (judged.whole[:, :3].tolist(), judged.out.tolist(), judged.marks[:, FIRED].tolist())
        for (start_ns, end_ns, reason), row, fired in zip(*columns, strict=True):
            if end_ns <= self._begin_ns:
                continue
            # NaN is not equal to itself: not defined.
            parts = dict(zip(self._names, [one if one == one else None for one in row], strict=True))
            key = (reason, fired, row[EXCLUDED])
            about = abouts.get(key)
            if about is None:
                about = abouts[key] = _about(judged, reason, names(fired, self._rules), excluded=row[EXCLUDED] == 1.0)
            yield Made(start_ns, end_ns, parts, about)

    def running(self) -> list[Made]:
        """None: a subgroup says nothing before it is complete."""
        return []

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return LAYOUT, self._begin_ns, self._feed.snapshot()

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        layout, self._begin_ns, feed = snapshot
        if layout != LAYOUT:
            raise ValueError(f"control chart machine of layout {layout}; this version reads {LAYOUT}")
        self._feed.restore(feed)


def _about(judged: Judged, reason: int, fired: tuple[str, ...], *, excluded: bool) -> dict[str, str]:
    known = judged.known
    about = {
        "version": judged.version, "phase": "2" if known else "1", "ended": ENDED[reason],
        "rules": " ".join(fired)[:LONGEST], "cause": judged.cause if excluded else "",
        "warning": "autocorrelated" if known and known.autocorrelated else "", **judged.making.about(),
    }  # fmt: skip
    return {key: text for key, text in about.items() if text}


class CapabilityMachine:
    """A `Made` of kind capability a window; windows end at bounds and where order, lot, product or limits change.

    Subgroups count in the window in which they close. Those with an assignable cause are left out. A window without
    any is not told.
    """

    def __init__(self, wiring: Wiring, spec: Specification, begin_ns: int, bounds: Bounds) -> None:
        self._feed = ChartFeed(wiring)
        self._kind, self._spec, self._bounds = wiring.plan.kind, spec, bounds
        self._window = Gathered(begin_ns)
        self._end_ns = bounds.after(begin_ns)
        self._upto_ns = self._begin_ns = begin_ns

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """As `Machine.step`."""
        out: list[Made] = []
        while self._end_ns <= upto_ns:
            part, inputs = inputs.before(self._end_ns)
            self._take(self._feed.advance(part, self._end_ns), out)
            self._close(self._end_ns, out)
            self._end_ns = self._bounds.after(self._end_ns)
        self._take(self._feed.advance(inputs, upto_ns), out)
        self._upto_ns = upto_ns
        return out

    def _take(self, judged: list[Judged], out: list[Made]) -> None:
        for some in judged:
            begin = int(np.searchsorted(some.whole[:, 1], self._begin_ns, side="right"))
            if begin == len(some.whole):
                continue
            if not self._window.belongs(some):
                self._close(max(int(some.whole[begin, 0]), self._window.start_ns), out)
            self._window.take(some, begin, self._kind)

    def _close(self, end_ns: int, out: list[Made]) -> None:
        out += self._told(end_ns)
        self._window = Gathered(end_ns)

    def _told(self, end_ns: int) -> list[Made]:
        window = self._window
        if not window.n or end_ns <= window.start_ns:
            return []
        parts: Parts = window.parts(self._spec)
        return [Made(window.start_ns, end_ns, parts, window.about())]

    def running(self) -> list[Made]:
        """The window so far, up to now."""
        return self._told(max(self._upto_ns, self._window.start_ns + 1))

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        times = (self._begin_ns, self._end_ns, self._upto_ns)
        return LAYOUT, times, self._feed.snapshot(), self._window.snapshot()

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        layout, times, feed, window = snapshot
        if layout != LAYOUT:
            raise ValueError(f"capability machine of layout {layout}; this version reads {LAYOUT}")
        self._begin_ns, self._end_ns, self._upto_ns = times
        self._feed.restore(feed)
        self._window.restore(window)

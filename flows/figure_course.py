"""A machine on its way through event time, with long silences left out.

A device that boots with its clock at the year 2000 and is then set leaves a quarter of a million empty hours. After
`SILENCE_NS` without a row or an event a machine sleeps; the next one wakes it, and the windows that would begin and end
between are left out. What it holds otherwise (an open excursion, a budget, a chart) stays.
"""

from __future__ import annotations

import io
import pickle
from itertools import pairwise
from typing import Any

from andon.packed import unpack
from andon.readings import NS_PER_S
from operators.machines import NO_INPUTS, Bounds, Inputs, MachineSpec, Made

PANE_NS = 10 * NS_PER_S
SILENCE_NS = 7 * 86_400 * NS_PER_S


class _Waking:
    """Bounds with one stretch left out."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.left_out = (0, 0)

    def after(self, time_ns: int) -> int:
        """The next bound; of an instant that is left out, the end of that."""
        asleep_ns, awake_ns = self.left_out
        return awake_ns if asleep_ns <= time_ns < awake_ns else self._bounds.after(time_ns)


class Course:
    """A machine of a spec from begin_ns on. length_ns: windows end at every multiple of it, among other bounds."""

    def __init__(self, spec: MachineSpec, begin_ns: int, bounds: Bounds, length_ns: int) -> None:
        self._bounds, self._length_ns = _Waking(bounds), length_ns
        self._machine = spec.make(begin_ns, self._bounds)
        self._last_ns = self._stepped_ns = begin_ns  # newest row or event; how far the machine has come

    @property
    def is_asleep(self) -> bool:
        """Whether time passes without it until something comes."""
        return self._stepped_ns >= (self._last_ns + SILENCE_NS) // PANE_NS * PANE_NS

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """As `Machine.step`."""
        rows = len(inputs.time_ns)
        if not rows and not inputs.events:
            return self._quiet(upto_ns)
        if rows and not inputs.events:  # as nearly always
            first_ns, last_ns = int(inputs.time_ns[0]), int(inputs.time_ns[-1])
            if first_ns - self._last_ns <= SILENCE_NS and last_ns - first_ns <= SILENCE_NS:
                self._last_ns = max(self._last_ns, last_ns)
                return self._told(inputs, max(upto_ns, self._stepped_ns))
        made: list[Made] = []
        rest = inputs
        while True:
            first_ns, last_ns = ends_of(rest)
            if first_ns - self._last_ns > SILENCE_NS:
                made += self._quiet(first_ns // PANE_NS * PANE_NS)
                self._bounds.left_out = (self._stepped_ns, first_ns // self._length_ns * self._length_ns)
            head, rest = (rest, NO_INPUTS) if last_ns - first_ns <= SILENCE_NS else _at_silence(rest)
            self._last_ns = max(self._last_ns, ends_of(head)[1])
            more = len(rest) or rest.events
            until_ns = (self._last_ns // PANE_NS + 1) * PANE_NS if more else upto_ns
            made += self._told(head, max(until_ns, self._stepped_ns))
            if not more:
                return made

    def _quiet(self, upto_ns: int) -> list[Made]:
        """Time passes and nothing comes."""
        until_ns = min(upto_ns, (self._last_ns + SILENCE_NS) // PANE_NS * PANE_NS)
        return self._told(NO_INPUTS, until_ns) if until_ns > self._stepped_ns else []

    def _told(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        self._stepped_ns = upto_ns
        made = self._machine.step(inputs, upto_ns)
        asleep_ns, awake_ns = self._bounds.left_out
        if asleep_ns >= awake_ns:
            return made
        return [one for one in made if not asleep_ns <= one.start_ns < one.end_ns <= awake_ns]

    def running(self) -> list[Made]:
        """As `Machine.running`."""
        return self._machine.running()

    def packed(self) -> bytes:
        """All of it; equal bytes go on equally."""
        state = (self._last_ns, self._stepped_ns, self._bounds.left_out, self._machine.snapshot())
        packed = io.BytesIO()
        pickler = pickle.Pickler(packed, protocol=5)
        pickler.fast = True  # by value: the same text twice and one text named twice are the same bytes
        pickler.dump(state)
        return packed.getvalue()

    def restore(self, packed: bytes) -> None:
        """Take over what `packed` gave. ValueError for a layout that the machine cannot read."""
        state: Any = unpack(packed)
        self._last_ns, self._stepped_ns, self._bounds.left_out, snapshot = state
        self._machine.restore(snapshot)


def ends_of(inputs: Inputs, else_ns: int = 0) -> tuple[int, int]:
    """First and last time of what is there; of what is empty else_ns."""
    times = [int(inputs.time_ns[0]), int(inputs.time_ns[-1])] if len(inputs) else []
    times += [inputs.events[0].time_ns, inputs.events[-1].time_ns] if inputs.events else []
    return min(times, default=else_ns), max(times, default=else_ns)


def _at_silence(inputs: Inputs) -> tuple[Inputs, Inputs]:
    """Cut behind the first stretch without silence."""
    times = sorted([*inputs.time_ns.tolist(), *(one.time_ns for one in inputs.events)])
    for before_ns, after_ns in pairwise(times):
        if after_ns - before_ns > SILENCE_NS:
            return inputs.before(after_ns)
    return inputs, NO_INPUTS

"""Cycles of a process, one after the other, each a row of phases of drawn lengths; and a device that runs them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from simulators.device import CauseOf, Device, S, no_causes
from simulators.noise import unit

Spans = Mapping[str, tuple[int, int]]  # of each phase the least length and how much it may be longer, s


class Moment(NamedTuple):
    """Where a second falls: number of the cycle, its phase, s since that began, its length in s."""

    cycle: int
    phase: str
    into_s: int
    length_s: int


class Phases:
    """The cycles of a seed under a name, each of the phases of spans_s in turn. Cycle 0 begins with second 0."""

    def __init__(self, seed: int, name: str, spans_s: Spans) -> None:
        self._seed, self._name, self._spans_s = seed, name, dict(spans_s)
        self._starts_s = [0]
        self._phases: list[tuple[int, str, int]] = []  # cycle, phase, length

    def at(self, second: int) -> Moment:
        """The moment of a second, >= 0."""
        while self._starts_s[-1] <= second:
            self._draw()
        place = bisect_right(self._starts_s, second) - 1
        cycle, phase, length_s = self._phases[place]
        return Moment(cycle, phase, second - self._starts_s[place], length_s)

    def _draw(self) -> None:
        """One more cycle."""
        cycle = len(self._phases) // len(self._spans_s)
        for phase, (least_s, more_s) in self._spans_s.items():
            length_s = least_s + int(more_s * unit(self._seed, self._name, cycle, phase))
            self._phases.append((cycle, phase, length_s))
            self._starts_s.append(self._starts_s[-1] + length_s)


class Phased(Device[S]):
    """A device that runs cycle after cycle from second 0 on, and starts in the state that its type is made in.

    process : the name that its lengths are drawn under.
    spans_s : its phases, those of a cycle in order.
    """

    process: ClassVar[str]
    spans_s: ClassVar[Spans]

    def __init__(self, seed: int, cause_of: CauseOf = no_causes) -> None:
        super().__init__(seed, cause_of)
        self.phases = Phases(seed, self.process, self.spans_s)

    def first_state(self) -> S:
        """All fields as the type has them."""
        return self.state_type()  # type: ignore[return-value]  # each class names its own S

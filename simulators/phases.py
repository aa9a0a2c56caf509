"""Cycles of a process, one after the other, each a row of phases of drawn lengths."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

from simulators.noise import unit


class Moment(NamedTuple):
    """Where a second falls: number of the cycle, its phase, s since that began, its length in s."""

    cycle: int
    phase: str
    into_s: int
    length_s: int


class Phases:
    """spans_s: of each phase the least length and how much it may be longer, s. Cycle 0 begins with second 0."""

    def __init__(self, seed: int, name: str, spans_s: Mapping[str, tuple[int, int]]) -> None:
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

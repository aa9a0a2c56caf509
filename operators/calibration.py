"""Calibration in figures: guard bands of limit decisions, validity of an instrument, what a failed one puts in doubt.

Sources: ILAC-G8:09/2019 (decision rules, guard band w = U with k = 2, four outcomes); JCGM 106:2012 (probability that a
measured value is accepted wrongly). A normal error is taken for granted, as both do. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

COVERAGE = 2.0  # k, the usual coverage factor: 95 % of a normal error
EVER_NS, OPEN_END_NS = -(2**63), 2**63 - 1
DAY_NS = 86_400 * 10**9


def guard_band(
    low: float | None, high: float | None, expanded: float, factor: float = 1.0
) -> tuple[float | None, float | None]:
    """Acceptance limits [low + w, high - w], w = factor * U.

    low, high: limits of the specification, None for an open side. expanded: U >= 0, same unit. factor: >= 0; 1 is the
    guard band of ILAC-G8, 0 simple acceptance. Where the lower comes out above the upper, no value can be accepted.
    ValueError for a negative or not finite U or factor.

    >>> guard_band(2.0, 8.0, 0.5)
    (2.5, 7.5)
    >>> guard_band(None, 8.0, 0.5, factor=0.0)
    (None, 8.0)
    """
    if not (0.0 <= expanded < math.inf and 0.0 <= factor < math.inf):
        raise ValueError(f"uncertainty and guard factor must be finite and >= 0, got {expanded} and {factor}")
    width = factor * expanded
    return (None if low is None else low + width, None if high is None else high - width)


def false_accept(
    measured: float, high: float | None = None, standard: float = 0.0, low: float | None = None
) -> float | None:
    """Probability that the true value is beyond a limit when this was measured, 0 to 1.

    standard: standard uncertainty u = U / k >= 0; 0 makes it 0 or 1 (a value on the limit is inside).
    None for a value that is not finite. ValueError for a negative or not finite u. Source: JCGM 106:2012, 9.3.

    >>> round(false_accept(7.5, 8.0, 0.25), 5)
    0.02275
    """
    if not 0.0 <= standard < math.inf:
        raise ValueError(f"standard uncertainty must be finite and >= 0, got {standard}")
    if not math.isfinite(measured):
        return None
    above = 0.0 if high is None else _beyond(measured - high, standard)
    below = 0.0 if low is None else _beyond(low - measured, standard)
    return min(1.0, above + below)


def _beyond(excess: float, standard: float) -> float:
    """P(error > -excess) of a normal error; erfc keeps the digits of small probabilities."""
    if standard == 0.0:
        return 1.0 if excess > 0.0 else 0.0
    return 0.5 * math.erfc(-excess / (standard * math.sqrt(2.0)))


class Outcome(StrEnum):
    """What can be said of a measured value against a limit: ILAC-G8:09/2019, statements with guard band."""

    PASSED = "pass"
    PASSED_IN_BAND = "conditional_pass"
    FAILED_IN_BAND = "conditional_fail"
    FAILED = "fail"


def outcome(
    measured: float, low: float | None, high: float | None, expanded: float, factor: float = 1.0
) -> Outcome | None:
    """The worst of both sides. Bounds belong to the better outcome: on the acceptance limit is a pass.

    None for a value that is not finite.

    >>> [outcome(one, None, 8.0, 0.5) for one in (7.5, 7.6, 8.5, 8.6)] == [
    ...     Outcome.PASSED,
    ...     Outcome.PASSED_IN_BAND,
    ...     Outcome.FAILED_IN_BAND,
    ...     Outcome.FAILED,
    ... ]
    True
    """
    if not math.isfinite(measured):
        return None
    inner, outer = guard_band(low, high, expanded, factor), (low, high)
    width = factor * expanded
    far = (None if low is None else low - width, None if high is None else high + width)
    if _within(measured, inner):
        return Outcome.PASSED
    if _within(measured, outer):
        return Outcome.PASSED_IN_BAND
    return Outcome.FAILED_IN_BAND if _within(measured, far) else Outcome.FAILED


def _within(value: float, bounds: tuple[float | None, float | None]) -> bool:
    low, high = bounds
    return (low is None or value >= low) and (high is None or value <= high)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One calibration of the instrument behind a series; numbers in its unit, None where the certificate has none.

    at_ns, due_ns: event time; valid in [at_ns, due_ns). error: as found. left: as left, after an adjustment.
    expanded: U with coverage factor k. mpe: largest error that is permitted. by_ns: where only the day is known, its
    end: it was done by then, and what was measured until then may have been measured before it.
    """

    certificate: str
    at_ns: int
    due_ns: int
    error: float | None = None
    left: float | None = None
    expanded: float | None = None
    k: float = COVERAGE
    mpe: float | None = None
    by_ns: int | None = None

    @property
    def standard(self) -> float | None:
        """Standard uncertainty U / k."""
        return None if self.expanded is None else self.expanded / self.k

    @property
    def found_good(self) -> bool | None:
        """|as found| + U <= MPE; None where one of them is not known."""
        return self._keeps(self.error)

    @property
    def left_good(self) -> bool | None:
        """|as left| + U <= MPE; as found where nothing was adjusted."""
        return self._keeps(self.error if self.left is None else self.left)

    def _keeps(self, error: float | None) -> bool | None:
        if error is None or self.expanded is None or self.mpe is None:
            return None
        return abs(error) + self.expanded <= self.mpe * (1.0 + 1e-12)  # 0.3 + 0.2 is 0.5 for a person


class State(StrEnum):
    """Of an instrument at a moment. doubtful: valid by date, but its certificate leaves out error, U or MPE."""

    VALID = "valid"
    DOUBTFUL = "doubtful"
    OVERDUE = "overdue"
    FAILED = "failed"
    NONE = "none"


def in_force(calibrations: Iterable[Calibration], at_ns: int) -> Calibration | None:
    """The last one done by at_ns."""
    done = [one for one in calibrations if one.at_ns <= at_ns]
    return max(done, key=lambda one: (one.at_ns, one.certificate), default=None)


def state_at(calibrations: Sequence[Calibration], at_ns: int) -> State:
    """Valid if at <= t < due and |error| + U <= MPE, of the calibration in force. Overdue goes before doubtful."""
    one = in_force(calibrations, at_ns)
    if one is None:
        return State.NONE
    if one.left_good is False:
        return State.FAILED
    if at_ns >= one.due_ns:
        return State.OVERDUE
    return State.VALID if one.left_good else State.DOUBTFUL


def told_once(declared: Iterable[Calibration], events: Iterable[Calibration]) -> tuple[Calibration, ...]:
    """All calibrations of an instrument in order of time; one that is told twice, in both ways, counts once.

    That is one with the same number within a day. What is declared holds, as it was looked through; where it knows the
    day only, the event has the hour. Two events are two calibrations, whatever their numbers.
    """
    left, found = list(events), []
    for one in declared:
        end_ns = one.at_ns if one.by_ns is None else one.by_ns
        same = [
            other for other in left
            if one.certificate and other.certificate == one.certificate
            and one.at_ns - DAY_NS < other.at_ns < end_ns + DAY_NS
        ]  # fmt: skip
        exact = next((other for other in same if one.by_ns is not None and one.at_ns <= other.at_ns < one.by_ns), None)
        left = [other for other in left if other not in same]
        found.append(one if exact is None else replace(one, at_ns=exact.at_ns, by_ns=None))
    return tuple(sorted([*found, *left], key=lambda one: (one.at_ns, one.certificate)))


@dataclass(frozen=True, slots=True)
class Doubt:
    """[from_ns, to_ns) in which an instrument was out of tolerance, as was found at the end of it or within it.

    from_ns: `EVER_NS` where no good one was before; to_ns: `OPEN_END_NS` where none was since. certificate: the first
    that failed. last_good: the one before it that did not, empty for none.
    """

    from_ns: int
    to_ns: int
    certificate: str
    last_good: str


def doubts(calibrations: Iterable[Calibration]) -> list[Doubt]:
    """From the last calibration that left the instrument good, over a failed as-found, to the next that left it good.

    That is the failed one itself where it was adjusted. They do not overlap. A calibration whose error, U or MPE is not
    known is no good one: nothing was shown by it. Several at one time are taken in order of their certificates.
    """
    found, good, failed = [], (EVER_NS, ""), ""
    open_since: int | None = None
    for one in sorted(calibrations, key=lambda one: (one.at_ns, one.certificate)):
        if one.found_good is False and open_since is None:
            open_since, failed = good[0], one.certificate
        if one.left_good:
            end_ns = one.at_ns if one.by_ns is None else one.by_ns
            if open_since is not None and open_since < end_ns:
                found.append(Doubt(open_since, end_ns, failed, good[1]))
            good, open_since = (one.at_ns, one.certificate), None
    if open_since is not None:
        found.append(Doubt(open_since, OPEN_END_NS, failed, good[1]))
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """An instrument that a figure was measured with, and how it stood. state: the worst over the figure's time."""

    tag: str
    certificate: str
    state: State
    expanded: float | None
    k: float
    in_doubt: bool


_WORSE = (State.VALID, State.DOUBTFUL, State.OVERDUE, State.FAILED, State.NONE)


def measured_with(
    calibrations: Mapping[str, Sequence[Calibration]], tags: Iterable[str], start_ns: int, end_ns: int
) -> list[Measured]:
    """The instruments of a figure of [start_ns, end_ns), in the order of tags: the certificates in force, each once.

    calibrations: by tag; a tag without any has state none and no certificate. A calibration within the time ends the
    one before it.
    """
    found = []
    for tag in dict.fromkeys(tags):
        mine = sorted(calibrations.get(tag, ()), key=lambda one: (one.at_ns, one.certificate))
        moments = [start_ns, *(one.at_ns for one in mine if start_ns < one.at_ns < end_ns)]
        spans = list(zip(moments, [*moments[1:], end_ns], strict=True))
        unsure = doubts(mine)
        for begin, end in spans:
            one = in_force(mine, begin)
            state = max((state_at(mine, at) for at in (begin, max(begin, end - 1))), key=_WORSE.index)
            doubted = any(doubt.from_ns < end and begin < doubt.to_ns for doubt in unsure)
            name, expanded, k = (one.certificate, one.expanded, one.k) if one else ("", None, COVERAGE)
            found.append(Measured(tag, name, state, expanded, k, doubted))
    return found

"""WHO PQS E006 temperature alarms: so long beyond a threshold in one go, or in all.

30DTR: heat above 8 Cel for 10 h and freeze at or below -0.5 Cel for 60 min, each in one go. Shipping indicators: type 1
at 45 Cel for 1 h in one go and 30 Cel for 10 h in all, type 2 also 10 Cel for 20 h in all; there the threshold counts.
A value stands until the next one: a logger that falls silent while it is too warm is too warm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from andon.readings import F64, I64, NS_PER_S
from operators.cold_chain import HOTTEST_C, ZERO_CELSIUS
from operators.machines import Inputs, Made

LAYOUT = 1
MINUTE_NS = 60 * NS_PER_S
RESTART = "trip.started"  # what is counted in all begins anew
#: Columns of the int64 state, one row a rule: time beyond, where it began, whether it was told.
BEYOND, BEGAN, TOLD, STATE = range(4)
#: Columns of the float64 terms: threshold Cel, 1 above or -1 below, 1 the threshold itself counts, ns, 1 in all.
THRESHOLD, SIDE, COUNTS, NEEDED, IN_ALL, TERMS = range(6)
_jit = njit(nogil=True, cache=True, error_model="numpy")


@dataclass(frozen=True, slots=True)
class WhoRule:
    """above: too warm, else too cold; inclusive: the threshold itself counts; in_all: times add up."""

    name: str
    threshold_c: float
    minutes: float
    above: bool = True
    inclusive: bool = True
    in_all: bool = False


RULES = {
    rule.name: rule
    for rule in (
        WhoRule("heat8", 8.0, 600, inclusive=False),
        WhoRule("freeze", -0.5, 60, above=False),
        WhoRule("single45_1h", 45.0, 60),
        WhoRule("cum30_10h", 30.0, 600, in_all=True),
        WhoRule("cum10_20h", 10.0, 1200, in_all=True),
    )
}
SETS = {
    "30dtr": ("heat8", "freeze"),
    "type1": ("single45_1h", "cum30_10h", "freeze"),
    "type2": ("single45_1h", "cum30_10h", "cum10_20h", "freeze"),
}


@_jit
def pass_time(state: I64, terms: F64, standing: float, since_ns: int, until_ns: int, fired: I64) -> bool:
    """Count the standing value from since_ns to until_ns; fired[rule]: the instant it was reached. Whether any was."""
    some = False
    for rule in range(len(terms)):
        beyond = (standing - terms[rule, THRESHOLD]) * terms[rule, SIDE]
        if not (beyond > 0.0 or (beyond == 0.0 and terms[rule, COUNTS] == 1.0)):
            if terms[rule, IN_ALL] == 0.0:
                state[rule, BEYOND] = 0
                state[rule, TOLD] = 0
            continue
        if state[rule, BEYOND] == 0:
            state[rule, BEGAN] = since_ns
        state[rule, BEYOND] += until_ns - since_ns
        over = state[rule, BEYOND] - np.int64(terms[rule, NEEDED])
        if over >= 0 and state[rule, TOLD] == 0:
            state[rule, TOLD] = 1
            fired[rule] = until_ns - over
            some = True
    return some


@_jit
def pass_rows(
    state: I64, terms: F64, clock: I64, standing: F64, time_ns: I64, value: F64, begin: int, upto_ns: int, fired: I64
) -> int:
    """Rows from begin on, then time up to upto_ns; stops after the first that reaches a rule: where to go on.

    clock int64[2]: counted up to, whether a value stands; standing float64[1].
    """
    rows = len(time_ns)
    for row in range(begin, rows + 1):
        if row < rows and not -ZERO_CELSIUS < value[row] < HOTTEST_C:
            continue
        until_ns = time_ns[row] if row < rows else upto_ns
        some = clock[1] == 1 and until_ns > clock[0] and pass_time(state, terms, standing[0], clock[0], until_ns, fired)
        clock[0] = until_ns
        if row < rows:
            standing[0] = value[row]
            clock[1] = 1
        if some:
            return row + 1
    return rows + 1


class WhoMachine:
    """Alarms of one temperature (input 0), a figure each: from where the time began to count until it was reached."""

    def __init__(self, begin_ns: int, rules: Sequence[WhoRule]) -> None:
        self._begin_ns, self._rules = begin_ns, tuple(rules)
        self._terms = np.array(
            [
                (one.threshold_c, 1.0 if one.above else -1.0, one.inclusive, one.minutes * MINUTE_NS, one.in_all)
                for one in self._rules
            ],
            np.float64,
        ).reshape(-1, TERMS)
        self._state = np.zeros((len(self._rules), STATE), np.int64)
        self._clock, self._standing = np.array([begin_ns, 0], np.int64), np.zeros(1)

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `Machine.step`."""
        made: list[Made] = []
        for one in inputs.events:
            if one.event == RESTART:
                before, inputs = inputs.before(one.time_ns)
                made += self._take(before, one.time_ns)
                self._state[self._terms[:, IN_ALL] == 1.0] = 0
        return made + self._take(inputs, upto_ns)

    def _take(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        made: list[Made] = []
        at, fired = 0, np.full(len(self._rules), -1, np.int64)
        while at <= len(inputs):
            times, values = inputs.time_ns, inputs.value
            at = pass_rows(
                self._state, self._terms, self._clock, self._standing, times, values, at, upto_ns, fired
            )  # fmt: skip
            made += [self._made(rule, at_ns) for rule, at_ns in enumerate(fired.tolist()) if at_ns > self._begin_ns]
            fired[:] = -1
        return made

    def _made(self, rule: int, at_ns: int) -> Made:
        one = self._rules[rule]
        parts = {"beyond_s": one.minutes * 60.0, "limit": one.threshold_c, "alarm": 1.0}
        return Made(int(self._state[rule, BEGAN]), at_ns, parts, {"rule": one.name}, one.name)

    def running(self) -> list[Made]:
        """Nothing: an alarm is told when it is reached."""
        return []

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, what stands and is counted."""
        return (LAYOUT, self._clock.tobytes(), self._standing.tobytes(), self._state.tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"who: layout {snapshot[0]}, {LAYOUT} is known")
        _, clock, standing, state = snapshot
        self._clock, self._standing = np.frombuffer(clock, np.int64).copy(), np.frombuffer(standing).copy()
        self._state = np.frombuffer(state, np.int64).reshape(-1, STATE).copy()

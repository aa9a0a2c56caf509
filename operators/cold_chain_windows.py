"""Windows of a storage temperature: weighted by time, time out of the label range, door and defrost beside it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from andon.readings import NS_PER_S
from operators.bounds import last_bound
from operators.held import ABOVE, ABOVE_MIN, BELOW, BELOW_MIN, COVERED, MAXIMUM, MINIMUM, UNCERTAIN, Held, Limits
from operators.machines import Bounds, Inputs, Made

LAYOUT = 1
NOTHING: Mapping[str, str] = MappingProxyType({})
CONTACT = Limits(high=0.5, activation_j_mol=0.0)  # of a boolean: the time above is the time it was true


class WindowMachine:
    """Time-weighted figures of one temperature in windows; door and defrost beside it.

    Windows of which nothing is known are not given.
    held: of the temperature (input 0) and of the contacts; names: the parts of the contacts, in order.
    """

    def __init__(
        self, begin_ns: int, bounds: Bounds, held: list[Held], names: list[str], about: Mapping[str, str] = NOTHING
    ) -> None:
        self._bounds = bounds
        self._held = held
        self._names = names
        self._about = about
        self._start_ns: int | None = None  # None: before the begin, rows only stand
        self._end_ns = begin_ns
        self._upto_ns = begin_ns

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `Machine.step`."""
        made: list[Made] = []
        while self._end_ns <= upto_ns:
            if self._skipped(inputs, upto_ns):
                continue
            if len(inputs):
                before, inputs = inputs.before(self._end_ns)
                self._take(before)
            made += self._closed()
        self._take(inputs)
        self._upto_ns = upto_ns
        return made

    def _skipped(self, inputs: Inputs, upto_ns: int) -> bool:
        """Pass over windows of which nothing can be known: a clock that was set leaves a quarter of a million hours."""
        start_ns, end_ns = self._start_ns, self._end_ns
        if start_ns is None or not all(held.idle(start_ns) for held in self._held):
            return False
        rows_ns = min(int(inputs.time_ns[0]), upto_ns) if len(inputs) else upto_ns
        if end_ns > rows_ns:
            return False
        start_ns = last_bound(self._bounds.after, end_ns, rows_ns)
        end_ns = self._bounds.after(start_ns)
        self._start_ns, self._end_ns = start_ns, end_ns
        for held in self._held:
            held.begin(start_ns)
        return True

    def _take(self, inputs: Inputs) -> None:
        if not len(inputs):
            return
        if len(self._held) == 1:
            self._held[0].rows(inputs.time_ns, inputs.value, inputs.status)
            return
        for number, held in enumerate(self._held):
            mine = inputs.input == number
            held.rows(inputs.time_ns[mine], inputs.value[mine], inputs.status[mine])

    def _closed(self) -> list[Made]:
        """The window that ends at the bound; the next one begins there."""
        for held in self._held:
            held.settle(self._end_ns)
        made = [] if self._start_ns is None else self._made(self._held, self._start_ns, self._end_ns, self._end_ns)
        for held in self._held:
            held.begin(self._end_ns)
        self._start_ns, self._end_ns = self._end_ns, self._bounds.after(self._end_ns)
        return made

    def _made(self, all_held: list[Held], start_ns: int, end_ns: int, known_to_ns: int) -> list[Made]:
        held, *rest = all_held
        parts = window_parts(held, (known_to_ns - start_ns) / NS_PER_S)
        for name, contact in zip(self._names, rest, strict=True):
            parts[name] = contact.seconds(ABOVE) if contact.known else None
        return [Made(start_ns, end_ns, parts, self._about)] if parts["covered_s"] else []

    def running(self) -> list[Made]:
        """The window so far: its gap is that of the time up to the last upto_ns."""
        if self._start_ns is None or self._upto_ns <= self._start_ns:
            return []
        held = [one.at(self._upto_ns) for one in self._held]
        return self._made(held, self._start_ns, self._end_ns, self._upto_ns)

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, window, what stands and is counted."""
        return (LAYOUT, self._start_ns, self._end_ns, self._upto_ns, tuple(one.snapshot() for one in self._held))

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"cold chain: layout {snapshot[0]}, {LAYOUT} is known")
        _, self._start_ns, self._end_ns, self._upto_ns, held = snapshot
        for one, kept in zip(self._held, held, strict=True):
            one.restore(kept)


def window_parts(held: Held, length_s: float) -> dict[str, float | None]:
    """Parts of a settled stretch of length_s, and what `merge_parts` needs beside them."""
    covered_s = held.seconds(COVERED)
    return {
        "covered_s": covered_s, "gap_s": length_s - covered_s, "samples": held.samples,
        "integral_c_s": held.integral, "above_s": held.seconds(ABOVE), "below_s": held.seconds(BELOW),
        "above_c_min": held.amount(ABOVE_MIN), "below_c_min": held.amount(BELOW_MIN),
        "minimum": held.number(MINIMUM), "maximum": held.number(MAXIMUM), "mean": held.mean, "mkt": held.mkt,
        "arrhenius_log": held.arrhenius_log, "activation_j_mol": held.limits.activation_j_mol,
        "uncertain_s": held.seconds(UNCERTAIN),
    }  # fmt: skip

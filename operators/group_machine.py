"""A group of series as a machine: means of each over a window, judged together once the window has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from andon.readings import F64, I64
from operators.gate import Gate, GateSpec
from operators.machines import Happened, Inputs, Made
from operators.spc_events import Making

LAYOUT = 1
PRODUCTS = 16  # references that are kept; the one that ran longest ago goes
RANKS = 5  # channels that a figure names
LONGEST = 64  # characters of a text of a figure
LONG_AGO = -(2**62)


class Verdict(NamedTuple):
    """Of one row. score: -log10 p, None for a row that says nothing. ranked: (channel's name, contribution or None)."""

    score: float | None
    unusual: bool
    ranked: tuple[tuple[str, float | None], ...] = ()
    statistic: str = ""


class Judge(Protocol):
    """Judges rows of means against those that came first."""

    def judge(self, time_ns: int, row: F64) -> Verdict:
        """row: float64[p], NaN where a series has no mean; stamps do not fall. Judged, then learned from."""

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples, numbers and bytes."""

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Know what the snapshot knew; ValueError for another layout."""


class Budget(Protocol):
    """Which scores become alarms."""

    def alarm(self, time_ns: int, score: float) -> bool:
        """Whether a person is to be told."""

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples, numbers and bytes."""

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Know what the snapshot knew; ValueError for another layout."""


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """channels: number of series, the inputs 0..channels - 1; with a gate the state is the input after them.

    reach_ns: how far before the begin windows are learned from that are not told.
    """

    channels: int
    window_ns: int
    learn: int
    judge: Callable[[], Judge]
    budget: Callable[[], Budget]
    by_product: bool = False
    gate: GateSpec | None = None
    settle_ns: int = 0
    reach_ns: int = 0


class GroupMachine:
    """A figure a window in which at least one of the series had a reading that counts.

    Each series' mean of its readings, uncertain ones among them; a product's change within a window begins it anew.
    Cost: about 0.1 ms a window of eight series, and 10 ns a reading.
    """

    def __init__(self, begin_ns: int, spec: GroupSpec) -> None:
        self._spec, self._begin_ns = spec, begin_ns
        self._end_ns = ((begin_ns - spec.reach_ns) // spec.window_ns + 1) * spec.window_ns
        self._sums, self._counts = np.zeros(spec.channels), np.zeros(spec.channels, np.int64)
        self._making = Making()
        self._quiet_ns = self._started_ns = LONG_AGO  # until when no reading counts; since when it runs, if it does
        self._runs = False
        self._gate = Gate(spec.gate) if spec.gate else None
        self._judges: dict[str, tuple[int, Judge]] = {}  # by product: rows learned from, and the judge
        self._budget = spec.budget()

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """As `Machine.step`."""
        made: list[Made] = []
        while self._end_ns <= upto_ns:
            before, inputs = inputs.before(self._end_ns)
            self._take(before)
            made += self._close()
            self._end_ns += self._spec.window_ns
            self._skip(inputs, upto_ns)
        self._take(inputs)
        return made

    def _skip(self, inputs: Inputs, upto_ns: int) -> None:
        """Pass over windows that hold nothing."""
        heads = [int(inputs.time_ns[0])] if len(inputs) else []
        heads += [inputs.events[0].time_ns] if inputs.events else []
        next_ns = min([*heads, upto_ns])
        self._end_ns = max(self._end_ns, (next_ns // self._spec.window_ns + 1) * self._spec.window_ns)

    def running(self) -> list[Made]:
        """Nothing: a part of a window is not judged."""
        return []

    def _take(self, inputs: Inputs) -> None:
        """Rows and events of one window."""
        if self._spec.by_product:
            for event in inputs.events:
                rows, inputs = inputs.before(event.time_ns)
                self._add(rows)
                self._event(event)
        self._add(inputs)

    def _event(self, event: Happened) -> None:
        before, self._making = self._making, self._making.after(event)
        if self._making.product != before.product:
            self._sums[:], self._counts[:] = 0.0, 0
            self._quiet_ns = event.time_ns + self._spec.settle_ns

    def _add(self, inputs: Inputs) -> None:
        if not len(inputs):
            return
        mine = np.flatnonzero(inputs.input < self._spec.channels)
        if self._gate is not None:
            since = self._since(inputs, self._spec.gate.codes if self._spec.gate else ())
            mine = self._gate.kept(inputs, mine, self._spec.channels)
            mine = mine[inputs.time_ns[mine] - since[mine] >= self._spec.settle_ns]
        mine = mine[inputs.time_ns[mine] >= self._quiet_ns]
        np.add.at(self._sums, inputs.input[mine], inputs.value[mine])  # one by one, so that no split changes a bit
        np.add.at(self._counts, inputs.input[mine], 1)

    def _since(self, inputs: Inputs, codes: tuple[int, ...]) -> I64:
        """For each row when the machine began to run, as of that row; LONG_AGO before the first state."""
        found = np.empty(len(inputs), np.int64)
        first = 0
        for place in np.flatnonzero(inputs.input == self._spec.channels).tolist():
            at_ns, code = int(inputs.time_ns[place]), int(inputs.value[place])
            row = max(first, int(np.searchsorted(inputs.time_ns, at_ns)))  # of one instant the state comes first
            found[first:row] = self._started_ns
            runs = 0 <= code < len(codes) and bool(codes[code])
            if runs and not self._runs:
                self._started_ns = at_ns
            self._runs, first = runs, row
        found[first:] = self._started_ns
        return found

    def _close(self) -> list[Made]:
        """Judge the window that ends now; nothing where no reading counted."""
        if not self._counts.any():
            return []
        with np.errstate(invalid="ignore"):
            row = self._sums / self._counts
        known = int(np.count_nonzero(self._counts))
        self._sums, self._counts = np.zeros_like(self._sums), np.zeros_like(self._counts)
        product = self._making.product if self._spec.by_product else ""
        rows, judge = self._judges.pop(product) if product in self._judges else (0, self._spec.judge())
        verdict = judge.judge(self._end_ns, row)
        self._judges[product] = min(rows + 1, self._spec.learn), judge
        if len(self._judges) > PRODUCTS:
            del self._judges[next(iter(self._judges))]
        if rows < self._spec.learn:
            verdict = Verdict(None, unusual=False)
        alarm = verdict.score is not None and self._budget.alarm(self._end_ns, verdict.score)
        start_ns = self._end_ns - self._spec.window_ns
        if start_ns < self._begin_ns:
            return []
        return [self._made(start_ns, verdict, product, (min(rows + 1, self._spec.learn), known, alarm))]

    def _made(self, start_ns: int, verdict: Verdict, product: str, counted: tuple[int, int, bool]) -> Made:
        learned, known, alarm = counted
        scored = verdict.score is not None
        parts: dict[str, float | None] = {
            "score": verdict.score, "alarm": float(alarm) if scored else None,
            "unusual": float(verdict.unusual) if scored else None, "learned": float(learned), "channels": float(known),
        }  # fmt: skip
        about = {"statistic": verdict.statistic, "product": product}
        for rank in range(RANKS):
            name, share = verdict.ranked[rank] if rank < len(verdict.ranked) else ("", None)
            parts[f"contribution_{rank + 1}"] = share
            about[f"channel_{rank + 1}"] = name[:LONGEST]
        told = {name: text for name, text in about.items() if text}
        return Made(start_ns, start_ns + self._spec.window_ns, parts, told)

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, window so far, what runs and is made, references by product from the one used longest ago on."""
        judges = tuple((product, rows, judge.snapshot()) for product, (rows, judge) in self._judges.items())
        gate = self._gate.snapshot() if self._gate else None
        return (
            LAYOUT, self._begin_ns, self._end_ns, self._sums.tobytes(), self._counts.tobytes(), tuple(self._making),
            self._quiet_ns, self._started_ns, self._runs, gate, judges, self._budget.snapshot(),
        )  # fmt: skip

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"group: layout {LAYOUT} expected, got {snapshot[0]}")
        (
            _, self._begin_ns, self._end_ns, sums, counts, making, self._quiet_ns, self._started_ns, self._runs, gate,
            judges, budget,
        ) = snapshot  # fmt: skip
        self._sums, self._counts = np.frombuffer(sums).copy(), np.frombuffer(counts, np.int64).copy()
        self._making = Making(*making)
        if self._gate is not None:
            self._gate.restore(gate)
        self._judges = {}
        for product, rows, kept in judges:
            judge = self._spec.judge()
            judge.restore(kept)
            self._judges[product] = rows, judge
        self._budget.restore(budget)

"""A control chart: judges closed subgroups one after the other against limits that are known or estimated in phase I.

Runs, moving ranges, EWMA and CUSUM begin anew where neighbours do not belong together: at a gap, at a change of order,
lot or product, at new limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from andon.readings import F64, I64
from operators.run_rules import BITS
from operators.spc_constants import of_spread
from operators.spc_events import Making
from operators.spc_judge import EXCLUDED, KINDS, LINKED, PARTS, judge_points, new_run
from operators.spc_phase_one import ATTRIBUTES, Known, Observed, attribute_value, estimate, named, revised
from operators.spc_subgroups import NEVER

LAYOUT = 2
PRODUCTS = 32  # whose estimated limits are remembered
WEIGHTED = ("ewma", "cusum")
UNKNOWN: Final = np.empty(0)  # limits of phase I
NO_FACTORS: Final = np.zeros((1, 2))


@dataclass(frozen=True, slots=True)
class ChartPlan:
    """How a chart judges. kind: xbar_r, xbar_s, imr, p, np, c, u, ewma, cusum.

    rules: names of run_rules.BITS, of Shewhart charts. width: of the limits, in sigmas of what is plotted; zones are
    thirds of it. lam: EWMA; exact: its limits at the start. k, h, head_start: CUSUM, sigmas of what is plotted.
    phase_one: subgroups that limits are estimated from where none are known; exclude_beyond: as `revised`.
    limits: known ones, from instants on. residuals: what is left of an AR(1) process is charted.
    """

    kind: str
    rules: tuple[str, ...] = ("nelson_1",)
    width: float = 3.0
    lam: float = 0.2
    exact: bool = False
    k: float = 0.5
    h: float = 5.0
    head_start: float = 0.0
    phase_one: int = 25
    exclude_beyond: bool = False
    residuals: bool = False
    limits: tuple[Known, ...] = ()

    @property
    def judged(self) -> tuple[str, ...]:
        """Its rules; EWMA and CUSUM have none."""
        return () if self.kind in WEIGHTED else self.rules

    @property
    def told(self) -> tuple[str, ...]:
        """Parts of a point, as `Judged.out` has them."""
        return (*PARTS, *(name for name in BITS if name in self.judged))

    def numbers(self) -> F64:
        """As `judge_points` takes it."""
        chosen = 0
        for name in self.judged:
            chosen |= BITS[name]
        return np.array([
            KINDS.index(self.kind), self.width, self.lam, self.exact, self.k, self.h, self.head_start, self.residuals,
            chosen,
        ], np.float64)  # fmt: skip


class Judged(NamedTuple):
    """Points of one setting, m in order of time. A point is judged where its `signal` is not NaN.

    whole int64[m, 9], parts float64[m, 5]: the subgroups, as spc_subgroups.fold gives them. out float64[m, :]: columns
    of `ChartPlan.told`, NaN where undefined. marks int64[m, 2]: bits of the chosen rules that fired; 1 where the point
    is a neighbour of the one before. known: limits; None in phase I. cause: of those that are excluded.
    """

    whole: I64
    parts: F64
    out: F64
    marks: I64
    making: Making
    known: Known | None
    cause: str

    @property
    def version(self) -> str:
        """Of the limits; empty in phase I."""
        return self.known.version if self.known else ""


class _Holding(NamedTuple):
    """Limits of a product in [from_ns, until_ns); limits: as `judge_points` takes them."""

    product: str
    from_ns: int
    until_ns: int
    known: Known | None
    limits: F64


@lru_cache(maxsize=256)
def _factor(n: int, *, deviation: bool) -> F64:
    """float64[1, 2]: `of_spread` of one size; not to be changed."""
    return np.array([of_spread(n, deviation=deviation)])


@dataclass(slots=True)
class ControlChart:
    """Sequential state of one chart."""

    plan: ChartPlan
    set_by_event: dict[str, Known] = field(default_factory=dict)
    _found: dict[str, Known] = field(default_factory=dict)  # estimated, by product
    _phase: dict[str, list[Observed]] = field(default_factory=dict)
    _run: F64 = field(default_factory=new_run)
    _last: tuple[str, Making] | None = None  # version and what was made, of the point before
    _holds: _Holding | None = None  # what was found last; None: limits may have changed
    _numbers: F64 = field(init=False)
    _rule_bits: I64 = field(init=False)

    def __post_init__(self) -> None:
        """What the kernel takes of the plan."""
        self._numbers = self.plan.numbers()
        self._rule_bits = np.array([BITS[name] for name in self.plan.told[len(PARTS) :]], np.int64)

    def set_limits(self, known: Known) -> None:
        """From now on, for its product or, with none, for all."""
        self.set_by_event[known.product] = known
        self._holds = None
        if len(self.set_by_event) > PRODUCTS:
            del self.set_by_event[next(iter(self.set_by_event))]

    def known_at(self, at_ns: int, product: str) -> Known | None:
        """The limits that hold: those of the product before general ones, the newest of them, else estimated ones."""
        asked = [one for one in self._asked(product) if one.from_ns <= at_ns]
        if not asked:
            return self._found.get(product)
        return max(asked, key=lambda one: (bool(one.product), one.from_ns))

    def _asked(self, product: str) -> Iterator[Known]:
        for some in (self.plan.limits, self.set_by_event.values()):
            for one in some:
                if one.product in ("", product):
                    yield one

    def judge(self, whole: I64, parts: F64, making: Making, cause_ns: int = NEVER, cause: str = "") -> Iterator[Judged]:
        """The next subgroups, as spc_subgroups.fold gives them; those that hold no value are left out."""
        if self.plan.kind not in ATTRIBUTES and not whole[:, 6].all():
            keep = whole[:, 6] > 0
            whole, parts = whole[keep], parts[keep]
        begin, cause_ns = 0, cause_ns if cause else NEVER
        while begin < len(whole):
            holds = self._holding(int(whole[begin, 0]), making.product)
            end = len(whole)
            if holds.known is None:
                end = begin + 1
            elif int(whole[-1, 0]) >= holds.until_ns:
                end = int(np.searchsorted(whole[:, 0], holds.until_ns))
            rows, their = (whole, parts) if end - begin == len(whole) else (whole[begin:end], parts[begin:end])
            out, marks = self._judged(rows, their, making, holds, cause_ns)
            judged = Judged(rows, their, out, marks, making, holds.known, cause)
            if holds.known is None:
                self._observe(judged)
            yield judged
            begin = end

    def _holding(self, at_ns: int, product: str) -> _Holding:
        """The limits that hold at an instant; looked for again behind their end, or for another product."""
        holds = self._holds
        if holds is None or holds.product != product or not holds.from_ns <= at_ns < holds.until_ns:
            known = self.known_at(at_ns, product)
            later = [one.from_ns for one in self._asked(product) if one.from_ns > at_ns]
            limits = UNKNOWN if known is None else np.array([known.centre, known.sigma, known.phi])
            holds = self._holds = _Holding(product, at_ns, min(later, default=-NEVER), known, limits)
        return holds

    def _judged(
        self, whole: I64, parts: F64, making: Making, holds: _Holding, cause_ns: int
    ) -> tuple[F64, I64]:  # fmt: skip
        """`out` and `marks` of `Judged`."""
        now = (holds.known.version if holds.known else "", making)
        linked, self._last = self._last == now, now
        out, marks = np.empty((len(whole), len(PARTS) + len(self._rule_bits))), np.empty((len(whole), 2), np.int64)
        judge_points(
            whole, parts, linked, cause_ns, self._numbers, holds.limits, self._factors(whole), self._rule_bits,
            self._run, out, marks,
        )  # fmt: skip
        return out, marks

    def _factors(self, whole: I64) -> F64:
        kind = self.plan.kind
        if kind not in ("xbar_r", "xbar_s", "imr"):
            return NO_FACTORS
        deviation, first = kind == "xbar_s", int(whole[0, 6])
        if len(whole) > 1:
            sizes = whole[:, 6].tolist()
            if sizes.count(first) != len(sizes):
                return np.array([of_spread(max(n, 2), deviation=deviation) for n in sizes])
        return _factor(max(first, 2), deviation=deviation)

    def _observe(self, point: Judged) -> None:
        """One point of phase I."""
        start_ns, n = int(point.whole[0, 0]), int(point.whole[0, 6])
        mean, spread, deviation, amount, inspected = point.parts[0].tolist()
        kind, product = self.plan.kind, point.making.product
        points = self._phase.setdefault(product, [])
        short = kind == "c" and bool(point.whole[0, 8])
        if kind not in ATTRIBUTES or not (short or attribute_value(kind, amount, inspected) is None):
            own = (spread if kind == "xbar_r" else deviation) if n > 1 else None
            linked, out = bool(point.marks[0, LINKED]), bool(point.out[0, EXCLUDED])
            points.append(Observed(start_ns, n, mean, own, amount, inspected, linked, out))
        if len(points) < self.plan.phase_one or sum(not seen.cause for seen in points) < self.plan.phase_one:
            while len(self._phase) > PRODUCTS:
                del self._phase[next(iter(self._phase))]
            return
        del self._phase[product]
        if self.plan.exclude_beyond:
            known, _ = revised(kind, points, residuals=self.plan.residuals)
        else:
            known = estimate(kind, points, residuals=self.plan.residuals)
        if known is not None:  # else the next ones are tried
            version = f"phase I {np.datetime64(points[0].start_ns, 'ns').astype('datetime64[s]')}Z n={len(points)}"
            self._found[product], self._holds = named(known, version, product), None
            if len(self._found) > PRODUCTS:
                del self._found[next(iter(self._found))]

    def observed(self) -> dict[str, list[Observed]]:
        """The points of phase I so far, by product."""
        return {product: list(points) for product, points in self._phase.items()}

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return (
            LAYOUT, tuple(_plain(one) for one in self.set_by_event.values()),
            tuple(_plain(one) for one in self._found.values()),
            tuple((product, tuple(map(tuple, points))) for product, points in self._phase.items()),
            self._run.tobytes(), None if self._last is None else (self._last[0], tuple(self._last[1])),
        )  # fmt: skip

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"control chart of layout {snapshot[0]}; this version reads {LAYOUT}")
        _, by_event, found, phase, run, last = snapshot
        self._holds = None
        self.set_by_event = {one[4]: Known(*one) for one in by_event}
        self._found = {one[4]: Known(*one) for one in found}
        self._phase = {product: [Observed(*one) for one in points] for product, points in phase}
        self._run[:] = np.frombuffer(run)
        self._last = None if last is None else (last[0], Making(*last[1]))


def _plain(one: Known) -> tuple[Any, ...]:
    return one.version, one.centre, one.sigma, one.phi, one.product, one.from_ns, one.autocorrelated

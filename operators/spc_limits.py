"""Limits of a chart from a stretch of its past: what phase I would find, and whether the stretch was in control."""

from __future__ import annotations

from dataclasses import dataclass, replace

from operators.machines import Inputs
from operators.run_rules import names
from operators.spc_feed import ChartFeed, Wiring
from operators.spc_judge import BEYOND, EXCLUDED, FIRED, SIGNAL, SPREAD_BEYOND
from operators.spc_phase_one import ATTRIBUTES, Known, Observed, kept, named

WHOLE = 10**9  # subgroups: phase I never ends


@dataclass(frozen=True, slots=True)
class Signal:
    """A point of the stretch that the limits found in it call a signal: what says so."""

    start_ns: int
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """What a stretch says of one product; known None: it gives no limits.

    subgroups, n: those that limits are of, and their values. marked: starts of those with an assignable cause that
    somebody told. beyond: starts of those left out since they were beyond trial limits.
    signals: of the others; none: the stretch was in control.
    """

    product: str
    known: Known | None
    subgroups: int
    n: int
    marked: tuple[int, ...]
    beyond: tuple[int, ...]
    signals: tuple[Signal, ...]

    @property
    def stable(self) -> bool | None:
        """Whether nothing is a signal; None without limits."""
        return None if self.known is None else not self.signals


def studies(wired: Wiring, inputs: Inputs, upto_ns: int) -> list[Study]:
    """One of each product that was made in the stretch, in order; whatever limits are known count for nothing."""
    plan = replace(wired.plan, limits=(), phase_one=WHOLE)
    events = [one for one in inputs.events if one.event != "limits.set"]
    stretch = replace(inputs, events=events)
    feed = ChartFeed(replace(wired, plan=plan))
    feed.advance(stretch, upto_ns)
    return [_study(wired, stretch, upto_ns, product, points) for product, points in feed.observed().items()]


def _study(wired: Wiring, stretch: Inputs, upto_ns: int, product: str, points: list[Observed]) -> Study:
    plan = wired.plan
    known, left = kept(plan.kind, points, residuals=plan.residuals, exclude=plan.exclude_beyond)
    if known is not None and known.sigma <= 0.0 and plan.kind not in ATTRIBUTES:
        known = None  # all values are equal: nothing can be judged by that
    used = [one for one in left if not one.cause]
    marked = tuple(one.start_ns for one in points if one.cause)
    beyond = tuple(b.start_ns for a, b in zip(points, left, strict=True) if b.cause and not a.cause)
    signals: tuple[Signal, ...] = ()
    if known is not None:
        judged = replace(wired, plan=replace(plan, limits=(named(known, "found", product),), phase_one=WHOLE))
        signals = tuple(_signals(judged, stretch, upto_ns, product, {*marked, *beyond}))
    return Study(product, known, len(used), sum(one.n for one in used), marked, beyond, signals)


def _signals(wired: Wiring, stretch: Inputs, upto_ns: int, product: str, left_out: set[int]) -> list[Signal]:
    found = []
    for some in ChartFeed(wired).advance(stretch, upto_ns):
        if some.making.product != product:
            continue
        for start_ns, row, fired in zip(
            some.whole[:, 0].tolist(), some.out.tolist(), some.marks[:, FIRED].tolist(), strict=True
        ):
            if row[SIGNAL] == 1.0 and row[EXCLUDED] != 1.0 and start_ns not in left_out:
                told = list(names(fired, wired.plan.judged))
                told += ["beyond"] * (row[BEYOND] == 1.0 and not told) + ["spread"] * (row[SPREAD_BEYOND] == 1.0)
                found.append(Signal(start_ns, tuple(told)))
    return found

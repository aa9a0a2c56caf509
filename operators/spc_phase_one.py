"""Phase I: limits from the first subgroups of a process, without those that had an assignable cause.

Source: ISO 7870-2; D. C. Montgomery, Introduction to Statistical Quality Control, phase I use of control charts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from operators.spc import (
    Lines,
    defective_lines,
    defects_lines,
    deviation_lines,
    first_autocorrelation,
    mean_lines,
    moving_range_sigma,
    proportion_lines,
    range_lines,
)  # fmt: skip
from operators.spc_constants import factors

ATTRIBUTES = ("p", "np", "c", "u")
OF_ITEMS: dict[str, Callable[[float, float, float], Lines]] = {
    "p": proportion_lines, "np": defective_lines, "u": defects_lines,
}  # fmt: skip
MOST_EXCLUDED = 1 / 3  # with more the process was not under control, and what is left says nothing of it


@dataclass(frozen=True, slots=True)
class Known:
    """Limits of a process. centre: of a value, a proportion, or defects a unit; sigma: of a value, 0 for attributes.

    phi: lag-1 coefficient where residuals are charted. autocorrelated: phase I found neighbours that depend on each
    other, and no residuals are charted.
    """

    version: str
    centre: float
    sigma: float = 0.0
    phi: float = 0.0
    product: str = ""
    from_ns: int = -(2**62)
    autocorrelated: bool = False


class Observed(NamedTuple):
    """A subgroup of phase I. spread: range or standard deviation, as the chart has it; None for n = 1.

    linked: nothing came between it and the one before. cause: it is left out.
    """

    start_ns: int
    n: int
    x: float
    spread: float | None
    amount: float
    inspected: float
    linked: bool
    cause: bool


def estimate(kind: str, points: Sequence[Observed], *, residuals: bool = False) -> Known | None:
    """Limits from the points without a cause; None where they do not give any.

    Means are weighted by n. sigma: of ranges R / d2(n), of deviations s / c4(n), of single values the mean moving range
    of linked neighbours / d2(2), of residuals the same from them. Attributes: all defects by all items or units.
    """
    used = [one for one in points if not one.cause]
    if kind in ATTRIBUTES:
        items = float(len(used)) if kind == "c" else sum(one.inspected for one in used)
        return Known("", sum(one.amount for one in used) / items) if items > 0.0 else None
    total = sum(one.n for one in used)
    if not total:
        return None
    centre = sum(one.n * one.x for one in used) / total
    pairs = [(a, b) for a, b in pairwise(points) if b.linked and not (a.cause or b.cause)]
    phi = first_autocorrelation([one.x for one in used], [(a.x, b.x) for a, b in pairs])
    strange = phi is not None and abs(phi) > 2.0 / len(used) ** 0.5
    if residuals:
        return _of_residuals(centre, phi, pairs)
    sigmas = [one.spread / _unit(kind, one.n) for one in used if one.spread is not None and one.n > 1]
    sigma = sum(sigmas) / len(sigmas) if sigmas else moving_range_sigma([abs(b.x - a.x) for a, b in pairs])
    return None if sigma is None else Known("", centre, sigma, autocorrelated=strange)


def revised(
    kind: str, points: Sequence[Observed], *, residuals: bool = False, width: float = 3.0
) -> tuple[Known | None, int]:
    """As `estimate`, with points beyond the trial limits left out until none is; and how many were left out in all.

    None where more than a third would go. That every such point had a cause is taken for granted: use it where
    nobody looks, and marked causes alone where somebody does.
    """
    known, left = kept(kind, points, residuals=residuals, width=width, exclude=True)
    return known, sum(one.cause for one in left)


def kept(
    kind: str, points: Sequence[Observed], *, residuals: bool = False, width: float = 3.0, exclude: bool
) -> tuple[Known | None, list[Observed]]:
    """As `revised`, and the points with a cause where one was left out. exclude False: as `estimate`."""
    left = list(points)
    while True:
        known = estimate(kind, left, residuals=residuals)
        if known is None or not exclude:
            return known, left
        if sum(one.cause for one in left) > MOST_EXCLUDED * len(left):
            return None, left
        beyond = [not one.cause and not residuals and _beyond(kind, one, known, width) for one in left]
        if not any(beyond):
            return known, left
        left = [one._replace(cause=one.cause or gone) for one, gone in zip(left, beyond, strict=True)]


def _unit(kind: str, n: int) -> float:
    return factors(n).d2 if kind == "xbar_r" else factors(n).c4


def _of_residuals(centre: float, phi: float | None, pairs: list[tuple[Observed, Observed]]) -> Known | None:
    if phi is None:
        return None
    rest = [(b.x - centre) - phi * (a.x - centre) for a, b in pairs]
    near = [b is a for (_, b), (a, _) in pairwise(pairs)]  # a range over a gap says nothing
    sigma = moving_range_sigma([abs(b - a) for (a, b), both in zip(pairwise(rest), near, strict=True) if both])
    return None if sigma is None else Known("", centre, sigma, phi)


def attribute_value(kind: str, amount: float, inspected: float) -> float | None:
    """What an attribute chart plots: p share of defective items, np and c their number, u defects a unit."""
    if kind in ("c", "np"):
        return amount
    return amount / inspected if inspected > 0.0 else None


def location_lines(kind: str, known: Known, n: int, inspected: float, width: float) -> Lines | None:
    """Lines of the plotted value of a Shewhart chart; None where nothing was inspected, or n is 0."""
    if kind == "c":
        return defects_lines(known.centre, 1.0, width)
    if kind in ATTRIBUTES:
        return OF_ITEMS[kind](known.centre, inspected, width) if inspected > 0.0 else None
    return mean_lines(known.centre, known.sigma, n, width) if n else None


def spread_lines(kind: str, sigma: float, n: int, width: float) -> Lines:
    """Lines of the range, of the moving range (n = 2) or of the standard deviation."""
    return deviation_lines(sigma, n, width) if kind == "xbar_s" else range_lines(sigma, n, width)


def _beyond(kind: str, one: Observed, known: Known, width: float) -> bool:
    lines = location_lines(kind, known, one.n, one.inspected, width)
    value = attribute_value(kind, one.amount, one.inspected) if kind in ATTRIBUTES else one.x
    if lines is not None and value is not None and not lines.lower <= value <= lines.upper:
        return True
    if kind not in ("xbar_r", "xbar_s") or one.spread is None:
        return False
    lines = spread_lines(kind, known.sigma, one.n, width)
    return not lines.lower <= one.spread <= lines.upper


def named(known: Known, version: str, product: str) -> Known:
    """Under the version that figures tell."""
    return replace(known, version=version, product=product)

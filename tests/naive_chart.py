"""Slow obvious twin of judging: one subgroup after the other, from the formulas of operators/spc.py."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from operators.run_rules import BITS, completed, new_state
from operators.spc import cusum_next, ewma_lines, ewma_next
from operators.spc_judge import PARTS
from operators.spc_phase_one import ATTRIBUTES, attribute_value, location_lines, spread_lines


def told(z):
    return round(z * 1e9) / 1e9 if abs(z) < 1e6 else z


@dataclass
class NaiveChart:
    """Judges dicts start, end, n, mean, spread, deviation, amount, inspected, gap, short, uncertain, left_out."""

    plan: object
    x: float | None = None
    averages: list = field(default_factory=list)  # EWMA and the size, since the new begin
    sums: tuple | None = None
    rules: np.ndarray = field(default_factory=new_state)

    def judge(self, one, known, *, linked, excluded):
        """Parts of the next point."""
        plan, kind = self.plan, self.plan.kind
        if not linked or one["gap"]:
            self.x, self.averages, self.sums, self.rules = None, [], None, new_state()
        parts = dict.fromkeys((*PARTS, *(name for name in BITS if name in plan.judged)))
        x = attribute_value(kind, one["amount"], one["inspected"]) if kind in ATTRIBUTES else one["mean"]
        parts |= {"value": x, "n": one["n"], "inspected": one["inspected"] or None, "excluded": float(excluded)}
        parts |= {"uncertain": one["uncertain"], "left_out": one["left_out"], "spread": self._spread(one, x)}
        if known is not None and not (kind == "c" and one["short"]):
            self._against(parts, one, known, x)
        elif known is not None:
            self.rules = new_state()
        self.x = x
        if parts["beyond"] is not None or parts["spread_beyond"] is not None:
            fired = [name for name in plan.judged if parts[name]]
            out = parts["beyond"] if kind in ("ewma", "cusum") else fired
            parts["signal"] = float(bool(out) or bool(parts["spread_beyond"]))
        return parts

    def _spread(self, one, x):
        if self.plan.kind in ATTRIBUTES:
            return None
        if one["n"] > 1:
            return one["spread"] if self.plan.kind == "xbar_r" else one["deviation"]
        single = self.plan.kind == "imr" and not self.plan.residuals and self.x is not None
        return abs(x - self.x) if single else None

    def _against(self, parts, one, known, x):
        plan, value, centre = self.plan, x, known.centre
        if plan.residuals:
            value = None if self.x is None or x is None else (x - centre) - known.phi * (self.x - centre)
            centre = 0.0
        parts["value"] = value
        if value is None:
            self.rules = new_state()
            return
        weighted = {"ewma": self._average, "cusum": self._sum}.get(plan.kind)
        if weighted:
            weighted(parts, one, value, centre, known.sigma)
            return
        self._plot(parts, one, value, centre, known)
        if parts["spread"] is not None:
            lines = spread_lines(plan.kind, known.sigma, max(one["n"], 2), plan.width)
            parts |= {"spread_centre": lines.centre, "spread_lower": lines.lower, "spread_upper": lines.upper}
            parts["spread_beyond"] = float(not lines.lower <= parts["spread"] <= lines.upper)

    def _plot(self, parts, one, value, centre, known):
        plan = self.plan
        known = type(known)("", centre, known.sigma)
        lines = location_lines(plan.kind, known, one["n"], one["inspected"], plan.width)
        if lines is None:
            self.rules = new_state()
            return
        parts |= {"centre": lines.centre, "lower": lines.lower, "upper": lines.upper}
        beyond = not lines.lower <= value <= lines.upper
        bits = BITS["nelson_1"] if beyond else 0
        if lines.sigma > 0.0:
            z = (value - lines.centre) / lines.sigma
            zone = told(z * (3.0 / plan.width))
            bits = int(completed(np.array([zone]), self.rules)[0])
            beyond = beyond and abs(zone) != 3.0
            parts["z"] = told(z)
        parts["beyond"] = float(beyond)
        parts |= {name: float(bool(bits & BITS[name])) for name in plan.judged}

    def _average(self, parts, one, value, centre, sigma):
        plan = self.plan
        average = ewma_next(self.averages[-1][0] if self.averages else centre, value, plan.lam)
        self.averages.append((average, one["n"]))
        points = len(self.averages) if plan.exact else None
        lines = ewma_lines(centre, sigma / math.sqrt(one["n"]), plan.lam, plan.width, points)
        sizes = [n for _, n in self.averages]
        if len(set(sizes)) > 1:  # the variance of a sum of weighted means
            first = next(place for place, n in enumerate(sizes) if n != sizes[0])
            deviation = ewma_lines(0.0, 1.0, plan.lam, 1.0, first if plan.exact else None).sigma
            variance = deviation**2 / sizes[0]
            for n in sizes[first:]:
                variance = plan.lam**2 / n + (1.0 - plan.lam) ** 2 * variance
            off = plan.width * sigma * math.sqrt(variance)
            lines = lines._replace(lower=centre - off, upper=centre + off, sigma=sigma * math.sqrt(variance))
        z = told((average - centre) / lines.sigma) if lines.sigma > 0.0 else None
        beyond = not lines.lower <= average <= lines.upper and (z is None or abs(z) > plan.width)
        parts |= {"value": average, "centre": centre, "lower": lines.lower, "upper": lines.upper, "z": z}
        parts["beyond"] = float(beyond)

    def _sum(self, parts, one, value, centre, sigma):
        plan, of_mean = self.plan, sigma / math.sqrt(one["n"])
        if of_mean <= 0.0:
            parts["value"] = None
            return
        z = (value - centre) / of_mean
        upper, lower, above, below = self.sums or (plan.head_start, plan.head_start, 0, 0)
        upper, lower = cusum_next(upper, lower, z, plan.k)
        self.sums = upper, lower, above + 1 if upper > 0.0 else 0, below + 1 if lower > 0.0 else 0
        parts |= dict(zip(("c_plus", "c_minus", "n_plus", "n_minus"), self.sums, strict=True))
        parts |= {"value": max(upper, lower), "z": z, "centre": 0.0, "lower": 0.0, "upper": plan.h}
        parts["beyond"] = float(max(upper, lower) > plan.h + 1e-9)

"""Windows of the mean kinetic temperature with the limits of a storage condition (USP <659>, <1079.2>).

A window of 24 consecutive hours ends at each hour, one of 30 consecutive days at each day (UTC). Mean kinetic
temperature never excuses an excursion beyond the allowed range, and is not applicable to frozen goods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from andon.config.products import Condition, Product
from andon.readings import NS_PER_S
from operators.held import ABOVE, BELOW, BEYOND, COVERED, MAXIMUM, MINIMUM, UNCERTAIN, Held, mkt_of
from operators.machines import Every, Inputs, Made
from operators.profiles import Profile

LAYOUT = 1
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
LONG_NS = 7 * DAY_NS  # windows of a week and more move on by days
#: Of a closed bucket: ns, s and Cel.
Bucket = tuple[int, float, float, float, float, float, float, float, float]
START, COVER, LOG, INTEGRAL, OUT, SPIKE, DOUBT, LOWEST, HIGHEST = range(9)


def judge(
    parts: Mapping[str, float | None], condition: Condition, length_s: float, least: float
) -> tuple[float | None, str]:
    """Whether a window is allowable, and why not: 1 yes, 0 no, None cannot be decided.

    low: below the allowed range. high: above what is allowed even for a short time. spike: too long above the allowed
    range. coverage: too little is known, `least` (0..1) is needed. mkt: mean kinetic temperature above its limit.
    uncertain: nothing is against it but rows of uncertain status.
    """
    lowest, highest, mkt = parts["minimum"], parts["maximum"], parts["mkt"]
    if lowest is not None and lowest < condition.allowed_low:
        return 0.0, "low"
    if highest is not None and highest > condition.spike_high:
        return 0.0, "high"
    if (parts["spike_s"] or 0.0) > condition.spike_h * 3600.0:
        return 0.0, "spike"
    if (parts["covered_s"] or 0.0) < least * length_s:
        return None, "coverage"
    if mkt is not None and condition.mkt_high is not None and mkt > condition.mkt_high:
        return 0.0, "mkt"
    return (None, "uncertain") if parts["uncertain_s"] else (1.0, "none")


class UspMachine:
    """The USP windows of one temperature (input 0). held: with the profile's limits, allowed_high without the spike."""

    def __init__(self, begin_ns: int, held: Held, profile: Profile, product: Product, least: float) -> None:
        condition = product.condition
        self._begin_ns = begin_ns
        self._held, self._profile, self._condition, self._least = held, profile, condition, least
        self._window_ns = round((condition.mkt_h or 0.0) * HOUR_NS)
        self._step = Every(DAY_NS if self._window_ns >= LONG_NS else HOUR_NS)
        self._buckets: tuple[Bucket, ...] = ()
        self._end_ns: int | None = None
        self._upto_ns = begin_ns

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `Machine.step`."""
        made: list[Made] = []
        if self._end_ns is None:
            first_ns = min(int(inputs.time_ns[0]), self._begin_ns) if len(inputs) else self._begin_ns
            self._held.begin(first_ns)
            self._end_ns = self._step.after(first_ns)
        while self._end_ns <= upto_ns:
            rows_ns = int(inputs.time_ns[0]) if len(inputs) else upto_ns
            idle = not self._buckets and self._held.idle(self._end_ns - self._step.length_ns)
            if idle and self._end_ns <= rows_ns:  # years may lie between two rows where a clock was set
                self._end_ns = self._step.after(min(rows_ns, upto_ns))
                self._held.begin(self._end_ns - self._step.length_ns)
                continue
            if len(inputs):
                before, inputs = inputs.before(self._end_ns)
                self._held.rows(before.time_ns, before.value, before.status)
            made += self._closed(self._end_ns)
            self._end_ns = self._step.after(self._end_ns)
        self._held.rows(inputs.time_ns, inputs.value, inputs.status)
        self._upto_ns = upto_ns
        return made

    def _closed(self, end_ns: int) -> list[Made]:
        self._held.settle(end_ns)
        if self._held.seconds(COVERED):
            self._buckets = (*self._buckets, self._bucket(self._held, end_ns))
        self._held.begin(end_ns)
        self._buckets = tuple(one for one in self._buckets if one[START] >= end_ns - self._window_ns)
        return self._made(self._buckets, end_ns, end_ns) if end_ns > self._begin_ns else []

    def _bucket(self, held: Held, end_ns: int) -> Bucket:
        log, low, high = held.arrhenius_log, held.number(MINIMUM), held.number(MAXIMUM)
        out_s = held.seconds(ABOVE) + held.seconds(BELOW)
        start_ns = end_ns - self._step.length_ns
        sums = (held.seconds(COVERED), log or 0.0, held.integral, out_s, held.seconds(BEYOND), held.seconds(UNCERTAIN))
        return (start_ns, *sums, low or 0.0, high or 0.0)

    def _made(self, buckets: Sequence[Bucket], end_ns: int, known_ns: int) -> list[Made]:
        """The window to end_ns, as far as known_ns: what is still to come is no gap."""
        if not buckets:
            return []
        table, length_s = np.array(buckets), (self._window_ns - (end_ns - known_ns)) / NS_PER_S
        covered_s = float(table[:, COVER].sum())
        mkt = mkt_of(float(np.logaddexp.reduce(table[:, LOG])), covered_s, self._profile.limits.activation_j_mol)
        parts: dict[str, float | None] = {
            "mkt": mkt, "mean": float(table[:, INTEGRAL].sum()) / covered_s,
            "minimum": float(table[:, LOWEST].min()), "maximum": float(table[:, HIGHEST].max()),
            "covered_s": covered_s, "gap_s": length_s - covered_s, "uncertain_s": float(table[:, DOUBT].sum()),
            "out_s": float(table[:, OUT].sum()), "spike_s": float(table[:, SPIKE].sum()),
            "margin": None if self._condition.mkt_high is None else self._condition.mkt_high - mkt,
        }  # fmt: skip
        parts["allowed"], reason = judge(parts, self._condition, length_s, self._least)
        return [Made(end_ns - self._window_ns, end_ns, parts, {**self._profile.about, "reason": reason})]

    def running(self) -> list[Made]:
        """The window that ends next, with what is known so far."""
        if self._end_ns is None:
            return []
        held, buckets = self._held.at(self._upto_ns), self._buckets
        if held.seconds(COVERED):
            buckets = (*buckets, self._bucket(held, self._end_ns))
        oldest_ns = self._end_ns - self._window_ns
        return self._made([one for one in buckets if one[START] >= oldest_ns], self._end_ns, self._upto_ns)

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, bounds, closed buckets, the open one."""
        return (LAYOUT, self._end_ns, self._upto_ns, self._buckets, self._held.snapshot())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"usp: layout {snapshot[0]}, {LAYOUT} is known")
        _, self._end_ns, self._upto_ns, buckets, held = snapshot
        self._buckets = tuple(tuple(one) for one in buckets)
        self._held.restore(held)

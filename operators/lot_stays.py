"""What each lot has been through at an asset: time out of refrigeration and shelf life, on from what it brought along.

A lot that comes with `tor_used_s` (s) or `life_used_h` (h) in its `lot.started` or `order.started` goes on from there;
without them from what this asset remembers of it. So a hand-over never resets a budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from andon.readings import NS_PER_S
from operators.event_data import number_of
from operators.held import Held, mkt_of
from operators.lot_totals import NOTHING, Total
from operators.lots import LotStay, Present
from operators.machines import Happened, Inputs, Made
from operators.profiles import Profile

LAYOUT = 1
REACH_NS = 30 * 86_400 * NS_PER_S  # lots that came earlier are not known where a machine begins anew
REMEMBERED = 256  # lots that left, for when they come back
CARRIED = ("tor_used_s", "life_used_h")
Profiles = Callable[[str], Profile]  # product's name -> its profile


@dataclass(frozen=True, slots=True)
class _Lot:
    """A lot that is there. key_ns: start of its figure, unique; tor_s, life_h: what it brought along."""

    lot: str
    product: str
    from_ns: int
    key_ns: int
    tor_s: float
    life_h: float
    total: Total = NOTHING

    def plain(self) -> tuple[Any, ...]:
        return (self.lot, self.product, self.from_ns, self.key_ns, self.tor_s, self.life_h, self.total.plain())

    @staticmethod
    def of(plain: tuple[Any, ...]) -> _Lot:
        lot, product, from_ns, key_ns, tor_s, life_h, total = plain
        return _Lot(lot, product, from_ns, key_ns, tor_s, life_h, Total.of(total))


class LotMachine:
    """One figure a stay of a lot, of one temperature (input 0); running while the lot is there.

    base: what stands, whatever the limits; profiles: by the product's name. Lots of one product share the counting.
    Of lots that come at the same instant the second has its figure 1 ns later, and so on: each has its own key.
    """

    def __init__(self, begin_ns: int, base: Held, profiles: Profiles) -> None:
        self._begin_ns = self._upto_ns = begin_ns
        self._base, self._profiles = base, profiles
        self._present = Present()
        self._lots: dict[str, _Lot] = {}
        self._stretch: dict[str, Held] = {}  # since the newest event, by product
        self._left: dict[str, tuple[float, float]] = {}
        self._last_key_ns = -(2**62)

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `Machine.step`."""
        made: list[Made] = []
        for one in inputs.events:
            before, inputs = inputs.before(one.time_ns)
            self._take(before)
            made += self._happened(one)
        self._take(inputs)
        self._upto_ns = upto_ns
        return made

    def _take(self, rows: Inputs) -> None:
        if not len(rows):
            return
        for held in (self._base, *self._stretch.values()):
            held.rows(rows.time_ns, rows.value, rows.status)

    def _happened(self, one: Happened) -> list[Made]:
        left = self._present.take(one)
        there = {stay.lot: stay for stay in self._present.stays}
        if there.keys() == self._lots.keys() and not left:
            return []
        self._flush(one.time_ns)
        made = [each for stay in left for each in self._ended(stay)]
        gone = {stay.lot for stay in left}
        for lot, kept in self._lots.items():
            if lot not in there and lot not in gone:  # it stayed no time, and goes on with what it brought along
                self._remember(lot, kept.tor_s, kept.life_h)
        self._lots = {lot: kept for lot, kept in self._lots.items() if lot in there}
        for lot, stay in there.items():
            if lot not in self._lots:
                self._lots[lot] = self._came(stay, one)
        wanted = dict.fromkeys(one.product for one in self._lots.values())
        self._stretch = {product: self._base.fork(one.time_ns, self._profiles(product).limits) for product in wanted}
        return made

    def _came(self, stay: LotStay, one: Happened) -> _Lot:
        known = self._left.pop(stay.lot, (0.0, 0.0))
        told = (number_of(one.data, name, least=0.0) for name in CARRIED)
        tor_s, life_h = (before if now is None else now for now, before in zip(told, known, strict=True))
        self._last_key_ns = max(stay.from_ns, self._last_key_ns + 1)
        return _Lot(stay.lot, stay.product, stay.from_ns, self._last_key_ns, tor_s, life_h)

    def _flush(self, at_ns: int) -> None:
        """Add the time since the newest event to each lot."""
        for held in (self._base, *self._stretch.values()):
            held.settle(at_ns)
        for lot, kept in self._lots.items():
            self._lots[lot] = replace(kept, total=kept.total.plus(self._stretch[kept.product]))
        self._base.begin(at_ns)

    def _ended(self, stay: LotStay) -> list[Made]:
        lot = self._lots[stay.lot]
        made = self._made(lot, lot.total, stay.to_ns)
        parts = made.parts
        life_h = parts["life_total_h"]
        self._remember(stay.lot, parts["tor_used_s"] or 0.0, lot.life_h if life_h is None else life_h)
        return [made] if stay.to_ns > self._begin_ns else []

    def _remember(self, lot: str, tor_s: float, life_h: float) -> None:
        self._left[lot] = (tor_s, life_h)
        while len(self._left) > REMEMBERED:
            del self._left[next(iter(self._left))]

    def _made(self, lot: _Lot, total: Total, end_ns: int) -> Made:
        profile = self._profiles(lot.product)
        covered, above, below, beyond, uncertain, blind_out = total.sums
        stay_s, known = (end_ns - lot.from_ns) / NS_PER_S, covered > 0.0
        activation = profile.limits.activation_j_mol
        parts: dict[str, float | None] = {
            "stay_s": stay_s, "covered_s": covered, "gap_s": stay_s - covered, "uncertain_s": uncertain,
            "above_s": above, "below_s": below, "beyond_s": beyond, "blind_out_s": blind_out,
            **total.degree_minutes,
            "minimum": total.minimum if known else None, "maximum": total.maximum if known else None,
            "mean": total.integral / covered if known else None,
            "mkt": mkt_of(total.log, covered, activation) if known and not profile.frozen else None,
            **_budgets(lot, total, profile),
        }  # fmt: skip
        parts["within"] = _within(parts)
        about = {"lot": lot.lot, **({"product": lot.product} if lot.product else {}), **profile.about}
        return Made(lot.key_ns, max(end_ns, lot.key_ns), parts, about)

    def running(self) -> list[Made]:
        """Every lot that is there, so far."""
        now_ns = self._upto_ns
        ended = {product: held.at(now_ns) for product, held in self._stretch.items()}
        lots = [lot for lot in self._lots.values() if lot.from_ns < now_ns]
        return [self._made(lot, lot.total.plus(ended[lot.product]), now_ns) for lot in lots]

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, what stands, lots there and remembered."""
        stretch = tuple((product, held.snapshot()) for product, held in self._stretch.items())
        lots, left = tuple(lot.plain() for lot in self._lots.values()), tuple(self._left.items())
        held = (self._base.snapshot(), stretch)
        return (LAYOUT, self._upto_ns, self._last_key_ns, held, self._present.snapshot(), lots, left)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"lot stays: layout {snapshot[0]}, {LAYOUT} is known")
        _, self._upto_ns, self._last_key_ns, (base, stretch), present, lots, left = snapshot
        self._base.restore(base)
        self._present.restore(present)
        self._lots = {plain[0]: _Lot.of(plain) for plain in lots}
        self._left = {lot: (tor_s, life_h) for lot, (tor_s, life_h) in left}
        self._stretch = {}
        for product, kept in stretch:
            held = self._base.fork(0, self._profiles(product).limits)
            held.restore(kept)
            self._stretch[product] = held


def _budgets(lot: _Lot, total: Total, profile: Profile) -> dict[str, float | None]:
    """Budgets over all legs; what is left is negative where a budget is overdrawn, None where the profile has none."""
    product = profile.product
    out_s = lot.tor_s + total.sums[1] + total.sums[5]
    budget_h, life_h = (product.tor_h, product.life_h) if product else (None, None)
    used_h = total.life_s / 3600.0 if product else None
    life_total_h = None if used_h is None else lot.life_h + used_h
    return {
        "tor_used_s": out_s,
        "tor_left_s": None if budget_h is None else budget_h * 3600.0 - out_s,
        "life_used_h": used_h,
        "life_total_h": life_total_h,
        "life_left_h": None if life_h is None or life_total_h is None else life_h - life_total_h,
    }


def _within(parts: Mapping[str, float | None]) -> float | None:
    """1: never out of the label range and every budget kept; 0: not; None: something of the stay is not known."""
    left = [parts["tor_left_s"], parts["life_left_h"]]
    if any(one is not None and one < 0.0 for one in left) or parts["beyond_s"]:
        return 0.0
    if (parts["above_s"] or parts["below_s"]) and parts["tor_left_s"] is None:
        return 0.0
    return None if parts["gap_s"] or parts["uncertain_s"] else 1.0

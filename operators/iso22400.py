"""Key performance indicators of ISO 22400-2 from the elements of a time model, and those beside the standard.

Times are in one unit, ratios are numbers (1 is 100 %), None where a denominator is zero or an element is not known.
Formulas after the standard's public OWL transcription (hsu-aut IndustrialStandard-ODP-ISO22400-2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from operators.oee import ratio

Value = float | None


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements of one work unit; None where not known.

    pot: planned operation time; planned_down: planned down time in it; apt: producing; aust: setting up; adet: delays
    while an order runs; adot: down without an order; aoet: execution of orders; pri: planned run time per item;
    pq, gq, sq, rq: items made, good, scrap, to be reworked; calendar: all of the time.
    """

    pot: Value = None
    planned_down: Value = None
    apt: Value = None
    aust: Value = None
    adet: Value = None
    adot: Value = None
    aoet: Value = None
    pri: Value = None
    pq: Value = None
    gq: Value = None
    sq: Value = None
    rq: Value = None
    calendar: Value = None

    @property
    def pbt(self) -> Value:
        """Planned busy time."""
        return _less(self.pot, self.planned_down)

    @property
    def aupt(self) -> Value:
        """Unit processing time: producing and setting up."""
        return _plus(self.apt, self.aust)

    @property
    def aubt(self) -> Value:
        """Unit busy time: processing and delays."""
        return _plus(self.aupt, self.adet)


def _plus(one: Value, other: Value) -> Value:
    return None if one is None or other is None else one + other


def _less(one: Value, other: Value) -> Value:
    return None if one is None or other is None else one - other


def _times(*factors: Value) -> Value:
    product = 1.0
    for factor in factors:
        if factor is None:
            return None
        product *= factor
    return product


def effectiveness(of: Elements) -> Value:
    """E = PRI*PQ/APT; may exceed 1: the standard says so itself."""
    return ratio(_times(of.pri, of.pq), of.apt)


def oee_index(of: Elements) -> Value:
    """OEE = A*E*Q = PRI*GQ/PBT; None without an item to judge."""
    return ratio(_times(of.pri, of.gq), of.pbt) if of.pq else None


def net_equipment_effectiveness(of: Elements) -> Value:
    """NEE = AUPT/PBT*E*Q: setting up is no loss."""
    return _times(ratio(of.aupt, of.pbt), effectiveness(of), ratio(of.gq, of.pq))


#: Indicator by name.
KPIS: Mapping[str, Callable[[Elements], Value]] = {
    "PBT": lambda of: of.pbt,
    "AUPT": lambda of: of.aupt,
    "AUBT": lambda of: of.aubt,
    "availability": lambda of: ratio(of.apt, of.pbt),
    "effectiveness": effectiveness,
    "quality_ratio": lambda of: ratio(of.gq, of.pq),
    "OEE": oee_index,
    "NEE": net_equipment_effectiveness,
    "TEEP": lambda of: ratio(_times(of.pri, of.gq), of.calendar) if of.pq else None,
    "OOE": lambda of: ratio(_times(of.pri, of.gq), of.pot) if of.pq else None,
    "allocation_efficiency": lambda of: ratio(of.aubt, of.pbt),
    "utilization_efficiency": lambda of: ratio(of.apt, of.aubt),
    "technical_efficiency": lambda of: ratio(of.apt, _plus(of.apt, of.adet)),
    "setup_rate": lambda of: ratio(of.aust, of.aupt),
    "allocation_ratio": lambda of: ratio(of.aubt, of.aoet),
    "production_process_ratio": lambda of: ratio(of.apt, of.aoet),
    "throughput_rate": lambda of: ratio(of.pq, of.aoet),
    "scrap_ratio": lambda of: ratio(of.sq, of.pq),
    "rework_ratio": lambda of: ratio(of.rq, of.pq),
    "fall_off_ratio": lambda of: ratio(of.sq, of.pq),
    "first_pass_yield": lambda of: ratio(of.gq, of.pq),
}
#: Other names by which the same indicators are known.
ALSO: Mapping[str, str] = {
    "quality": "quality_ratio", "quality_rate": "quality_ratio", "setup_ratio": "setup_rate", "fpy": "first_pass_yield",
    "performance": "effectiveness", "oee_index": "OEE", "net_equipment_effectiveness": "NEE", "scrap": "scrap_ratio",
    "rework": "rework_ratio", "throughput": "throughput_rate", "process_ratio": "production_process_ratio",
    "fall_off": "fall_off_ratio", "technical": "technical_efficiency", "utilisation_efficiency":
    "utilization_efficiency", "allocation": "allocation_efficiency", "oee": "OEE", "nee": "NEE", "teep": "TEEP",
    "ooe": "OOE", "pbt": "PBT", "aupt": "AUPT", "aubt": "AUBT", "A": "availability", "E": "effectiveness",
    "Q": "quality_ratio", "FPY": "first_pass_yield",
}  # fmt: skip


def kpi(name: str, of: Elements) -> Value:
    """One indicator; KeyError for a name that is none.

    >>> kpi("NEE", Elements(pot=480, planned_down=30, apt=360, aust=40, pri=0.5, pq=700, gq=665))
    0.8209876543209875
    """
    return KPIS[ALSO.get(name, name)](of)


def elements(parts: Mapping[str, Value]) -> Elements:
    """The elements of a window or a roll-up of figures of kind oee.

    POT is the calendar without unknown time and time outside shifts. PRI is the mean over the items, weighted by them:
    PRI*PQ stays the sum over products. AUST is set-up; starting and resetting are delays. Where no event told of
    orders, delays are all stops by the unit, its neighbours, and transitions, and AOET is not known.
    """
    pot = _less(_less(parts.get("calendar_s"), parts.get("unknown_s")), parts.get("no_shift_s"))
    adet = parts.get("adet_s")
    if adet is None:
        stops = [parts.get(name) for name in ("internal_stop_s", "external_stop_s", "down_s", "transition_s")]
        adet = None if None in stops else sum(one or 0.0 for one in stops)
    return Elements(
        pot=pot, planned_down=_less(parts.get("planned_down_s"), parts.get("no_shift_s")), apt=parts.get("apt_s"),
        aust=parts.get("setup_s"), adet=adet, adot=parts.get("adot_s"), aoet=parts.get("aoet_s"),
        pri=ratio(parts.get("pri_pq_s"), parts.get("pq")), pq=parts.get("pq"), gq=parts.get("gq"),
        sq=parts.get("sq"), rq=parts.get("rq"), calendar=parts.get("calendar_s"),
    )  # fmt: skip


def all_kpis(parts: Mapping[str, Value]) -> dict[str, Value]:
    """Every ratio of a window or a roll-up by name; those on good items take PRI*GQ as it was added up.

    Products of different cycle times: PRI*GQ of the sum is not the mean PRI times GQ, so OEE, TEEP and OOE rest on
    pri_gq_s itself.
    """
    of = elements(parts)
    found = {name: compute(of) for name, compute in KPIS.items() if name not in ("fall_off_ratio", "first_pass_yield")}
    good = parts.get("pri_gq_s") if parts.get("pq") else None
    found |= {"OEE": ratio(good, of.pbt), "TEEP": ratio(good, of.calendar), "OOE": ratio(good, of.pot)}
    found["NEE"] = _times(ratio(of.aupt, of.pbt), ratio(good, of.apt))
    return found


def umh_ratios(running: float, avail_loss: float, perf_loss: float, total: float, scrap: float) -> dict[str, Value]:
    """A, P, Q and OEE as United Manufacturing Hub defines them, to compare with; times in one unit.

    Planned is all time that is not excluded; a stop is a loss of availability or of performance by its state; there is
    no loss of speed. Not what Andon shows: the effectiveness of ISO 22400 counts slow running.
    """
    planned = running + avail_loss + perf_loss
    availability, performance = ratio(planned - avail_loss, planned), ratio(running, running + perf_loss)
    quality = ratio(total - scrap, total)
    return {"A": availability, "P": performance, "Q": quality, "OEE": _times(availability, performance, quality)}

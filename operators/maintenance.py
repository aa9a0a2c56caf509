"""When a machine asks for maintenance, and when it is to be inspected. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from andon.config.health import FailureMode
from operators.zones import LETTERS


@dataclass(frozen=True, slots=True)
class Condition:
    """What a failure mode's triggers look at; None: not known. hours, cycles: since maintenance."""

    zone: int | None = None
    has_trend: bool = False
    slope_per_d: float | None = None
    days_to_limit: float | None = None
    hours: float | None = None
    cycles: float | None = None
    share: float | None = None
    novelty: float | None = None
    over_baseline: bool | None = None


def holding(mode: FailureMode, now: Condition, before: Iterable[str]) -> tuple[str, ...]:
    """The triggers that hold, by their names in [[template.failure_mode]], in that order.

    before: those that held until now. One that holds lets go a share `hysteresis` before its threshold only; what is
    not known changes nothing. The time to the limit lets go when the trend stops to rise.
    """
    held, low = set(before), 1.0 - mode.hysteresis
    found = []
    for name, value, threshold in (
        ("slope_per_d", now.slope_per_d, mode.slope_per_d), ("hours", now.hours, mode.hours),
        ("cycles", now.cycles, mode.cycles), ("mtbf_share", now.share, mode.mtbf_share),
        ("novelty", now.novelty, mode.novelty),
    ):  # fmt: skip
        if threshold is not None and _holds(value, threshold, threshold * low, was=name in held):
            found.append(name)
    if mode.zone is not None:
        least = float(LETTERS.index(mode.zone) + 1)  # the zone has a hysteresis of its own
        if _holds(now.zone, least, least, was="zone" in held):
            found.append("zone")
    over = None if now.over_baseline is None else float(now.over_baseline)  # with a hysteresis of its own
    if mode.over_baseline and _holds(over, 1.0, 1.0, was="over_baseline" in held):
        found.append("over_baseline")
    if mode.within_d is not None:
        days = None if now.days_to_limit is None else -now.days_to_limit
        days = float("-inf") if days is None and now.has_trend else days
        if _holds(days, -mode.within_d, -mode.within_d * (1.0 + mode.hysteresis), was="within_d" in held):
            found.append("within_d")
    return tuple(name for name in FailureMode.model_fields if name in found)


def is_known(mode: FailureMode, now: Condition) -> bool:
    """Whether anything that a trigger of this failure mode looks at is known."""
    looked_at = (
        (mode.zone, now.zone), (mode.slope_per_d, now.slope_per_d), (mode.hours, now.hours), (mode.cycles, now.cycles),
        (mode.mtbf_share, now.share), (mode.within_d, now.has_trend or None), (mode.novelty, now.novelty),
        (mode.over_baseline or None, now.over_baseline),
    )  # fmt: skip
    return any(asked is not None and value is not None for asked, value in looked_at)


def _holds(value: float | None, threshold: float, lets_go: float, *, was: bool) -> bool:
    """At or above the threshold; one that was stays until it is below the point where it lets go."""
    if value is None:
        return was
    return value >= threshold or (was and value >= lets_go)


@dataclass(frozen=True, slots=True)
class Since:
    """What passed since the last inspection or maintenance: days, running hours, cycles (None: not counted)."""

    days: float
    hours: float | None = None
    cycles: float | None = None


def inspection_in_d(mode: FailureMode, since: Since) -> float | None:
    """Days until the next inspection, 0 when it is due; None without a plan.

    The earliest of: the calendar, half the P-F interval (so that a failure that has begun is seen at least once before
    it is complete), and running hours and cycles, foretold with the use since the last one. Source: ISO 17359:2018,
    SAE JA1012 (P-F interval).

    >>> inspection_in_d(FailureMode(id="wear", inspect_d=90.0, inspect_h=500.0, pf_d=60.0), Since(10.0, 200.0))
    15.0
    """
    left = [None if mode.inspect_d is None else mode.inspect_d - since.days]
    left.append(None if mode.pf_d is None else mode.pf_d / 2.0 - since.days)
    for used, every in ((since.hours, mode.inspect_h), (since.cycles, mode.inspect_cycles)):
        if used is not None and every is not None:
            left.append(_days(every - used, used, since.days))
    known = [one for one in left if one is not None]
    return max(0.0, min(known)) if known else None


def _days(left: float, used: float, days: float) -> float | None:
    """How long what is left lasts at the use so far; None for a machine that has not run."""
    if left <= 0.0:
        return 0.0
    return left * days / used if used > 0.0 else None


@dataclass(frozen=True, slots=True)
class DueInspection:
    """An inspection that the ERP should plan: of which failure mode of which asset, and in how many days."""

    asset: str
    mode: str
    in_d: float


def due_inspections(
    figures: Iterable[tuple[str, str, Mapping[str, float | None]]], within_d: float
) -> list[DueInspection]:
    """Of the newest `maintenance` figures (asset, failure mode, parts), the inspections within so many days.

    The soonest first; one for each asset and failure mode.
    """
    soon = {
        (asset, mode): in_d
        for asset, mode, parts in figures
        if (in_d := parts.get("inspection_in_d")) is not None and in_d <= within_d
    }
    due = [DueInspection(asset, mode, in_d) for (asset, mode), in_d in soon.items()]
    return sorted(due, key=lambda one: (one.in_d, one.asset, one.mode))

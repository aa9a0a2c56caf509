"""A journey that is on its way, and a stop that stands: what is counted of them, and the figures they make."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from andon.readings import NS_PER_S
from operators.journey_plan import Driven, Planned, Point, along_km
from operators.machines import Made

NEVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Totals:
    """What the way has come to. km, blind_km since the journey began; the others since the machine did.

    gap_ns, outside_ns: so far; top_km_h: highest measured speed, below 0 where none was measured.
    """

    km: float
    blind_km: float
    gap_ns: int
    outside_ns: int
    fixes: int
    left_out: int
    uncertain: int
    top_km_h: float


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop that stands. place: empty where it is none; planned, early_s, late_s: None where nothing says so."""

    start_ns: int
    place: str
    journey: str = ""
    plan: str = ""
    planned: bool | None = None
    early_s: float | None = None
    late_s: float | None = None

    def made(self, end_ns: int, gap_ns: int, at: Point) -> Made:
        """Its figure."""
        known = self.early_s is not None and self.late_s is not None
        parts = {
            "length_s": (end_ns - self.start_ns) / NS_PER_S, "gap_s": gap_ns / NS_PER_S,
            "planned": None if self.planned is None else float(self.planned),
            "on_time": float(not self.early_s and not self.late_s) if known else None,
            "late_s": self.late_s, "early_s": self.early_s, "latitude": at[0], "longitude": at[1],
        }  # fmt: skip
        about = {"place": self.place, "journey": self.journey, "plan": self.plan}
        return Made(self.start_ns, end_ns, parts, {name: text for name, text in about.items() if text})

    def plain(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return (self.start_ns, self.place, self.journey, self.plan, self.planned, self.early_s, self.late_s)


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey that runs. before: (gap_ns, fixes, left_out, uncertain) as it began; next: number of the next stop.

    off: windows that were not kept, of stops reached or missed.
    """

    start_ns: int
    name: str
    plan: str
    stops: tuple[Planned, ...]
    before: tuple[int, int, int, int]
    next: int = 0
    missed: int = 0
    off: int = 0
    early_s: float = 0.0
    late_s: float = 0.0
    stood: int = 0
    unplanned: int = 0
    standing_ns: int = 0
    unplanned_ns: int = 0
    shocks: int = 0
    peak_g: float = 0.0

    def stopped(self, start_ns: int, place: str, begins: str) -> tuple[Journey, Stop]:
        """It stands since start_ns: an arrival where that is a place still to come, missed are those before it."""
        ahead = next((at for at in range(self.next, len(self.stops)) if self.stops[at].place == place), None)
        now = replace(self, stood=self.stood + 1)
        if ahead is None:
            known = place != "" and place in (begins, *(one.place for one in self.stops))
            planned = None if not self.stops else known
            now = replace(now, unplanned=now.unplanned + (planned is False))
            return now, Stop(start_ns, place, self.name, self.plan, planned)
        arrived = max(start_ns, self.start_ns)
        early_s, late_s = self.stops[ahead].off_s(arrived)
        off = sum(one.windowed for one in self.stops[self.next : ahead]) + (early_s > 0.0 or late_s > 0.0)
        now = replace(
            now, next=ahead + 1, missed=self.missed + ahead - self.next, off=self.off + off,
            early_s=max(self.early_s, early_s), late_s=max(self.late_s, late_s),
        )  # fmt: skip
        windowed = self.stops[ahead].windowed
        told = (early_s, late_s) if windowed else (None, None)
        return now, Stop(start_ns, place, self.name, self.plan, True, *told)

    def left(self, stop: Stop, end_ns: int) -> Journey:
        """A stop ended, or the journey did while it stood."""
        stood_ns = max(0, end_ns - max(stop.start_ns, self.start_ns))
        other_ns = stood_ns if stop.planned is False else 0
        return replace(
            self, standing_ns=self.standing_ns + stood_ns, unplanned_ns=self.unplanned_ns + other_ns
        )  # fmt: skip

    def shaken(self, peaks_g: Sequence[float]) -> Journey:
        """Shocks ended."""
        return replace(self, shocks=self.shocks + len(peaks_g), peak_g=max(self.peak_g, *map(abs, peaks_g)))

    @property
    def done(self) -> bool:
        """Whether the last of its stops is reached."""
        return bool(self.stops) and self.next == len(self.stops)

    def made(self, end_ns: int, totals: Totals, ended: str, more: dict[str, float | None], *, free: bool) -> Made:
        """Its figure. ended: how; empty while it runs. more: what is left of the way. free: it has no corridor."""
        gap, fixes, left_out, uncertain = self.before
        windows = [one for one in self.stops if one.windowed]
        parts: dict[str, float | None] = {
            "distance_km": totals.km, "blind_km": totals.blind_km,
            "duration_s": (end_ns - self.start_ns) / NS_PER_S, "standing_s": self.standing_ns / NS_PER_S,
            "unplanned_s": self.unplanned_ns / NS_PER_S, "gap_s": max(0, totals.gap_ns - gap) / NS_PER_S,
            "outside_s": None if free else totals.outside_ns / NS_PER_S, "stops": float(self.stood),
            "unplanned": float(self.unplanned), "reached": float(self.next - self.missed),
            "missed": float(self.missed), "left": float(len(self.stops) - self.next), "arrived": float(self.done),
            **self._windows(end_ns, ended, len(windows)), **more,
            "speed_max_km_h": totals.top_km_h if totals.top_km_h >= 0.0 else None,
            "shocks": float(self.shocks), "shock_peak_g": self.peak_g if self.shocks else None,
            "positions": float(totals.fixes - fixes), "left_out": float(totals.left_out - left_out),
            "uncertain": float(totals.uncertain - uncertain),
        }  # fmt: skip
        after = self.stops[self.next].place if self.next < len(self.stops) else ""
        about = {"journey": self.name, "plan": self.plan, "next": after, "ended": ended}
        return Made(self.start_ns, end_ns, parts, {name: text for name, text in about.items() if text})

    def _windows(self, now_ns: int, ended: str, windows: int) -> dict[str, float | None]:
        """How arrivals were against their windows; one that is overdue is late by now."""
        if not windows:
            return {"on_time": None, "late_s": None, "early_s": None}
        ahead = [one for one in self.stops[self.next :] if one.windowed]
        overdue_s = max([0.0, *(one.off_s(now_ns)[1] for one in ahead)])
        off = self.off + (len(ahead) if ended else 0)
        kept = None if ahead and not off and not overdue_s else float(not off and not overdue_s)
        return {"on_time": kept, "late_s": max(self.late_s, overdue_s), "early_s": self.early_s}

    def plain(self) -> tuple[Any, ...]:
        """For a snapshot."""
        return (
            self.start_ns, self.name, self.plan, tuple(one.plain() for one in self.stops), self.before, self.next,
            self.missed, self.off, self.early_s, self.late_s, self.stood, self.unplanned, self.standing_ns,
            self.unplanned_ns, self.shocks, self.peak_g,
        )  # fmt: skip

    @staticmethod
    def of(plain: tuple[Any, ...]) -> Journey:
        """From a snapshot."""
        start_ns, name, plan, stops, before, *others = plain
        return Journey(start_ns, name, plan, tuple(Planned(*one) for one in stops), tuple(before), *others)


def ahead_of(
    journey: Journey, now_ns: int, at: Point | None, legs: Sequence[Sequence[Point]], driven: Driven
) -> dict[str, float | None]:
    """What is left of the way and how long it takes, at the last position; None where that is not known.

    Arrival at later stops waits as long as each stop before it is meant to last.
    """
    found: dict[str, float | None] = dict.fromkeys(
        ("remaining_km", "next_s", "expected_late_s", "eta_s", "eta_low_s", "eta_high_s")
    )
    found["speed_km_h"] = driven.speed
    ahead = legs[journey.next :]
    if at is None or not ahead or not all(ahead):
        return found
    first = along_km(at, ahead[0])
    rest = [along_km(leg[0], leg) if len(leg) > 1 else 0.0 for leg in ahead[1:]]
    way_km, stays_s = first + sum(rest), sum(one.stays_s for one in journey.stops[journey.next : -1])
    found["remaining_km"] = way_km
    next_h, all_h = driven.hours_for(first), driven.hours_for(way_km)
    if next_h is None or all_h is None:
        return found
    found["next_s"], found["eta_s"] = next_h * 3600.0, all_h * 3600.0 + stays_s
    to_ns = journey.stops[journey.next].to_ns
    found["expected_late_s"] = None if to_ns is None else (now_ns - to_ns) / NS_PER_S + next_h * 3600.0
    for name, hours in zip(("eta_low_s", "eta_high_s"), driven.interval(way_km), strict=True):
        found[name] = None if hours is None or not math.isfinite(hours) else hours * 3600.0 + stays_s
    return found

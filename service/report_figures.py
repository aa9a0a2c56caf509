"""What a shift and a lot come to: their stored figures added up, the same for the ERP, the PDF and the JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from andon.figures import KINDS
from andon.outputs import Figure
from andon.readings import NS_PER_S
from operators.cold_chain import mkt
from operators.topology import added

Key = tuple[str, str, str]
Parts = Mapping[str, float | None]
Find = Callable[[str, int, int, str], list[Figure]]  # kind, start_ns, end_ns, asset: those that overlap
SAME_INSTANT_NS = 1000  # lots that come at the same instant have their figures 1 ns after the other
ADDITIVE = {kind: tuple(part.name for part in KINDS[kind].parts if part.additive) for kind in ("oee", "lot_stay")}
NEWEST_STAY = ("tor_used_s", "tor_left_s", "life_total_h", "life_left_h")  # each stay goes on from the one before


@dataclass(frozen=True, slots=True)
class Span:
    """What a report is about: kind, asset, subject, and the stretches [start, end) of event time, in order."""

    kind: str
    asset: str
    subject: str
    stretches: tuple[tuple[int, int], ...]
    about: Mapping[str, object]

    @property
    def key(self) -> Key:
        """What makes it one record."""
        return self.kind, self.asset, self.subject

    @property
    def end_ns(self) -> int:
        """When the last of it was over."""
        return self.stretches[-1][1]

    def rests_on(self, figures: Sequence[Figure]) -> object:
        """What a report of it is made from: the same as long as nothing changed."""
        return self, [(one.tag, one.start_ns, one.revision) for one in figures]


def shift_windows(find: Find, asset: str, start_ns: int, end_ns: int) -> list[Figure]:
    """OEE windows that lie in [start_ns, end_ns); of one over its bounds nobody can tell what belongs to it."""
    return [one for one in find("oee", start_ns, end_ns, asset) if one.start_ns >= start_ns and one.end_ns <= end_ns]


def shift_parts(windows: Sequence[Figure], start_ns: int, upto_ns: int) -> dict[str, float | None]:
    """The windows' additive parts summed. Time up to upto_ns in no window is unknown, and counts in the calendar.

    While a window runs the calendar is that of the windows: what follows has not come. Empty without a window.
    """
    parts = _added("oee", [one.parts for one in windows])
    if not windows or not all(one.final for one in windows):
        return parts
    calendar_s = (upto_ns - start_ns) / NS_PER_S
    missing_s = round(calendar_s - (parts["calendar_s"] or 0.0), 9)  # a sum of windows is off by a rounding error
    unknown_s = parts["unknown_s"]
    if missing_s <= 0.0 or unknown_s is None:
        return parts
    return parts | {"calendar_s": calendar_s, "unknown_s": unknown_s + missing_s}


def lot_stays(find: Find, asset: str, lot: str, from_ns: int) -> list[Figure]:
    """The figure of a lot's stay that began at from_ns: one, or none yet."""
    found = find("lot_stay", from_ns, from_ns + SAME_INSTANT_NS, asset)
    return [one for one in found if one.start_ns >= from_ns and one.about.get("lot") == lot]


def lot_parts(stays: Sequence[Figure], activation_j_mol: float) -> dict[str, float | None]:
    """Parts of kind lot_stay of one or more stays at an asset, in order of time; at least one.

    Mean temperatures are weighted by the time that is known; within is 0 where one stay is, else None where one is.
    A single stay keeps every number as it is.
    """
    rows = [one.parts for one in stays]
    if len(rows) == 1:
        return dict(rows[0])
    known = [row for row in rows if row.get("covered_s")]
    weights = [row["covered_s"] or 0.0 for row in known]
    means, kinetic = (_told(known, name) for name in ("mean", "mkt"))
    judged = [row.get("within") for row in rows]
    return {
        **_added("lot_stay", rows),
        "minimum": min(_told(known, "minimum"), default=None),
        "maximum": max(_told(known, "maximum"), default=None),
        "mean": sum(one * held for one, held in zip(means, weights, strict=True)) / sum(weights) if known else None,
        "mkt": mkt(kinetic, weights, activation_j_mol) if known and len(kinetic) == len(known) else None,
        **{name: rows[-1].get(name) for name in NEWEST_STAY},
        "within": 0.0 if 0.0 in judged else None if None in judged else 1.0,
    }


def lot_status(parts: Parts) -> str:
    """How a lot stands by the label range alone: out of it, not known all the time, or within."""
    if any(parts.get(name) for name in ("above_s", "below_s", "blind_out_s")):
        return "excursion"
    return "incomplete" if parts.get("gap_s") or parts.get("uncertain_s") else "within"


def _added(kind: str, rows: Sequence[Parts]) -> dict[str, float | None]:
    names = [name for name in ADDITIVE[kind] if any(name in row for row in rows)]
    return added({name: row.get(name) for name in names} for row in rows)


def _told(rows: Iterable[Parts], name: str) -> list[float]:
    return [value for row in rows if (value := row.get(name)) is not None]

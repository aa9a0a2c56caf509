"""Overall equipment effectiveness for pictures: windows in groups with their losses as steps, stops, and a Pareto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

from andon.outputs import Figure
from operators.iso22400 import all_kpis
from operators.losses import loss_tree, pareto
from operators.reliability import of_parts
from operators.topology import added
from service.figure_reports.document import ReportError
from service.figure_reports.spans import shift_of
from service.report_figures import ADDITIVE, Parts, shift_parts
from service.web.room import Room, ms

Json = dict[str, Any]
By = Literal["all", "shift", "product", "order"]
MOST_STOPS = 2000
KEYS: Mapping[By, tuple[str, ...]] = {
    "all": (), "shift": ("day", "shift"), "product": ("product",), "order": ("order", "product"),
}  # fmt: skip


def oee_groups_json(room: Room, asset: str, start_ns: int, end_ns: int, by: By, as_of_ns: int | None = None) -> Json:
    """OEE of an asset by shift, product or order, all of it rolled up, its stops and their Pareto by reason.

    Of a shift, time of the range without a window is unknown, as it is for the ERP and in reports; in the others, and
    in the whole, only windows count.
    as_of_ns: as it was known at that time of the plant; None: as it is known now.
    """
    figures = room.history.figures("oee", start_ns, end_ns, asset, as_of_ns=as_of_ns)
    stops = room.history.figures("oee_stop", start_ns, end_ns, asset, MOST_STOPS, as_of_ns=as_of_ns)
    groups: dict[tuple[str, ...], list[Figure]] = {}
    for one in figures:
        groups.setdefault(tuple(one.about.get(key, "") for key in KEYS[by]), []).append(one)
    reached_ns = min(end_ns, as_of_ns or room.now_ns())
    told = [stop_json(one) for one in stops]
    rows = pareto((one["reason"] or f"({one['category']})", one["length_s"]) for one in told)
    return {
        "asset": asset, "by": by, "total": _group(figures, {}, _sums(figures)) if figures else None,
        "groups": [
            _group(mine, dict(zip(KEYS[by], key, strict=True)),
                   _of_shift(room, mine, key, start_ns, reached_ns) if by == "shift" else _sums(mine))
            for key, mine in groups.items()
        ],
        "stops": told,
        "pareto": [{"reason": name, "length_s": time, "n": n, "share": share} for name, time, n, share in rows],
    }  # fmt: skip


def _group(figures: Sequence[Figure], about: Mapping[str, str], parts: Parts) -> Json:
    reliability = of_parts(parts)
    return {
        "about": dict(about), "start_ms": ms(figures[0].start_ns), "end_ms": ms(max(one.end_ns for one in figures)),
        "final": all(one.final for one in figures), "revision": max(one.revision for one in figures),
        "windows": len(figures), "parts": parts, "steps": loss_tree(parts), "kpis": all_kpis(parts),
        "mtbf_s": reliability.mtbf, "mttr_s": reliability.mttr,
        "causes": sorted({one.about["cause"] for one in figures if "cause" in one.about}),
    }  # fmt: skip


def _sums(figures: Sequence[Figure]) -> Parts:
    """Every additive part of windows added up; one unknown in a window is unknown in the sum."""
    return added({name: one.parts.get(name) for name in ADDITIVE["oee"]} for one in figures)


def _of_shift(room: Room, figures: Sequence[Figure], key: tuple[str, ...], start_ns: int, reached_ns: int) -> Parts:
    """The same of a shift, from its begin or that of the range on, as far as it or time has come."""
    parts, (day, name) = _sums(figures), key
    with suppress(ReportError):  # a shift that is no longer configured, or none
        shift = shift_of(room.plant, day, name)
        begin_ns = max(shift.start_ns, min(start_ns, figures[0].start_ns))
        upto_ns = min(shift.end_ns, max(reached_ns, *(one.end_ns for one in figures)))
        return {**parts, **shift_parts(figures, begin_ns, upto_ns)} if name else parts
    return parts


def stop_json(one: Figure) -> Json:
    """A stop with its reason; empty where nobody gave one."""
    return {
        "start_ms": ms(one.start_ns), "end_ms": ms(one.end_ns), "length_s": one.parts.get("length_s") or 0.0,
        "own": one.parts.get("own"), "reason": one.about.get("reason", ""),
        "category": one.about.get("category", ""), "product": one.about.get("product", ""),
        "order": one.about.get("order", ""), "final": one.final,
    }  # fmt: skip

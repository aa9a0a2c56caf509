"""The report of a lot: where it was, what it went through there, and how it was sterilised."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from andon.outputs import Figure
from operators.lots import OPEN_END
from operators.profiles import profile_of
from service.calibrations import Calibrations
from service.figure_reports.document import Document, document
from service.figure_reports.parts import total
from service.figure_reports.shared import (
    Sources,
    alarms_json,
    curve_json,
    figure_json,
    measured_json,
    readings_json,
    rows_json,
    site_json,
)
from service.figure_reports.spans import EVER_NS, Leg, legs_of
from service.report_figures import lot_stays
from service.web.plant_view import finite, state_name
from service.web.room import ms

CYCLES = ("steam_cycle", "disinfection", "eo_cycle")
Json = dict[str, Any]


def lot_report(sources: Sources, lot: str) -> Document:
    """Everything known of a lot, at every asset. Raises ReportError where nothing ever told of it."""
    plant, now_ns = sources.room.plant, sources.room.now_ns()
    found = legs_of(plant, sources.history, lot, now_ns)
    certificates = sources.calibrations()
    legs = [_leg(sources, leg, certificates) for leg in found]
    cycles = _cycles(sources, lot, found, certificates)
    budget = _budget(legs)
    by_asset: dict[str, list[tuple[int, int]]] = {}
    for leg in found:
        by_asset.setdefault(leg.asset, []).append((leg.stay.from_ns, leg.end_ns))
    content = {
        "site": site_json(sources),
        "lot": {
            "lot": lot, "product": next((leg.stay.product for leg in found if leg.stay.product), ""),
            "start_ms": ms(found[0].stay.from_ns), "end_ms": ms(max(leg.end_ns for leg in found)),
            "underway": any(leg.stay.to_ns == OPEN_END for leg in found),
        },
        "verdict": _verdict(legs, cycles, budget),
        "budget": budget,
        "legs": legs,
        "cycles": cycles,
        "alarms": [
            one for asset, stretches in by_asset.items() for one in alarms_json(sources, asset, stretches)
        ],
    }  # fmt: skip
    return document("lot", lot, content)


def _leg(sources: Sources, leg: Leg, certificates: Calibrations) -> Json:
    """One stay; of an asset without a cold chain only where and when."""
    plant, stay = sources.room.plant, leg.stay
    told: Json = {
        "asset": leg.asset, "name": sources.room.asset_name(leg.asset), "start_ms": ms(stay.from_ns),
        "end_ms": ms(leg.end_ns), "there": stay.to_ns == OPEN_END, "cold": None,
    }  # fmt: skip
    declared = plant.cold_chain_of(leg.asset)
    if declared is None:
        return told
    tag = declared.product_probe or declared.temperature
    profile = profile_of(plant, declared, stay.product or None)
    limits, product = profile.limits, profile.product
    stays = lot_stays(sources.figures, leg.asset, stay.lot, stay.from_ns)
    excursions = [one for one in sources.figures("excursion", stay.from_ns, leg.end_ns, leg.asset) if one.tag == tag]
    usp = [one for one in sources.figures("usp", stay.from_ns, leg.end_ns, leg.asset) if one.tag == tag]
    used = [*stays, *excursions] or sources.figures("cold_chain", stay.from_ns, leg.end_ns, leg.asset)
    cold = {
        "tag": tag, "low": finite(limits.low), "high": finite(limits.high),
        "profile": None if product is None else {
            "product": product.name, "source": product.source, "version": product.version,
            "tor_h": product.tor_h, "life_h": product.life_h,
        },
        "stay": figure_json(stays[-1]) if stays else None,
        "excursions": [figure_json(one) for one in excursions],
        "usp": [figure_json(one) for one in usp],
        "curve": curve_json(sources, leg.asset, tag, stay.from_ns, leg.end_ns),
        "measured": measured_json(certificates, used),
        "rows": [one for one in rows_json(sources, [leg.asset], stay.from_ns, leg.end_ns)[leg.asset]
                 if one["tag"] == tag],
    }  # fmt: skip
    return {**told, "cold": cold}


def _cycles(sources: Sources, lot: str, legs: Sequence[Leg], certificates: Calibrations) -> list[Json]:
    """Cycles of sterilisers that name the lot, and those that ran where and while it was there; oldest first."""
    plant, found = sources.room.plant, []
    for asset in plant.assets:
        declared = plant.template_of(asset).sterilisation
        if declared is None:
            continue
        there = [(leg.stay.from_ns, leg.end_ns) for leg in legs if leg.asset == asset]
        for kind in CYCLES:
            figures = sources.figures(kind, 0, EVER_NS, asset)
            for one in figures:
                named = one.about.get("lot")
                stood = any(one.start_ns < end and one.end_ns > start for start, end in there)
                if one.tag == declared.reference and (named == lot or (not named and stood)):
                    found.append(_cycle(sources, one, figures, certificates))
    return sorted(found, key=lambda one: (one["start_ms"], one["asset"]))


def _cycle(sources: Sources, whole: Figure, figures: Sequence[Figure], certificates: Calibrations) -> Json:
    """A cycle with each probe's own figure, and the curves of temperatures and pressure."""
    declared = sources.room.plant.template_of(whole.asset).sterilisation
    probes = [one for one in figures if one.start_ns == whole.start_ns and one.tag != whole.tag]
    tags = [whole.tag, *(one.tag for one in probes)]
    pressure = None if declared is None else declared.pressure
    curves = [readings_json(sources, whole.asset, tag, whole.start_ns, whole.end_ns) for tag in tags]
    return {
        **figure_json(whole), "name": sources.room.asset_name(whole.asset),
        "probes": [figure_json(one) for one in probes], "phases": _phases(sources, whole),
        "curves": [one for one in curves if one is not None],
        "pressure": None if pressure is None else
        readings_json(sources, whole.asset, pressure, whole.start_ns, whole.end_ns),
        "measured": measured_json(certificates, [whole, *probes]),
    }  # fmt: skip


def _phases(sources: Sources, whole: Figure) -> list[Json]:
    """Phases as the steriliser told them, clipped to the cycle; empty where it tells none."""
    declared = sources.room.plant.template_of(whole.asset).sterilisation
    spec = (
        None if declared is None or declared.phase is None else sources.room.plant.series[whole.asset, declared.phase]
    )
    if spec is None:
        return []
    changes = sources.history.states(spec.asset, spec.tag, whole.start_ns, whole.end_ns)
    return [
        {"phase": state_name(spec, value), "start_ms": ms(max(start_ns, whole.start_ns)), "end_ms": ms(end_ns)}
        for (start_ns, value), (end_ns, _) in pairwise([*changes, (whole.end_ns, None)])
        if end_ns > whole.start_ns
    ]


def _budget(legs: Sequence[Json]) -> Json | None:
    """Time out of refrigeration and shelf life over all stays: what the first one brought along and what each added.

    Added up here, so that a hand-over resets nothing even where the next place was told nothing. None without a cold
    chain; sums are None where the figure of a stay is not known, what is left where the profile has no budget.
    """
    cold = [leg for leg in legs if leg["cold"] is not None]
    if not cold:
        return None
    told = [leg["cold"]["stay"] for leg in cold]
    profile = next((leg["cold"]["profile"] for leg in cold if leg["cold"]["profile"]), None) or {}
    limit_s = None if profile.get("tor_h") is None else profile["tor_h"] * 3600.0
    empty: Json = {"tor_s": limit_s, "life_h": profile.get("life_h"), "brought_s": None, "tor_used_s": None,
                   "tor_left_s": None, "life_total_h": None, "life_left_h": None, "legs": []}  # fmt: skip
    if None in told:
        return empty
    parts = [one["parts"] for one in told]
    out = [total(one, "above_s", "blind_out_s") or 0.0 for one in parts]
    life = [one.get("life_used_h") for one in parts]
    brought_s = (parts[0].get("tor_used_s") or 0.0) - out[0]
    life_h = None if None in life else (parts[0].get("life_total_h") or 0.0) - life[0] + sum(life)
    used_s = brought_s + sum(out)
    return empty | {
        "brought_s": brought_s, "tor_used_s": used_s, "tor_left_s": None if limit_s is None else limit_s - used_s,
        "life_total_h": life_h,
        "life_left_h": None if life_h is None or not empty["life_h"] else empty["life_h"] - life_h,
        "legs": [{"name": leg["name"], "out_s": one} for leg, one in zip(cold, out, strict=True)],
    }  # fmt: skip


def _kept(budget: Json) -> float | None:
    """1 where no budget over all stays is overdrawn, 0 where one is, None where that is not known."""
    if budget["tor_used_s"] is None:
        return None
    left = [budget["tor_left_s"], budget["life_left_h"]]
    return 0.0 if any(one is not None and one < 0.0 for one in left) else 1.0


def _verdict(legs: Sequence[Json], cycles: Sequence[Json], budget: Json | None) -> Json:
    """1: every stay within its profile, budgets kept over all, every cycle passed; 0: not; None: cannot be said.

    Figures decide nothing: a person of quality releases a lot. reasons: (what, where) of everything that is not 1.
    """
    judged = [
        ("stay", leg["name"], None if leg["cold"]["stay"] is None else leg["cold"]["stay"]["parts"].get("within"))
        for leg in legs
        if leg["cold"] is not None
    ]
    judged += [("cycle", one["about"].get("cycle") or one["name"], one["parts"].get("verdict")) for one in cycles]
    judged += [("budget", "", _kept(budget))] if budget else []
    values = [value for _, _, value in judged]
    verdict = 0.0 if 0.0 in values else None if None in values or not values else 1.0
    reasons = [{"what": what, "where": where, "value": value} for what, where, value in judged if value != 1.0]
    return {"value": verdict, "judged": len(judged), "reasons": reasons}

"""Slow twin of operators/sterilisation_release.py: at every instant a load is judged from all that was told."""

from __future__ import annotations

GROWS = {"positive": True, "growth": True, "True": True, "negative": False, "no_growth": False, "False": False}


def naive(heard, cycle_verdict, exposed, control):
    """(verdict, bi_verdict, released, unproven) after each instant. heard: events of one load, in order of time."""
    instants = sorted({one.time_ns for one in heard})
    return [_standing([one for one in heard if one.time_ns <= at], cycle_verdict, exposed, control) for at in instants]


def _standing(heard, cycle_verdict, exposed, control):
    told = [one.data for one in heard if one.event == "bi.result"]
    newest = {one.get("indicator", f"nameless {place}"): one for place, one in enumerate(told)}.values()
    grown = [GROWS.get(str(one.get("result"))) for one in newest if one.get("kind") != "control"]
    controls = [GROWS.get(str(one.get("result"))) for one in newest if one.get("kind") == "control"]
    if any(one is True for one in grown):
        shown = 0.0
    elif not told and not exposed:
        shown = "not asked"
    else:
        enough = len([one for one in grown if one is False]) >= exposed and all(one is False for one in grown)
        alive = all(one is not False for one in controls) and (not control or any(one is True for one in controls))
        nothing = not grown and not exposed  # controls alone say nothing of the load
        shown = "not asked" if enough and alive and nothing else 1.0 if enough and alive else None
    verdict = 0.0 if 0.0 in (cycle_verdict, shown) else None if shown is None else cycle_verdict
    released = None
    for one in heard:
        if one.event != "bi.result":
            said = one.data.get("decision")
            released = {"released": 1.0, "rejected": 0.0}.get(said, released)
            if said is None:
                released = 1.0 if one.event == "load.released" else 0.0
    unproven = None if released is None else 1.0 if released and verdict != 1.0 else 0.0
    return verdict, None if shown == "not asked" else shown, released, unproven

"""Checks of [[calibration]]: a series that exists and is measured, stamps that are some, each calibration once."""

from __future__ import annotations

from collections.abc import Iterator

from andon.config.calibration import Calibration, moment_ns
from andon.config.models import Series
from andon.config.problems import Loc, Place, Problem, Words, shown, unknown_name
from andon.config.validate import Draft

MEASURED = ("number", "counter", "waveform")


def check_calibration(draft: Draft) -> Iterator[Problem]:
    """Every fault of [[calibration]]."""
    known = draft.named("asset", "path")
    complete = not draft.broken & {"asset", "template"}
    first: dict[tuple[str, str, str], Place] = {}
    for loc, one in draft.lists["calibration"]:
        place = draft.document.place((*loc, "asset"))
        if one.asset not in known:
            yield unknown_name(place, one.asset, Words("config.word.asset"), known)
        elif complete:
            yield from _series(draft, loc, one)
        yield from _moments(draft, loc, one)
        key = (one.asset, one.tag, one.at)
        if key in first:
            yield Problem("config.twice", place, found=shown(key), first=first[key])
        first.setdefault(key, place)


def _series(draft: Draft, loc: Loc, one: Calibration) -> Iterator[Problem]:
    templates = {template.name: template for _, template in draft.lists["template"]}
    series: dict[str, Series] = {}
    for _, asset in draft.lists["asset"]:
        if asset.path == one.asset and asset.template in templates:
            series = {each.tag: each for each in (*templates[asset.template].series, *asset.series)}
    place = draft.document.place((*loc, "tag"))
    if one.tag not in series:
        yield unknown_name(place, one.tag, Words("config.word.series"), series)
    elif series[one.tag].kind not in MEASURED:
        wanted = ", ".join(MEASURED)
        yield Problem("config.wrong_kind", place, found=shown(one.tag), kind=series[one.tag].kind, wanted=wanted)


def _moments(draft: Draft, loc: Loc, one: Calibration) -> Iterator[Problem]:
    stamps = []
    for key, text in (("at", one.at), ("due", one.due)):
        try:
            stamps.append(moment_ns(text) if text else None)
        except ValueError:
            yield Problem("config.calibration_moment", draft.document.place((*loc, key)), found=shown(text))
            return
    at_ns, due_ns = stamps
    if (at_ns is None) != (due_ns is None):
        yield Problem("config.calibration_half", draft.document.place(loc), tag=one.tag)
    elif at_ns is not None and due_ns is not None and not at_ns < due_ns:
        yield Problem("config.order", draft.document.place((*loc, "at")), found=shown((one.at, one.due)))

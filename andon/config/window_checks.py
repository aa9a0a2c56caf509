"""Checks of [[window]] and [[shift]]: what each kind needs, on series that exist and can hold its statistics."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from andon.config.declared import (
    ALLOWED,
    MOST_AT_ONCE,
    NEEDED,
    PERCENTILE,
    SHAPES,
    STATISTICS,
    DeclaredWindow,
)  # fmt: skip
from andon.config.models import Series, Windows
from andon.config.problems import Loc, Problem, Words, closest, shown, unknown_name
from andon.config.validate import Draft
from andon.readings import NS_PER_S

SIZE = re.compile(r"[0-9.]+s")
MINUTE_NS = 60 * NS_PER_S


def check_declared(draft: Draft) -> Iterator[Problem]:
    """Faults of every declared window that is valid by itself."""
    windows: Windows | None = draft.section("windows", Windows())
    complete = not draft.broken & {"asset", "template"}
    series = _declared(draft)
    for loc, window in draft.lists["window"]:
        yield from _shape(draft, loc, window)
        if windows is not None and windows.pane_s > 0:
            yield from _panes(draft, loc, window, round(windows.pane_s * NS_PER_S))
        yield from _statistics(draft, loc, window)
        yield from _on(draft, loc, window, series, complete=complete)


def longest_s(draft: Draft) -> float:
    """The longest declared window, s; 0 where none is."""
    return max((window.longest_s for _, window in draft.lists["window"]), default=0.0)


def _declared(draft: Draft) -> dict[str, tuple[str, Series]]:
    """Template's name and series by asset/tag, of the assets and templates that are valid."""
    templates = {template.name: template for _, template in draft.lists["template"]}
    declared = {}
    for _, asset in draft.lists["asset"]:
        shared = templates[asset.template].series if asset.template in templates else ()
        for one in (*shared, *asset.series):
            declared[f"{asset.path}/{one.tag}"] = (asset.template, one)
    return declared


def _shape(draft: Draft, loc: Loc, window: DeclaredWindow) -> Iterator[Problem]:
    needed = NEEDED[window.kind]
    if SIZE.fullmatch(window.id):  # InfluxDB and messages tell windows apart by their size, declared ones by their id
        yield Problem("config.window_id", draft.document.place((*loc, "id")), found=shown(window.id))
    for key in SHAPES:
        given = getattr(window, key) is not None
        if given != (key in needed):
            code = "config.window_extra" if given else "config.window_missing"
            place = draft.document.place((*loc, key) if given else loc)
            yield Problem(code, place, window=window.id, kind=window.kind, key=key, needed=", ".join(needed))
    if window.max_s is not None and window.kind != "session":
        place = draft.document.place((*loc, "max_s"))
        told = {"window": window.id, "kind": window.kind, "key": "max_s", "needed": ", ".join(needed)}
        yield Problem("config.window_extra", place, **told)
    if window.kind == "hopping" and window.size_s and window.hop_s:
        place = draft.document.place((*loc, "hop_s"))
        if window.hop_s > window.size_s:
            yield Problem("config.window_hop", place, found=window.hop_s, size=window.size_s)
        elif window.size_s > MOST_AT_ONCE * window.hop_s:
            most = window.size_s / MOST_AT_ONCE
            yield Problem("config.window_many", place, found=window.hop_s, least=most, most=MOST_AT_ONCE)
    if window.calendar == "shift" and not draft.document.raw.get("shift"):
        yield Problem("config.window_no_shift", draft.document.place((*loc, "calendar")))


def _panes(draft: Draft, loc: Loc, window: DeclaredWindow, pane_ns: int) -> Iterator[Problem]:
    for key in ("size_s", "hop_s"):
        length = getattr(window, key)
        length_ns = round((length or 0.0) * NS_PER_S)
        if length is not None and (length_ns <= 0 or length_ns % pane_ns):
            place = draft.document.place((*loc, key))
            yield Problem("config.not_multiple", place, found=length, pane=pane_ns / NS_PER_S)
    if window.kind == "calendar" and MINUTE_NS % pane_ns:
        place = draft.document.place((*loc, "calendar"))
        yield Problem("config.window_minute", place, pane=pane_ns / NS_PER_S)


def _statistics(draft: Draft, loc: Loc, window: DeclaredWindow) -> Iterator[Problem]:
    for index, name in enumerate(window.statistics):
        if name not in STATISTICS and not PERCENTILE.fullmatch(name):
            place = draft.document.place((*loc, "statistics", index))
            meant = closest(name, STATISTICS)
            if meant is not None:
                what = Words("config.word.statistic")
                yield Problem("config.unknown_name", place, found=shown(name), what=what, meant=meant)
            else:
                yield Problem("config.window_statistic", place, found=shown(name), allowed=", ".join(STATISTICS))
    if len(set(window.statistics)) < len(window.statistics):
        yield Problem("config.repeated", draft.document.place((*loc, "statistics")), found=shown(window.statistics))


def _on(
    draft: Draft, loc: Loc, window: DeclaredWindow, series: dict[str, tuple[str, Series]], *, complete: bool
) -> Iterator[Problem]:
    if window.on is None and window.template is None:
        yield Problem("config.window_nothing", draft.document.place(loc), window=window.id)
        return
    templates = draft.named("template", "name")
    if window.template is not None and window.template not in templates:
        place = draft.document.place((*loc, "template"))
        yield unknown_name(place, window.template, Words("config.word.template"), templates)
        return
    matched = {path: one for path, (name, one) in series.items() if window.selects(path, name, one.kind)}
    if matched:
        yield from _fits(draft, loc, window, matched)
    elif complete:
        place = draft.document.place((*loc, "template" if window.on is None else "on"))
        wanted = window.on or window.template or ""
        close = difflib.get_close_matches(wanted, series, n=3, cutoff=0.4) or sorted(series)[:3]
        yield Problem("config.rule_no_series", place, found=shown(wanted), close=", ".join(close) or "-")


def _fits(draft: Draft, loc: Loc, window: DeclaredWindow, matched: dict[str, Series]) -> Iterator[Problem]:
    """A statistic that series of a kind cannot have; a template alone leaves out what they cannot."""
    if window.on is None:
        return
    for index, name in enumerate(window.statistics):
        asked = "percentiles" if PERCENTILE.fullmatch(name) else name
        if asked not in STATISTICS and asked != "percentiles":
            continue
        unfit = [path for path, one in matched.items() if asked not in ALLOWED[one.kind]]
        if unfit:
            kind = matched[unfit[0]].kind
            place = draft.document.place((*loc, "statistics", index))
            yield Problem(
                "config.window_unfit", place, found=shown(name), series=unfit[0], kind=kind,
                allowed=", ".join(ALLOWED[kind]),
            )  # fmt: skip

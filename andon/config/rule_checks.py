"""Checks of [[rule]]: one condition each, on series that exist and can meet it, with limits that can be left again."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from fnmatch import translate

from andon.config.models import Rule, Series
from andon.config.problems import Loc, Problem, shown
from andon.config.validate import Draft

CONDITIONS = ("above", "below", "outside", "stale_s", "stuck_s", "anomaly")


def check_rules(draft: Draft) -> Iterator[Problem]:
    """Faults of every rule that is valid by itself."""
    series = _declared(draft)
    complete = not draft.broken & {"asset", "template"}
    for loc, rule in draft.lists["rule"]:
        yield from _condition(draft, loc, rule)
        matching = re.compile(translate(rule.on)).match
        matched = {path: one for path, one in series.items() if matching(path)}
        if matched:
            yield from _fits(draft, loc, rule, matched)
        elif complete:
            close = difflib.get_close_matches(rule.on, series, n=3, cutoff=0.4) or sorted(series)[:3]
            place = draft.document.place((*loc, "on"))
            yield Problem("config.rule_no_series", place, found=shown(rule.on), close=", ".join(close) or "-")


def _declared(draft: Draft) -> dict[str, Series]:
    """Series by asset/tag, of the assets and templates that are valid."""
    templates = {template.name: template for _, template in draft.lists["template"]}
    declared: dict[str, Series] = {}
    for _, asset in draft.lists["asset"]:
        shared = templates[asset.template].series if asset.template in templates else ()
        for one in (*shared, *asset.series):
            declared[f"{asset.path}/{one.tag}"] = one
    return declared


def _condition(draft: Draft, loc: Loc, rule: Rule) -> Iterator[Problem]:
    given = [name for name in CONDITIONS if getattr(rule, name) is not None]
    if len(given) != 1:
        place = draft.document.place((*loc, given[1]) if given else loc)
        found = ", ".join(given) or "-"
        yield Problem("config.one_condition", place, rule=rule.id, found=found, allowed=", ".join(CONDITIONS))
    if rule.outside is not None:
        low, high = rule.outside
        place = draft.document.place((*loc, "outside"))
        if not low < high:
            yield Problem("config.order", place, found=shown(rule.outside))
        elif rule.deadband * 2 >= high - low:
            place = draft.document.place((*loc, "deadband"))
            yield Problem("config.deadband", place, found=rule.deadband, limit=(high - low) / 2)


def _fits(draft: Draft, loc: Loc, rule: Rule, matched: dict[str, Series]) -> Iterator[Problem]:
    if rule.anomaly is None:
        return
    blind = [path for path, one in matched.items() if not one.detect]
    if blind:
        listed = ", ".join(blind[:3]) + (", ..." if len(blind) > 3 else "")
        yield Problem("config.rule_no_detect", draft.document.place((*loc, "on")), rule=rule.id, series=listed)

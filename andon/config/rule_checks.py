"""Checks of [[rule]]: one condition each, on series that exist and can meet it, with limits that can be left again."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from fnmatch import translate

from andon.config.models import Rule, Series
from andon.config.problems import Loc, Problem, shown
from andon.config.rule_references import check_references
from andon.config.validate import Draft

CONDITIONS = (
    "above", "below", "outside", "stale_s", "stuck_s", "anomaly", "rate_above", "rate_below", "deviates_from", "gap_s",
)  # fmt: skip
LIMITS = ("above", "below", "outside")
#: Keys that a key needs; one of them is enough.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "rate_above": ("over_s",), "rate_below": ("over_s",), "deviates_from": ("by",), "by": ("deviates_from",),
    "forecast_s": ("over_s",), "over_s": ("rate_above", "rate_below", "forecast_s"),
}  # fmt: skip
NUMBERS = ("number", "counter")


def check_rules(draft: Draft) -> Iterator[Problem]:
    """Faults of every rule that is valid by itself."""
    series = _declared(draft)
    complete = not draft.broken & {"asset", "template"}
    for loc, rule in draft.lists["rule"]:
        yield from _condition(draft, loc, rule)
        yield from _together(draft, loc, rule)
        matching = re.compile(translate(rule.on)).match
        matched = {path: one for path, one in series.items() if matching(path)}
        if matched:
            yield from _fits(draft, loc, rule, matched)
            if complete:
                yield from check_references(draft, loc, rule, matched, series)
        elif complete and rule.figure is not None:  # a figure may stand under a name of its own
            yield from check_references(draft, loc, rule, matched, series)
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
        elif rule.guard_band * 2 >= high - low:
            place = draft.document.place((*loc, "guard_band"))
            yield Problem("config.guard_band", place, found=rule.guard_band, limit=(high - low) / 2)
        elif (rule.deadband + rule.guard_band) * 2 >= high - low and rule.forecast_s is None:
            place = draft.document.place((*loc, "deadband"))
            yield Problem("config.deadband", place, found=rule.deadband, limit=(high - low) / 2 - rule.guard_band)
    if rule.by is not None and rule.deadband >= rule.by:
        yield Problem("config.deadband", draft.document.place((*loc, "deadband")), found=rule.deadband, limit=rule.by)


def _together(draft: Draft, loc: Loc, rule: Rule) -> Iterator[Problem]:
    """Keys that need another one, or do not go with one."""

    def problem(code: str, key: str, **params: object) -> Problem:
        return Problem(code, draft.document.place((*loc, key)), rule=rule.id, key=key, **params)

    for key, needed in NEEDS.items():
        if getattr(rule, key) is not None and all(getattr(rule, one) is None for one in needed):
            code = "config.rule_alone" if key == "over_s" else "config.rule_needs"
            yield problem(code, key, needed=", ".join(needed))
    for key in ("forecast_s", "figure"):
        if getattr(rule, key) is not None and all(getattr(rule, one) is None for one in LIMITS):
            yield problem("config.rule_needs", key, needed=", ".join(LIMITS))
    if rule.figure is not None and rule.forecast_s is not None:
        yield problem("config.rule_both", "figure", other="forecast_s")
    for key in ("undecided", "each"):
        if getattr(rule, key) and rule.figure is None:
            yield problem("config.rule_needs", key, needed="figure")
    if rule.guard_band and all(getattr(rule, one) is None for one in LIMITS):
        yield problem("config.rule_needs", "guard_band", needed=", ".join(LIMITS))
    if rule.guard_band and rule.forecast_s is not None:
        yield problem("config.rule_both", "guard_band", other="forecast_s")
    for key in ("delay_s", "off_delay_s", "deadband"):
        for other, alone in (("gap_s", rule.gap_s is not None), ("each", rule.each)):
            if alone and getattr(rule, key):
                yield problem("config.rule_both", key, other=other)
    if rule.schedule is not None and not rule.schedule.days:
        place = draft.document.place((*loc, "schedule", "days"))
        yield Problem("config.rule_needs", place, rule=rule.id, key="schedule", needed="days")
    if rule.when is not None and bool(rule.when.states) == bool(rule.when.values):
        place = draft.document.place((*loc, "when"))
        yield Problem("config.rule_needs", place, rule=rule.id, key="when", needed="states, values")


def _fits(draft: Draft, loc: Loc, rule: Rule, matched: dict[str, Series]) -> Iterator[Problem]:
    place = draft.document.place((*loc, "on"))
    blind = [path for path, one in matched.items() if not one.detect] if rule.anomaly is not None else []
    if blind:
        yield Problem("config.rule_no_detect", place, rule=rule.id, series=listed(blind))
    computes = any(one is not None for one in (rule.rate_above, rule.rate_below, rule.deviates_from, rule.forecast_s))
    other = [path for path, one in matched.items() if one.kind not in NUMBERS] if computes else []
    if other:
        yield Problem("config.rule_kind", place, rule=rule.id, series=listed(other))


def listed(paths: list[str]) -> str:
    """The first three."""
    return ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")

"""Checks of [[template.chart]] and [[control_limits]]."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from andon.config.models import Asset, Series
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.spc import Chart, ControlLimits
from andon.config.validate import Draft

ATTRIBUTES = ("p", "np", "c", "u")
MOST_OF_A_RANGE = 10


def check_spc(draft: Draft) -> Iterator[Problem]:
    """Faults of every chart and of the limits that are valid by themselves."""
    charts: dict[str, dict[str, Chart]] = {}
    shared: dict[str, dict[str, Series]] = {}
    for loc, template in draft.lists["template"]:
        series = shared[template.name] = {one.tag: one for one in template.series}
        known = charts.setdefault(template.name, {})
        for index, chart in enumerate(template.chart):
            at: Loc = (*loc, "chart", index)
            if chart.place in known:
                place = draft.document.place((*at, "name"))
                yield Problem("config.twice", place, found=shown(chart.place), first=template.name)
            known[chart.place] = chart
            yield from _tags(draft, at, chart, series)
            yield from _needs(draft, at, chart)
    assets = {asset.path: asset.template for _, asset in draft.lists["asset"]}
    for loc, asset in draft.lists["asset"]:
        series = shared.get(asset.template, {}) | {one.tag: one for one in asset.series}
        yield from _own_series(draft, loc, asset, series, charts.get(asset.template, {}))
    for loc, limits in draft.lists["control_limits"]:
        yield from _limits(draft, loc, limits, assets, charts)


def _tags(draft: Draft, loc: Loc, chart: Chart, series: dict[str, Series]) -> Iterator[Problem]:
    for key, tag in (("tag", chart.tag), ("inspected", chart.inspected)):
        if tag is None:
            continue
        place, allowed = draft.document.place((*loc, key)), _allowed(chart, key, series)
        if tag not in series:
            yield unknown_name(place, tag, Words("config.word.series"), series)
        elif series[tag].kind not in allowed:
            wanted = " / ".join(allowed)
            yield Problem("config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted=wanted)


def _allowed(chart: Chart, key: str, series: dict[str, Series]) -> tuple[str, ...]:
    """Kinds of the value and of what was inspected; the latter as the value, for both are counted in one way."""
    allowed = ("number", "counter") if chart.kind in ATTRIBUTES else ("number",)
    value = series.get(chart.tag)
    return (value.kind,) if key == "inspected" and value is not None and value.kind in allowed else allowed


def _own_series(
    draft: Draft, loc: Loc, asset: Asset, series: dict[str, Series], charts: dict[str, Chart]
) -> Iterator[Problem]:
    """A series of the asset alone must not change the kind that a chart of its template relies on."""
    own = {one.tag: index for index, one in enumerate(asset.series)}
    for chart in charts.values():
        for key, tag in (("tag", chart.tag), ("inspected", chart.inspected)):
            allowed = _allowed(chart, key, series)
            if tag in own and series[tag].kind not in allowed:
                place, wanted = draft.document.place((*loc, "series", own[tag], "kind")), " / ".join(allowed)
                yield Problem("config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted=wanted)


def _needs(draft: Draft, loc: Loc, chart: Chart) -> Iterator[Problem]:
    """(key, whether it is wrong, what is allowed) of what depends on the kind."""
    attribute, items = chart.kind in ATTRIBUTES, chart.items is not None or chart.inspected is not None
    means = chart.kind in ("xbar_r", "xbar_s")
    faults = (
        ("items", chart.kind in ("p", "np", "u") and not items, "p, np, u: inspected | items"),
        ("items", items and chart.kind not in ("p", "np", "u"), "p, np, u"),
        ("items", chart.items is not None and chart.inspected is not None, "inspected | items"),
        ("size", chart.kind == "imr" and (chart.size != 1 or chart.subgroup != "count"), "imr: size = 1"),
        ("size", means and chart.subgroup == "count" and chart.size < 2, "xbar: size >= 2"),
        ("size", chart.kind == "xbar_r" and chart.size > MOST_OF_A_RANGE, f"xbar_r: size <= {MOST_OF_A_RANGE}"),
        ("every_s", (chart.every_s is not None) != (chart.subgroup == "time"), 'subgroup = "time"'),
        ("event", (chart.event is not None) != (chart.subgroup == "event"), 'subgroup = "event"'),
        ("residuals", chart.residuals and chart.kind not in ("imr", "ewma", "cusum"), "imr, ewma, cusum"),
        ("box_cox", attribute and chart.box_cox is not None, "xbar_r, xbar_s, imr, ewma, cusum"),
        ("lower_spec", attribute and chart.has_specification, "xbar_r, xbar_s, imr, ewma, cusum"),
        ("head_start", chart.head_start >= chart.decision, "head_start < decision"),
    )
    for key, wrong, allowed in faults:
        if wrong:
            place = draft.document.place((*loc, key))
            yield Problem("config.chart_needs", place, chart=chart.place, kind=chart.kind, key=key, allowed=allowed)
    low, high = chart.lower_spec, chart.upper_spec
    if low is not None and high is not None and not low < high:
        yield Problem("config.order", draft.document.place((*loc, "lower_spec")), found=shown((low, high)))
    given = [one for one in (low, high, chart.target) if one is not None]
    if chart.box_cox is not None and any(one <= 0.0 for one in given):
        place = draft.document.place((*loc, "box_cox"))
        yield Problem("config.chart_positive", place, chart=chart.place, found=shown(min(given)))


def _limits(
    draft: Draft, loc: Loc, limits: ControlLimits, assets: dict[str, str], charts: dict[str, dict[str, Chart]]
) -> Iterator[Problem]:
    known = draft.named("asset", "path")
    if limits.asset not in known:
        yield unknown_name(draft.document.place((*loc, "asset")), limits.asset, Words("config.word.asset"), known)
        return
    of_template = charts.get(assets.get(limits.asset, ""))
    if of_template is None:  # refused elsewhere
        return
    chart = of_template.get(limits.chart)
    if chart is None:
        place = draft.document.place((*loc, "chart"))
        yield unknown_name(place, limits.chart, Words("config.word.chart"), of_template)
        return
    if (chart.kind in ATTRIBUTES) == (limits.sigma > 0.0):
        place = draft.document.place((*loc, "sigma"))
        allowed = "sigma = 0" if chart.kind in ATTRIBUTES else "sigma > 0"
        yield Problem("config.chart_needs", place, chart=limits.chart, kind=chart.kind, key="sigma", allowed=allowed)
    try:
        datetime.fromisoformat(limits.valid_from)
    except ValueError:
        place = draft.document.place((*loc, "valid_from"))
        yield Problem("config.no_such_instant", place, found=shown(limits.valid_from))

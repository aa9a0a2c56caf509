"""Checks of what a rule names beside its own series: setpoint or twin, the series of `when`, a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase

from andon.config.health import health_points
from andon.config.models import Asset, Rule, Series, Template, Transport
from andon.config.problems import Loc, Problem, shown
from andon.config.validate import Draft
from andon.figures import KINDS
from andon.partitioners import PARTITIONERS
from andon.plant import PACKML_STATES

SPC = ("spc", "capability")
#: Lists of the configuration that give assets a kind of figure beside their templates.
GIVEN_BY = {"oee": "line", "calibration": "calibration"}
#: What can be judged of each kind of figure.
FIGURES: Mapping[str, tuple[str, ...]] = {
    name: tuple(part.name for part in kind.parts if part.judged) for name, kind in KINDS.items()
}


def reference_path(rule: Rule, asset: str) -> str:
    """asset/tag that a rule on a series of this asset compares with; empty for other rules.

    >>> reference_path(Rule(id="a", on="*", deviates_from="setpoint", by=1.0), "cold/room1")
    'cold/room1/setpoint'
    """
    named = rule.deviates_from or ""
    return named if not named or "/" in named else f"{asset}/{named}"


def check_references(
    draft: Draft, loc: Loc, rule: Rule, matched: Mapping[str, Series], series: Mapping[str, Series]
) -> Iterator[Problem]:
    """matched, series: asset/tag -> what is declared; those of the rule, and all."""
    yield from _reference(draft, loc, rule, matched, series)
    yield from _when(draft, loc, rule, matched, series)
    yield from _figure(draft, loc, rule)


def _reference(
    draft: Draft, loc: Loc, rule: Rule, matched: Mapping[str, Series], series: Mapping[str, Series]
) -> Iterator[Problem]:
    if rule.deviates_from is None:
        return
    place, found = draft.document.place((*loc, "deviates_from")), shown(rule.deviates_from)
    lost, apart = [], []
    for path in matched:
        asset = _asset_of(path)
        other = reference_path(rule, asset)
        if other == path or other not in series or series[other].kind not in ("number", "counter"):
            lost.append(path)
        elif not same_shard(draft, asset, _asset_of(other)):
            apart.append(path)
    if lost:
        yield Problem("config.rule_reference", place, rule=rule.id, found=found, series=_first(lost))
    if apart:
        yield Problem("config.rule_shard", place, rule=rule.id, found=found, series=_first(apart))


def same_shard(draft: Draft, one: str, other: str) -> bool:
    """Whether two assets are in one shard. Where a file of pins decides, it is not asked: the check reads no files."""
    transport: Transport | None = draft.section("transport", Transport())
    if one == other or transport is None or transport.shards == 1 or transport.pins is not None:
        return True
    assets: dict[str, Asset] = {asset.path: asset for _, asset in draft.lists["asset"]}
    choose = PARTITIONERS[transport.kafka.partitioner if transport.kafka else "crc32"]

    def shard(path: str) -> int:
        own = assets[path].shard if path in assets else None
        return choose(path.encode()) % transport.shards if own is None else own

    return shard(one) == shard(other)


def _when(
    draft: Draft, loc: Loc, rule: Rule, matched: Mapping[str, Series], series: Mapping[str, Series]
) -> Iterator[Problem]:
    if rule.when is None:
        return
    paths = dict.fromkeys(f"{_asset_of(path)}/{rule.when.tag}" for path in matched)
    lost = [_asset_of(path) for path in paths if path not in series]
    if lost:
        place = draft.document.place((*loc, "when", "tag"))
        yield Problem("config.rule_when_tag", place, found=shown(rule.when.tag), series=_first(lost))
    for path in paths:
        if not rule.when.states or path not in series:
            continue
        declared = series[path].states
        states = PACKML_STATES if declared == "packml" else declared or ()
        wrong = [name for name in rule.when.states if name not in states]
        if wrong:
            place, allowed = draft.document.place((*loc, "when", "states")), ", ".join(states) or "-"
            yield Problem("config.rule_when_states", place, found=shown(wrong), series=path, allowed=allowed)
            return


def _figure(draft: Draft, loc: Loc, rule: Rule) -> Iterator[Problem]:
    if rule.figure is None:
        return
    place = draft.document.place((*loc, "figure"))
    kind, _, name = rule.figure.partition(".")
    if name not in FIGURES.get(kind, ()):
        names = [f"{one}.{part}" for one, parts in FIGURES.items() for part in parts]
        mine = [one for one in names if one.startswith(f"{kind}.")]
        allowed = ", ".join(mine or get_close_matches(rule.figure, names, 8) or names)
        yield Problem("config.rule_figure", place, found=shown(rule.figure), allowed=allowed)
        return
    if GIVEN_BY.get(kind) in draft.broken:
        return
    carrying = _carrying(draft, kind)
    if not any(fnmatchcase(path, rule.on) for path in carrying):
        close = _first(carrying) or "-"
        yield Problem("config.rule_no_figure", place, rule=rule.id, found=shown(rule.figure), close=close)


def _carrying(draft: Draft, kind: str) -> list[str]:
    """asset/tag of the series that figures of a kind stand under."""
    templates: dict[str, Template] = {template.name: template for _, template in draft.lists["template"]}
    paths = []
    for _, asset in draft.lists["asset"]:
        template = templates.get(asset.template)
        oee = template.oee if template else None
        if oee and (kind == "oee" or (kind == "oee_stop" and oee.stops)):
            paths.append(f"{asset.path}/{oee.state}")
        elif kind in SPC and template:
            charts = [one for one in template.chart if kind == "spc" or one.has_specification]
            paths += [f"{asset.path}/{chart.place}" for chart in charts]
        elif template and template.sterilisation:
            paths += [f"{asset.path}/{tag}" for tag in template.sterilisation.carrying(kind)]
        if template and template.cold_chain:
            paths += [f"{asset.path}/{tag}" for tag in template.cold_chain.carrying(kind)]
        if template and template.journey:
            paths += [f"{asset.path}/{tag}" for tag in template.journey.carrying(kind)]
        if template:
            paths += [f"{asset.path}/{tag}" for tag in health_points(template, kind)]
            paths += [f"{asset.path}/{one.name}" for one in template.group if kind == "group"]
    if kind == "oee":
        paths += [f"{line.asset}/line" for _, line in draft.lists["line"]]
    elif kind == "calibration":
        paths += [f"{one.asset}/{one.tag}" for _, one in draft.lists["calibration"]]
    return paths


def _asset_of(path: str) -> str:
    return path.rpartition("/")[0]


def _first(paths: list[str]) -> str:
    return ", ".join(paths[:3]) + (", ..." if len(paths) > 3 else "")

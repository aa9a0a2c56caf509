"""Checks of [[template.group]]: series that exist and are numbers, names, twins, length of windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from andon.config.groups import Group
from andon.config.models import Series, Template
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.validate import Draft


def check_groups(draft: Draft) -> Iterator[Problem]:
    """Every fault of the groups of all templates."""
    for loc, template in draft.lists["template"]:
        series = {one.tag: one for one in template.series}
        first: dict[str, int] = {}
        for number, group in enumerate(template.group):
            at = (*loc, "group", number)
            if group.name in first:
                before = draft.document.place((*loc, "group", first[group.name], "name"))
                place = draft.document.place((*at, "name"))
                yield Problem("config.twice", place, found=shown(group.name), first=before)
            first.setdefault(group.name, number)
            yield from _tags(draft, at, group, series)
            yield from _method(draft, at, group, series, template)


def _tags(draft: Draft, at: Loc, group: Group, series: Mapping[str, Series]) -> Iterator[Problem]:
    if len(set(group.tags)) < len(group.tags):
        yield Problem("config.repeated", draft.document.place((*at, "tags")), found=shown(group.tags))
    for index, tag in enumerate(group.tags):
        place = draft.document.place((*at, "tags", index))
        if tag not in series:
            yield unknown_name(place, tag, Words("config.word.series"), series)
        elif series[tag].kind != "number":
            yield Problem("config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted="number")
    slowest = max((series[tag].every_s for tag in group.tags if tag in series), default=0.0)
    if group.window_s < slowest:
        place = draft.document.place((*at, "window_s"))
        yield Problem("config.group_window", place, found=group.window_s, slowest=slowest)


def _method(draft: Draft, at: Loc, group: Group, series: Mapping[str, Series], template: Template) -> Iterator[Problem]:
    if group.method == "twin":
        place = draft.document.place((*at, "tags"))
        units = {series[tag].unit for tag in group.tags if tag in series}
        if len(group.tags) != 2:
            yield Problem("config.group_twin", place, found=len(group.tags))
        elif len(units) > 1:
            yield Problem("config.group_twin_unit", place, found=", ".join(sorted(units)))
    if group.while_running and template.running is None:
        place = draft.document.place((*at, "while_running"))
        yield Problem("config.health_needs", place, found=shown(value=True), needed="[template.running]")
    if group.settle_s and not (group.while_running or group.by_product):
        place = draft.document.place((*at, "settle_s"))
        yield Problem("config.health_needs", place, found=group.settle_s, needed="while_running / by_product")

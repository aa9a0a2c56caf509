"""Checks of [[line]] against the assets, templates and shards."""

from __future__ import annotations

from collections.abc import Iterator

from andon.config.models import Template
from andon.config.oee_lines import Line
from andon.config.problems import Loc, Place, Problem, Words, shown, unknown_name
from andon.config.rule_references import same_shard
from andon.config.validate import Draft


def check_lines(draft: Draft) -> Iterator[Problem]:
    """A line is an asset without an OEE of its own; its cells have one, in no other line and in its shard."""
    templates: dict[str, Template] = {one.name: one for _, one in draft.lists["template"]}
    of = {one.path: templates.get(one.template) for _, one in draft.lists["asset"]}
    with_oee = [path for path, template in of.items() if template and template.oee]
    complete = not draft.broken & {"asset", "template"}
    taken: dict[str, Place] = {}
    for loc, line in draft.lists["line"]:
        known = draft.named("asset", "path")
        place = draft.document.place((*loc, "asset"))
        if line.asset not in known:
            yield unknown_name(place, line.asset, Words("config.word.asset"), known)
        elif line.asset in with_oee:
            yield Problem("config.line_oee", place, found=shown(line.asset))
        yield from _shape(draft, loc, line)
        if complete:
            yield from _cells(draft, loc, line, with_oee, taken)


def _shape(draft: Draft, loc: Loc, line: Line) -> Iterator[Problem]:
    if len(set(line.cells)) < len(line.cells):
        yield Problem("config.repeated", draft.document.place((*loc, "cells")), found=shown(line.cells))
    if line.bottleneck is not None and line.bottleneck not in line.cells:
        place = draft.document.place((*loc, "bottleneck"))
        yield unknown_name(place, line.bottleneck, Words("config.word.cell"), line.cells)
    if line.least_running is not None and line.least_running > len(line.cells):
        allowed = Words("config.limit", {"sign": "<=", "limit": len(line.cells)})
        place = draft.document.place((*loc, "least_running"))
        yield Problem("config.not_allowed", place, found=shown(line.least_running), allowed=allowed)
    if line.parallel and (line.bottleneck is not None or line.least_running is None):
        yield Problem("config.line_parallel", draft.document.place((*loc, "parallel")), line=line.asset)
    if not line.parallel and line.bottleneck is None:
        yield Problem("config.line_bottleneck", draft.document.place(loc), line=line.asset)


def _cells(draft: Draft, loc: Loc, line: Line, with_oee: list[str], taken: dict[str, Place]) -> Iterator[Problem]:
    apart = []
    for index, cell in enumerate(line.cells):
        place = draft.document.place((*loc, "cells", index))
        if cell not in with_oee:
            yield unknown_name(place, cell, Words("config.word.oee_asset"), with_oee)
            continue
        if cell in taken and cell not in line.cells[:index]:
            yield Problem("config.twice", place, found=shown(cell), first=taken[cell])
        taken.setdefault(cell, place)
        if not same_shard(draft, line.asset, cell):
            apart.append(cell)
    if apart:
        place = draft.document.place((*loc, "cells"))
        yield Problem("config.line_shard", place, line=line.asset, found=", ".join(apart[:3]))

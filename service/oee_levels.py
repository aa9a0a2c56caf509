"""OEE of a site's lines, areas and the whole as a document, and of an enterprise from the documents of its sites.

Sites are installations of their own, so an enterprise adds up what they export: additive parts, never ratios. A part
that is not known in one of them is not known in the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from andon.errors import AndonError
from andon.outputs import Figure
from andon.plant import PlantModel
from andon.readings import NS_PER_MS
from operators.event_data import number_of
from operators.iso22400 import all_kpis
from operators.topology import Parts, Value, added, area_of, levels, standing
from service.report_figures import ADDITIVE as SUMMED
from service.report_figures import shift_parts
from sinks.history_reader import HistoryReader

DOCUMENT, VERSION = "andon-oee-levels", 1
MOST = 100_000  # windows of an asset
ADDITIVE = SUMMED["oee"]
Json = dict[str, Any]


class RollupError(AndonError):
    """Documents that cannot be added up."""


def oee_levels(
    plant: PlantModel, history: HistoryReader, start_ns: int, end_ns: int, as_of_ns: int | None = None,
    whole_ns: int | None = None,
) -> Json:  # fmt: skip
    """Lines, areas and the site (path "") over [start_ns, end_ns), each with additive parts and what follows from them.

    Of windows that lie in the range; one over its bounds cannot be told apart and stays out. as_of_ns: as it was known
    at that time of the plant, without what was running; None: as it is known now. whole_ns: up to there time of the
    range without a window is unknown, as it is in the report of a shift; None: only windows count.
    """
    config, mine = plant.config, {}
    for asset in plant.with_oee:
        found = history.figures("oee", start_ns, end_ns, asset, MOST, as_of_ns=as_of_ns)
        mine[asset] = [one for one in found if start_ns <= one.start_ns and one.end_ns <= end_ns]
    parts = {asset: [_additive(one.parts) for one in figures] for asset, figures in mine.items()}
    if whole_ns is not None:
        parts = {asset: [shift_parts(figures, start_ns, whole_ns)] for asset, figures in mine.items() if figures}
    chosen = standing(mine, plant.bottlenecks, plant.line_cells)
    rolled = {path: told for path, told in levels(parts, plant.bottlenecks, plant.line_cells).items() if told}
    under = {path: _below(path, chosen, mine) for path in rolled}
    return {
        "document": DOCUMENT, "version": VERSION, "enterprise": config.enterprise.id, "site": config.site.id,
        "timezone": config.site.timezone, "from_ms": start_ns // NS_PER_MS, "to_ms": end_ns // NS_PER_MS,
        "as_of_ms": None if as_of_ns is None else as_of_ns // NS_PER_MS,
        "levels": [
            {
                "path": path, "level": _level(path, chosen), "windows": len(under[path]),
                "final": all(one.final for one in under[path]), "parts": told, "ratios": all_kpis(told),
            }
            for path, told in sorted(rolled.items())
        ],
    }  # fmt: skip


def _additive(parts: Parts) -> dict[str, Value]:
    return {name: parts.get(name) for name in ADDITIVE}


def _below(path: str, chosen: Mapping[str, list[str]], mine: Mapping[str, list[Figure]]) -> list[Figure]:
    lines = [line for line in chosen if path in ("", line, area_of(line))]
    return [one for line in lines for asset in chosen[line] for one in mine[asset]]


def _level(path: str, lines: Iterable[str]) -> str:
    if not path:
        return "site"
    return "area" if path in {area_of(line) for line in lines} else "line"


def read_document(path: Path) -> Json:
    """A document that `oee_levels` made, from a file. Raises RollupError."""
    try:
        told = orjson.loads(path.read_bytes())
    except OSError as error:
        raise RollupError("oee.no_file", file=str(path), detail=error.strerror or "") from None
    except orjson.JSONDecodeError as error:
        raise RollupError("oee.no_json", file=str(path), detail=str(error)) from None
    if not isinstance(told, dict) or (told.get("document"), told.get("version")) != (DOCUMENT, VERSION):
        raise RollupError("oee.no_document", file=str(path))
    try:
        nothing: Json = {"parts": {}, "final": True}
        whole = next((one for one in told["levels"] if one["path"] == ""), nothing)
        parts = {name: whole["parts"].get(name) for name in ADDITIVE} if whole["parts"] else {}
        site = {key: told[key] for key in ("enterprise", "site", "timezone", "from_ms", "to_ms", "as_of_ms")}
        final = bool(whole["final"])
    except (KeyError, TypeError, AttributeError):
        raise RollupError("oee.no_document", file=str(path)) from None
    named = all(isinstance(site[key], str) and site[key] for key in ("enterprise", "site"))
    if not named or not all(value is None or number_of(parts, name) is not None for name, value in parts.items()):
        raise RollupError("oee.no_document", file=str(path))
    return {**site, "file": str(path), "final": final, "parts": parts}


def rolled_up(sites: Sequence[Json]) -> Json:
    """The enterprise of what `read_document` gave of its sites. Raises RollupError.

    without: sites of which nothing is known in their range: they are left out of the sum and named. The ranges may
    differ, since a shift of one name is at another time where the zone is another; each is told with its site.
    """
    _must_be_one(sites, "enterprise", "oee.enterprises")
    seen: dict[str, str] = {}
    for one in sites:
        if one["site"] in seen:
            raise RollupError("oee.site_twice", site=one["site"], file=one["file"], first=seen[one["site"]])
        seen[one["site"]] = one["file"]
    known = [one for one in sites if one["parts"]]
    parts = added(one["parts"] for one in known)
    return {
        "enterprise": sites[0]["enterprise"], "final": all(one["final"] for one in known),
        "sites": [{**one, "ratios": all_kpis(one["parts"])} for one in known],
        "without": [one["site"] for one in sites if not one["parts"]],
        "unknown": [name for name, value in parts.items() if value is None],
        "parts": parts, "ratios": all_kpis(parts) if parts else {},
    }  # fmt: skip


def _must_be_one(sites: Iterable[Json], key: str, code: str) -> None:
    found = sorted({one[key] for one in sites})
    if len(found) != 1:
        raise RollupError(code, found=", ".join(map(str, found)) or "-")

"""Windows and figures around an alarm, each with the readings of the journal that it follows from."""

from __future__ import annotations

from typing import Any

import numpy as np

from andon.outputs import Figure
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Status
from service.evidence.readings import Place
from sinks.history_reader import HistoryReader
from sinks.journal_reader import Found

MOST_WINDOWS = 120
MOST_FIGURES = 24
FIELDS = ("revision", "count", "minimum", "maximum", "mean", "std", "first", "last", "score")
Json = dict[str, Any]


def windows_json(
    history: HistoryReader, asset: str, tag: str, found: Found | None, span: tuple[int, int]
) -> Json:  # fmt: skip
    """Closed windows of the smallest stored size of which at most `MOST_WINDOWS` begin in the stretch, oldest first.

    `readings` of each: how many, their row numbers, offsets and hash, and whether counting them anew gives the same
    count, minimum and maximum (null where the journal does not hold them).
    """
    sizes = history.sizes(asset, tag)
    start_ns, end_ns = span
    if found is not None and len(found):
        end_ns = min(end_ns, int(found.rows["time_ns"][-1]) + 1)
    columns = None
    for size_ns in sizes:
        last_ns = min(end_ns, span[1] - size_ns + 1)  # one that goes on beyond it has readings that are not here
        most = MOST_WINDOWS + 1 if size_ns != sizes[-1] else MOST_WINDOWS
        columns = history.windows(asset, tag, size_ns, start_ns, last_ns, most)
        if len(columns.start_ns) <= MOST_WINDOWS:
            break
    if columns is None:
        return {"size_s": None, "rows": []}
    rows = []
    for at, begin_ns in enumerate(columns.start_ns):
        row = {name: getattr(columns, name)[at] for name in FIELDS}
        part = None if found is None else usable(found, begin_ns, begin_ns + columns.size_ns)
        rows.append({"start_ns": begin_ns, **row, "readings": window_readings(row, part)})
    return {"size_s": columns.size_ns / NS_PER_S, "rows": rows}


def usable(found: Found, start_ns: int, end_ns: int) -> Found:
    """Rows of [start_ns, end_ns) that windows count."""
    rows = found.rows
    return found.where((rows["time_ns"] >= start_ns) & (rows["time_ns"] < end_ns) & (rows["status"] != Status.BAD))


def window_readings(row: Json, part: Found | None) -> Json | None:
    """What a window follows from; None where the journal is not known."""
    if part is None:
        return None
    agrees: bool | None = None
    if len(part) and not part.skipped:
        value = part.rows["value"]
        agrees = bool(
            (row["count"], row["minimum"], row["maximum"]) == (len(part), float(value.min()), float(value.max()))
        )
    return {**cited(part), "agrees": agrees}


def cited(part: Found) -> Json:
    """Rows of the journal by number, offset and hash."""
    if not len(part):
        return {"rows": 0}
    offset = part.rows["offset"]
    return {
        "rows": len(part), "first_row": int(part.number.min()), "last_row": int(part.number.max()),
        "first_offset": int(offset.min()), "last_offset": int(offset.max()), "sha256": part.sha256(),
    }  # fmt: skip


def figures_json(
    history: HistoryReader, plant: PlantModel, asset: str, span: tuple[int, int], place: Place | None
) -> list[Json]:  # fmt: skip
    """The newest OEE and cold-chain figures of the asset that overlap the stretch, with their input series."""
    told = [
        one for kind in ("oee", "cold_chain") for one in history.figures(kind, span[0], span[1], asset, MOST_FIGURES)
    ]
    numbers = {} if place is None else place.journal.series()
    tags = {tag: numbers.get(f"{asset}/{tag}") for one in told for tag in _tags(plant, one)}
    found = None
    if place is not None and told:  # one look-up for them all: opening segments is what costs
        known = [number for number in tags.values() if number is not None]
        found = place.journal.find(known, min(one.start_ns for one in told), max(one.end_ns for one in told))
    rows = [
        {
            "kind": one.kind, "tag": one.tag, "start_ns": one.start_ns, "end_ns": one.end_ns,
            "revision": one.revision, "final": one.final, "parts": dict(one.parts),
            "readings": {tag: _inputs(found, tags[tag], one) for tag in _tags(plant, one)},
        }
        for one in told
    ]  # fmt: skip
    return sorted(rows, key=lambda one: (one["start_ns"], one["kind"]))


def _tags(plant: PlantModel, figure: Figure) -> list[str]:
    if figure.asset not in plant.assets:
        return [figure.tag]
    oee = plant.oee_of(figure.asset) if figure.kind == "oee" else None
    return [figure.tag] if oee is None else [oee.state, oee.total, oee.good]


def _inputs(found: Found | None, series: int | None, figure: Figure) -> Json | None:
    """The rows of an input series that a figure counts; None where they are not known, or not all of them."""
    if found is None or series is None or found.skipped:
        return None
    part = found.of(series, figure.start_ns, figure.end_ns)
    return cited(part.where(np.asarray(part.rows["status"] != Status.BAD)))

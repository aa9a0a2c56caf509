"""The series CSV: one row per series of an asset, as plants keep them in a spreadsheet.

Columns asset, tag, unit, low, high, every_s, kind; asset and tag must be there. A row changes the series that the
asset has from its template, where a cell is empty the template's value stays; or it adds a series.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from andon.config.files import Document, Origin, read_text
from andon.config.problems import Place, Problem, Words, shown, unknown_key, unknown_name

COLUMNS = ("asset", "tag", "unit", "low", "high", "every_s", "kind")
NUMBERS = ("low", "high", "every_s")


def add_series_files(document: Document) -> None:
    """Put the rows of every series CSV into `series` of its asset, in the raw document."""
    assets = {
        asset["path"]: (index, asset)
        for index, asset in enumerate(document.raw.get("asset", []))
        if isinstance(asset, dict) and isinstance(asset.get("path"), str)
    }
    seen: dict[tuple[str, str], Place] = {}
    for path in document.csv_files:
        text = read_text(document, path)
        if text is not None:
            _add_file(document, path, text, assets, seen)


def _add_file(
    document: Document,
    path: Path,
    text: str,
    assets: dict[str, tuple[int, dict[str, Any]]],
    seen: dict[tuple[str, str], Place],
) -> None:
    name = document.name(path)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = reader.fieldnames or []
        if not _header_ok(document, Place(name, 1, ""), list(columns)):
            return
        for row in reader:
            place = Place(name, reader.line_num, "")
            cells = _cells(document, place, row)
            if cells is None:
                continue
            key = (cells["asset"], cells["tag"])
            if key in seen:
                document.problems.append(Problem("config.csv_twice", place, tag="/".join(key), first=seen[key]))
                continue
            seen[key] = place
            if cells["asset"] not in assets:
                what = Words("config.word.asset")
                document.problems.append(unknown_name(Place(name, place.line, "asset"), key[0], what, assets))
                continue
            _add_row(document, cells, *assets[cells["asset"]], place)
    except csv.Error as error:
        document.problems.append(Problem("config.csv_broken", Place(name, reader.line_num, ""), detail=error))


def _header_ok(document: Document, place: Place, columns: list[str]) -> bool:
    before = len(document.problems)
    for column in columns:
        if column not in COLUMNS:
            where = Place(place.file, place.line, column)
            document.problems.append(unknown_key(where, column, [c for c in COLUMNS if c not in columns]))
    for column in ("asset", "tag"):
        if column not in columns:
            document.problems.append(Problem("config.missing", Place(place.file, place.line, column)))
    return len(document.problems) == before


def _cells(document: Document, place: Place, row: dict[str | Any, Any]) -> dict[str, Any] | None:
    """The filled cells of a row, numbers as float; None with problems noted. An empty row is skipped."""
    if None in row:
        document.problems.append(Problem("config.csv_long", place, found=shown(row[None])))
        return None
    cells: dict[str, Any] = {key: value.strip() for key, value in row.items() if value and value.strip()}
    if not cells:
        return None
    before = len(document.problems)
    for column in ("asset", "tag"):
        if column not in cells:
            document.problems.append(Problem("config.missing", Place(place.file, place.line, column)))
    for column in NUMBERS:
        if column in cells:
            number = _number(cells[column])
            if number is None:
                where = Place(place.file, place.line, column)
                wanted = Words("config.type.number")
                document.problems.append(
                    Problem("config.not_allowed", where, found=shown(cells[column]), allowed=wanted)
                )
            cells[column] = number
    return cells if len(document.problems) == before else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _add_row(document: Document, cells: dict[str, Any], index: int, asset: dict[str, Any], place: Place) -> None:
    own = asset.setdefault("series", [])
    if not isinstance(own, list):
        return  # reported when the asset is checked
    base = _series_of(own, cells["tag"])
    position = len(own) if base is None else own.index(base)
    if base is None:
        shared = [one.get("series") for one in document.raw.get("template", [])
                  if isinstance(one, dict) and one.get("name") == asset.get("template")]  # fmt: skip
        base = _series_of(shared[0], cells["tag"]) if shared else None
    series = dict(base or {}) | {key: cells[key] for key in ("tag", "unit", "every_s", "kind") if key in cells}
    if "low" in cells or "high" in cells:
        low, high = _range_of(series)
        series["range"] = [cells.get("low", low), cells.get("high", high)]
    own[position : position + 1] = [series]
    document.origins["asset", index, "series", position] = Origin(place.file, (), {(): place.line or 1})


def _series_of(series: object, tag: str) -> dict[str, Any] | None:
    if not isinstance(series, list):
        return None
    return next((one for one in series if isinstance(one, dict) and one.get("tag") == tag), None)


def _range_of(series: dict[str, Any]) -> tuple[float, float]:
    given = series.get("range")
    if isinstance(given, list) and len(given) == 2:
        return given[0], given[1]
    return -math.inf, math.inf

"""From units to lines, areas, site and enterprise (ISA-95): additive parts up, ratios divided at the end. Pure.

Counts of machines in a row are the same items, so a line has the parts of its own figure where it is declared
(operators/line_machine.py), else those of its bottleneck (of several: their sum, lines in parallel), of a line without
one those of all its assets. Levels above add up lines.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

Value = float | None
Parts = Mapping[str, Value]
#: Declared lines: the cells of each by the path of the line's own asset.
Lines = Mapping[str, Collection[str]]
NO_LINES: Lines = {}


def added(many: Iterable[Parts]) -> dict[str, Value]:
    """Additive parts summed name by name; a name unknown in one of them is unknown in the sum. Empty of nothing."""
    rows = list(many)
    names = list(dict.fromkeys(name for row in rows for name in row))
    sums: dict[str, Value] = {}
    for name in names:
        told = [row.get(name) for row in rows]
        sums[name] = None if None in told else sum(one for one in told if one is not None)
    return sums


def line_of(asset: str, lines: Lines = NO_LINES) -> str:
    """Path of the line of an asset: the declared one that it is or stands in, else its path without the last part.

    >>> line_of("filling/line1/filler1"), line_of("cold/room1"), line_of("press")
    ('filling/line1', 'cold', 'press')
    >>> line_of("filling/line1", {"filling/line1": ["filling/washer"]})
    'filling/line1'
    """
    if asset in lines:
        return asset
    declared = next((line for line, cells in lines.items() if asset in cells), None)
    return declared or asset.rpartition("/")[0] or asset


def area_of(path: str) -> str:
    """Path of the area of an asset or a line."""
    return path.partition("/")[0]


def standing(assets: Iterable[str], bottlenecks: Collection[str], lines: Lines = NO_LINES) -> dict[str, list[str]]:
    """The assets whose parts are those of their line, by line, both in order of their coming.

    assets: those that have an OEE, also where nothing is known of it. A declared line that is one of them stands alone;
    else the line's bottlenecks, else all of it.
    """
    by_line: dict[str, list[str]] = {}
    for asset in assets:
        by_line.setdefault(line_of(asset, lines), []).append(asset)
    return {
        line: [line] if line in mine and line in lines else [one for one in mine if one in bottlenecks] or mine
        for line, mine in by_line.items()
    }


def levels(
    figures: Mapping[str, Iterable[Parts]], bottlenecks: Collection[str], lines: Lines = NO_LINES
) -> dict[str, dict[str, Value]]:
    """Parts of every line, area and of the whole site (path "") from the figures of each asset.

    figures: additive parts of windows by asset, none where nothing is known: a line without any is left out, and its
    bottleneck is not stood in for by others. bottlenecks: assets whose counts stand for their line. An area whose
    machines stand in it directly is a line and an area of one path: told is the area.
    """
    found: dict[str, dict[str, Value]] = {}
    by_area: dict[str, list[dict[str, Value]]] = {}
    for line, assets in standing(figures, bottlenecks, lines).items():
        parts = added(row for asset in assets for row in figures[asset])
        if parts:
            found[line] = parts
            by_area.setdefault(area_of(line), []).append(parts)
    found |= {area: added(many) for area, many in by_area.items()}
    return found | {"": added(one for many in by_area.values() for one in many)}

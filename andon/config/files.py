"""Reading plant.toml and its includes into one raw document that still knows where each part came from."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from andon.config.lines import line_numbers
from andon.config.problems import Loc, Place, Problem, path_text, shown

LISTS = (
    "asset", "template", "cycle", "line", "product", "rule", "route", "window", "shift", "person", "team", "rota",
    "control_limits", "dependency", "bearing", "zones", "calibration", "place", "journey_plan",
)  # fmt: skip
"""Sections that every file may add to; all others are given once."""


@dataclass(frozen=True)
class Origin:
    """Where a part of the document came from: a file, its lines, and the path inside it."""

    file: str
    loc: Loc
    lines: dict[Loc, int]

    def place(self, rest: Loc) -> Place:
        """The place of a path below this part."""
        loc = (*self.loc, *rest)
        line = next((self.lines[loc[:n]] for n in range(len(loc), -1, -1) if loc[:n] in self.lines), None)
        return Place(self.file, line, path_text(loc))


@dataclass
class Document:
    """The merged sections, as TOML types; `problems` collects what was wrong with the files themselves."""

    folder: Path
    raw: dict[str, Any] = field(default_factory=dict)
    origins: dict[Loc, Origin] = field(default_factory=dict)
    csv_files: list[Path] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    read: list[Path] = field(default_factory=list)

    def name(self, path: Path) -> str:
        """A file as messages name it: relative to plant.toml where that is possible."""
        try:
            return str(path.relative_to(self.folder))
        except ValueError:
            return str(path)

    def place(self, loc: Loc) -> Place:
        """Where a path of the merged document stands in the user's files."""
        for n in range(len(loc), 0, -1):
            if loc[:n] in self.origins:
                return self.origins[loc[:n]].place(loc[n:])
        return self.origins[()].place(loc)


def read_document(path: Path) -> Document:
    """plant.toml with everything it includes; see `Document.problems` for what could not be read."""
    document = Document(path.parent.resolve())
    _read_file(document, path.resolve(), ())
    return document


def _read_file(document: Document, path: Path, chain: tuple[Path, ...]) -> None:
    name = document.name(path)
    if path in chain or path in document.read:
        by = " -> ".join(document.name(one) for one in (*chain, path))
        document.problems.append(Problem("config.included_twice", Place(name, None, ""), chain=by))
        return
    document.read.append(path)
    text = read_text(document, path)
    if text is None:
        return
    lines = line_numbers(text)
    document.origins.setdefault((), Origin(name, (), lines))
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        document.problems.append(_syntax_problem(name, str(error)))
        return
    # Own sections first: of two faults between files, the included one is the one to name.
    for key, value in sorted(data.items(), key=lambda item: item[0] == "include"):
        if key in LISTS:
            _add_list(document, key, value, name, lines)
        elif key in {"include", "series_csv"}:
            _add_files(document, key, value, Origin(name, (), lines), (*chain, path))
        else:
            _add_table(document, key, value, Origin(name, (key,), lines))


def read_text(document: Document, path: Path) -> str | None:
    """The text of a file; None with a problem noted. A byte order mark, as Windows editors write it, is skipped."""
    place = Place(document.name(path), None, "")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        document.problems.append(Problem("config.not_utf8", place, byte=error.start))
    except OSError as error:
        document.problems.append(Problem("config.unreadable", place, detail=error.strerror))
    return None


def _syntax_problem(name: str, message: str) -> Problem:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", message)
    line = int(found.group(2)) if found and found.group(2) else None
    detail = message if found is None else found.group(1)
    return Problem("config.toml_syntax", Place(name, line, ""), detail=detail)


def _add_list(document: Document, key: str, value: object, name: str, lines: dict[Loc, int]) -> None:
    if isinstance(value, dict):
        document.problems.append(Problem("config.one_bracket", Origin(name, (key,), lines).place(()), key=key))
        value = [value]
    if not isinstance(value, list):
        document.problems.append(
            Problem("config.not_tables", Origin(name, (key,), lines).place(()), key=key, found=shown(value))
        )
        return
    merged = document.raw.setdefault(key, [])
    for index, element in enumerate(value):
        document.origins[key, len(merged)] = Origin(name, (key, index), lines)
        merged.append(element)


def _add_table(document: Document, key: str, value: object, origin: Origin) -> None:
    if key in document.raw:
        if key != "schema" or value != document.raw[key]:
            first = document.origins[key,].file
            document.problems.append(Problem("config.given_twice", origin.place(()), first=first))
        return
    document.raw[key] = value
    document.origins[key,] = origin


def _add_files(document: Document, key: str, value: object, origin: Origin, chain: tuple[Path, ...]) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        document.problems.append(Problem("config.not_globs", origin.place((key,)), found=shown(value)))
        return
    for index, pattern in enumerate(value):
        found = _matches(chain[-1].parent, pattern)
        if not found:
            place = origin.place((key, index))
            document.problems.append(Problem("config.no_file", place, found=shown(pattern)))
        for path in found:
            if key == "include":
                _read_file(document, path, chain)
            else:
                document.csv_files.append(path)
    document.raw.setdefault(key, []).extend(value)
    document.origins.setdefault((key,), Origin(origin.file, (key,), origin.lines))


def _matches(folder: Path, pattern: str) -> list[Path]:
    base, relative = folder, pattern
    if Path(pattern).is_absolute():
        base, relative = Path("/"), pattern.lstrip("/")
    try:
        return sorted(path.resolve() for path in base.glob(relative) if path.is_file())
    except (ValueError, OSError):  # "/", "a**b", a folder that may not be read: nothing matches
        return []

"""Which line of a TOML file a path stands on. tomllib does not say, and an error without a line is hard to find.

A scanner for the ways people write TOML, not a parser: what it does not understand it leaves out, and the caller falls
back to the longest known prefix of the path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from andon.config.problems import Loc

HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(#.*)?$")
KEY = re.compile(r"^\s*([A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(\s*\.\s*[A-Za-z0-9_-]+)*\s*=\s*(.*)$")
QUOTES = ('"""', "'''")


@dataclass
class _Scanner:
    lines: dict[Loc, int] = field(default_factory=dict)
    table: Loc = ()
    counts: dict[Loc, int] = field(default_factory=dict)
    array: Loc | None = None  # an array of inline tables that is still open
    element: int = 0
    quote: str | None = None  # inside a multi-line string

    def header(self, brackets: str, name: str, line: int) -> None:
        loc: Loc = ()
        parts = [part.strip().strip("\"'") for part in name.split(".")]
        for part in parts[:-1]:
            loc = (*loc, part)
            if loc in self.counts:
                loc = (*loc, self.counts[loc] - 1)
        loc = (*loc, parts[-1])
        if brackets == "[[":
            self.lines.setdefault(loc, line)
            self.counts[loc] = self.counts.get(loc, 0) + 1
            loc = (*loc, self.counts[loc] - 1)
        self.table, self.array = loc, None
        self.lines[loc] = line

    def key(self, name: str, value: str, line: int) -> None:
        loc = (*self.table, name.strip("\"'"))
        self.lines.setdefault(loc, line)
        self.array, self.element = (loc, 0) if value.startswith("[") else (None, 0)
        if self.array is not None:
            self.elements(value, line)
        elif value.startswith("{"):
            self.inline_keys(value, loc, line)

    def elements(self, text: str, line: int) -> None:
        for opened in re.finditer(r"\{[^}]*", text):
            if self.array is not None:
                loc = (*self.array, self.element)
                self.lines[loc] = line
                self.inline_keys(opened.group(), loc, line)
                self.element += 1

    def inline_keys(self, text: str, loc: Loc, line: int) -> None:
        for name in re.findall(r"[{,]\s*([A-Za-z0-9_-]+)\s*=", text):
            self.lines.setdefault((*loc, name), line)

    def feed(self, text: str, line: int) -> None:
        if self.quote is not None:
            if self.quote in text:
                self.quote = None
            return
        if header := HEADER.match(text):
            self.header(header.group(1), header.group(2), line)
        elif key := KEY.match(text):
            self.key(key.group(1), key.group(3), line)
        elif self.array is not None:
            self.elements(text, line)
        for quote in QUOTES:
            if text.count(quote) % 2:
                self.quote = quote


def line_numbers(text: str) -> dict[Loc, int]:
    r"""Line (from 1) of each table, array element and key found in a TOML text.

    >>> line_numbers('[site]\nid = "a"\n[[rule]]\n[[rule]]\nabov = 8.0')["rule", 1, "abov"]
    5
    """
    scanner = _Scanner()
    for number, line in enumerate(text.splitlines(), start=1):
        scanner.feed(line, number)
    return scanner.lines

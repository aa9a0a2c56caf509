"""What a line does, second by second, slow and obvious: what operators/line_machine.py must equal."""

from __future__ import annotations


class NaiveLine:
    """cells: a NaiveUnit of each (tests/naive_oee.py), in the order of the line; least: so many must produce."""

    def __init__(self, cells, least):
        self.cells, self.least = cells, least
        self._told = {}  # (cell, second) -> category

    def told(self, place, second):
        key = place, second
        if key not in self._told:
            self._told[key] = self.cells[place].category(second)
        return self._told[key]

    def stands(self, place, second):
        return self.told(place, second) not in ("producing", "planned_down", "unknown")

    def since(self, place, second, first):
        """The first second of the stop that stands at a cell."""
        while second > first and self.stands(place, second - 1):
            second -= 1
        return second

    def at(self, second, first):
        """(category, initial cell or None) of a second; nothing is known before `first`."""
        now = [self.told(place, second) for place in range(len(self.cells))]
        running, unknown = now.count("producing"), now.count("unknown")
        if running >= self.least:
            return "producing", None
        if running + unknown >= self.least:
            return "unknown", None
        standing = [place for place in range(len(now)) if self.stands(place, second)]
        if not standing:
            return ("unknown" if unknown else "planned_down"), None
        initial = min(standing, key=lambda place: (self.since(place, second, first), place))
        return now[initial], initial

"""The OEE of a unit second by second, slow and obvious: what operators/oee_machine.py must equal."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from operators.time_model import CATEGORIES

STOPS = {"internal_stop", "down"}


class NaiveUnit:
    """rows: (second, role, value) sorted; roles state, mode, total, good. acts: (second, kind) of what goes on."""

    def __init__(self, rows, acts, names, gap_s, breaks=(), modes=("production",)):
        self.rows, self.acts, self.names, self.gap_s, self.breaks, self.modes = rows, acts, names, gap_s, breaks, modes

    def standing(self, role, second):
        told = [(at, value) for at, one, value in self.rows if one == role and at <= second]
        return told[-1][1] if told and second - told[-1][0] < self.gap_s else None

    def category(self, second, mode_at=None):
        """mode_at: until when modes count; those of a second come after its counters."""
        state, mode = self.standing("state", second), self.standing("mode", second if mode_at is None else mode_at)
        known = state is not None and 0 <= state < len(self.names)
        category = self.names[int(state)] if known else "unknown"
        meant = "production"
        if mode is not None and 0 <= mode < 32:
            meant = self.modes[int(mode)] if mode < len(self.modes) else "other"
        act = next((kind for at, kind in reversed(self.acts) if at <= second), None)
        if meant == "other" or act == "planned":
            return "planned_down"
        if any(a <= second < b for a, b in self.breaks) and category != "producing":
            return "planned_down"
        return "setup" if act == "setup" or meant == "setup" else category

    def window(self, begin, end, first, micro_s, categories):
        """Time by category, micro-stops and breakdowns, s; stops from `first` on, by their length up to `end`."""
        seconds = Counter(categories[second] for second in range(begin, end))
        found = {name: seconds[name] for name in CATEGORIES} | Counter()
        found |= {"micro": 0, "breakdown": 0, "failures": 0, "micro_count": 0, "repairs": 0}
        second = first
        while second < end:
            over = second
            while over < end and categories[over] in STOPS:
                over += 1
            if over == second:
                second += 1
                continue
            ended = over < end
            here = max(over, begin) - max(second, begin)
            long = over - second > micro_s
            found["breakdown" if long else "micro"] += here
            crossed = second + micro_s  # the second in which it becomes longer
            found["failures"] += long and begin <= crossed < end
            if ended and over >= begin:
                found["repairs" if long else "micro_count"] += 1
            second = over
        return found

    def counted(self, role, begin, end, modulus=None):
        told = [(at, value) for at, one, value in self.rows if one == role]
        total = 0.0
        for (_, before), (at, value) in pairwise(told):
            more = value - before
            if more < 0:
                more = value if modulus is None else more + modulus
            total += more if begin <= at < end else 0.0
        return total

    def counted_apart(self, role, begin, end):
        """(while setting up, while not producing): items between two samples between which it did not produce."""
        told = [(at, value) for at, one, value in self.rows if one == role]
        setting_up = standing = 0.0
        for (before_s, before), (at, value) in pairwise(told):
            category = self.category(at, at - 1)
            ran = category == "producing" or any(self.category(s) == "producing" for s in range(before_s, at))
            if ran or not begin <= at < end:
                continue
            more = value - before if value >= before else value
            standing += more
            setting_up += more if category == "setup" else 0.0
        return setting_up, standing

"""The slow, obvious twin of the steam cycle: each figure from the whole log of a cycle, by its definition."""

from __future__ import annotations

import bisect
import itertools
import math


def cycles(phase):
    """[(begin, end, [(time, state)])] of the cycles that begin and end, from (time, state) rows."""
    found, now = [], None
    state = None
    for at, name in phase:
        if name == state:
            continue
        if now is None and name != "idle":
            now = (at, [(at, name)]) if state == "idle" else None
            state = name
            continue
        if now is not None and name == "idle":
            found.append((now[0], at, now[1]))
            now = None
        elif now is not None:
            now[1].append((at, name))
        state = name
    return found


def durations(phases, end):
    """Time of each state of a cycle."""
    told = {}
    for (at, name), (until, _) in zip(phases, [*phases[1:], (end, "")], strict=True):
        told[name] = told.get(name, 0) + until - at
    return told


def lethality(rows, begin, end, gap, t_ref, z, t_min):
    """Trapezoids, s, over neighbours in [begin, end) that are at most gap apart; two of one stamp make a step."""
    inside = sorted((at, value) for at, value in rows if begin <= at < end)
    rate = [10.0 ** ((value - t_ref) / z) if value >= t_min else 0.0 for _, value in inside]
    return math.fsum(
        0.5 * (rate[n] + rate[n + 1]) * (inside[n + 1][0] - inside[n][0]) / 1e9
        for n in range(len(inside) - 1) if inside[n + 1][0] - inside[n][0] <= gap
    )  # fmt: skip


class Points:
    """What stands at an instant."""

    def __init__(self, log):
        self.rows = {tag: dict(sorted((at, value) for at, value in rows)) for tag, rows in log.items()}
        self.times = {tag: list(rows) for tag, rows in self.rows.items()}

    def at(self, tag, instant, gap):
        """Value of a tag, None where nothing stands."""
        place = bisect.bisect_right(self.times[tag], instant) - 1
        if place < 0 or instant - self.times[tag][place] > gap:
            return None
        return self.rows[tag][self.times[tag][place]]


def plateau(log, phases, begin, end, tags, low, high, allowed, gap):
    """(plateau, entered, held, closed) stamps or None each, of a log without silent points."""
    points = Points({tag: log[tag] for tag in tags})
    instants = sorted({at for tag in log for at, _ in log[tag] if begin <= at < end} | {at for at, _ in phases})
    state_at = Points({"phase": phases})
    leaves = [until for (_, name), (until, _) in itertools.pairwise(phases) if name == "sterilising"]
    started = entered = held = closed = None
    over = False
    for at in instants:
        values = [points.at(tag, at, gap) for tag in tags]
        if started is None:
            if (
                state_at.at("phase", at, 2**62) not in ("heating", "sterilising")
                or values[0] is None
                or values[0] < low
            ):
                continue
            started = at
            leaves = [one for one in leaves if one > at]
        inside = all(low <= value <= high for value in values)
        if leaves and at >= leaves[0]:
            if entered is not None and not over and inside:
                held = at
            closed = leaves[0]
            break
        if over:
            continue
        if inside:
            entered = at if entered is None else entered
            held = at
        elif entered is not None and at - started <= allowed:
            entered = held = None
        elif entered is not None:
            over = True
    return started, entered, held, (end if closed is None else closed) if started is not None else None

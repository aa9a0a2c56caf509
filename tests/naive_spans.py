"""Slow, obvious declared windows: all rows of a log, sorted, and every window computed from scratch."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

NS = 1_000_000_000


def arranged(rows):
    """Rows [(time_ns, value)] of one series in log order -> without repeats, by time, ties in log order."""
    seen, kept = set(), []
    for row in rows:
        if row not in seen:
            seen.add(row)
            kept.append(row)
    return sorted(kept, key=lambda row: row[0])


def pieces(rows, hold_ns):
    """[(begin, end, value)]: over which stretch each row's value stands."""
    ends = [*(time for time, _ in rows[1:]), None][: len(rows)]
    return [
        (time, time + hold_ns if end is None else min(end, time + hold_ns), value)
        for (time, value), end in zip(rows, ends, strict=True)
    ]


def deltas(rows, modulus):
    """[(time, what the counter counted since the sample before)]."""
    found = []
    for (_, before), (time, value) in pairwise(rows):
        step = value - before
        if step < 0:
            step = value if modulus is None else step + modulus
        found.append((time, step))
    return found


def tumbling(rows, held, size_ns):
    return hopping(rows, held, size_ns, size_ns)


def hopping(rows, held, size_ns, hop_ns):
    """Every window that holds a row or a stretch of a value; ends are multiples of the hop."""
    touched = {time for time, _ in rows}
    found = set()
    stretches = [(time, time + 1) for time in touched] + [(begin, end) for begin, end, _ in held if end > begin]
    for begin, end in stretches:
        stop = (begin // hop_ns + 1) * hop_ns
        while stop - size_ns < end:
            found.add((stop - size_ns, stop))
            stop += hop_ns
    return found


def sessions(rows, gap_ns, max_ns):
    found, start, end = [], None, None
    for time, _ in rows:
        if start is None or time >= end:
            if start is not None:
                found.append((start, end))
            start = time
        end = min(time + gap_ns, start + max_ns)
    return {*found, (start, end)} if rows else set()


def local_hours(rows, held, zone):
    """Full hours of the local clock, minute by minute."""
    found = set()
    stretches = [(time, time + 1) for time, _ in rows] + [(begin, end) for begin, end, _ in held if end > begin]
    for begin, end in stretches:
        at = begin
        while at < end:
            minute = datetime.fromtimestamp(at // (60 * NS) * 60, ZoneInfo(zone))
            first = minute
            while first.minute != 0:
                first = (first.astimezone(ZoneInfo("UTC")) - timedelta(minutes=1)).astimezone(ZoneInfo(zone))
            last = (minute.astimezone(ZoneInfo("UTC")) + timedelta(minutes=1)).astimezone(ZoneInfo(zone))
            while last.minute != 0:
                last = (last.astimezone(ZoneInfo("UTC")) + timedelta(minutes=1)).astimezone(ZoneInfo(zone))
            found.add((int(first.timestamp()) * NS, int(last.timestamp()) * NS))
            at = int(last.timestamp()) * NS
    return found


def statistics(rows, held, counted, start, end, names, *, counter=False):
    """{name: value} of [start, end), those that are known; None where nothing at all is."""
    inside = [(time, value) for time, value in rows if start <= time < end]
    values = [value for _, value in inside]
    stood = [(min(e, end) - max(b, start), value) for b, e, value in held if min(e, end) > max(b, start)]
    covered_s = sum(ns for ns, _ in stood) / NS
    known = {"covered_s": covered_s}
    if values:
        mean = math.fsum(values) / len(values)
        known |= {
            "min": min(values), "max": max(values), "mean": mean, "first": values[0], "last": values[-1],
            "std": math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values)),
        }  # fmt: skip
        known |= {name: percentile(sorted(values), float(name[1:]) / 100) for name in names if name[1:2].isdigit()}
        if inside[-1][0] > inside[0][0]:
            known["rate"] = (values[-1] - values[0]) / ((inside[-1][0] - inside[0][0]) / NS)
    if stood:
        known["integral"] = math.fsum(ns / NS * value for ns, value in stood)
        known["time_weighted_mean"] = known["integral"] / covered_s
    if counter:
        steps = [step for time, step in counted if start <= time < end]
        known.pop("rate", None)
        if steps:
            known["increase"] = math.fsum(steps)
            known["rate"] = known["increase"] / ((end - start) / NS)
    if not values and not (stood and {"covered_s", "integral", "time_weighted_mean"} & set(names)):
        return None
    return len(values), {name: known[name] for name in names if name in known}


def percentile(ordered, rank):
    """Linear between the two nearest."""
    place = rank * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

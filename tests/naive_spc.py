"""Slow obvious twins of the run rules and of subgroups."""

from __future__ import annotations

import math
from itertools import pairwise


def naive_rules(z):
    """Bits of run_rules.BITS that each point completes, from the whole history at each point."""
    out = []
    for i in range(len(z)):
        begin = max((j + 1 for j in range(i + 1) if math.isnan(z[j])), default=0)
        past = z[begin : i + 1]
        out.append(0 if math.isnan(z[i]) else naive_point(past))
    return out


def last(past, n):
    return past[-n:] if len(past) >= n else None


def naive_point(past):
    bits, x = 0, past[-1]
    steps = [b - a for a, b in pairwise(past)]
    if abs(x) > 3:
        bits |= 1
    for length, bit in ((9, 2), (8, 256)):
        run = last(past, length)
        if run and (all(one > 0 for one in run) or all(one < 0 for one in run)):
            bits |= bit
    run = last(steps, 5)
    if run and (all(one > 0 for one in run) or all(one < 0 for one in run)):
        bits |= 4
    run = last(steps, 13)
    if run and all(a * b < 0 or (a > 0) != (b > 0) for a, b in pairwise(run)) and all(run):
        bits |= 8
    for sign in (1, -1):
        if sign * x > 2 and sum(sign * one > 2 for one in past[-3:]) >= 2:
            bits |= 16
        if sign * x > 1 and sum(sign * one > 1 for one in past[-5:]) >= 4:
            bits |= 32
    run = last(past, 15)
    if run and all(abs(one) <= 1 for one in run):
        bits |= 64
    run = last(past, 8)
    if run and all(abs(one) > 1 for one in run) and any(one > 1 for one in run) and any(one < -1 for one in run):
        bits |= 128
    return bits


def naive_subgroups(rows, upto_ns, how):
    """rows: (time_ns, is_main, value, uncertain). Plain dicts of the closed subgroups. how: a Cutting."""
    closed, group, seen, left_out = [], None, None, 0

    def close(end, reason):
        closed.append(group | {"end": end, "reason": reason})

    def end_by(now):
        if group is None:
            return None
        if how.mode == 1:
            bound = (group["start"] // how.length_ns + 1) * how.length_ns
            return (bound, 1) if now >= bound else None
        if how.mode == 0 and now - group["last"] >= how.gap_ns:
            return group["last"] + how.gap_ns, 2
        return None

    for at, main, value, uncertain in rows:
        if end_by(at):
            close(*end_by(at))
            group, left_out = None, 0
        if math.isnan(value):
            left_out += 1
            if group is not None:
                group["left_out"] = left_out
            continue
        if group is None:
            start = at // how.length_ns * how.length_ns if how.mode == 1 else at
            group = {"start": start, "last": at, "values": [], "inspected": [], "uncertain": 0, "gap": False}
            group["left_out"] = left_out
        if seen is not None and at - seen >= how.gap_ns:
            group["gap"] = True
        seen = group["last"] = at
        group["uncertain"] += uncertain
        group["values" if main else "inspected"].append(value)
        size = sum(group["inspected"]) if how.by_inspected else len(group["values"])
        if main and how.mode == 0 and size >= how.size:
            close(at + 1, 0)
            group, left_out = None, 0
    if end_by(upto_ns):
        close(*end_by(upto_ns))
    return closed

"""Slow, obvious twins of the computing kernels: plain Python, one second or one row at a time."""

from __future__ import annotations

import math

NS = 1_000_000_000


def value_at(points, second, gap_s):
    """The value that stands at a whole second, or None. points: [(second, value)] sorted by time, then value."""
    standing = None
    for time, value in points:
        if time <= second:
            standing = (time, value)
    if standing is None or second - standing[0] >= gap_s:
        return None
    return standing[1]


def cold_chain(points, start, end, gap_s, low, high, activation=83144.0):
    """Second by second over [start, end); needs points at whole seconds."""
    standing = [value_at(points, second, gap_s) for second in range(start, end)]
    known = [value for value in standing if value is not None]
    parts = {
        "covered_s": float(len(known)),
        "gap_s": float(end - start - len(known)),
        "samples": float(sum(start <= time < end for time, _ in points)),
        "above_s": float(sum(value > high for value in known)),
        "below_s": float(sum(value < low for value in known)),
        "above_c_min": sum(max(value - high, 0.0) for value in known) / 60.0,
        "below_c_min": sum(max(low - value, 0.0) for value in known) / 60.0,
    }
    touched = known + [value for time, value in points if start <= time < end]
    parts["minimum"] = min(touched) if known else None
    parts["maximum"] = max(touched) if known else None
    parts["mean"] = sum(known) / len(known) if known else None
    parts["mkt"] = mkt(known, activation) if known else None
    return parts


def mkt(values_c, activation=83144.0):
    """The defining formula, without any care for underflow."""
    kelvin = activation / 8.3144
    rate = sum(math.exp(-kelvin / (value + 273.15)) for value in values_c) / len(values_c)
    return kelvin / -math.log(rate) - 273.15


def counted(samples, start, end, modulus):
    """Walk over the samples [(second, count)] and add what each one adds."""
    total, previous = 0.0, None
    for time, value in samples:
        if previous is not None and start <= time < end:
            if value >= previous:
                total += value - previous
            elif modulus is None:
                total += value
            else:
                total += value + modulus - previous
        previous = value
    return total


def oee_seconds(states, modes, start, end, gap_s, element_of):
    """Seconds per time element. states, modes: [(second, code)]; element_of: code -> element."""
    out = {}
    for second in range(start, end):
        state, mode = value_at(states, second, gap_s), value_at(modes, second, gap_s)
        if mode is not None and mode != 1:
            element = "planned_down_s"
        else:
            element = "unknown_s" if state is None else element_of(int(state))
        out[element] = out.get(element, 0) + 1
    return out

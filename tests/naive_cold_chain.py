"""Slow, obvious twins of the cold chain's machines: plain Python, second by second."""

from __future__ import annotations

from tests.naive import mkt, value_at


def excursions(points, end, gap_s, low, high, hysteresis, hold_off_s):
    """Excursions of points [(second, value)], by what stands at each whole second of [0, end); the open one last."""
    found, begun, above, stood = [], None, None, []

    def ended(at):
        if at - begun > hold_off_s:
            known = [value for value in stood if value is not None]
            beyond = [max(value - high if above else low - value, 0.0) for value in known]
            blind = len(stood) - len(known)
            found.append(
                {
                    "start": begun, "end": at, "above": float(above), "blind_s": float(blind),
                    "out_s": float(sum(one > 0 for one in beyond) + blind), "out_c_min": sum(beyond) / 60.0,
                    "peak": max(known) if above else min(known), "mkt": mkt(known), "mean": sum(known) / len(known),
                }
            )  # fmt: skip

    for second in range(end):
        value = value_at(points, second, gap_s)
        if begun is not None and value is not None:
            back = value < high - hysteresis if above else value > low + hysteresis
            if back or (hysteresis == 0.0 and low <= value <= high):
                ended(second)
                begun = None
        if begun is None and value is not None and not low <= value <= high:
            begun, above, stood = second, value > high, []
        if begun is not None:
            stood.append(value)
    open_since = begun
    if begun is not None:
        ended(end)
    return found, open_since

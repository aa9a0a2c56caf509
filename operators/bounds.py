"""Bounds of windows over long times in which nothing was known."""

from __future__ import annotations

from collections.abc import Callable

from andon.readings import NS_PER_S

NEAR_NS = 60 * NS_PER_S


def last_bound(after: Callable[[int], int], bound_ns: int, upto_ns: int) -> int:
    """The last bound at or before upto_ns; bound_ns, itself a bound, where none comes after it.

    after: the first bound later than an instant (`operators.machines.Bounds.after`). Looked for from the end in steps
    that double, since years may lie between: as many calls as the last stretch has bounds, and some twenty more.
    """
    back_ns = NEAR_NS
    while upto_ns - back_ns > bound_ns:
        found_ns = after(upto_ns - back_ns)
        if found_ns <= upto_ns:
            bound_ns = found_ns
            break
        back_ns *= 2
    while (later_ns := after(bound_ns)) <= upto_ns:
        bound_ns = later_ns
    return bound_ns

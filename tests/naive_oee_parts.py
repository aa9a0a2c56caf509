"""The OEE of one window from all its points at once: what the stream of operators/oee_machine.py must give too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from andon.plant import PACKML_STATES
from andon.readings import F64, I64, NS_PER_S
from operators.oee import ELEMENTS, STATE_ELEMENT, Parts
from operators.points import known_at

Series = tuple[I64, F64]  # (time_ns, value), sorted by time, then value
PRODUCTION_MODE = 1  # PackML unit mode; every other mode is planned down time
_PLANNED_DOWN, _UNKNOWN = ELEMENTS.index("planned_down_s"), ELEMENTS.index("unknown_s")


def oee_parts(
    states: Series,
    total: Series,
    good: Series,
    start_ns: int,
    end_ns: int,
    *,
    ideal_cycle_s: float | None,
    gap_ns: int,
    modulus: float | tuple[float | None, float | None] | None = None,
    mode: Series | None = None,
    names: Sequence[str] = PACKML_STATES,
) -> Parts:
    """Additive parts of the OEE of [start_ns, end_ns).

    states       : codes are indices into `names`; the last state is carried in and stands for at most gap_ns, ns.
    total, good  : counters of items made and of good items; where they wrap: modulus, or (total's, good's).
    ideal_cycle_s: planned run time per item (PRI), s; None where unknown, then pri_pq_s and pri_gq_s are None.
    mode         : PackML unit mode; anything but production is planned down time. Unknown mode counts as production.

    All series may begin before the window and end after it. Gives `PARTS`: the elements of `ELEMENTS` add up to
    calendar_s = end - start; PBT = calendar - planned down - unknown. Times where no state is known (before the
    first one, in a gap, Undefined, a code without a name) are unknown_s: outside PBT, shown as coverage.
    """
    element_ns = _time_elements(states, mode, start_ns, end_ns, gap_ns, names)
    wraps = modulus if isinstance(modulus, tuple) else (modulus, modulus)
    made = counted(*total, start_ns, end_ns, wraps[0])
    good_made = counted(*good, start_ns, end_ns, wraps[1])
    busy_ns = end_ns - start_ns - element_ns[_PLANNED_DOWN] - element_ns[_UNKNOWN]
    parts: Parts = {"calendar_s": (end_ns - start_ns) / NS_PER_S, "pbt_s": busy_ns / NS_PER_S}
    parts.update((name, ns / NS_PER_S) for name, ns in zip(ELEMENTS, element_ns, strict=True))
    parts["pq"], parts["gq"] = made, good_made
    parts["pri_pq_s"] = None if ideal_cycle_s is None else ideal_cycle_s * made
    parts["pri_gq_s"] = None if ideal_cycle_s is None else ideal_cycle_s * good_made
    return parts


def counter_deltas(value: F64, modulus: float | None = None) -> F64:
    """What a counter counted between consecutive samples, float64[n-1], never negative.

    A smaller value is a wrap where a modulus is declared, else a reset to zero, after which it counts from zero:
    100, 120, 5, 9 counts 20 + 5 + 4. A counter that is also reset by hand must not declare a modulus. A value that even
    a wrap does not lead to, since the one before was beyond the modulus, is a reset. Values are >= 0.
    """
    delta = np.diff(value)
    back = delta < 0.0
    if modulus is not None:
        wrapped = delta + modulus
        return np.where(back, np.where(wrapped < 0.0, value[1:], wrapped), delta)
    return np.where(back, value[1:], delta)


def counted(time_ns: I64, value: F64, start_ns: int, end_ns: int, modulus: float | None = None) -> float:
    """What a counter counted in [start_ns, end_ns); each delta belongs to the window of its later sample.

    The last sample before start_ns is the base, however old: items made during a gap in the data were made. Without
    it the first sample counts nothing, since when its count was made is not known. NaN samples and those
    below zero are left out.
    """
    usable = np.isfinite(value) & (value >= 0.0)  # a counter does not go below zero
    time_ns, value = time_ns[usable], value[usable]
    first, last = np.searchsorted(time_ns, (start_ns, end_ns), side="left")
    base = max(int(first) - 1, 0)
    return float(counter_deltas(value[base:last], modulus).sum())


def _time_elements(
    states: Series, mode: Series | None, start_ns: int, end_ns: int, gap_ns: int, names: Sequence[str]
) -> list[int]:
    """Time of each of ELEMENTS inside the window, ns; they add up to its length exactly."""
    signals = [states] if mode is None else [states, mode]
    changes = [instants for time_ns, _ in signals for instants in (time_ns, time_ns + gap_ns)]
    edges = np.unique(np.clip(np.concatenate([(start_ns, end_ns), *changes]), start_ns, end_ns))
    begin, length = edges[:-1], np.diff(edges)
    table = np.array([ELEMENTS.index(STATE_ELEMENT.get(name, "unknown_s")) for name in names] + [_UNKNOWN])
    element = table[_codes_at(states, begin, gap_ns, len(names))]
    if mode is not None:
        modes = _codes_at(mode, begin, gap_ns, 32)  # PackML has at most 31 unit modes
        element = np.where((modes != PRODUCTION_MODE) & (modes != 32), _PLANNED_DOWN, element)
    return [int(length[element == which].sum()) for which in range(len(ELEMENTS))]


def _codes_at(signal: Series, instants: I64, gap_ns: int, unknown: int) -> I64:
    """The code that stands at each instant, `unknown` where none does or it is not one of 0..unknown-1."""
    time_ns, value = signal
    usable = np.isfinite(value)
    time_ns, value = time_ns[usable], value[usable]
    index = known_at(time_ns, instants, gap_ns)
    code = np.append(value, -1.0)[index]  # index -1 reads the appended sentinel
    return np.where((code >= 0) & (code < unknown), code, unknown).astype(np.int64)

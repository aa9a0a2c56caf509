"""Overall equipment effectiveness after ISO 22400-2 from a state series and two counters.

Time elements and counts are additive and kept; ratios are divided at read time. A group of assets or windows is
sum(PRI*GQ)/sum(PBT), never the mean of ratios. A product change is two windows with their own cycle times, rolled up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from andon.plant import PACKML_STATES
from andon.readings import F64, I64, NS_PER_S
from operators.points import counted, known_at

Series = tuple[I64, F64]  # (time_ns, value), sorted by time, then value
Parts = dict[str, float | None]

PRODUCTION_MODE = 1  # PackML unit mode; every other mode is planned down time
ELEMENTS = (
    "apt_s", "internal_stop_s", "external_stop_s", "down_s", "idle_s", "transition_s", "planned_down_s", "unknown_s",
)  # fmt: skip
_PLANNED_DOWN, _UNKNOWN = ELEMENTS.index("planned_down_s"), ELEMENTS.index("unknown_s")
STATE_ELEMENT = {  # names, not numbers: companion specifications number the same states in other orders
    "Execute": "apt_s",
    # Held: the machine's own cause. Suspended: starved or blocked, a loss of its neighbours.
    "Holding": "internal_stop_s", "Held": "internal_stop_s", "Unholding": "internal_stop_s",
    "Suspending": "external_stop_s", "Suspended": "external_stop_s", "Unsuspending": "external_stop_s",
    "Stopping": "down_s", "Stopped": "down_s", "Aborting": "down_s", "Aborted": "down_s", "Clearing": "down_s",
    "Idle": "idle_s", "Complete": "idle_s",
    "Starting": "transition_s", "Resetting": "transition_s", "Completing": "transition_s",
}  # fmt: skip
PARTS = ("calendar_s", "pbt_s", *ELEMENTS, "pq", "gq", "pri_pq_s", "pri_gq_s")


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


def roll_up(many: Iterable[Mapping[str, float | None]]) -> Parts:
    """The parts of several windows or assets added up; a part unknown in one of them is unknown in the sum.

    For a serial line use the bottleneck's parts instead: counts of machines in a row are the same items.
    """
    rolled: Parts = dict.fromkeys(PARTS, 0.0)
    for parts in many:
        for name in PARTS:
            so_far, more = rolled[name], parts[name]
            rolled[name] = None if so_far is None or more is None else so_far + more
    return rolled


def oee_ratios(parts: Mapping[str, float | None]) -> dict[str, float | bool | None]:
    """The ratios of a window or a roll-up, 0..1; None where the denominator is zero or a part unknown.

    A = APT/PBT, P = PRI*PQ/APT (ISO: effectiveness), Q = GQ/PQ, OEE = A*P*Q = PRI*GQ/PBT, TEEP = PRI*GQ/calendar,
    coverage = known share of the calendar. OEE and TEEP are None where PBT or PQ is zero, never 0: there is no
    product to judge; a roll-up over a longer time counts the lost time all the same.
    speed_flag: P > 1, that is a wrong cycle time, counts made during a stop or missing run time; count_flag: more
    good items than items. Flagged ratios are kept as they are: clipped to 1 they would hide the fault.

    >>> shift = {
    ...     "calendar_s": 480.0,
    ...     "pbt_s": 420.0,
    ...     "apt_s": 373.0,
    ...     "unknown_s": 0.0,
    ...     "pq": 19271.0,
    ...     "gq": 18848.0,
    ...     "pri_pq_s": 19271 / 60,
    ...     "pri_gq_s": 18848 / 60,
    ... }
    >>> [round(oee_ratios(shift)[name], 4) for name in ("A", "P", "Q", "OEE", "TEEP")]
    [0.8881, 0.8611, 0.978, 0.7479, 0.6544]
    """
    ideal, run = parts["pri_pq_s"], parts["apt_s"]
    calendar, unknown = parts["calendar_s"], parts["unknown_s"]
    known = None if calendar is None or unknown is None else calendar - unknown
    judged = parts["pri_gq_s"] if parts["pbt_s"] and parts["pq"] else None
    return {
        "A": ratio(run, parts["pbt_s"]),
        "P": ratio(ideal, run),
        "Q": ratio(parts["gq"], parts["pq"]),
        "OEE": ratio(judged, parts["pbt_s"]),
        "TEEP": ratio(judged, calendar),
        "coverage": ratio(known, calendar),
        "speed_flag": ideal is not None and run is not None and ideal > run * (1.0 + 1e-9),
        "count_flag": parts["gq"] is not None and parts["pq"] is not None and parts["gq"] > parts["pq"],
    }


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Quotient; None where either is unknown or the denominator is zero."""
    if numerator is None or denominator is None or denominator == 0.0:
        return None
    return numerator / denominator


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

"""Overall equipment effectiveness after ISO 22400-2: its parts, and the ratios made of them.

Time elements and counts are additive and kept; ratios are divided at read time. A group of assets or windows is
sum(PRI*GQ)/sum(PBT), never the mean of ratios. A product change is two windows with their own cycle times, rolled up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from andon.figures.oee import OEE

Parts = dict[str, float | None]

ELEMENTS = (
    "apt_s", "internal_stop_s", "external_stop_s", "down_s", "idle_s", "transition_s", "planned_down_s", "unknown_s",
)  # fmt: skip
STATE_ELEMENT = {  # names, not numbers: companion specifications number the same states in other orders
    "Execute": "apt_s",
    # Held: the machine's own cause. Suspended: starved or blocked, a loss of its neighbours.
    "Holding": "internal_stop_s", "Held": "internal_stop_s", "Unholding": "internal_stop_s",
    "Suspending": "external_stop_s", "Suspended": "external_stop_s", "Unsuspending": "external_stop_s",
    "Stopping": "down_s", "Stopped": "down_s", "Aborting": "down_s", "Aborted": "down_s", "Clearing": "down_s",
    "Idle": "idle_s", "Complete": "idle_s",
    "Starting": "transition_s", "Resetting": "transition_s", "Completing": "transition_s",
}  # fmt: skip
ADDITIVE = tuple(part.name for part in OEE[0].parts if part.additive)
PARTS = ("calendar_s", "pbt_s", *ELEMENTS, "pq", "gq", "pri_pq_s", "pri_gq_s")


def roll_up(many: Iterable[Mapping[str, float | None]]) -> Parts:
    """The parts of several windows or assets added up; a part unknown in one of them is unknown in the sum.

    Gives `PARTS` and what else of kind oee is additive and in any of them. For a serial line use the bottleneck's parts
    instead: counts of machines in a row are the same items.
    """
    rows = list(many)
    further = (name for name in ADDITIVE if any(name in row for row in rows))
    rolled: Parts = dict.fromkeys((*PARTS, *further), 0.0)
    for parts in rows:
        for name, so_far in rolled.items():
            more = parts.get(name)
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

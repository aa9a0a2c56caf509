"""From the sums of one window of one unit to the parts of its figure, and what is told beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from andon.readings import F64, I64, NS_PER_S
from operators import oee_kernel as at
from operators.losses import Busy, losses
from operators.time_model import (
    BLOCKED,
    DOWN,
    EXTERNAL,
    IDLE,
    INTERNAL,
    PLANNED,
    PRODUCING,
    SETUP,
    STARVED,
    TRANSITION,
    UNKNOWN,
)

Parts = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Counters:
    """Which of the optional counters a unit has."""

    scrap: bool = False
    rework: bool = False


NO_MORE = Counters()


def settled(clock: I64, setup: I64, sums: I64) -> I64:
    """The sums with the stop that still stands put where its length so far puts it."""
    whole = sums.copy()
    if clock[at.STOP_BEGIN] >= 0:
        short = clock[at.NOW] - clock[at.STOP_BEGIN] <= setup[at.MICRO_NS]
        whole[at.MICRO if short else at.BREAKDOWN] += clock[at.STOP_HERE]
    return whole


def window_parts(sums: I64, counts: F64, *, cycle_s: float | None, has: Counters, ordered: bool) -> Parts:
    """Parts of the figure of a window; times in s, counts in items. sums: settled.

    cycle_s: planned run time per item; None where unknown, then what rests on it is None. ordered: whether it is known
    if an order ran; if not, the times of order execution are None.
    """
    ns = [int(one) for one in sums]
    pq, gq, sq, rq, startup_all, startup_good, in_stop = (float(one) for one in counts)
    external = ns[EXTERNAL] + ns[STARVED] + ns[BLOCKED]
    calendar = sum(ns[: UNKNOWN + 1])
    busy = Busy(
        ns[PRODUCING], ns[at.BREAKDOWN], ns[at.MICRO], ns[SETUP], ns[TRANSITION], ns[STARVED], ns[BLOCKED],
        ns[EXTERNAL], ns[IDLE],
    )  # fmt: skip
    times = {
        "calendar_s": calendar, "pbt_s": calendar - ns[PLANNED] - ns[UNKNOWN], "apt_s": ns[PRODUCING],
        "internal_stop_s": ns[INTERNAL], "external_stop_s": external, "down_s": ns[DOWN], "idle_s": ns[IDLE],
        "transition_s": ns[TRANSITION], "planned_down_s": ns[PLANNED], "unknown_s": ns[UNKNOWN], "setup_s": ns[SETUP],
        "starved_s": ns[STARVED], "blocked_s": ns[BLOCKED], "break_s": ns[at.BREAK], "no_shift_s": ns[at.NO_SHIFT],
        "uncertain_s": ns[at.UNSURE_NS],
        "breakdown_s": ns[at.BREAKDOWN], "micro_stop_s": ns[at.MICRO],
    }  # fmt: skip
    parts: Parts = {name: value / NS_PER_S for name, value in times.items()}
    parts |= {"pq": pq, "gq": gq, "sq": sq if has.scrap else None, "rq": rq if has.rework else None, "stop_pq": in_stop}
    parts |= {"micro_stops": float(ns[at.MICRO_COUNT]), "failures": float(ns[at.FAILURES])}
    parts["repairs"] = float(ns[at.REPAIRS])
    for name, place in (("aoet_s", at.AOET), ("adet_s", at.ADET), ("adot_s", at.ADOT)):
        parts[name] = ns[place] / NS_PER_S if ordered else None
    return parts | _ideal(busy, cycle_s, pq, gq, startup_all - startup_good)


def _ideal(busy: Busy, cycle_s: float | None, pq: float, gq: float, startup: float) -> Parts:
    """What rests on the cycle time."""
    names = ("speed_loss", "defect_loss", "startup_loss", "lost")
    if cycle_s is None and not (pq or gq):
        cycle_s = 0.0  # no item takes no time, whatever its cycle: the time between two orders must not hide a day
    if cycle_s is None:
        return dict.fromkeys(("pri_pq_s", "pri_gq_s", *(f"{name}_s" for name in names)))
    ideal = [round(cycle_s * items * NS_PER_S) for items in (pq, gq, startup)]
    told = losses(busy, *ideal)
    found: Parts = {f"{name}_s": told[name] / NS_PER_S for name in names}
    return found | {"pri_pq_s": cycle_s * pq, "pri_gq_s": cycle_s * gq}


def speed_cause(parts: Mapping[str, float | None]) -> str:
    """Probable cause of an effectiveness above 1, as a code; empty where it is not.

    counts_in_stop: leaving out what was counted while the unit did not produce, it would not be above 1.
    run_time_missing: it would not be, had the unit produced all the unknown time.
    cycle_time: else; the ideal cycle time is longer than items take.
    """
    ideal, run, pq = parts["pri_pq_s"], parts["apt_s"], parts["pq"]
    if ideal is None or run is None or not pq or ideal <= run * (1.0 + 1e-9):
        return ""
    if ideal * (pq - (parts["stop_pq"] or 0.0)) / pq <= run:
        return "counts_in_stop"
    return "run_time_missing" if ideal <= run + (parts["unknown_s"] or 0.0) else "cycle_time"


def anything(clock: I64, sums: I64, counts: F64) -> bool:
    """False for a window of which nothing is known: a plant that stood still writes no rows."""
    known = int(sums[:UNKNOWN].sum())
    return bool(clock[at.SEEN]) and (known > 0 or bool(np.any(counts > 0.0)))

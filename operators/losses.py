"""Lost time: what of the busy time did not become good items, by the six big losses and what is not the unit's own.

Everything is integers of ns until it is told, so the losses add up to the lost time exactly:
lost = PBT - PRI*GQ = breakdowns + set-up and adjustments + minor stops + reduced speed + process defects + start-up
+ starved + blocked + other external stops + idle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Names of the losses in the order of a waterfall. The first six are Nakajima's; the others are not the unit's own.
SIX = ("breakdown", "setup_loss", "micro_stop", "speed_loss", "defect_loss", "startup_loss")
OTHERS = ("starved", "blocked", "other_external", "idle")


@dataclass(frozen=True, slots=True)
class Busy:
    """Times of a window that make up its busy time, in one unit (ns as integers for exact sums).

    breakdown, micro_stop: stops by the unit's own cause, longer than the micro-stop limit, and not longer.
    """

    producing: int
    breakdown: int
    micro_stop: int
    setup: int
    transition: int
    starved: int
    blocked: int
    other_external: int
    idle: int

    @property
    def total(self) -> int:
        """PBT."""
        own = self.producing + self.breakdown + self.micro_stop + self.setup + self.transition
        return own + self.starved + self.blocked + self.other_external + self.idle


def losses(busy: Busy, ideal_all: int, ideal_good: int, ideal_startup: int = 0) -> dict[str, int]:
    """Every loss by name (`SIX`, `OTHERS`) and their sum `lost` = PBT - PRI*GQ, exactly.

    ideal_all, ideal_good: PRI*PQ and PRI*GQ in the unit of the times; ideal_startup: PRI times the items lost while
    starting up. Speed loss is negative where items came faster than the cycle time says: kept, so that sums hold.
    """
    return {
        "breakdown": busy.breakdown,
        "setup_loss": busy.setup + busy.transition,
        "micro_stop": busy.micro_stop,
        "speed_loss": busy.producing - ideal_all,
        "defect_loss": ideal_all - ideal_good - ideal_startup,
        "startup_loss": ideal_startup,
        "starved": busy.starved,
        "blocked": busy.blocked,
        "other_external": busy.other_external,
        "idle": busy.idle,
        "lost": busy.total - ideal_good,
    }


def six_losses(
    planned: float, downtime: float, setup: float, ict: float, total: float, reject: float, startup_reject: float
) -> dict[str, float]:
    """The six big losses of a shift from its totals, times in one unit; minor stops and reduced speed together.

    planned: PBT; downtime holds setup; ict: ideal cycle time; reject holds startup_reject, items.

    >>> six_losses(480, 80, 30, 0.5, 700, 100, 40)["minor_and_speed"]
    50.0
    """
    return {
        "breakdowns": downtime - setup,
        "setup_adjust": setup,
        "minor_and_speed": planned - downtime - ict * total,
        "process_defects": ict * (reject - startup_reject),
        "startup_yield": ict * startup_reject,
    }


def micro_stops(stops: Iterable[float], threshold: float) -> dict[str, float]:
    """Stops by the inclusive limit: as long as it or shorter is a micro-stop, a loss of performance.

    >>> micro_stops([30, 300, 301], 300)["micro_n"]
    2
    """
    lengths = list(stops)
    micro = [one for one in lengths if one <= threshold]
    down = [one for one in lengths if one > threshold]
    return {"micro_n": len(micro), "micro_s": sum(micro), "down_n": len(down), "down_s": sum(down)}


def loss_tree(parts: Mapping[str, float | None]) -> dict[str, float | None]:
    """Losses of a window or a roll-up as signed steps of a waterfall from calendar to good time, s, in order.

    Unknown time stands before PBT: nobody can say what was lost in it. None where a part is not known.
    """
    steps = {"calendar": parts.get("calendar_s"), "unknown": parts.get("unknown_s")}
    steps |= {"planned_down": parts.get("planned_down_s")}
    names = {"setup_loss": None, "other_external": None}
    for name in (*SIX, *OTHERS):
        steps[name] = parts.get(f"{name}_s") if name not in names else None
    setup, transition = parts.get("setup_s"), parts.get("transition_s")
    steps["setup_loss"] = None if setup is None or transition is None else setup + transition
    outside = [parts.get(f"{name}_s") for name in ("external_stop", "starved", "blocked")]
    if None not in outside:
        external, starved, blocked = (float(one or 0.0) for one in outside)
        steps["other_external"] = external - starved - blocked
    signed = {name: None if value is None else value if name == "calendar" else -value for name, value in steps.items()}
    return signed | {"good": parts.get("pri_gq_s")}


def pareto(stops: Iterable[tuple[str, float]]) -> list[tuple[str, float, int, float]]:
    """(reason, time, number, cumulative share of all time) of stops by reason, the longest time first.

    stops: (reason, length) each; an empty reason is one that nobody gave and stands among the others. Equal times are
    in order of the reason. Shares are None-free: no stops, no rows; stops of no length have share 1.
    """
    by_reason: dict[str, tuple[float, int]] = {}
    for reason, length in stops:
        time, number = by_reason.get(reason, (0.0, 0))
        by_reason[reason] = (time + length, number + 1)
    whole = sum(time for time, _ in by_reason.values())
    rows, so_far = [], 0.0
    for reason, (time, number) in sorted(by_reason.items(), key=lambda one: (-one[1][0], one[0])):
        so_far += time
        rows.append((reason, time, number, so_far / whole if whole else 1.0))
    return rows

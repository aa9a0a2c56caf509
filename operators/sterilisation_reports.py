"""What is told of a steam, a disinfection and an ethylene oxide cycle, and of each probe of them."""

from __future__ import annotations

from andon.readings import NS_PER_S
from operators import sterilisation_layout as k
from operators.sterilisation import (
    Criteria,
    Cycle,
    Limits,
    Parts,
    codes,
    flag,
    gas_of,
    in_s,
    number,
    sampling,
    verdict,
)

CRITERIA = {
    "steam": ("equilibration", "hold", "spread", "saturation", "air_removal", "lethality", "own_value"),
    "disinfection": ("equilibration", "hold", "lethality"), "eo": ("equilibration", "hold", "gas"),
}  # fmt: skip
DURATIONS = {
    "conditioning_s": k.CONDITIONING, "air_removal_s": k.AIR_REMOVAL, "heating_s": k.HEATING,
    "exposure_s": k.EXPOSURE, "exhaust_s": k.EXHAUST, "drying_s": k.DRYING, "aeration_s": k.AERATION,
    "other_s": k.OTHER,
}  # fmt: skip
SIDES = {k.LOW: "low", k.HIGH: "high", k.MISSING: "missing"}


def whole(cycle: Cycle, asked: Criteria, kind: str, tags: tuple[str, ...], end_ns: int) -> tuple[Parts, dict[str, str]]:
    """What every kind of cycle tells: verdict, criteria, times, extremes. tags: of its judged points."""
    cyc = cycle.cyc
    durations = [int(cyc[k.DURATION + role]) for role in range(k.N_ROLES)]
    if cyc[k.RUNNING] and cyc[k.ROLE] >= 0:
        durations[cyc[k.ROLE]] += max(0, end_ns - int(cyc[k.ROLE_NS]))
    parts: Parts = {"verdict": verdict(asked), "cycle_s": (end_ns - int(cyc[k.BEGIN_NS])) / NS_PER_S}
    parts |= {name: durations[role] / NS_PER_S for name, role in DURATIONS.items()}
    parts["other_s"] = (durations[k.OTHER] + durations[k.ABORTED] + durations[k.LEAK]) / NS_PER_S
    parts |= {f"{name}_ok": flag(asked[name]) if name in asked else None for name in CRITERIA[kind]}
    parts["equilibration_s"] = in_s(cycle.since(k.ENTERED_NS, k.PLATEAU_NS))
    parts["hold_s"] = in_s(cycle.since(k.HELD_NS, k.ENTERED_NS)) or 0.0
    parts["plateau_s"] = in_s(cycle.since(k.CLOSED_NS, k.PLATEAU_NS))
    parts["outside_s"] = int(cyc[k.OUTSIDE_NS]) / NS_PER_S
    parts["missing_s"] = int(cycle.marks[:-1, k.MISSED_NS].max()) / NS_PER_S
    parts["uncertain"] = float(cycle.doubted())
    about = {"failed": codes(asked, kept=False), "undecided": codes(asked, kept=None)}
    if cyc[k.OUT_POINT] >= 0:
        about["departed"] = f"{tags[cyc[k.OUT_POINT]]} {SIDES[int(cyc[k.OUT_SIDE])]}"[-64:]
    return parts, about


def steam(cycle: Cycle, limits: Limits, tags: tuple[str, ...]) -> tuple[Parts, dict[str, str]]:
    """Parts of a steam cycle beside `whole`: F0 of the slowest probe and its reference, spread, saturation, pulses."""
    parts, about = lethal(cycle, limits, tags, 60.0)
    ext = cycle.ext
    own = number(cycle.sums[-1, k.VALUE]) if cycle.marks[-1, k.ROWS] else None
    reference = lethality_of(cycle, 0, 60.0)
    parts["f0"], parts["f0_reference"] = parts.pop("lethality"), reference
    parts["f0_max"] = max(float(cycle.sums[one, k.LETHAL]) for one in cycle.probes) / 60.0
    parts["own_f0"] = own
    parts["own_difference"] = None if own is None or reference is None else reference - own
    parts["spread"] = number(ext[k.SPREAD]) if len(cycle.probes) > 1 else None
    parts["superheat_min"], parts["superheat_max"] = number(ext[k.SUPER_LOW]), number(ext[k.SUPER_HIGH])
    parts["pressure_min"], parts["pressure_max"] = number(ext[k.PRESSURE_LOW]), number(ext[k.PRESSURE_HIGH])
    parts["pulses"] = float(cycle.cyc[k.PULSES])
    return parts, about


def lethal(cycle: Cycle, limits: Limits, tags: tuple[str, ...], unit_s: float) -> tuple[Parts, dict[str, str]]:
    """Lethality of the slowest probe in units of so many s, its reference, and the extremes of the holding time."""
    slowest = cycle.slowest
    parts: Parts = {
        "lethality": None if cycle.unseen else float(cycle.sums[slowest, k.LETHAL]) / unit_s,
        "sampling": sampling(cycle),
        "set_temperature": limits.temperature, "t_ref": limits.t_ref, "z": limits.z, "t_min": limits.t_min,
    }  # fmt: skip
    return parts | extremes(cycle), {"slowest": tags[slowest]}


def disinfection(cycle: Cycle, limits: Limits, tags: tuple[str, ...]) -> tuple[Parts, dict[str, str]]:
    """Parts of a disinfection beside `whole`: A0 of the slowest probe, s, counted in the exposure only."""
    parts, about = lethal(cycle, limits, tags, 1.0)
    parts["a0"] = parts.pop("lethality")
    return parts, about


def eo(cycle: Cycle, limits: Limits, _tags: tuple[str, ...]) -> tuple[Parts, dict[str, str]]:
    """Parts of an ethylene oxide cycle beside `whole`: extremes in the holding time, gas by the rise of pressure."""
    parts = extremes(cycle)
    parts["gas_rise"], parts["gas"] = gas_of(cycle, limits)
    held = cycle.since(k.HELD_NS, k.ENTERED_NS) is not None
    points = dict(limits.points)
    for name in ("humidity", "concentration", "pressure"):
        factor, offset = limits.pressure if name == "pressure" else (1.0, 0.0)
        for end, place in (("min", k.HELD_LOW), ("max", k.HELD_HIGH)):
            told = held and name in points
            value = number(cycle.sums[points[name], place]) if told else None
            parts[f"{name}_{end}"] = None if value is None else value * factor + offset
    return parts, {}


def steam_probe(cycle: Cycle, point: int) -> Parts:
    """`probe` with the point's F0, min."""
    return {"f0": lethality_of(cycle, point, 60.0)} | probe(cycle, point)


def disinfection_probe(cycle: Cycle, point: int) -> Parts:
    """`probe` with the point's A0, s."""
    return {"a0": lethality_of(cycle, point, 1.0)} | probe(cycle, point)


def lethality_of(cycle: Cycle, point: int, unit_s: float) -> float | None:
    """Lethality of a point in units of so many s; None of one that sent nothing."""
    return float(cycle.sums[point, k.LETHAL]) / unit_s if cycle.marks[point, k.ROWS] else None


def extremes(cycle: Cycle) -> Parts:
    """Coldest and hottest of all temperatures in the holding time, Cel; None where there was none."""
    if cycle.since(k.HELD_NS, k.ENTERED_NS) is None:
        return {"minimum": None, "maximum": None}
    held = cycle.sums[: cycle.temperatures]
    return {"minimum": number(held[:, k.HELD_LOW].min()), "maximum": number(held[:, k.HELD_HIGH].max())}


def probe(cycle: Cycle, point: int) -> Parts:
    """Parts of one point's own row; probe_ok: 1 inside for the whole holding time, 0 not, None unknown."""
    marks, sums = cycle.marks[point], cycle.sums[point]
    reached = int(marks[k.REACHED_NS]) if marks[k.REACHED_NS] >= 0 and cycle.cyc[k.PLATEAU_NS] >= 0 else None
    celsius = point < cycle.temperatures  # other quantities are parts of the cycle, in their own units
    held = celsius and cycle.since(k.HELD_NS, k.ENTERED_NS) is not None
    kept: bool | None = reached is not None and cycle.cyc[k.OUT_POINT] != point
    if marks[k.MISSED_NS] or marks[k.DOUBTED] or not marks[k.ROWS]:
        kept = None
    return {
        "probe_ok": flag(kept),
        "equilibration_s": None if reached is None else (reached - int(cycle.cyc[k.PLATEAU_NS])) / NS_PER_S,
        "minimum": number(sums[k.HELD_LOW]) if held else None, "maximum": number(sums[k.HELD_HIGH]) if held else None,
        "peak": number(sums[k.TOP]) if celsius else None, "missing_s": int(marks[k.MISSED_NS]) / NS_PER_S,
        "uncertain": float(marks[k.DOUBTED]), "samples": float(marks[k.ROWS]),
    }  # fmt: skip

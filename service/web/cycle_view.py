"""One cycle of a steriliser as a picture: curves of its probes and pressure, F0 as it rises, phases, criteria."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from andon.config.sterilisation import SterilisationProgram
from andon.outputs import Figure
from andon.readings import NS_PER_S
from operators.lethality import T_MIN_A0, T_REF_A0, Z_A0, rate
from service.web.history_view import states_json, trend_json
from service.web.pictures import program_of
from service.web.room import Room, ms

Json = dict[str, Any]
POINTS = 900
AROUND_NS = 60 * NS_PER_S
#: Criterion -> (part of what was found, field of the program that allows it, sign, unit).
CRITERIA: Mapping[str, tuple[str, str, str, str]] = {
    "equilibration": ("equilibration_s", "equilibration_s", "≤", "s"), "hold": ("hold_s", "hold_s", "≥", "s"),
    "spread": ("spread", "spread_k", "≤", "K"), "saturation": ("superheat", "saturation_k", "±", "K"),
    "air_removal": ("pulses", "pulses", "≥", "1"), "own_value": ("own_difference", "own_f0_min", "±", "min"),
}  # fmt: skip
LETHALITY = {"steam_cycle": ("f0", "f0_min", "≥", "min"), "disinfection": ("a0", "a0_s", "≥", "s")}


def cycle_json(room: Room, kind: str, found: list[Figure]) -> Json:
    """A cycle and the rows of its probes (figures of one kind, asset and start), with what its curves show."""
    declared = room.plant.template_of(found[0].asset).sterilisation
    reference = declared.reference if declared else ""
    cycle = next((one for one in found if one.tag == reference), found[0])
    program = program_of(
        room.plant.template_of(cycle.asset), cycle.about.get("program", ""), cycle.about.get("program_version", "")
    )
    curves = [_curve(room, cycle, tag) for tag in (reference, *(declared.probes if declared else ()))]
    slowest = cycle.about.get("slowest", reference)
    lethal = next((one for one in curves if one["tag"] == slowest), None)
    pressure = _curve(room, cycle, declared.pressure) if declared and declared.pressure else None
    return {
        "probes": [_probe(one) for one in found if one is not cycle],
        "criteria": criteria_json(kind, cycle, program),
        "program": None if program is None else {
            "name": program.name, "version": program.version, "temperature": program.temperature,
            "band_k": program.band_k if program.kind == "steam" else None,
        },
        "curves": [one for one in curves if one["at_ms"]],
        "pressure": pressure if pressure and pressure["at_ms"] else None,
        "lethality": _lethality(kind, cycle, lethal),
        "phases": _phases(room, cycle),
    }  # fmt: skip


def criteria_json(kind: str, cycle: Figure, program: SterilisationProgram | None) -> list[Json]:
    """Each criterion with what was found, what is allowed and whether it is kept; what is wrong with the record last.

    allowed is null where it was not judged, or where the limits of that version are not configured any more.
    """
    rows, told = [], set()
    wanted = dict(CRITERIA)
    if kind in LETHALITY:
        wanted["lethality"] = LETHALITY[kind]
    if kind == "leak_test":
        wanted = {"leak": ("leak", "leak_kpa_min", "≤", "kPa/min")}
    broken = _codes(cycle, "failed")
    for code, (part, field, sign, unit) in wanted.items():
        flag = cycle.parts.get("verdict") if code == "leak" else cycle.parts.get(f"{code}_ok")
        allowed = getattr(program, field) if program else None
        if flag is None and (allowed is None or (code not in broken and part not in cycle.parts)):
            continue
        rows.append({
            "code": code, "found": _found(cycle, part), "allowed": allowed, "sign": sign, "unit": unit, "kept": flag,
        })  # fmt: skip
        told.add(code)
    for kept, codes in ((0.0, broken), (None, _codes(cycle, "undecided"))):
        rows += [
            {"code": code, "found": [], "allowed": None, "sign": "", "unit": "", "kept": kept}
            for code in codes if code not in told
        ]  # fmt: skip
    return rows


def _codes(cycle: Figure, key: str) -> list[str]:
    return cycle.about.get(key, "").split()


def _found(cycle: Figure, part: str) -> list[float]:
    names = ("superheat_min", "superheat_max") if part == "superheat" else (part,)
    return [value for name in names if (value := cycle.parts.get(name)) is not None]


def _curve(room: Room, cycle: Figure, tag: str) -> Json:
    """Means of the smallest windows that fit, at their middles."""
    spec = room.plant.series[cycle.asset, tag]
    end_ns = min(cycle.end_ns + AROUND_NS, max(room.now_ns(), cycle.end_ns))
    trend = trend_json(room, spec, cycle.start_ns - AROUND_NS, end_ns, POINTS, None)
    half = trend["size_s"] * 500
    return {
        "tag": tag, "unit": spec.unit, "size_s": trend["size_s"],
        "at_ms": [at + half for at in trend["start_ms"]], "value": trend["mean"],
    }  # fmt: skip


def _probe(one: Figure) -> Json:
    return {"tag": one.tag, "parts": dict(one.parts)}


def _lethality(kind: str, cycle: Figure, curve: Json | None) -> Json | None:
    """F0 (min) or A0 (s) as it rises, from the curve of the slowest probe: for the eye; the figure has every row."""
    if curve is None or kind not in LETHALITY:
        return None
    t_ref, z, t_min = (cycle.parts.get(name) for name in ("t_ref", "z", "t_min"))
    constants = (t_ref or T_REF_A0, z or Z_A0, t_min if t_min is not None else T_MIN_A0)
    unit_ms = 60_000.0 if kind == "steam_cycle" else 1000.0
    so_far, values, last = 0.0, [], None
    for at, value in zip(curve["at_ms"], curve["value"], strict=True):
        inside = ms(cycle.start_ns) <= at <= ms(cycle.end_ns)
        now = rate(value, *constants) if value is not None and inside else None
        if now is not None and last is not None and at - last[0] <= 3000 * curve["size_s"]:
            so_far += (now + last[1]) / 2 * (at - last[0]) / unit_ms
        values.append(so_far)
        last = (at, now) if now is not None else None
    name = LETHALITY[kind][0]
    return {
        "tag": curve["tag"], "name": name, "unit": LETHALITY[kind][3], "at_ms": curve["at_ms"], "value": values,
        "told": cycle.parts.get(name),
    }  # fmt: skip


def _phases(room: Room, cycle: Figure) -> list[Json]:
    declared = room.plant.template_of(cycle.asset).sterilisation
    if declared is None or declared.phase is None:
        return []
    spec = room.plant.series[cycle.asset, declared.phase]
    rows = states_json(room, spec, cycle.start_ns, cycle.end_ns)
    ends = [*rows["start_ms"][1:], ms(cycle.end_ns)]
    return [
        {"name": name, "role": declared.role_of(name) if name else "other", "start_ms": start, "end_ms": end}
        for name, start, end in zip(rows["state"], rows["start_ms"], ends, strict=True) if end > start
    ]  # fmt: skip

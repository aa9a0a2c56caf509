"""A small plant's points, hour by hour, as the writers of Andon encode them: a change of the schema is felt here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from andon.outputs import Figure, WindowRows
from andon.records import AlarmRecord, TransitionRecord
from operators.oee import oee_ratios
from sinks.influx.lines import LedgerHour, alarm_lines, figure_line, ledger_line, pipeline_line, state_line
from sinks.influx.window_lines import WindowEncoder

HOUR_S, NS = 3600, 1_000_000_000
SITE = "szh1"
END_S = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())
HOURS = 6
MACHINES = ("filling/line1/filler1", "filling/line1/filler2")
ROOMS = ("cold/room1", "cold/room2")
STATES = ("Execute", "Held", "Execute", "Suspended", "Execute", "Aborted")
SIZES_S = (10, 60, 3600)
SIGNALS = {
    **{(room, "air"): ("Cel", 5.0) for room in ROOMS},
    **{(machine, "vibration"): ("mm/s", 2.0) for machine in MACHINES},
}


def windows(start_s: int, end_s: int) -> Iterator[bytes]:
    """One temperature a room and one speed a machine, in all sizes; only the machines are scored."""
    encoder = WindowEncoder(SITE, {path: unit for path, (unit, _) in SIGNALS.items()})
    paths = dict(enumerate(SIGNALS))
    for size_s in SIZES_S:
        at_s = np.arange(start_s, end_s, size_s, dtype=np.int64)
        for number, (unit, level) in enumerate(SIGNALS.values()):
            mean = level + np.sin(at_s / 900.0)
            score = np.full(len(at_s), math.nan) if unit == "Cel" else np.abs(np.sin(at_s / 5000.0))
            yield encoder.encode(
                WindowRows(
                    series=np.full(len(at_s), number, np.int32),
                    size_ns=np.full(len(at_s), size_s * NS, np.int64),
                    start_ns=at_s * NS,
                    revision=np.zeros(len(at_s), np.int32),
                    count=np.full(len(at_s), size_s, np.int64),
                    minimum=mean - 0.3, maximum=mean + 0.3, mean=mean, std=np.full(len(at_s), 0.1), first=mean,
                    last=mean, score=score,
                ),
                paths,
            )  # fmt: skip


def oee_figure(number: int, at_s: int, end_s: int) -> Figure:
    """An hour of a machine; the second runs less and makes less."""
    run, made, good = 3000.0 - 200.0 * number, 6000.0 - 900.0 * number, 5300.0 - 900.0 * number
    parts = {
        "calendar_s": 3600.0, "pbt_s": 3500.0, "apt_s": run, "internal_stop_s": 200.0, "external_stop_s": 100.0,
        "down_s": 3200.0 - run, "idle_s": 0.0, "transition_s": 0.0, "planned_down_s": 40.0, "unknown_s": 60.0,
        "pq": made, "gq": good, "pri_pq_s": made * 0.45, "pri_gq_s": good * 0.45,
        "breakdown_s": 3300.0 - run, "setup_s": 0.0, "micro_stop_s": 100.0, "speed_loss_s": run - made * 0.45,
        "defect_loss_s": 300.0, "startup_loss_s": 15.0, "starved_s": 60.0, "blocked_s": 40.0,
    }  # fmt: skip
    return Figure(MACHINES[number], "", "oee", at_s * NS, (at_s + HOUR_S) * NS, 0, at_s + HOUR_S < end_s, parts)


def cold_figure(number: int, at_s: int, start_s: int, end_s: int) -> Figure:
    """An hour of a room; the second is too warm for two minutes of its second hour."""
    above = 120.0 if number and at_s == start_s + HOUR_S else 0.0
    parts = {
        "covered_s": 3600.0, "gap_s": 0.0, "samples": 360.0, "integral_c_s": 18_000.0, "above_s": above, "below_s": 0.0,
        "above_c_min": above / 60.0, "below_c_min": 0.0, "minimum": 4.0, "maximum": 6.1 + above / 60.0, "mean": 5.0,
        "mkt": 5.1, "arrhenius_log": -27.7 + 0.02 * ((at_s - start_s) // HOUR_S), "activation_j_mol": 83_144.0,
    }  # fmt: skip
    return Figure(ROOMS[number], "air", "cold_chain", at_s * NS, (at_s + HOUR_S) * NS, 0, at_s + HOUR_S < end_s, parts)


def figures(start_s: int, end_s: int) -> Iterator[bytes]:
    """Hourly OEE of each machine, with its ratios, and hourly cold-chain figures of each room."""
    for at_s in range(start_s, end_s, HOUR_S):
        for number in range(2):
            oee = oee_figure(number, at_s, end_s)
            found = oee_ratios(oee.parts)
            names = {"availability": "A", "performance": "P", "quality": "Q", "oee": "OEE"}
            yield figure_line(SITE, oee, {name: found[letter] for name, letter in names.items()})
            yield figure_line(SITE, cold_figure(number, at_s, start_s, end_s), {})
    for one in other_figures(start_s, end_s):
        yield figure_line(SITE, one, {})


def other_figures(start_s: int, end_s: int) -> Iterator[Figure]:
    """Excursions, stays, cycles, points of a chart and a trend: two of each; a cycle failed, one excursion is void."""
    room, machine = ROOMS[1], MACHINES[0]
    for number, at_s in enumerate((start_s + HOUR_S, start_s + 2 * HOUR_S)):
        span = at_s * NS, (at_s + 1200) * NS
        void = {"void": "late"} if number else {}
        gone = {"duration_s": None, "peak": None, "out_c_min": None}
        out = {"duration_s": 1200.0, "peak": 9.5, "out_c_min": 18.0}
        yield Figure(room, "air", "excursion", *span, 1 + number, True, gone if number else out, void)
        stay = {"stay_s": 1200.0, "mkt": 5.5, "tor_left_s": 3000.0, "within": None if number else 1.0}
        yield Figure(room, "air", "lot_stay", *span, 1, True, stay, {"lot": f"L{number}"})
        cycle = {"verdict": 1.0 - number, "f0": 16.5, "hold_s": 900.0, "spread": 0.4}
        yield Figure(machine, "drain", "steam_cycle", *span, 1, True, cycle, {"load": f"LD-{number}"})
        point = {"value": 10.1 + number, "centre": 10.0, "lower": 9.0, "upper": 11.0}
        yield Figure(machine, "vibration", "spc", *span, 1, True, point)
        trend = {"value": 2.0 + number, "days_to_limit": 30.0 - number}
        yield Figure(machine, "vibration", "health", *span, 1, True, trend)
        yield from further_figures(number, at_s)


def further_figures(number: int, at_s: int) -> Iterator[Figure]:
    """A USP window that ends then, cycles, capability and a failure mode; the second of each is the worse."""
    room, machine = ROOMS[1], MACHINES[0]
    span, day = (at_s * NS, (at_s + 1200) * NS), ((at_s - 24 * HOUR_S) * NS, at_s * NS)
    known, kept = 1.0 - number, None if number else 1.0
    usp = {"mkt": 5.5 + number, "margin": 19.5 - number, "allowed": kept, "out_s": 60.0, "gap_s": 0.0}
    yield Figure(room, "air", "usp", *day, 1, True, usp, {"reason": "coverage" if number else "none"})
    leak = {"verdict": known, "leak": 0.1 + number, "vacuum": 5.0, "measured_s": 600.0}
    yield Figure(machine, "", "leak_test", *span, 1, True, leak, {"load": f"LT-{number}"})
    disinfection = {"verdict": kept, "a0": 620.0 - number, "hold_s": 65.0}
    yield Figure(machine, "water", "disinfection", *span, 1, True, disinfection)
    eo = {"verdict": known, "hold_s": 7200.0, "gas_rise": 45.0, "minimum": 49.0 + number, "maximum": 56.0}
    measured = {} if number else {"concentration_min": 610.0, "humidity_min": 42.0}
    yield Figure(machine, "chamber", "eo_cycle", *span, 1, True, eo | measured)
    able = {"cp": 1.6, "cpk": 1.4 - number, "cpk_low": 1.2 - number, "cpk_high": 1.6 - number, "stable": known}
    whole = {"pp": 1.5, "ppk": 1.3, "ppk_low": 1.1, "ppk_high": 1.5, "cpm": 1.2, "n": 50.0, "subgroups": 10.0}
    yield Figure(machine, "vibration", "capability", *span, 1, True, able | whole)
    mode = {"due": float(number), "inspection_in_d": 3.0 - 4.0 * number, "age_d": 20.0, "age_h": 300.0}
    counted = {"failures": 1.0, "mtbf_h": 4000.0, "b10_h": 900.0}
    told = {"triggers": "zone" if number else ""}
    yield Figure(machine, "bearing-wear", "maintenance", *span, 1, True, mode | counted, told)


def states(start_s: int, end_s: int) -> Iterator[bytes]:
    """A PackML state that changes, one that stands since long before, and a door."""
    moving, standing = MACHINES
    yield state_line(SITE, standing, "state", "Execute", 6.0, (start_s - 2 * 24 * HOUR_S) * NS)
    for number, at_s in enumerate(range(start_s, end_s, HOUR_S)):
        yield state_line(SITE, moving, "state", STATES[number % len(STATES)], float(number % 6), at_s * NS)
        door = number % 2
        yield state_line(SITE, ROOMS[0], "door", ("off", "on")[door], float(door), at_s * NS)


def ledger(start_s: int, end_s: int) -> Iterator[bytes]:
    """A balanced ledger of two series."""
    for at_s in range(start_s, end_s, HOUR_S):
        for asset, series in ((ROOMS[0], "air"), (MACHINES[0], "vibration")):
            yield ledger_line(SITE, LedgerHour(asset, series, at_s * NS, (3605, 3600, 1, 2, 1, 1, 0)))


def alarm(path: tuple[str, str], rule: str, priority: str, key: str, steps: list[tuple[float, str, str]]) -> bytes:
    """One alarm with its transitions (at_s, kind, state)."""
    (asset, tag), (begin, *_) = path, steps
    start_ns = round(begin[0] * NS)
    record = AlarmRecord(
        key=key, site=SITE, asset=asset, tag=tag, rule_id=rule, rule_version="1", condition="above", limit=8.0,
        unit="Cel", priority=priority, raises="quality_event", start_ns=start_ns, confirmed_ns=start_ns,
        cleared_ns=None, peak=9.5, out_s=0.0, state=steps[-1][2], revision=1, found_late=False, evidence={},
        recorded_ns=start_ns, ack_by=None, ack_comment=None, ack_ns=None, change_seq=1, erp_state=None, erp_id=None,
        erp_number="QN-1007", erp_error=None, erp_attempts=None,
    )  # fmt: skip
    made = [
        TransitionRecord(key, seq, SITE, kind, round(at_s * NS), start_ns, 1, state, "", "", "")
        for seq, (at_s, kind, state) in enumerate(steps)
    ]
    return alarm_lines(record, made)


BURST = 12


def alarms(start_s: int, end_s: int) -> Iterator[bytes]:
    """One open since half an hour, a closed one that is commented later, one open since long, and a burst."""
    opened = [(end_s - 1800.0, "raised", "unacknowledged"), (end_s - 1200.0, "acknowledged", "acknowledged")]
    yield alarm((ROOMS[1], "air"), "cold-room-high", "critical", "k-open", opened)
    closed = [
        (start_s + 600.0, "raised", "unacknowledged"), (start_s + 900.0, "acknowledged", "acknowledged"),
        (start_s + 1500.0, "cleared", "normal"), (start_s + 9000.0, "comment", "normal"),
    ]  # fmt: skip
    yield alarm((ROOMS[0], "air"), "cold-room-high", "critical", "k-closed", closed)
    old = [(start_s - 10.0 * HOUR_S, "raised", "unacknowledged")]
    yield alarm((MACHINES[1], "vibration"), "filler-vibration", "high", "k-old", old)
    for number in range(BURST):
        at_s = start_s + 2.0 * HOUR_S + number * 20.0
        burst = [(at_s, "raised", "unacknowledged"), (at_s + 10.0, "cleared", "normal")]
        yield alarm((MACHINES[0], "vibration"), "filler-vibration", "medium", f"k-burst-{number}", burst)


def pipeline(start_s: int, end_s: int) -> Iterator[bytes]:
    """Two shards, one with a restart and dead letters, and senders, one with a growing backlog; every 10 s."""
    for at_s in range(start_s, end_s, 10):
        elapsed = float(at_s - start_s)
        dead, late = elapsed // 600.0, float(at_s >= start_s + HOUR_S)
        parts = {
            "shard-0": {"lag_s": 1.5, "offset": elapsed, "dead_letters": dead, "restarts": late, "backlog_rows": 2.0},
            "shard-1": {"lag_s": 2.5, "offset": elapsed, "dead_letters": 0.0, "restarts": 0.0, "backlog_rows": 0.0},
            "influx-sender": {
                "backlog_bytes": 100.0 + elapsed,
                "backlog_rows": 1.0 + elapsed,
                "oldest_s": elapsed / 2.0,
            },
            "erp-sender": {"backlog_rows": 3.0, "restarts": 0.0},
            "web": {"restarts": 0.0},
        }
        yield from (pipeline_line(SITE, part, fields, at_s * NS) for part, fields in parts.items())


def plant(end_s: int = END_S, hours: int = HOURS) -> list[bytes]:
    """All lines of the plant, `hours` up to `end_s`."""
    start_s = end_s - hours * HOUR_S
    kinds = (windows, figures, states, ledger, alarms, pipeline)
    return [line for kind in kinds for many in kind(start_s, end_s) for line in many.splitlines()]

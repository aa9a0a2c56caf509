"""The plant as JSON: what there is, and how it is doing now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alarms.rules import anomaly_limit, value_bounds
from andon.outputs import Figure
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S
from andon.records import AlarmRecord
from operators.line_machine import TAG as LINE
from operators.oee import STATE_ELEMENT, oee_ratios, roll_up
from operators.time_model import category_name
from operators.topology import area_of, line_of, standing
from service.web.pictures import pictures_json
from service.web.room import BEHIND_S, DAY_NS, HOUR_NS, PRIORITIES, Room, ms, said, seconds
from service.web.window_view import declared_json
from sinks.history_reader import LatestValue

Json = dict[str, Any]
ELEMENT_OF = {"producing": "apt_s", "starved": "external_stop_s", "blocked": "external_stop_s"}  # others: <name>_s


def plant_json(room: Room, language: str) -> Json:
    """What does not change while the service runs: site, assets with their series, rules."""
    config = room.plant.config
    return {
        "site": {"id": config.site.id, "name": config.site.name or config.site.id, "timezone": config.site.timezone},
        "speed": room.speed,
        "figures_s": config.windows.figures_s,
        "shifts": [one.name for one in config.shift],
        "window_sizes_s": list(config.windows.sizes_s),
        "assets": [_asset_json(room, path) for path in room.plant.assets],
        "rules": [
            {
                "id": rule.id, "name": room.rule_name(rule.id, language), "on": rule.on, "above": rule.above,
                "below": rule.below, "outside": rule.outside, "guard_band": rule.guard_band,
                "accepted": [finite(limit) for limit in value_bounds(rule)], "anomaly": anomaly_limit(rule),
                "stale_s": rule.stale_s, "stuck_s": rule.stuck_s, "deadband": rule.deadband,
                "delay_s": rule.delay_s, "raises": rule.raises, "priority": rule.priority,
                "consequence": said(rule.consequence, language), "response": said(rule.response, language),
            }
            for rule in config.rule
        ],
    }  # fmt: skip


def _asset_json(room: Room, path: str) -> Json:
    template, cold = room.plant.template_of(path), room.plant.cold_chain_of(path)
    specs = [room.plant.series[path, one.tag] for one in template.series]
    return {
        "path": path,
        "name": room.asset_name(path),
        "line": line_of(path, room.plant.line_cells),
        "view": template.view,
        "oee": _oee_tags(room, path),
        "cold_chain": None if cold is None else {"tag": cold.temperature, "low": cold.low, "high": cold.high},
        "pictures": pictures_json(room, path),
        "series": [
            {
                "tag": spec.tag, "kind": spec.kind, "unit": spec.unit, "low": finite(spec.low),
                "high": finite(spec.high), "states": list(spec.states), "detect": spec.detect,
                "rules": [rule.id for rule in room.plant.rules_for(spec) if rule.figure is None],
                "windows": declared_json(room.plant, spec),
            }
            for spec in specs
        ],
    }  # fmt: skip


def _oee_tags(room: Room, path: str) -> Json | None:
    """The series behind the OEE of an asset; a declared line has none of its own."""
    if path in room.plant.lines:
        return {"state": LINE, "total": "", "good": ""}
    oee = room.plant.oee_of(path)
    return None if oee is None else {"state": oee.state, "total": oee.total, "good": oee.good}


def finite(value: float) -> float | None:
    """None for an infinite limit."""
    return None if value in {float("inf"), float("-inf")} else value


@dataclass(frozen=True)
class Now:
    """One moment of the plant, read once and shared by everybody who looks."""

    now_ns: int
    latest: Mapping[tuple[str, str], LatestValue]
    since: Mapping[tuple[str, str], tuple[int, float | None]]
    open_alarms: list[AlarmRecord]
    oee: list[Figure]
    cold: list[Figure]

    @staticmethod
    def read(room: Room) -> Now:
        """Read it; five queries a shard and one of the records, whatever the number of viewers."""
        now_ns = room.now_ns()
        return Now(
            now_ns,
            {(one.asset, one.tag): one for one in room.history.latest()},
            room.history.newest_states(),
            room.records.alarms(open_only=True, limit=1000),
            room.history.figures("oee", now_ns - DAY_NS, now_ns + DAY_NS, limit=20_000),
            room.history.newest_figures("cold_chain", now_ns - DAY_NS),
        )


def overview_json(room: Room, now: Now) -> Json:
    """Everything on the first page."""
    return {
        **freshness_json(room, now),
        "lines": lines_json(room, now),
        **levels_json(room, now),
        "assets": [asset_now_json(room, now, path) for path in room.plant.assets],
        "alarms": alarm_counts(now.open_alarms, now.now_ns),
    }


def freshness_json(room: Room, now: Now) -> Json:
    """As of when the page is, how far it is behind, and which shards have come how far."""
    clock_ns = room.clock.now_ns()
    marks = room.history.marks()
    lag_s = max(0.0, (clock_ns - now.now_ns) / NS_PER_S)
    return {
        "as_of_ms": ms(now.now_ns),
        "since_ms": ms(min((figure.start_ns for figure in (*now.oee, *now.cold)), default=None)),
        "clock_ms": ms(clock_ns),
        "lag_s": round(lag_s / room.speed, 1),
        "behind": not marks or lag_s / room.speed > BEHIND_S,
        "shards": [
            {"shard": mark.shard, "watermark_ms": ms(mark.watermark_ns), "last_offset": mark.last_offset}
            for mark in marks
        ],
        "shards_missing": room.plant.config.transport.shards - len(marks),
    }


def lines_json(room: Room, now: Now) -> list[Json]:
    """OEE of each line from its bottleneck assets: the running window, the last hour and day of windows rolled up.

    The hour is what the page shows large: a window that has just begun holds a handful of items.
    """
    cells, lines = room.plant.line_cells, []
    for path, figures in _standing_for_lines(room, now).items():
        newest_ns = max((figure.start_ns for figure in figures), default=0)
        running = [figure for figure in figures if figure.start_ns == newest_ns]
        lines.append({
            "path": path,
            "assets": [one for one in room.plant.assets if line_of(one, cells) == path and room.plant.oee_of(one)],
            "window": oee_json(running),
            "hour": oee_json(figure for figure in figures if figure.end_ns > now.now_ns - HOUR_NS),
            "day": oee_json(figures),
            "trend": [oee_point(start_ns, rows) for start_ns, rows in _by_start(figures)],
        })  # fmt: skip
    return lines


def _standing_for_lines(room: Room, now: Now) -> dict[str, list[Figure]]:
    """Figures by line, as `operators.topology.standing` says whose they are."""
    plant = room.plant
    by_line: dict[str, list[Figure]] = {}
    of: dict[str, str] = {}
    for line, assets in standing(plant.with_oee, plant.bottlenecks, plant.line_cells).items():
        by_line[line] = []
        of |= dict.fromkeys(assets, line)
    for figure in now.oee:
        if figure.asset in of:
            by_line[of[figure.asset]].append(figure)
    return by_line


def levels_json(room: Room, now: Now) -> Json:
    """The last day of each area and of the whole site: the additive parts of their lines rolled up, then divided."""
    by_area: dict[str, list[Figure]] = {}
    for line, figures in _standing_for_lines(room, now).items():
        by_area.setdefault(area_of(line), []).extend(figures)
    return {
        "areas": [{"path": area, "day": oee_json(figures)} for area, figures in by_area.items()],
        "site": {"day": oee_json(figure for figures in by_area.values() for figure in figures)},
    }


def oee_json(figures: Iterable[Figure]) -> Json | None:
    """Ratios and additive parts of figures rolled up; None where there are none."""
    rows = list(figures)
    if not rows:
        return None
    parts = roll_up(figure.parts for figure in rows)
    return {
        "start_ms": ms(min(figure.start_ns for figure in rows)),
        "end_ms": ms(max(figure.end_ns for figure in rows)),
        "final": all(figure.final for figure in rows),
        "revision": max(figure.revision for figure in rows),
        **oee_ratios(parts),
        "parts": parts,
    }


def oee_point(start_ns: int, figures: list[Figure]) -> Json:
    """One bar of the day's trend."""
    ratios = oee_ratios(roll_up(figure.parts for figure in figures))
    return {"start_ms": ms(start_ns), **{name: ratios[name] for name in ("A", "P", "Q", "OEE", "coverage")}}


def _by_start(figures: list[Figure]) -> list[tuple[int, list[Figure]]]:
    starts: dict[int, list[Figure]] = defaultdict(list)
    for figure in figures:
        starts[figure.start_ns].append(figure)
    return sorted(starts.items())


def asset_now_json(room: Room, now: Now, path: str) -> Json:
    """An asset's newest values, its state with since when, its cold-chain figures and its open alarms."""
    specs = [spec for (asset, _), spec in room.plant.series.items() if asset == path]
    cold = next((figure for figure in now.cold if figure.asset == path), None)
    alarms = [alarm for alarm in now.open_alarms if alarm.asset == path]
    return {
        "path": path,
        "state": next((state_json(room, now, spec) for spec in specs if spec.kind == "state"), None),
        "values": {spec.tag: value_json(room, now, spec) for spec in specs if (path, spec.tag) in now.latest},
        "cold": None if cold is None else {
            "start_ms": ms(cold.start_ns), "end_ms": ms(cold.end_ns), "final": cold.final, "parts": cold.parts,
        },
        "alarms": alarm_counts(alarms, now.now_ns),
    }  # fmt: skip


def state_json(room: Room, now: Now, spec: SeriesSpec) -> Json | None:
    """The state by name, since when, and which OEE time element it counts for."""
    latest = now.latest.get((spec.asset, spec.tag))
    if latest is None:
        return None
    since_ns, code = now.since.get((spec.asset, spec.tag), (latest.time_ns, latest.value))
    name = state_name(spec, code)
    return {
        "tag": spec.tag, "name": name, "since_ms": ms(since_ns), "for_s": seconds(max(0, now.now_ns - since_ns)),
        "element": _element(room, spec, code, name or ""), "stale": is_stale(room, now, spec, latest),
    }  # fmt: skip


def _element(room: Room, spec: SeriesSpec, code: float | None, name: str) -> str:
    """The time element that a state counts for, by the mapping of the asset's OEE where the state is its."""
    declared = room.plant.oee_of(spec.asset)
    if declared is None or declared.state != spec.tag:
        return STATE_ELEMENT.get(name, "unknown_s")
    category = category_name(code, spec.states, declared.mapping, declared.states)
    return ELEMENT_OF.get(category, f"{category}_s")


def state_name(spec: SeriesSpec, code: float | None) -> str | None:
    """Name of a state's number; None where the series has no such state."""
    index = -1 if code is None else int(code)
    return spec.states[index] if 0 <= index < len(spec.states) else None


def value_json(room: Room, now: Now, spec: SeriesSpec) -> Json:
    """The newest reading of a series."""
    latest = now.latest[spec.asset, spec.tag]
    return {
        "v": latest.value, "ms": ms(latest.time_ns), "status": latest.status, "score": latest.score,
        "stale": is_stale(room, now, spec, latest),
    }  # fmt: skip


def is_stale(room: Room, now: Now, spec: SeriesSpec, latest: LatestValue) -> bool:
    """Whether the reading is too old to be taken for the present."""
    return now.now_ns - latest.time_ns > room.stale_after_s(spec.every_s) * NS_PER_S


def alarm_counts(alarms: Iterable[AlarmRecord], now_ns: int) -> Json:
    """How many are open, unacknowledged, active, by priority; the worst one; and the rate of the last ten minutes."""
    rows = list(alarms)
    active = [alarm for alarm in rows if alarm.cleared_ns is None]
    unacknowledged = [alarm for alarm in rows if alarm.state.endswith("unacknowledged")]
    recent = sum(now_ns - alarm.confirmed_ns <= 600 * NS_PER_S for alarm in rows)
    return {
        "open": len(rows),
        "active": len(active),
        "unacknowledged": len(unacknowledged),
        "worst": min((alarm.priority for alarm in rows), key=PRIORITIES.__getitem__, default=None),
        "by_priority": {name: sum(alarm.priority == name for alarm in rows) for name in PRIORITIES},
        "last_10_min": recent,
        "flood": recent >= 10,  # ISA-18.2: a flood starts at 10 in 10 minutes for one operator
    }

"""Which faults happen and when, and the label of each: the window in which Andon's alarm must have started.

Faults are drawn per asset and hour of the simulation from (seed, asset, hour). Labels come from the device's own
physics: a copy of it is run ahead until the limit is crossed for good.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal

from andon.readings import NS_PER_S
from simulators.autoclave import PLATEAU_S, Autoclave, timetable
from simulators.cnc import Cnc
from simulators.cold_room import ColdRoom
from simulators.compressor import WEAR_S, Compressor
from simulators.device import HOUR_S, Cause, Device
from simulators.filler import Filler
from simulators.noise import between, unit
from simulators.truck import Truck

MARGIN_S = 5  # rows may come up to 3 s out of order
SLACK_S = 60  # from the last reading that a confirmation needs to the tick or row that decides
FAULT_CHANCE = 0.85  # that an asset has a fault in an hour
Kind = Literal["quality_event", "maintenance_order"]
DEVICES: tuple[type[Device[Any]], ...] = (Filler, Cnc, Autoclave, ColdRoom, Truck, Compressor)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """An entry of the fault menu. low and high are the rule's limits where it has any (see plant.toml).

    start_s and length_s are the ranges its cause is drawn from, s into the hour and s; hold_s is the rule's delay or,
    for stuck and stale, its time; report_s what may pass on top until the confirming reading is in the log.
    """

    name: str
    asset: str
    tag: str
    rule_id: str
    kind: Kind
    start_s: tuple[int, int]
    length_s: tuple[int, int]
    low: float | None = None
    high: float | None = None
    hold_s: int = 0
    report_s: int = 0


MENU: tuple[FaultKind, ...] = (
    FaultKind("fill_weight_drift", Filler.asset, "fill_g", "fill-weight", "quality_event",
              (480, 1680), (540, 720), low=9.85, high=10.15, hold_s=60),
    FaultKind("spindle_overheat", Cnc.asset, "spindle_temp", "spindle-hot", "maintenance_order",
              (480, 1680), (540, 720), high=65.0, hold_s=60),
    FaultKind("plateau_low", Autoclave.asset, "plateau_temp", "plateau-low", "quality_event",
              (480, 1680), (170, 230), low=121.0, hold_s=30),
    FaultKind("cold_room_cooling_failure", ColdRoom.asset, "air", "cold-room-high", "quality_event",
              (480, 1380), (1260, 1440), high=8.0, hold_s=600),
    FaultKind("truck_cooling_failure", Truck.asset, "cargo_temp", "truck-high", "quality_event",
              (480, 1680), (840, 1020), high=8.0, hold_s=300, report_s=240),
    FaultKind("bearing_wear", Compressor.asset, "vibration", "compressor-anomaly", "maintenance_order",
              (720, 1380), (600, 720), hold_s=60),
    FaultKind("pressure_stuck", Compressor.asset, "pressure", "sensor-stuck", "maintenance_order",
              (480, 1680), (660, 840), hold_s=300),
    FaultKind("oil_temp_silent", Compressor.asset, "oil_temp", "sensor-stale", "maintenance_order",
              (480, 1440), (1560, 1680), hold_s=1200),
)  # fmt: skip
KINDS: Mapping[str, FaultKind] = {kind.name: kind for kind in MENU}
# What everybody must see in the first 40 minutes, whatever the seed: start range, s
FIRST_HOUR: Mapping[str, tuple[str, tuple[int, int]]] = {
    ColdRoom.asset: ("cold_room_cooling_failure", (480, 900)),
    Compressor.asset: ("bearing_wear", (720, 1320)),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A labelled fault; all times ns since the epoch.

    start_ns is when the cause begins and end_ns when it ends; the alarm's start lies in [earliest_ns, latest_ns]; it
    is confirmed, and everything that confirms it in the log, by confirm_by_ns.
    """

    name: str
    asset: str
    tag: str
    rule_id: str
    kind: Kind
    start_ns: int
    earliest_ns: int
    latest_ns: int
    confirm_by_ns: int
    end_ns: int

    def to_json(self) -> str:
        """One line of faults.jsonl."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @staticmethod
    def from_json(line: str) -> Fault:
        """The fault of one line of faults.jsonl."""
        return Fault(**json.loads(line))


def cause_of(seed: int, asset: str, hour: int) -> Cause | None:
    """The cause of trouble of an asset in this hour of the simulation; at most one, None for a quiet hour."""
    menu = [kind for kind in MENU if kind.asset == asset]
    name, start_range = FIRST_HOUR.get(asset, ("", None)) if hour == 0 else ("", None)
    if not name:
        if not menu or unit(seed, "fault", asset, hour) >= FAULT_CHANCE:
            return None
        name = menu[int(unit(seed, "fault", asset, hour, "which") * len(menu))].name
    kind = KINDS[name]
    length_s = int(between(*kind.length_s, seed, "fault", asset, hour, "length"))
    start = unit(seed, "fault", asset, hour, "start")
    if name == "plateau_low":
        start_s = _inside_plateau(seed, hour, length_s, start, kind.start_s)
        if start_s is None:
            return None
    else:
        low, high = start_range or kind.start_s
        start_s = hour * HOUR_S + low + int((high - low) * start)
    return Cause(name, asset, start_s, start_s + length_s, unit(seed, "fault", asset, hour, "size"))


def _inside_plateau(seed: int, hour: int, length_s: int, share: float, allowed_s: tuple[int, int]) -> int | None:
    """A second in the part of a plateau from which sag and recovery fit into it, or None if none is in reach."""
    table = timetable(seed)
    low, high = hour * HOUR_S + allowed_s[0], hour * HOUR_S + allowed_s[1]
    for cycle in range(table.cycle_at(low), table.cycle_at(high) + 1):
        plateau_s = table.plateau_s(cycle)
        first, last = max(low, plateau_s + 120), min(high, plateau_s + PLATEAU_S - 240 - length_s)
        if first <= last:
            return first + int((last - first) * share)
    return None


class Plan:
    """The faults of a seed; none when `faults` is False. Callable as a device's source of causes."""

    def __init__(self, seed: int, *, faults: bool = True) -> None:
        self.seed = seed
        self.faults = faults
        self._cached = lru_cache(maxsize=256)(cause_of)

    def __call__(self, asset: str, hour: int) -> Cause | None:
        """The cause of this asset in this hour."""
        return self._cached(self.seed, asset, hour) if self.faults else None


def second_ns(start_ns: int, second: int) -> int:
    """The stamp of a second of the simulation, ns since the epoch: whole milliseconds, as the messages carry it."""
    return start_ns // 1_000_000 * 1_000_000 + second * NS_PER_S


def label(device: Device[Any], cause: Cause, start_ns: int) -> Fault:
    """The fault that comes of a cause. `device` stands at cause.start_s; it is left as it was.

    The alarm cannot start before the first reading beyond the limit, nor after the reading from which on all are
    beyond it for as long as the rule demands. Noise near the limit lies in between.
    """
    kind = KINDS[cause.name]
    if kind.name == "bearing_wear":  # no limit to cross: from the first sign until the vibration has doubled
        earliest_s, latest_s = cause.start_s, cause.start_s + int(WEAR_S / 2)
        confirmed_s = latest_s + kind.hold_s
    elif kind.low is None and kind.high is None:  # stuck and stale start with the last good sign
        earliest_s, latest_s, confirmed_s = cause.start_s - 1, cause.start_s, cause.start_s + kind.hold_s
    else:
        earliest_s, latest_s, confirmed_s = _crossing(device.clone(), cause, kind)
    return Fault(
        kind.name, kind.asset, kind.tag, kind.rule_id, kind.kind,
        start_ns=second_ns(start_ns, cause.start_s),
        earliest_ns=second_ns(start_ns, earliest_s - MARGIN_S),
        latest_ns=second_ns(start_ns, latest_s + MARGIN_S),
        confirm_by_ns=second_ns(start_ns, confirmed_s + kind.report_s + SLACK_S),
        end_ns=second_ns(start_ns, cause.end_s),
    )  # fmt: skip


def _crossing(device: Device[Any], cause: Cause, kind: FaultKind) -> tuple[int, int, int]:
    """Seconds of the first reading beyond the limit, of the first of the lasting run, and of the confirming one."""
    first: int | None = None
    lasting: int | None = None
    while device.second < cause.end_s:
        second = device.second
        value = next((sample.value for sample in device.step() if sample.tag == kind.tag), None)
        if not isinstance(value, float):  # not sent in this second
            continue
        beyond = (kind.high is not None and value > kind.high) or (kind.low is not None and value < kind.low)
        if not beyond:
            lasting = None
            continue
        first = second if first is None else first
        lasting = second if lasting is None else lasting
        if second - lasting >= kind.hold_s:
            return first, lasting, second
    raise RuntimeError(f"{cause} never shows as an alarm: {kind}")  # a mistake in the menu, not in the input

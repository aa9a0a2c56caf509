"""A simulated week over the night of a clock change, as messages for a shard engine; and the figures it gives.

One week of hidden state (simulators/figure_truth.py) is sent in two ways: on time, and as a field sends it: a line cut
off for three hours whose rows come afterwards, rows twice, rows out of order. What no transport can undo happens in
both: a counter that is reset, one that wraps, a sensor that is swapped, a logger that is dead for eight hours.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import orjson

from andon.config.models import Plant
from andon.outputs import Figure
from andon.plant import PACKML_STATES, PlantModel
from andon.readings import Message
from simulators.autoclave import PHASES, Autoclave
from simulators.cnc import Cnc
from simulators.cold_room import ColdRoom
from simulators.device import Cause
from simulators.figure_truth import (
    MODES,
    CompressorTrace,
    MachineTrace,
    PieceWeights,
    Shift,
    StorageTrace,
    compressor_trace,
    machine_trace,
    room_trace,
    truck_trace,
)
from simulators.filler import Filler
from simulators.oee_truth import WallShift
from simulators.truck import Truck
from simulators.truth import demo_plant
from tests.engine_world import IN_MEMORY, open_engine

S, DAY_S, HOUR_S = 1_000_000_000, 86_400, 3600
START_S = 1_774_220_400  # Monday 2026-03-23 00:00 in Berlin; the night to Sunday 29 March has one hour less
WEEK_S = 7 * DAY_S - HOUR_S  # to Monday 00:00 in Berlin
SEED, EVERY_S, BEAT_S, TICK_S = 11, 10, 60, 120
FILLER, CNC, ROOM, TRUCK = "filling/filler", "machining/cnc", "cold/room", "transport/truck"
COMPRESSOR, SCALE, STERILISER = "utilities/compressor", "filling/scale", "sterile/autoclave"
BERLIN, SHANGHAI = "Europe/Berlin", "Asia/Shanghai"

CUT_S = (2 * DAY_S + 9 * HOUR_S + 1234, 2 * DAY_S + 12 * HOUR_S + 1234)  # three hours whose rows come afterwards
LOST_S = (4 * DAY_S + 20 * HOUR_S, 5 * DAY_S + 4 * HOUR_S)  # the room's logger is dead
SWAP_S = 3 * DAY_S + 10 * HOUR_S  # the room's sensor is swapped
OFFSETS_C = (0.30, -0.20)  # what it shows too much, before and after: the errors of the certificates
LOT, LOT_S = "L-1", (30 * HOUR_S + 77, 90 * HOUR_S + 5)  # a lot in the room, over an excursion and what is cut off
RESET_S = 1 * DAY_S + 7 * HOUR_S + 5  # the filler's counters start again from 0
MODULUS = 1000  # of the cell's counters
ORDER_S = 20 * HOUR_S + 17 * 60
PRODUCTS = (("VIAL-10", 0.5), ("VIAL-20", 0.6))
CNC_CYCLE_S, MICRO_S = 155.0, 60
HIGH_C, HYSTERESIS_C, HOLD_OFF_S = 8.0, 0.5, 300
ROOM_NOISE_C, TRUCK_NOISE_C, VELOCITY_NOISE = 0.04, 0.05, 0.07
STERILE_S = 3 * HOUR_S  # the steriliser sends each second, so only for so long
PIECES = PieceWeights(SEED, shifts=(Shift(4 * DAY_S + 6 * HOUR_S, 4 * DAY_S + 10 * HOUR_S, 1.5),))
SHIFTS = (
    WallShift("early", 345, 825, breaks=((600, 15),)), WallShift("late", 825, 1305),
    WallShift("night", 1305, 345, weekdays=(0, 1, 2, 3, 5)),
)  # fmt: skip
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def faults(asset: str, hour: int) -> Cause | None:
    """The room's cooling fails four times, the truck's once, inside the stretch that is sent afterwards."""
    menu = {
        (ColdRoom.asset, 14): 1400, (ColdRoom.asset, 58): 1350, (ColdRoom.asset, 100): 1440,
        (ColdRoom.asset, 150): 1300, (Truck.asset, 58): 1000,
    }  # fmt: skip
    length_s, begin_s = menu.get((asset, hour), 0), hour * HOUR_S + 600
    name = "truck_cooling_failure" if asset == Truck.asset else "cold_room_cooling_failure"
    return Cause(name, asset, begin_s, begin_s + length_s, 0.3) if length_s else None


@dataclass(frozen=True)
class Week:
    """The hidden state of every device."""

    filler: MachineTrace
    cnc: MachineTrace
    room: StorageTrace
    truck: StorageTrace
    compressor: CompressorTrace

    @property
    def shown_c(self) -> np.ndarray:
        """The room's air as its sensors show it, without their noise: each with its own offset."""
        return self.room.air + np.where(np.arange(len(self.room.air)) < SWAP_S, *OFFSETS_C)


@cache
def week() -> Week:
    """It takes ten seconds, once."""
    return Week(
        machine_trace(Filler, SEED, WEEK_S), machine_trace(Cnc, SEED, WEEK_S), room_trace(SEED, WEEK_S, faults),
        truck_trace(SEED, WEEK_S, faults), compressor_trace(SEED, WEEK_S),
    )  # fmt: skip


def orders() -> list[tuple[int, str, str, float]]:
    """(second, order, product, ideal cycle in s) of each order of the filler; each lasts until the next one."""
    return [
        (at, f"PO-{number}", *PRODUCTS[number % 2]) for number, at in enumerate(range(0, WEEK_S, ORDER_S))
    ]  # fmt: skip


def plant(timezone: str) -> PlantModel:
    """The plant that sends the week."""
    machine = [
        {"tag": "state", "kind": "state", "states": "packml", "every_s": BEAT_S},
        *({"tag": tag, "kind": "counter", "every_s": EVERY_S} for tag in ("total", "good")),
    ]
    wrapping = [machine[0], *({**one, "modulus": MODULUS} for one in machine[1:])]
    oee = {"state": "state", "total": "total", "good": "good", "micro_stop_s": MICRO_S}
    storage = {"low": 2.0, "high": HIGH_C, "hysteresis_c": HYSTERESIS_C, "hold_off_s": HOLD_OFF_S}
    door = {"tag": "door", "kind": "boolean", "every_s": BEAT_S}
    air, cargo = ({"tag": tag, "unit": "Cel", "every_s": EVERY_S} for tag in ("air", "cargo"))
    loaded = {"tag": "loaded", "kind": "boolean", "every_s": BEAT_S}
    demo = next(one for one in demo_plant().config.template if one.name == "autoclave")
    chart = {
        "tag": "weight", "kind": "xbar_s", "size": 5, "rules": ["nelson_1"], "lower_spec": 9.9, "upper_spec": 10.1,
        "gap_s": 600.0,
    }  # fmt: skip
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "s1", "timezone": timezone},
                "windows": {"pane_s": 60.0, "sizes_s": [3600.0], "figures_s": 3600.0},
                "time": {"lateness_s": 5.0, "idle_s": 250.0, "correct_for_h": 48.0},
                "template": [
                    {"name": "filler", "series": machine, "oee": oee},
                    {"name": "cnc", "series": wrapping, "oee": oee},
                    {"name": "room", "series": [air, door],
                     "cold_chain": {"temperature": "air", "door": "door", **storage}},
                    {"name": "truck", "series": [cargo], "cold_chain": {"temperature": "cargo", **storage}},
                    {"name": "compressor", "series": [loaded, {"tag": "vibration", "unit": "mm/s", "every_s": EVERY_S}],
                     "health": [{"tag": "vibration", "zones": "iso20816-3.group2.rigid"}],
                     "running": {"state": "loaded"}},
                    {"name": "scale", "series": [{"tag": "weight", "unit": "g", "every_s": 12}], "chart": [chart]},
                    demo.model_dump(mode="json", by_alias=True, exclude_unset=True),
                ],
                "asset": [
                    {"path": FILLER, "template": "filler"}, {"path": CNC, "template": "cnc"},
                    {"path": ROOM, "template": "room"}, {"path": TRUCK, "template": "truck"},
                    {"path": COMPRESSOR, "template": "compressor"}, {"path": SCALE, "template": "scale"},
                    {"path": STERILISER, "template": "autoclave"},
                ],
                "cycle": [
                    *({"asset": FILLER, "product": name, "seconds": cycle_s} for name, cycle_s in PRODUCTS),
                    {"asset": CNC, "seconds": CNC_CYCLE_S},
                ],
                "control_limits": [
                    {"asset": SCALE, "chart": "weight", "version": "v1", "centre": PIECES.mean, "sigma": PIECES.sigma}
                ],
                "calibration": [
                    {"asset": ROOM, "tag": "air", "certificate": "K-1", "at": "2026-01-05", "due": "2027-01-05",
                     "error": OFFSETS_C[0], "uncertainty": 0.1, "mpe": 0.5}
                ],
                "shift": [_shift(one) for one in SHIFTS],
            }
        )
    )  # fmt: skip


def _shift(one: WallShift) -> dict[str, object]:
    breaks = [{"begins": _clock(begin), "minutes": minutes} for begin, minutes in one.breaks]
    days = [NAMES[day] for day in one.weekdays]
    return {
        "name": one.name, "begins": _clock(one.begins), "ends": _clock(one.ends), "weekdays": days, "breaks": breaks,
    }  # fmt: skip


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


Line = tuple[int, str, bytes]  # second of its stamp, asset, body


@cache
def lines() -> tuple[Line, ...]:
    """Everything that is measured and told, in order of time."""
    now, found = week(), []
    seconds = np.arange(WEEK_S)
    after = seconds >= RESET_S
    codes = np.array([PACKML_STATES.index(mode) for mode in MODES])
    for asset, trace, shown in (
        (FILLER, now.filler, lambda count: np.where(after, count - count[RESET_S - 1], count)),
        (CNC, now.cnc, lambda count: count % MODULUS),
    ):
        found += _told(asset, "state", _changes(trace.mode), codes[trace.mode])
        at = seconds[EVERY_S - 1 :: EVERY_S]  # the last second of each ten: windows end where a count was told
        found += _told(asset, "total", at, shown(trace.total)) + _told(asset, "good", at, shown(trace.good))
    ten = seconds[::EVERY_S]
    lost = (ten >= LOST_S[0]) & (ten < LOST_S[1])
    found += _told(ROOM, "air", ten[~lost], _measured(now.shown_c, ROOM, ROOM_NOISE_C, 2))
    doors = _changes(now.room.door)
    found += _told(ROOM, "door", doors[(doors < LOST_S[0]) | (doors >= LOST_S[1])], now.room.door)
    found += _told(TRUCK, "cargo", ten, _measured(now.truck.air, TRUCK, TRUCK_NOISE_C, 2))
    found += _told(COMPRESSOR, "loaded", _changes(now.compressor.loaded), now.compressor.loaded)
    found += _told(COMPRESSOR, "vibration", ten, _measured(now.compressor.velocity, COMPRESSOR, VELOCITY_NOISE, 3))
    at, weight = PIECES.until(WEEK_S)
    column = np.zeros(WEEK_S)
    column[at] = weight
    found += _told(SCALE, "weight", at, column)
    found += _steriliser() + _events()
    return tuple(sorted(found, key=lambda line: line[0]))


def _changes(column: np.ndarray) -> np.ndarray:
    """Seconds at which a state is told: where it changes, and each minute."""
    changed = np.concatenate([[True], column[1:] != column[:-1]])
    return np.flatnonzero(changed | (np.arange(len(column)) % BEAT_S == 0))


def _measured(column: np.ndarray, asset: str, sigma: float, digits: int) -> np.ndarray:
    noise = np.random.default_rng([SEED, len(asset)]).standard_normal(len(column)).clip(-4.0, 4.0)
    return np.round(column + sigma * noise, digits)


def _told(asset: str, tag: str, seconds: np.ndarray, column: np.ndarray) -> list[Line]:
    begin = f'{{"ts":%d,"asset":"{asset}","tag":"{tag}","value":%s}}'
    return [
        (at, asset, (begin % ((START_S + at) * 1000, orjson.dumps(value).decode())).encode())
        for at, value in zip(seconds.tolist(), column[seconds].tolist(), strict=True)
    ]


def _steriliser() -> list[Line]:
    device, found = Autoclave(SEED), []
    for second in range(STERILE_S):
        for tag, value in device.step():
            told = PHASES.index(value) if isinstance(value, str) else value
            row = {"ts": (START_S + second) * 1000, "asset": STERILISER, "tag": tag, "value": told}
            found.append((second, STERILISER, orjson.dumps(row)))
    return found


def _events() -> list[Line]:
    told = [(at, FILLER, "order.started", {"order": order, "product": name}) for at, order, name, _ in orders()]
    swap = {"tag": "air", "calibration": "K-2", "due": "2027-03-20", "error": OFFSETS_C[1], "uncertainty": 0.1}
    told.append((SWAP_S, ROOM, "calibration.done", {**swap, "mpe": 0.5}))
    told += [(at, ROOM, event, {"lot": LOT}) for at, event in zip(LOT_S, ("lot.started", "lot.ended"), strict=True)]
    return [
        (at, asset, orjson.dumps({"ts": (START_S + at) * 1000, "asset": asset, "event": event, "data": data}))
        for at, asset, event, data in told
    ]  # fmt: skip


def on_time() -> list[tuple[int, bytes]]:
    """(second of arrival, body): nothing lost, nothing late."""
    return _sent([(line[0], line) for line in lines()])


def as_a_field_sends() -> list[tuple[int, bytes]]:
    """Cut off for three hours and sent afterwards, 2 % twice, 5 % out of order by up to three seconds."""
    draw = np.random.default_rng(5).random((len(lines()), 2))
    sent = []
    for (second, asset, body), (luck, length) in zip(lines(), draw.tolist(), strict=True):
        cut = CUT_S[0] <= second < CUT_S[1] and asset in (FILLER, CNC, ROOM, TRUCK, COMPRESSOR, SCALE)
        at = CUT_S[1] + int(600 * length) if cut else second + (1 + int(3 * length) if luck < 0.05 else 0)
        sent.append((at, (second, asset, body)))
        if luck > 0.98:
            sent.append((at + int(3000 * length), (second, asset, body)))
    return _sent(sorted(sent, key=lambda one: one[0]))


def _sent(arrivals: list[tuple[int, Line]]) -> list[tuple[int, bytes]]:
    """Lines of two minutes and an asset in one message, at their end; a tick after them."""
    stretches: dict[int, dict[str, list[bytes]]] = {}
    for at, (_, asset, body) in arrivals:
        stretches.setdefault(at // TICK_S, {}).setdefault(asset, []).append(body)
    found = []
    for number in range(WEEK_S // TICK_S + 60):
        end_s = (number + 1) * TICK_S
        found += [(end_s, b"\n".join(bodies)) for bodies in stretches.get(number, {}).values()]
        found.append((end_s, orjson.dumps({"ts": (START_S + end_s) * 1000, "event": "tick"})))
    return found


Key = tuple[str, str, str, int]  # kind, asset, tag, start_ns


def figures(messages: list[tuple[int, bytes]], timezone: str) -> tuple[dict[Key, Figure], list[Figure]]:
    """The final figures of a run by key, the newest revision of each; and those that came before it."""
    log = [Message(at + 1, (START_S + second) * S, body) for at, (second, body) in enumerate(messages)]
    newest: dict[Key, Figure] = {}
    before: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        engine = open_engine(plant(timezone), Path(name))
        engine.restore(None)
        for begin in range(0, len(log), 2_000):
            for one in engine.step(log[begin : begin + 2_000]).figures:
                if not one.final:
                    continue
                key = (one.kind, one.asset, one.tag, one.start_ns)
                if key in newest:
                    before.append(newest[key])
                newest[key] = one
    return {key: one for key, one in newest.items() if "void" not in one.about}, before

"""A plant of which every figure can be drawn: its rows are made up, its figures come from the machines of the flow.

`python tests/pictures_fixture.py PORT` serves it, as it is at `NOW_NS`.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from andon.config.load import load_plant
from andon.outputs import Figure, Latest, LedgerRows, ShardOutputs, StateChanges, WindowRows
from andon.plant import PACKML_STATES, PlantModel
from andon.readings import NS_PER_S
from andon.readings import Event as Happened
from flows.figure_specs import SUBJECTS, figure_bounds
from operators import cold_chain_machine
from operators.machines import Inputs, MachineSpec
from operators.steam import saturation_pressure
from tests.page_fixture import NOW_NS, PagePlant, Served

PLANT = Path(__file__).parent / "pictures_plant.toml"
FILLER, AUTOCLAVE, ROOM, PUMP = "filling/line1/filler1", "sterile/autoclave1", "cold/room1", "utilities/pump1"
TRUCK = "transport/truck1"
DAY_S = 86_400
BACK_S = 26 * 3600
KNOWN_S = 1800  # an earlier revision of a corrected window was told so long before now

Log = dict[str, tuple[np.ndarray, np.ndarray]]  # tag -> (s before now, value)


@dataclass(frozen=True)
class Event:
    """An event as machines read it, s before now."""

    at_s: int
    event: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def time_ns(self) -> int:
        return NOW_NS + self.at_s * NS_PER_S


REASONS = ("stopper jam", "dosing pump", "film tear")
EVENTS = {
    FILLER: [
        Event(-BACK_S + 60, "order.started", {"order": "MO-17", "product": "VIAL-10"}),
        Event(-11 * 3600, "order.started", {"order": "MO-18", "product": "VIAL-20"}),
        Event(-3 * 3600, "order.started", {"order": "MO-19", "product": "VIAL-10"}),
        *(Event(-BACK_S + 2500 + k * 9900, "stop.reason", {"reason": REASONS[k % 3]}) for k in range(9)),
    ],
    AUTOCLAVE: [
        *(Event(-8 * 3600 + k * 7200 + 30, "cycle.started",
                {"load": f"L-{204 + k}", "program": "porous-121", "version": "3", "lot": f"A-{17 + k}"})
          for k in range(3)),
        Event(-8 * 3600 + 3 * 7200 + 30, "cycle.started", {"program": "leak"}),
    ],
    ROOM: [
        Event(-20 * 3600, "lot.started", {"lot": "A-17", "product": "Vaccine A", "tor_used_s": 14_400}),
        Event(-9 * 3600, "lot.started", {"lot": "A-18", "product": "Vaccine A"}),
    ],
    TRUCK: [],
    PUMP: [Event(-38 * DAY_S, "maintenance.ended", {"mode": "bearing-wear", "renews": True})],
}  # fmt: skip


def filler() -> Log:
    """States with stops of all kinds, counters that follow them, weights that drift at the end."""
    at = np.arange(-BACK_S, 0, 10)
    names = ("Held", "Suspended", "Aborted", "Idle", "Held", "Suspended", "Starting")
    code = np.full(len(at), PACKML_STATES.index("Execute"), float)
    for k in range(28):
        begin = -BACK_S + 2400 + k * 3300
        length = (700, 420, 1500, 260, 90, 600, 300)[k % 7]
        code[(at >= begin) & (at < begin + length)] = PACKML_STATES.index(names[k % 7])
    running = code == PACKML_STATES.index("Execute")
    rate = np.where((at >= -11 * 3600) & (at < -3 * 3600), 1.14, 1.83)
    made = np.cumsum(running * rate * 10)
    weight_at = np.arange(-BACK_S, 0, 60)
    noise = np.random.default_rng(7).normal(0, 0.032, len(weight_at))
    drift = np.interp(weight_at, [-5400, -1200], [0, 0.07], left=0)
    jump = np.where((weight_at > -15_000) & (weight_at < -14_400), 0.11, 0.0)
    return {
        "state": (at, code), "total": (at, np.floor(made)), "good": (at, np.floor(made * 0.985)),
        "weight": (weight_at, 10.006 + noise + drift + jump),
    }  # fmt: skip


def steriliser() -> Log:
    """Three steam cycles of two hours' distance and a leak test: one kept, one too cold at a probe, one with a gap."""
    at = np.arange(-8 * 3600 - 1200, 0, 5)
    phase, temp = np.zeros(len(at)), np.full(len(at), 40.0)
    pressure = np.full(len(at), 101.3)
    edges = [0, 900, 2100, 3060, 3600, 4500]
    for k in range(3):
        since = at - (-8 * 3600 + k * 7200)
        for role, (begin, end) in enumerate(pairwise(edges), start=1):
            phase[(since >= begin) & (since < end)] = role
        mine = (since >= 0) & (since < 4500)
        temp[mine] = np.interp(
            since[mine], [0, 900, 2085, 2110, 3060, 3300, 4500], [45, 92, 120.9, 122.2, 122.2, 101, 60]
        )
        kpa = saturation_of(temp[mine])
        pulses = np.interp(since[mine] % 300, [0, 120, 180, 300], [101, 25, 25, 101])
        late = np.interp(since[mine], [3060, 3300, 3600, 4300, 4500], [0, 101.3, 12, 12, 101.3])
        pressure[mine] = np.where(since[mine] < 900, pulses, np.where(since[mine] < 3060, kpa, late))
        pressure[mine & (since >= 3060) & (since < 3300)] = np.interp(
            since[mine & (since >= 3060) & (since < 3300)], [3060, 3300], [210, 101.3]
        )
    since = at - (-8 * 3600 + 3 * 7200)
    leak = (since >= 0) & (since < 1000)
    phase[leak] = 6
    pressure[leak] = np.interp(since[leak], [0, 110, 1000], [101.3, 5, 5.9])
    wobble = np.random.default_rng(3).normal(0, 0.04, (3, len(at)))
    cold = np.interp(at - (-8 * 3600 + 7200), [2500, 2600, 2700, 2800], [0, 1.6, 1.6, 0], left=0, right=0)
    gap = (at > -8 * 3600 + 14_400 + 2400) & (at < -8 * 3600 + 14_400 + 2700)
    log = {
        "phase": (at, phase), "drain_temp": (at, temp + wobble[0]),
        "load1_temp": (at, temp - 0.25 + wobble[1]),
        "load2_temp": (at, temp - 0.35 - cold + wobble[2]), "chamber_pressure": (at, pressure),
    }  # fmt: skip
    log["load1_temp"] = tuple(column[~gap] for column in log["load1_temp"])
    return log


def saturation_of(celsius: np.ndarray) -> np.ndarray:
    """Absolute pressure of saturated steam, kPa."""
    return np.array([saturation_pressure(one + 273.15) * 1000.0 for one in celsius.tolist()])


def room() -> Log:
    """Two days of air with a door that stays open, a failure of the cooling and a logger that is silent for an hour."""
    at = np.arange(-2 * DAY_S, 0, 30)
    noise = np.random.default_rng(5).normal(0, 0.08, len(at))
    air = 4.7 + 0.5 * np.sin(at / 900) + noise
    air += np.interp(at, [-15 * 3600, -14.2 * 3600, -13.5 * 3600], [0, 5.4, 0], left=0, right=0)
    air += np.interp(at, [-5 * 3600, -4 * 3600, -2.2 * 3600], [0, 6.8, 0], left=0, right=0)
    silent = (at > -8.5 * 3600) & (at < -7.5 * 3600)
    door = ((at > -15 * 3600) & (at < -14.3 * 3600)) | (at % 9000 < 120)
    return {"air": (at[~silent], air[~silent]), "door": (at, door.astype(float))}


def pump() -> Log:
    """Forty days: velocity grows from zone B towards C and D, the outer ring's amplitude with it."""
    at = np.arange(-40 * DAY_S, 0, 3600)
    days = at / DAY_S + 40
    noise = np.random.default_rng(9).normal(0, 1, (3, len(at)))
    return {
        "vib.velocity": (at, 1.6 + 0.042 * days + 0.07 * noise[0]),
        "vib.bpfo": (at, 0.2 + 0.4 * np.exp((days - 40) / 9) + 0.01 * noise[1]),
        "vib.bpfi": (at, 0.15 + 0.01 * noise[2]),
        "state": (at, np.where((at // 3600) % 24 < 20, PACKML_STATES.index("Execute"), PACKML_STATES.index("Idle"))),
    }  # fmt: skip


WAY = ((31.3187, 120.7150), (31.3846, 120.9807), (31.2926, 121.1609), (31.1979, 121.3363))
REACHED_S = (-7200, -5400, -4200, -2700)  # it stands 10 min at the second point, where nothing is planned


def truck() -> Log:
    """A journey from the warehouse to the hospital with a stop on the way; it stands in both for a while."""
    at = np.arange(-9000, 0, 10)
    moments = (REACHED_S[0], REACHED_S[1], REACHED_S[1] + 600, *REACHED_S[2:])
    points = (WAY[0], WAY[1], WAY[1], *WAY[2:])
    latitude, longitude = (np.interp(at, moments, [one[part] for one in points]) for part in range(2))
    return {"lat": (at, latitude), "lon": (at, longitude)}


NO_CHANGES = StateChanges(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0))
LOGS = {FILLER: filler, AUTOCLAVE: steriliser, ROOM: room, PUMP: pump, TRUCK: truck}


def inputs_of(spec: MachineSpec, log: Log) -> Inputs:
    """The rows a machine asks for, in order, with its asset's events."""
    rows = [(log[tag][0], np.full(len(log[tag][0]), place), log[tag][1]) for place, (_, tag) in enumerate(spec.paths)]
    at, place, value = (np.concatenate([row[part] for row in rows]) for part in range(3))
    order = np.lexsort((value, place, at))
    time_ns = NOW_NS + at[order].astype(np.int64) * NS_PER_S
    events = tuple(sorted(EVENTS[spec.asset], key=lambda one: one.time_ns)) if spec.events else ()
    return Inputs(
        time_ns, place[order].astype(np.int32), value[order].astype(float), np.zeros(len(at), np.uint8), events
    )


def figures(plant: PlantModel, asset: str, log: Log) -> Iterable[Figure]:
    """What the machines of an asset make of its log: ended figures and running ones."""
    bounds = figure_bounds(plant)
    for specs in dict.fromkeys((*SUBJECTS, cold_chain_machine.specs)):
        for spec in specs(plant, asset):
            rows = inputs_of(spec, log)
            begin_ns = int(rows.time_ns[0]) // (3600 * NS_PER_S) * 3600 * NS_PER_S
            machine = spec.make(begin_ns, bounds)
            told = [(one, True) for one in machine.step(rows, NOW_NS)] + [(one, False) for one in machine.running()]
            for one, final in told:
                yield Figure(
                    spec.asset, one.tag or spec.tag, spec.kind, one.start_ns, one.end_ns, int(final), final,
                    dict(one.parts), about=dict(one.about), known_ns=min(one.end_ns + 10 * NS_PER_S, NOW_NS),
                )  # fmt: skip


class PicturePlant(PagePlant):
    """The plant in a data folder, with everything the web app reads from."""

    def fill(self) -> PicturePlant:
        """Write windows, states, newest values and figures of all logs."""
        logs = {asset: make() for asset, make in LOGS.items()}
        mine = list(self.plant.series)
        told = [one for asset, log in logs.items() for one in figures(self.plant, asset, log)]
        for writer in self.writers:
            writer.write(ShardOutputs(
                writer.shard, 0, 1, NOW_NS, 1000, windows=self._all_windows(logs), figures=corrected(told),
                latest=self._newest(logs), states=self._changes(logs), ledger=[self._counted(logs)],
                paths={self.ids[path]: path for path in mine},
            ))  # fmt: skip
            writer.write(ShardOutputs(
                writer.shard, 2, 3, NOW_NS, 1, windows=WindowRows.empty(), figures=again(told),
                latest=self._newest(logs), states=NO_CHANGES, ledger=[], paths={self.ids[path]: path for path in mine},
                events=[
                    Happened(one.time_ns, asset, one.event, one.data, number, one.time_ns, 0)
                    for number, (asset, one) in enumerate(
                        (asset, one) for asset, some in EVENTS.items() for one in some
                    )
                ],
            ))  # fmt: skip
        self.clock.time_ns = NOW_NS
        return self

    def _all_windows(self, logs: dict[str, Log]) -> WindowRows:
        rows = []
        for (asset, tag), number in self.ids.items():
            if self.plant.series[asset, tag].kind != "number":
                continue
            at, value = logs[asset][tag]
            for size in (10, 60):
                bucket, first, count = np.unique(at // size, return_index=True, return_counts=True)
                mean = np.add.reduceat(value, first) / count
                low, high = np.minimum.reduceat(value, first), np.maximum.reduceat(value, first)
                n = len(bucket)
                rows.append((
                    np.full(n, number), np.full(n, size * NS_PER_S), NOW_NS + bucket * size * NS_PER_S, np.zeros(n),
                    count, low, high, mean, high - low, mean, mean, np.full(n, np.nan),
                ))  # fmt: skip
        kinds = (np.int32, np.int64, np.int64, np.int32, np.int64) + (np.float64,) * 7
        columns = zip(zip(*rows, strict=True), kinds, strict=True)
        return WindowRows(*(np.concatenate(parts).astype(kind) for parts, kind in columns))

    def _newest(self, logs: dict[str, Log]) -> Latest:
        newest = [(self.ids[asset, tag], logs[asset][tag]) for asset, tag in self.ids]
        time_ns = np.array([NOW_NS + int(at[-1]) * NS_PER_S for _, (at, _) in newest], np.int64)
        return Latest(
            np.array([number for number, _ in newest], np.int32), time_ns, time_ns + 10**8,
            np.array([value[-1] for _, (_, value) in newest], float), np.zeros(len(newest), np.uint8),
            np.full(len(newest), np.nan),
        )  # fmt: skip

    def _changes(self, logs: dict[str, Log]) -> StateChanges:
        rows = []
        for (asset, tag), number in self.ids.items():
            if self.plant.series[asset, tag].kind not in {"state", "boolean"}:
                continue
            at, value = logs[asset][tag]
            changed = np.flatnonzero(np.r_[True, np.diff(value) != 0])
            rows += [(number, NOW_NS + int(at[row]) * NS_PER_S, float(value[row])) for row in changed]
        series, time_ns, value = zip(*rows, strict=True)
        return StateChanges(np.array(series, np.int32), np.array(time_ns, np.int64), np.array(value, float))

    def _counted(self, logs: dict[str, Log]) -> LedgerRows:
        rows = [
            (number, NOW_NS - 3600 * NS_PER_S, len(logs[asset][tag][0]), len(logs[asset][tag][0]), 0, 0, 0, 0, 0)
            for (asset, tag), number in self.ids.items()
        ]
        columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
        return LedgerRows(self.offset, columns[0].astype(np.int32), *columns[1:])


def _late(told: list[Figure]) -> Figure:
    """The window of OEE that late rows corrected."""
    return [one for one in told if one.kind == "oee" and one.final][-3]


def corrected(told: list[Figure]) -> list[Figure]:
    """All figures, one of them as it was before late rows came: 200 good items fewer, and their ideal time."""
    late = _late(told)
    parts = dict(late.parts)
    cycle_s = (parts["pri_pq_s"] or 0.0) / (parts["pq"] or 1.0)
    parts["gq"] -= 200
    parts["pri_gq_s"] -= 200 * cycle_s
    parts["lost_s"] += 200 * cycle_s
    parts["defect_loss_s"] += 200 * cycle_s
    before = Figure(
        late.asset, late.tag, late.kind, late.start_ns, late.end_ns, 1, True, parts, about=late.about,
        known_ns=late.known_ns,
    )  # fmt: skip
    return [before if one is late else one for one in told]


def again(told: list[Figure]) -> list[Figure]:
    """The corrected window as it is known now."""
    late = _late(told)
    return [Figure(
        late.asset, late.tag, late.kind, late.start_ns, late.end_ns, 2, True, late.parts, about=late.about,
        known_ns=NOW_NS - KNOWN_S * NS_PER_S,
    )]  # fmt: skip


@cache
def _filled_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="andon-pictures-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    PicturePlant(folder / "data", plant=load_plant(PLANT)).fill().close()
    return folder / "data"


def picture_plant(folder: Path) -> PicturePlant:
    """A filled plant of its own for a test."""
    shutil.copytree(_filled_once(), folder / "data")
    plant = PicturePlant(folder / "data", plant=load_plant(PLANT))
    plant.clock.time_ns = NOW_NS
    return plant


def main() -> None:
    """Serve the plant on 127.0.0.1:PORT; prints addresses that log in once."""
    with tempfile.TemporaryDirectory() as folder:
        plant = picture_plant(Path(folder))
        served = Served(plant.room, int(sys.argv[1]), idle_lock=False)
        for _ in range(20):
            sys.stdout.write(f"{served.address}/?token={plant.token('engineer')}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()

"""A plant in the middle of its day, written through the real writers: what the web tests and the design work look at.

Eight hours of the demo's plant up to `NOW_NS`: one cold-room excursion that ended, a truck that is too warm now, a
compressor that vibrates, a hot spindle somebody acknowledged, orders in every state, dead letters, and one row that
came twice. `python tests/page_fixture.py PORT` serves it with the values moving on.
"""

from __future__ import annotations

import atexit
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import uvicorn

from andon.clock import ManualClock, SystemClock
from andon.conditions import ConditionChange
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.outputs import Figure, Latest, LedgerRows, ShardOutputs, StateChanges, WindowRows
from andon.plant import PACKML_STATES, PlantModel
from andon.readings import NS_PER_S, DeadLetters, Reason
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, SYSTEM_SUPERVISOR, Actor, DeliveryResult, Records
from service.web.app import create_app
from service.web.gate import Access, known_hosts
from service.web.room import Room
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader, HistoryWriter
from sources.spool import Spool
from tests.naive_cold_chain_parts import cold_chain_parts
from tests.naive_oee_parts import oee_parts

PLANT = Path(__file__).parents[1] / "simulators" / "plant.toml"
NOW_NS = 1_767_258_000 * NS_PER_S  # 2026-01-01 17:00:00 +08:00
BACK_S = 8 * 3600
STEP_S = 10  # a reading every 10 s
FIGURE_S = 600
OPERATOR = Actor("zhou", "Zhou Min", "operator", "10.0.0.7")

FILLER, CNC, AUTOCLAVE = "filling/line1/filler1", "machining/cell1/cnc1", "sterile/autoclave1"
ROOM, TRUCK, COMPRESSOR = "cold/room1", "transport/truck1", "utilities/compressor1"


USUAL = {"velocity": 2.1, "speed": 1480.0, "kurtosis": 3.0, "envelope": 0.4, "bpfo": 0.2, "bpfi": 0.1}


def ramp(t: np.ndarray, start: float, peak: float, end: float, height: float) -> np.ndarray:
    """0 before start, rising to `height` at peak, back to 0 at end; t in s before now (negative)."""
    return np.interp(t, [start, peak, end], [0.0, height, 0.0], left=0.0, right=0.0)


def signal(asset: str, tag: str, t: np.ndarray) -> np.ndarray:
    """Values at t s before now (negative: earlier; positive: later)."""
    noise = np.random.default_rng(abs(hash((len(asset), len(tag), int(t[0])))) % 2**32).normal(size=len(t))
    slow = np.sin(2 * np.pi * t / 2700)
    later = np.maximum(t, 0.0)
    table = {
        (FILLER, "fill_g"): 10.0 + 0.02 * noise + ramp(t, -9800, -9200, -8500, 0.22),
        (FILLER, "temp"): 23 + slow + 0.1 * noise,
        (CNC, "spindle_temp"): 48 + 4 * slow + 0.3 * noise + ramp(t, -15000, -14300, -13500, 22),
        (CNC, "spindle_load"): np.clip(62 + 12 * slow + 4 * noise, 0, None),
        (AUTOCLAVE, "chamber_temp"): 70 + 51.4 * np.clip(np.sin(2 * np.pi * t / 5400) * 3, -0.6, 1),
        (AUTOCLAVE, "chamber_pressure"): 150 + 60 * np.clip(np.sin(2 * np.pi * t / 5400) * 3, -0.9, 1) + 0.2 * noise,
        (AUTOCLAVE, "plateau_temp"): 121.6 + 0.1 * noise,
        **{(AUTOCLAVE, f"{point}_temp"): 70 + 51.3 * np.clip(np.sin(2 * np.pi * t / 5400) * 3, -0.6, 1)
           for point in ("drain", "load1", "load2")},
        (AUTOCLAVE, "own_f0"): 10.0 + 0.0 * t,
        (ROOM, "air"): 4.6 + 0.5 * slow + 0.08 * noise + ramp(t, -7200, -4600, -2600, 6.1),
        (ROOM, "humidity"): 55 + 3 * slow + noise,
        (TRUCK, "cargo_temp"): 5.1 + 0.3 * slow + 0.05 * noise
        + np.interp(t, [-2400, -600], [0, 4.4], left=0) + 0.0004 * later,
        (TRUCK, "latitude"): 31.3 + t * 1e-5, (TRUCK, "longitude"): 120.6 + t * 2e-5,
        (TRUCK, "speed"): np.clip(68 + 9 * slow + noise, 0, None),
        (COMPRESSOR, "vibration"): 2.1 + 0.12 * noise + np.interp(t, [-3600, 0], [0, 3.2], left=0),
        (COMPRESSOR, "pressure"): 7.4 + 0.1 * slow + 0.01 * noise,
        (COMPRESSOR, "oil_temp"): 71 + 2 * slow + 0.2 * noise,
        (COMPRESSOR, "current"): 88 + 4 * slow + noise,
    }  # fmt: skip
    usual = USUAL.get(tag.rpartition(".")[2], 5.0)  # of any other series of the plant
    return table.get((asset, tag), usual * (1 + 0.02 * slow + 0.01 * noise))


def crossed(asset: str, tag: str, limit: float) -> tuple[int, int]:
    """When the signal was first above the limit and when last, s before now."""
    t = np.arange(-BACK_S, 0, STEP_S)
    above = t[signal(asset, tag, t.astype(float)) > limit]
    return int(above[0]), int(above[-1])


def states(asset: str, tag: str) -> list[tuple[int, float]]:
    """(s before now, code), oldest first."""
    code = PACKML_STATES.index
    if (asset, tag) == (AUTOCLAVE, "phase"):
        return [(-BACK_S + k * 900, float([0, 1, 2, 3, 4, 5][k % 6])) for k in range(BACK_S // 900)]
    if (asset, tag) == (ROOM, "door"):
        return [(-BACK_S + 60, 0.0), *((at + off, on) for at in range(-BACK_S + 1800, -600, 2700)
                                       for off, on in ((0, 1.0), (90, 0.0)))]  # fmt: skip
    shift = 1100 if asset == CNC else 0
    stops = ["Suspended", "Held", "Suspended", "Aborted", "Held", "Idle", "Suspended", "Held"]
    rows: list[tuple[int, float]] = [(-BACK_S, float(code("Execute")))]
    for k, name in enumerate(stops):
        at = -BACK_S + 2400 + shift + k * 3300
        rows += [(at, float(code(name))), (at + 150 + 110 * (k % 3), float(code("Execute")))]
    return [row for row in rows if row[0] < 0]


def score(tag: str, t: np.ndarray) -> np.ndarray:
    """The anomaly score that goes with `signal`."""
    if tag == "vibration":
        return np.abs(np.interp(t, [-3600, -2400, 0], [0.8, 6.0, 11.4]) + 0.3 * np.sin(t / 37))
    return np.abs(1 + 0.6 * np.sin(t / 61))


@dataclass
class PagePlant:
    """The plant in a data folder, with everything the web app reads from."""

    folder: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_NS))
    plant: PlantModel = field(default_factory=lambda: load_plant(PLANT))

    def __post_init__(self) -> None:
        self.data = DataFolder(self.folder)
        self.data.create(self.plant.config.site.id)
        shards = range(self.plant.config.transport.shards)
        self.writers = [HistoryWriter(self.data.history_db(shard), shard) for shard in shards]
        self.records = Records(
            self.data.records_db, self.plant.config.site.id, SystemClock(), zone=self.plant.config.site.timezone
        ).open()
        self.dead = [DeadLetterStore(self.data.dead_letters_db(shard), shard, 64.0, 90.0) for shard in shards]
        self.spools = [Spool(self.data.spool(shard), shard, self.clock) for shard in shards]
        self.history = HistoryReader(self.data.history_dbs(len(shards)))
        self.room = Room(self.plant, self.records, self.history, self.dead, self.spools, self.clock)
        self.ids = {path: number for number, path in enumerate(self.plant.series)}
        self.offset = 0

    def close(self) -> None:
        """Close every file."""
        for one in (*self.writers, self.history, *self.spools, *self.dead, self.records):
            one.close()

    def token(self, role: str = "operator") -> str:
        """A one-time token for somebody of the role."""
        return self.records.issue_one_time_token(SYSTEM_SUPERVISOR, user_id=role, name=f"Demo {role}", role=role)

    def fill(self) -> PagePlant:
        """Write the eight hours, alarms, orders, dead letters."""
        self.write(-BACK_S, 0)
        self.raise_alarms()
        self.write_dead_letters()
        return self

    def write(self, start_s: int, end_s: int) -> None:
        """Windows, latest values, states, figures and ledger of [start_s, end_s) around NOW_NS, and move the clock."""
        self.offset += 1000
        for writer in self.writers:
            mine = [path for path in self.plant.series if self.plant.shard_of(path[0]) == writer.shard]
            writer.write(ShardOutputs(
                writer.shard, self.offset - 999, self.offset, NOW_NS + end_s * NS_PER_S, len(mine) * 100,
                windows=self._windows(mine, start_s, end_s), figures=list(self._figures(mine, start_s, end_s)),
                latest=self._latest(mine, end_s), states=self._states(mine, start_s, end_s),
                ledger=[self._ledger(mine, start_s, end_s)], paths={self.ids[path]: path for path in mine},
            ))  # fmt: skip
        self.clock.time_ns = NOW_NS + end_s * NS_PER_S

    def _numeric(self, mine: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        return [path for path in mine if self.plant.series[path].kind == "number"]

    def _windows(self, mine: list[tuple[str, str]], start_s: int, end_s: int) -> WindowRows:
        rows: list[tuple[np.ndarray, ...]] = []
        for asset, tag in self._numeric(mine):
            end_of = -3600 if tag == "plateau_temp" and end_s > -3600 else end_s
            for size in (10, 60):
                at = np.arange(start_s - start_s % size, end_of - size + 1, size, np.int64)
                if not len(at):
                    continue
                mean = signal(asset, tag, at.astype(float))
                spread = 0.02 * np.abs(mean) * size / 60
                nan = np.full(len(at), np.nan)
                told = score(tag, at.astype(float)) if self.plant.series[asset, tag].detect else nan
                rows.append((
                    np.full(len(at), self.ids[asset, tag]), np.full(len(at), size * NS_PER_S), NOW_NS + at * NS_PER_S,
                    np.zeros(len(at)), np.full(len(at), size), mean - spread, mean + spread, mean, spread, mean, mean,
                    told,
                ))  # fmt: skip
        if not rows:
            return WindowRows.empty()
        kinds = (np.int32, np.int64, np.int64, np.int32, np.int64) + (np.float64,) * 7
        columns = zip(zip(*rows, strict=True), kinds, strict=True)
        return WindowRows(*(np.concatenate(parts).astype(kind) for parts, kind in columns))

    def _latest(self, mine: list[tuple[str, str]], end_s: int) -> Latest:
        value, told, at_s = [], [], []
        mine = [path for path in mine if self.plant.series[path].kind != "waveform"]
        for asset, tag in mine:
            spec = self.plant.series[asset, tag]
            at_s.append(end_s - 1 if tag != "plateau_temp" else -3600)
            if spec.kind == "number":
                value.append(float(signal(asset, tag, np.array([float(end_s)]))[0]))
            elif spec.kind == "counter":
                value.append(float(self._counter(asset, tag, np.array([end_s]))[0]))
            else:
                value.append(states(asset, tag)[-1][1])
            told.append(float(score(tag, np.array([float(end_s)]))[0]) if spec.detect else np.nan)
        time_ns = NOW_NS + np.array(at_s, np.int64) * NS_PER_S
        return Latest(
            np.array([self.ids[path] for path in mine], np.int32), time_ns, time_ns + 10**8, np.array(value),
            np.zeros(len(mine), np.uint8), np.array(told),
        )  # fmt: skip

    def _counter(self, asset: str, tag: str, at_s: np.ndarray) -> np.ndarray:
        rate = (1.72 if asset == FILLER else 1 / 171) * (0.985 if tag == "good" else 1.0)
        running = np.zeros(len(at_s))
        rows = [*states(asset, "state"), (10**9, 0.0)]
        for (since, code), (until, _) in pairwise(rows):
            if PACKML_STATES[int(code)] == "Execute":
                running += np.clip(at_s, since, until) - since
        return np.floor(120_000 + running * rate)

    def _states(self, mine: list[tuple[str, str]], start_s: int, end_s: int) -> StateChanges:
        rows = [
            (self.ids[path], NOW_NS + at_s * NS_PER_S, code)
            for path in mine if self.plant.series[path].kind in {"state", "boolean"}
            for at_s, code in states(*path) if start_s <= at_s < end_s
        ]  # fmt: skip
        series, time_ns, value = zip(*rows, strict=True) if rows else ((), (), ())
        return StateChanges(np.array(series, np.int32), np.array(time_ns, np.int64), np.array(value, np.float64))

    def _figures(self, mine: list[tuple[str, str]], start_s: int, end_s: int) -> Iterable[Figure]:
        for begin in range(start_s - start_s % FIGURE_S, end_s, FIGURE_S):
            until = min(begin + FIGURE_S, end_s)
            place = NOW_NS + begin * NS_PER_S, NOW_NS + (begin + FIGURE_S) * NS_PER_S, 0, until == begin + FIGURE_S
            span_ns = (place[0], NOW_NS + until * NS_PER_S)
            at = np.arange(begin, until, STEP_S)
            time_ns = NOW_NS + at * NS_PER_S
            for asset in dict.fromkeys(path[0] for path in mine):
                if self.plant.oee_of(asset):
                    rows = states(asset, "state")
                    told = np.array([NOW_NS + row[0] * NS_PER_S for row in rows]), np.array([row[1] for row in rows])
                    parts = oee_parts(
                        told, (time_ns, self._counter(asset, "total", at)), (time_ns, self._counter(asset, "good", at)),
                        *span_ns, ideal_cycle_s=self.plant.ideal_cycle_s(asset), gap_ns=10**14,
                    )  # fmt: skip
                    yield Figure(asset, "state", "oee", *place, parts)
                if cold := self.plant.cold_chain_of(asset):
                    celsius = signal(asset, cold.temperature, at.astype(float))
                    parts = cold_chain_parts(
                        time_ns, celsius, *span_ns, gap_ns=30 * NS_PER_S, low=cold.low, high=cold.high
                    )
                    yield Figure(asset, cold.temperature, "cold_chain", *place, parts)

    def _ledger(self, mine: list[tuple[str, str]], start_s: int, end_s: int) -> LedgerRows:
        rows = []
        for begin in range(start_s - start_s % 3600, end_s, 3600):
            seconds = min(begin + 3600, end_s) - max(begin, start_s)
            for number, path in enumerate(mine):
                late, duplicate, bad = (7, 3, 2) if number % 4 == 0 and seconds > 3000 else (0, 0, 0)
                counted = seconds - late - duplicate - bad
                rows.append((self.ids[path], NOW_NS + begin * NS_PER_S, seconds, counted, late, duplicate, bad, 0, 0))
        if start_s == -BACK_S:
            rows.append((-1, NOW_NS - 3600 * NS_PER_S, 5, 0, 0, 0, 0, 5, 0))
        columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
        return LedgerRows(self.offset, columns[0].astype(np.int32), *columns[1:])

    def change(
        self, kind: str, rule_id: str, asset: str, tag: str, start_s: int, cleared_s: int | None, limit: float,
        peak: float, condition: str, unit: str, **evidence: object,
    ) -> ConditionChange:  # fmt: skip
        """A condition of one of the plant's rules."""
        rule = next(one for one in self.plant.config.rule if one.id == rule_id)
        confirmed_s = start_s + int(rule.delay_s)
        return ConditionChange(
            kind, asset, tag, rule_id, "3f9a2c71d04b", rule.raises, rule.priority, condition, limit, unit,
            NOW_NS + start_s * NS_PER_S, NOW_NS + confirmed_s * NS_PER_S,
            None if kind == "raised" or cleared_s is None else NOW_NS + cleared_s * NS_PER_S, peak,
            float((cleared_s if kind == "cleared" and cleared_s is not None else confirmed_s) - start_s),
            self.offset + abs(start_s), evidence=evidence,
        )  # fmt: skip

    def raise_alarms(self) -> None:
        """Five alarms in different states, and their orders."""
        cases = [
            ("spindle-hot", CNC, "spindle_temp", *crossed(CNC, "spindle_temp", 65.0), 65.0, 70.1, "above", "Cel"),
            ("fill-weight", FILLER, "fill_g", *crossed(FILLER, "fill_g", 10.15), 10.15, 10.22, "outside", "g"),
            ("cold-room-high", ROOM, "air", *crossed(ROOM, "air", 8.0), 8.0, 10.72, "above", "Cel"),
            ("compressor-anomaly", COMPRESSOR, "vibration", -2400, None, 6.0, 11.4, "anomaly", "1"),
            ("truck-high", TRUCK, "cargo_temp", crossed(TRUCK, "cargo_temp", 8.0)[0], None, 8.0, 9.83, "above", "Cel"),
        ]
        for rule_id, asset, tag, start_s, cleared_s, limit, peak, condition, unit in cases:
            evidence = {"value": 5.3, "value_unit": "mm/s"} if condition == "anomaly" else {}
            for kind in ("raised",) if cleared_s is None else ("raised", "cleared"):
                reached = peak if kind == "cleared" else peak - 0.4
                change = self.change(
                    kind, rule_id, asset, tag, start_s, cleared_s, limit, reached, condition, unit, **evidence
                )
                self.records.apply_conditions([change], SYSTEM_FLOW)
        outcomes = [
            DeliveryResult("delivered", 201, external_id="4711", external_number="MO-2026-00017"),
            DeliveryResult("delivered", 201, external_id="4712", external_number="QE-2026-00041"),
            DeliveryResult("found", 200, external_id="4713", external_number="QE-2026-00042"),
            DeliveryResult("parked", 422, error="unknown equipment utilities/compressor1"),
        ]
        for outcome in outcomes:
            order = self.records.claim_order("fixture", 30.0, SYSTEM_SENDER)
            if order is not None:
                self.records.finish_order(order, outcome, SYSTEM_SENDER)
        spindle = next(one for one in self.records.alarms() if one.rule_id == "spindle-hot")
        self.records.acknowledge(spindle.key, OPERATOR, "Coolant pump restarted, temperature falling.")

    def write_dead_letters(self) -> None:
        """Five rows that could not become readings."""
        raws = [
            (Reason.not_json, -1, b'{"ts": 1767250000000, "asset": "cold/room1", "tag": "ai'),
            (Reason.unknown_series, -1, b'{"ts": 1767250000000, "asset": "cold/room9", "tag": "air", "value": 4.4}'),
            (Reason.unit_mismatch, self.ids[ROOM, "air"],
             b'{"ts": 1767250000000, "asset": "cold/room1", "tag": "air", "value": 40.1, "unit": "[degF]"}'),
            (Reason.stamp_in_future, self.ids[ROOM, "air"],
             b'{"ts": 1893456000000, "asset": "cold/room1", "tag": "air", "value": 4.4}'),
            (Reason.not_json, -1, b"\xff\xfe\x00garbage from a gateway <script>alert(1)</script>"),
        ]  # fmt: skip
        count = len(raws)
        paths = [f"{asset}/{tag}" for asset, tag in self.plant.series]
        self.dead[1].write(
            DeadLetters(
                np.arange(500, 500 + count, dtype=np.int64), np.zeros(count, np.int32),
                np.full(count, NOW_NS - 1800 * NS_PER_S), np.array([row[0] for row in raws], np.uint8),
                np.array([row[1] for row in raws], np.int32), [row[2] for row in raws],
            ),
            paths,
        )  # fmt: skip


@cache
def _filled_once() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="andon-page-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    PagePlant(folder / "data").fill().close()
    return folder / "data"


def page_plant(folder: Path) -> PagePlant:
    """A filled plant of its own for a test; the filling takes seconds and is done once."""
    shutil.copytree(_filled_once(), folder / "data")
    plant = PagePlant(folder / "data")
    plant.offset = 10_000
    return plant


def keep_moving(plant: PagePlant, stop: threading.Event, step_s: int = 10) -> None:
    """Ten plant seconds each second, until stopped."""
    at_s = 0
    while not stop.wait(1.0):
        plant.write(at_s, at_s + step_s)
        at_s += step_s


class Served:
    """The web app over a plant on a free port of 127.0.0.1, in a thread of its own."""

    def __init__(self, room: Room, port: int = 0, **access: object) -> None:
        held = socket.create_server(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{held.getsockname()[1]}"
        app = create_app(room, Access(known_hosts("127.0.0.1"), **access))
        self.app = app
        config = uvicorn.Config(app, access_log=False, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([held],), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)

    def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(10)


def main() -> None:
    """Serve a fresh plant on 127.0.0.1:PORT with the values moving on; prints addresses that log in once."""
    with tempfile.TemporaryDirectory() as folder:
        plant = PagePlant(Path(folder) / "data").fill()
        served = Served(plant.room, int(sys.argv[1]), idle_lock=False)
        for _ in range(20):
            sys.stdout.write(f"{served.address}/?token={plant.token('engineer')}\n")
        sys.stdout.flush()
        stop = threading.Event()
        with suppress(KeyboardInterrupt):
            keep_moving(plant, stop)
        served.close()
        plant.close()


if __name__ == "__main__":
    main()

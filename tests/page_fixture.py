"""A plant in the middle of its day, written through the real writers: what the web tests and the design work look at.

Eight hours of the demo's plant up to `NOW_NS`: one cold-room excursion that ended, a truck that is too warm now, a
compressor that vibrates, a hot spindle somebody acknowledged, orders in every state, dead letters, and one row that
came twice. `python tests/page_fixture.py PORT` serves it with the values moving on.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from andon.clock import ManualClock, SystemClock
from andon.conditions import ConditionChange
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.outputs import Figure, Latest, LedgerRows, ShardOutputs, StateChanges, WindowRows
from andon.plant import PACKML_STATES, PlantModel
from andon.readings import NS_PER_S, DeadLetters, Reason
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, Actor, DeliveryResult, Records
from operators.cold_chain import cold_chain_parts
from operators.oee import oee_parts
from service.web.room import Room
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader, HistoryWriter
from sources.spool import Spool

PLANT = Path(__file__).parents[1] / "simulators" / "plant.toml"
NOW_NS = 1_767_258_000 * NS_PER_S  # 2026-01-01 17:00:00 +08:00
BACK_S = 8 * 3600
STEP_S = 10  # a reading every 10 s
FIGURE_S = 600
OPERATOR = Actor("zhou", "Zhou Min", "operator", "10.0.0.7")

FILLER, CNC, AUTOCLAVE = "filling/line1/filler1", "machining/cell1/cnc1", "sterile/autoclave1"
ROOM, TRUCK, COMPRESSOR = "cold/room1", "transport/truck1", "utilities/compressor1"


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
    return table[asset, tag]


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
        self.history = HistoryReader([self.data.history_db(shard) for shard in shards])
        self.room = Room(self.plant, self.records, self.history, self.dead, self.spools, self.clock)
        self.ids = {path: number for number, path in enumerate(self.plant.series)}
        self.offset = 0

    def close(self) -> None:
        """Close every file."""
        for one in (*self.writers, self.history, *self.spools, *self.dead, self.records):
            one.close()

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
            if tag == "plateau_temp" and end_s > -3600:
                end_of = min(end_s, -3600)
            else:
                end_of = end_s
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
        columns = [np.concatenate(parts).astype(kind) for parts, kind in zip(zip(*rows, strict=True), kinds, strict=True)]
        return WindowRows(*columns)

    def _latest(self, mine: list[tuple[str, str]], end_s: int) -> Latest:
        value, told, at_s = [], [], []
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
        for (since, code), (until, _) in zip(rows, rows[1:], strict=False):
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
            ("spindle-hot", CNC, "spindle_temp", -14700, -13700, 65.0, 70.1, "above", "Cel"),
            ("fill-weight", FILLER, "fill_g", -9600, -8900, 10.15, 10.22, "outside", "g"),
            ("cold-room-high", ROOM, "air", -5900, -3300, 8.0, 10.72, "above", "Cel"),
            ("compressor-anomaly", COMPRESSOR, "vibration", -2400, None, 6.0, 11.4, "anomaly", "1"),
            ("truck-high", TRUCK, "cargo_temp", -1300, None, 8.0, 9.83, "above", "Cel"),
        ]
        for rule_id, asset, tag, start_s, cleared_s, limit, peak, condition, unit in cases:
            evidence = {"value": 5.3, "value_unit": "mm/s"} if condition == "anomaly" else {}
            raised = self.change("raised", rule_id, asset, tag, start_s, None, limit, peak - 0.4, condition, unit, **evidence)
            self.records.apply_conditions([raised], SYSTEM_FLOW)
            if cleared_s is not None:
                cleared = self.change("cleared", rule_id, asset, tag, start_s, cleared_s, limit, peak, condition, unit, **evidence)
                self.records.apply_conditions([cleared], SYSTEM_FLOW)
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


def keep_moving(plant: PagePlant, stop: threading.Event, step_s: int = 10) -> None:
    """Ten plant seconds each second, until stopped."""
    at_s = 0
    while not stop.wait(1.0):
        plant.write(at_s, at_s + step_s)
        at_s += step_s


def main() -> None:
    """Serve a fresh plant on 127.0.0.1:PORT with the values moving on."""
    import tempfile

    import uvicorn

    from andon.records import SYSTEM_WEB
    from service.web.app import create_app
    from service.web.gate import Access, known_hosts

    port = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        plant = PagePlant(Path(folder) / "data").fill()
        token = Path("/tmp/page_token")
        users = Actor("service:fixture", "fixture", "service", "local")
        tokens = [
            plant.records.issue_one_time_token(users, user_id="demo", name="Demo operator", role=role)
            for role in ["engineer"] * 20
        ]
        token.write_text("\n".join(tokens))
        print(f"filled in {time.perf_counter() - begun:.1f} s: http://127.0.0.1:{port}/?token={tokens[0]}", SYSTEM_WEB.id)
        stop = threading.Event()
        threading.Thread(target=keep_moving, args=(plant, stop), daemon=True).start()
        app = create_app(plant.room, Access(known_hosts("127.0.0.1"), idle_lock=False))
        uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")
        stop.set()


if __name__ == "__main__":
    main()

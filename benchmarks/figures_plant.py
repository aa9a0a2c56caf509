"""The plant of benchmarks/figures.py: 200 assets of 25 series with every kind of figure, and its readings at 10 Hz."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from andon.config.models import Plant
from andon.plant import PACKML_STATES, PlantModel
from andon.readings import F64, I32, I64, NS_PER_S, U8

KINDS_OF_ASSET = ("filler", "cnc", "room", "steriliser", "pump")
SERIES, HZ, PANE_S = 25, 10, 10
STEPS = HZ * PANE_S  # readings of a series in a pane
STEP_NS = NS_PER_S // HZ
FIGURES_S = 600.0
BLOCK_EVERY_S, BLOCK_HZ, BLOCK_SAMPLES = 600.0, 10_240.0, 8_192
EXECUTE, HELD = PACKML_STATES.index("Execute"), PACKML_STATES.index("Held")
PHASES = ("idle", "vacuum", "heating", "sterilising", "exhaust", "drying")


def plant(assets: int = 200) -> PlantModel:
    """The plant: a fifth of the assets of each kind. assets: a multiple of five."""
    each = assets // len(KINDS_OF_ASSET)
    paths = {kind: [f"hall/{kind}{number:03}" for number in range(each)] for kind in KINDS_OF_ASSET}
    return PlantModel(
        Plant.model_validate(
            {
                "schema": 1, "enterprise": {"id": "bench"}, "site": {"id": "bench", "timezone": "Europe/Berlin"},
                "windows": {"pane_s": 10.0, "sizes_s": [10.0, 60.0], "figures_s": FIGURES_S},
                "product": [{"name": "Vaccine A", "source": "bench", "version": "1", "storage": "controlled_cold",
                             "tor_h": 72, "life_h": 17_520}],
                "bearing": [{"name": "b6205", "balls": 9, "ball_diameter": 7.94, "pitch_diameter": 38.5}],
                "shift": [{"name": "early", "begins": "06:00"}, {"name": "late", "begins": "18:00"}],
                "template": [_filler(), _cnc(), _room(), _steriliser(), _pump()],
                "asset": [{"path": path, "template": kind} for kind, some in paths.items() for path in some],
                "cycle": [{"asset": path, "seconds": 0.1} for kind in ("filler", "cnc") for path in paths[kind]],
                "calibration": [
                    {"asset": path, "tag": "air", "certificate": "K-1", "at": "2026-01-01", "due": "2027-01-01",
                     "error": 0.1, "uncertainty": 0.2, "mpe": 0.5} for path in paths["room"]
                ],
            }
        )
    )  # fmt: skip


def _template(name: str, series: Sequence[Mapping[str, object]], **sections: object) -> dict[str, object]:
    """A template, filled up with numbers that only have windows."""
    rest = [{"tag": f"more{at:02}"} for at in range(SERIES - len([one for one in series if _sends(one)]))]
    return {"name": name, "series": [{"every_s": 0.1, **one} for one in (*series, *rest)], **sections}


def _sends(series: Mapping[str, object]) -> bool:
    """Whether its readings come from the device: not those of the figures of a block."""
    return series.get("kind") != "waveform" and "." not in str(series["tag"])


def _filler() -> dict[str, object]:
    state = {"tag": "state", "kind": "state", "states": "packml"}
    counters = [{"tag": tag, "kind": "counter"} for tag in ("total", "good", "scrap")]
    oee = {"state": "state", "total": "total", "good": "good", "scrap": "scrap", "micro_stop_s": 120}
    charts = [
        {"tag": "fill", "kind": "xbar_s", "size": 50, "rules": ["nelson_1", "nelson_2", "we_2"], "lower_spec": 9.8,
         "upper_spec": 10.2},
        {"name": "fill-ewma", "tag": "fill", "kind": "ewma", "subgroup": "time", "every_s": 60.0},
        {"name": "rejects", "tag": "scrap", "inspected": "total", "kind": "p", "subgroup": "time", "every_s": 60.0},
    ]  # fmt: skip
    return _template("filler", [state, *counters, {"tag": "fill"}], oee=oee, chart=charts)


def _cnc() -> dict[str, object]:
    state = {"tag": "state", "kind": "state", "states": "packml"}
    counters = [{"tag": tag, "kind": "counter"} for tag in ("total", "good")]
    charts = [
        {"tag": "bore", "kind": "imr", "subgroup": "time", "every_s": 10.0},
        {"name": "bore-cusum", "tag": "bore", "kind": "cusum", "subgroup": "time", "every_s": 10.0},
    ]
    oee, running = {"state": "state", "total": "total", "good": "good"}, {"state": "state", "cycles": "total"}
    return _template("cnc", [state, *counters, {"tag": "bore"}], oee=oee, chart=charts, running=running)


def _room() -> dict[str, object]:
    series = [{"tag": tag, "unit": "Cel"} for tag in ("air", "back", "vial")]
    series += [{"tag": "humidity", "unit": "%"}, {"tag": "door", "kind": "boolean"}]
    chain = {
        "temperature": "air", "probes": ["back"], "product_probe": "vial", "door": "door", "humidity": "humidity",
        "product": "Vaccine A", "who": ["heat8", "freeze"],
    }  # fmt: skip
    return _template("room", series, cold_chain=chain)


def _steriliser() -> dict[str, object]:
    series: list[dict[str, object]] = [{"tag": "phase", "kind": "state", "states": PHASES}]
    series += [{"tag": tag, "unit": "Cel"} for tag in ("drain", "load1", "load2", "load3")]
    series += [{"tag": "pressure", "unit": "kPa"}]
    program = {"name": "porous-121", "version": "1", "temperature": 121.0, "hold_s": 900, "pulses": 3, "f0_min": 15.0}
    named = {"phase": "phase", "reference": "drain", "probes": ["load1", "load2", "load3"], "pressure": "pressure"}
    return _template("steriliser", series, sterilisation={**named, "program": [program]})


def _pump() -> dict[str, object]:
    series: list[dict[str, object]] = [{"tag": "state", "kind": "state", "states": "packml"}]
    series += [{"tag": "strokes", "kind": "counter"}, {"tag": "vibration", "unit": "mm/s"}]
    series += [{"tag": "wave", "kind": "waveform", "unit": "m/s2"}]
    series += [{"tag": f"wave.{name}", "unit": unit} for name, unit in (("velocity", "mm/s"), ("bpfo", "m/s2"))]
    wave = {"tag": "wave", "envelope_hz": [2000.0, 4000.0], "rpm": 1480.0, "bearing": "b6205"}
    mode = {"id": "wear", "tag": "vibration", "zone": "C", "hours": 8000.0, "inspect_d": 90.0, "pf_d": 60.0}
    health = [{"tag": "vibration", "zones": "iso20816-3.group2.rigid"}]
    running = {"state": "state", "cycles": "strokes"}
    return _template("pump", series, vibration=[wave], health=health, running=running, failure_mode=[mode])


class Readings10Hz:
    """What all series send, a pane of 10 s at a time; columns of n = series x 100 rows in order of time."""

    def __init__(self, model: PlantModel) -> None:
        self.paths = [path for path, spec in model.series.items() if _sends({"tag": path[1], "kind": spec.kind})]
        self._rng = np.random.default_rng(7)
        self._noise = self._rng.normal(0.0, 1.0, (STEPS, len(self.paths)))
        self.series: I32 = np.tile(np.arange(len(self.paths), dtype=np.int32), STEPS)
        self.status: U8 = np.zeros(len(self.series), np.uint8)
        kinds = [model.series[path].kind for path in self.paths]
        self._number = np.array([kind in ("number", "counter") for kind in kinds])
        self._of = {tag: [at for at, path in enumerate(self.paths) if path[1] == tag] for _, tag in self.paths}

    def pane(self, begin_ns: int, number: int) -> tuple[I64, F64]:
        """(time_ns, value) of the pane that begins at begin_ns and is the number-th."""
        at_s = number * PANE_S + np.arange(STEPS) / HZ
        value = np.roll(self._noise, number, axis=1) * 0.02 * self._number
        for tags, make in LEVELS:
            for tag in tags:
                places = self._of.get(tag, [])
                value[:, places] += make(at_s, np.arange(len(places)))
        time_ns = begin_ns + np.repeat(np.arange(STEPS) * STEP_NS, len(self.paths))
        whole = [at for tag in ("total", "good", "scrap", "strokes") for at in self._of.get(tag, [])]
        value[:, whole] = np.floor(value[:, whole])
        return time_ns, value.ravel()


def _state(at_s: F64, asset: I64) -> F64:
    """Execute, with a stop of 30 s every 5 min, at another time of each asset."""
    return np.where((at_s[:, None] + 7.0 * asset) % 300.0 < 30.0, float(HELD), float(EXECUTE))


def _temperature(at_s: F64, asset: I64) -> F64:
    """5 Cel; a tenth of the rooms warms to 9 Cel for 20 min of each hour."""
    out = (asset % 10 == 0) & ((at_s[:, None] + 300.0) % 3600.0 < 1200.0)
    return np.where(out, 9.0, 5.0)


def _phase(at_s: F64, asset: I64) -> F64:
    """A cycle of 40 min, each steriliser at another place of it."""
    into_s = (at_s[:, None] + 60.0 * asset) % 2400.0
    return np.searchsorted((180.0, 480.0, 780.0, 1700.0, 1860.0), into_s, side="right").astype(np.float64)


def _chamber(at_s: F64, asset: I64) -> F64:
    phase = _phase(at_s, asset)
    return np.where(phase == 3.0, 122.0, np.where(phase == 2.0, 110.0, 60.0))


def _pressure(at_s: F64, asset: I64) -> F64:
    phase, into_s = _phase(at_s, asset), at_s[:, None]
    pulses = np.where(into_s % 100.0 < 50.0, 10.0, 120.0)
    return np.where(phase == 3.0, 211.4, np.where(phase == 1.0, pulses, 101.3))


def _counts(a_second: float) -> Callable[[F64, I64], F64]:
    return lambda at_s, _asset: np.floor(at_s * a_second)[:, None] + 0.5


def _level(value: float) -> Callable[[F64, I64], Any]:
    return lambda _at_s, _asset: value


LEVELS: tuple[tuple[tuple[str, ...], Callable[[F64, I64], Any]], ...] = (
    (("state",), _state), (("total", "strokes"), _counts(8.0)), (("good",), _counts(7.8)), (("scrap",), _counts(0.2)),
    (("fill", "bore"), _level(10.0)), (("air", "back", "vial"), _temperature), (("humidity",), _level(55.0)),
    (("phase",), _phase), (("drain", "load1", "load2", "load3"), _chamber), (("pressure",), _pressure),
    (("vibration",), _level(2.0)),
)  # fmt: skip

"""A plant over one early shift through the real engine: a filler with a chart, a steriliser, a store and a truck."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import orjson

from andon.config.models import Plant
from andon.plant import PlantModel
from tests.engine_world import S, body, tick
from tests.evidence_world import EvidenceWorld
from tests.sterilisation_world import cycle

SHIFT_NS = int(datetime(2026, 3, 30, 4, tzinfo=UTC).timestamp()) * S  # 06:00 in Berlin
HOUR = 3600
STEP_S = 20
FILLER, STERILISER, STORE, TRUCK = "filling/line1/filler", "sterile/autoclave", "cold/store", "transport/truck"
CODES = {"Execute": 6, "Held": 11, "Suspended": 5, "Idle": 4}
STATES = [
    (0, "Idle"), (600, "Execute"), (5000, "Held"), (5060, "Execute"), (9000, "Held"), (10200, "Execute"),
    (14000, "Suspended"), (14900, "Execute"), (20000, "Idle"), (20600, "Execute"),
]  # fmt: skip


def report_plant(**more: object) -> PlantModel:
    """Its shifts are of Berlin; the product has a profile with a budget."""
    number = {"every_s": STEP_S}
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "e"},
        "site": {"id": "s1", "name": "Werk 1", "timezone": "Europe/Berlin"},
        "windows": {"pane_s": 5.0, "sizes_s": [60.0], "hopping_s": [], "figures_s": 1800.0},
        "time": {"lateness_s": 5.0, "idle_s": 60.0, "correct_for_h": 100.0},
        "shift": [{"name": "early", "begins": "06:00", "ends": "14:00",
                   "breaks": [{"begins": "09:00", "minutes": 15}]},
                  {"name": "late", "begins": "14:00", "ends": "22:00"}],
        "product": [{"name": "VIAL-10", "source": "stability report SR-7", "version": "2", "storage": "controlled_cold",
                     "tor_h": 4.0, "life_h": 17520.0}],
        "template": [
            {"name": "filler", "series": [
                {"tag": "state", "kind": "state", "states": "packml", **number},
                {"tag": "total", "kind": "counter", **number}, {"tag": "good", "kind": "counter", **number},
                {"tag": "weight", "unit": "g", **number},
             ],
             "oee": {"state": "state", "total": "total", "good": "good", "micro_stop_s": 120.0},
             "chart": [{"tag": "weight", "kind": "imr", "phase_one": 25, "rules": ["nelson_1", "nelson_2"],
                        "lower_spec": 9.5, "upper_spec": 10.5}]},
            {"name": "autoclave", "series": [
                {"tag": "phase", "kind": "state", "every_s": 2, "states":
                 ["idle", "vacuum", "heating", "sterilising", "exhaust", "drying", "leak_test", "aborted"]},
                *({"tag": tag, "unit": "Cel", "every_s": 2, "range": [0, 150]} for tag in ("drain", "p1", "p2")),
                {"tag": "pressure", "unit": "kPa", "every_s": 2, "range": [0, 400]},
             ],
             "sterilisation": {
                 "phase": "phase", "reference": "drain", "probes": ["p1", "p2"], "pressure": "pressure",
                 "longest_h": 1.0,
                 "program": [{"name": "porous-121", "version": "3", "hold_s": 60.0, "f0_min": 1.0}],
             }},
            *({"name": name, "series": [{"tag": "air", "unit": "Cel", "range": [-30, 60], **number}],
               "cold_chain": {"temperature": "air"}} for name in ("store", "truck")),
        ],
        "asset": [
            {"path": FILLER, "template": "filler", "name": "Filler 1"},
            {"path": STERILISER, "template": "autoclave", "name": "Autoclave 1"},
            {"path": STORE, "template": "store", "name": "Cold store"},
            {"path": TRUCK, "template": "truck", "name": "Truck 12"},
        ],
        "cycle": [{"asset": FILLER, "seconds": 1.0}],
        "rule": [{"id": "warm", "on": "cold/*/air", "above": 8.0, "delay_s": 60.0, "raises": "quality_event"}],
        "route": [{"raises": "quality_event"}],
        "erp": {"url": "http://127.0.0.1:9/andon"},
        "calibration": [{"asset": STORE, "tag": "air", "certificate": "CERT-118", "at": "2026-01-10",
                         "due": "2027-01-10", "error": 0.02, "uncertainty": 0.1, "mpe": 0.5}],
        **more,
    }))  # fmt: skip


def store_c(at: float) -> float:
    """5 Cel, and 11 Cel from 2:00 to 2:40 of the shift."""
    return 11.0 if 2 * HOUR <= at < 2 * HOUR + 2400 else 5.0 + 0.2 * (at // STEP_S % 3)


def events() -> list[tuple[int, str, str, dict[str, object]]]:
    """(s into the shift, asset, event, data)."""
    made = {"order": "WO-7", "product": "VIAL-10", "lot": "L2601"}
    stay = {"lot": "L2601", "product": "VIAL-10"}
    return [
        (0, FILLER, "order.started", made), (9030, FILLER, "stop.reason", {"reason": "needle blocked"}),
        (600, STERILISER, "load.started",
         {"cycle": "C-41", "load": "LD-1", "program": "porous-121", "version": "3", "lot": "L2601"}),
        (HOUR, STORE, "lot.started", stay), (5 * HOUR, STORE, "lot.ended", {"lot": "L2601"}),
        (5 * HOUR + 600, TRUCK, "lot.started", stay), (7 * HOUR, TRUCK, "lot.ended", {"lot": "L2601"}),
        (8 * HOUR, FILLER, "order.ended", {"order": "WO-7"}),
    ]  # fmt: skip


def log(hours: float = 8.5) -> list[tuple[int, bytes]]:
    """(received_ns, body) in order of time."""
    rows: list[tuple[int, bytes]] = []
    made, noise = 0, np.random.default_rng(7).normal(0.0, 0.04, round(hours * HOUR) // STEP_S + 1)
    for at in range(0, round(hours * HOUR), STEP_S):
        now_ns = SHIFT_NS + at * S
        name = [state for since, state in STATES if since <= at][-1]
        made += 18 if name == "Execute" else 0
        weight = 10.0 + noise[at // STEP_S] + (0.4 if 26000 <= at < 26060 else 0.0)
        for asset, tag, value in (
            (FILLER, "state", CODES[name]), (FILLER, "total", made), (FILLER, "good", made - made // 50),
            (FILLER, "weight", weight), (STORE, "air", store_c(at)), (TRUCK, "air", 6.0 + 0.1 * (at // STEP_S % 4)),
        ):  # fmt: skip
            rows.append((now_ns + S, body(now_ns, asset, tag, float(value))))
        rows.append((now_ns + 2 * S, tick(now_ns + 2 * S)))
    for tag, points in cycle(step=2).items():
        names = ["idle", "vacuum", "heating", "sterilising", "exhaust", "drying"]
        for at, value, *_ in points:
            now_ns = SHIFT_NS + (700 + at) * S
            told = names.index(value) if isinstance(value, str) else value
            rows.append((now_ns + S, body(now_ns, STERILISER, tag, told)))
    for at, asset, event, data in events():
        now_ns = SHIFT_NS + at * S
        rows.append((now_ns + S, orjson.dumps({"ts": now_ns // 10**6, "asset": asset, "event": event, "data": data})))
    return sorted(rows, key=lambda row: row[0])


class ReportWorld(EvidenceWorld):
    """The plant with its whole shift taken in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, report_plant())
        self.run(log(), cut=500)
        self.clock.time_ns = SHIFT_NS + 9 * HOUR * S

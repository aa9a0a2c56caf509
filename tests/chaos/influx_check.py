"""What stands in InfluxDB, point by point against the undisturbed run's history and its alarms.

Asked in InfluxQL and put together here from the tags, without the code that wrote it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Hashable, Mapping
from contextlib import closing
from typing import Any

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.figures import KINDS
from andon.plant import PlantModel
from andon.records import Records
from service.servers import Influxd
from sinks.influx.schema import tags_of
from tests.chaos.compare import Verdict

WINDOW = ("count", "min", "max", "mean", "std", "first", "last", "revision")
OF, WINDOWS = "from {} t join series s on s.id = t.series", '"window"'
LEDGER = ("received", "counted", "late", "duplicate", "bad", "dead", "conflict")


def points(influxd: Influxd, bucket: str, measurement: str) -> list[dict[str, Any]]:
    """All points of a measurement, tags and fields by name, time in ns; none where nothing was written."""
    with influxd.client() as client:
        asked = {"db": bucket, "epoch": "ns", "q": f'select * from "{measurement}"'}
        answer = client.get("/query", params=asked, timeout=120.0).raise_for_status().json()
    found = []
    for series in answer["results"][0].get("series", []):
        found += [dict(zip(series["columns"], row, strict=True)) for row in series["values"]]
    return found


def compare_influx(
    influxd: Influxd, bucket: str, reference: DataFolder, data: DataFolder, plant: PlantModel
) -> Verdict:
    """The verdict of one bucket."""
    verdict = Verdict()
    wanted = _wanted(reference, plant)
    for name, rows in _found(influxd, bucket).items():
        # A field that a later revision leaves out keeps its earlier value there: only what is known is compared.
        expected = wanted[name]
        known = {key: _like(values, expected.get(key, {})) for key, values in rows.items()}
        verdict.rows(f"InfluxDB {name}", {key: _told(row) for key, row in expected.items()}, known)
    site = plant.config.site.id
    with Records(data.records_db, site, SystemClock()) as records:
        transitions: dict[Hashable, Hashable] = {
            (one.key, step.seq): step.kind
            for one in records.alarms(limit=10**9)
            for step in records.transitions(one.key)
            if not one.asset.startswith("andon")
        }
    told = points(influxd, bucket, "alarm")
    counts: dict[Hashable, Hashable] = {
        (key, at): kind
        for key in {one["key"] for one in told if not one["asset"].startswith("andon")}
        for at, kind in enumerate(
            (one["transition"] for one in sorted(told, key=lambda one: one["time"]) if one["key"] == key), 1
        )
    }
    verdict.rows("InfluxDB alarm transitions", transitions, counts)
    return verdict


def _found(influxd: Influxd, bucket: str) -> dict[str, dict[Hashable, dict[str, Any]]]:
    return {
        "windows": {(one["asset"], one["series"], one["size"], one["time"]): one
                    for one in points(influxd, bucket, "window")},
        "figures": {(kind, one["asset"], one.get("series") or "-", one["time"]): one
                    for kind in KINDS for one in points(influxd, bucket, kind)},
        "states": {(one["asset"], one["series"], one["time"]): one for one in points(influxd, bucket, "state")},
        "ledger": {(one["asset"], one["series"], one["time"]): one for one in points(influxd, bucket, "ledger")},
    }  # fmt: skip


def _wanted(reference: DataFolder, plant: PlantModel) -> dict[str, dict[Hashable, dict[str, Any]]]:
    rows: dict[str, dict[Hashable, dict[str, Any]]] = {name: {} for name in ("windows", "figures", "states", "ledger")}
    for shard in range(plant.config.transport.shards):
        with closing(sqlite3.connect(reference.history_db(shard))) as db:
            columns = "count, minimum, maximum, mean, std, first, last, revision, score"
            query = f"select asset, tag, size_ns, start_ns, {columns} {OF.format(WINDOWS)}"
            for asset, tag, size_ns, start_ns, *values in db.execute(query):
                unit = plant.series[asset, tag].unit
                row = dict(zip((*WINDOW, "score"), values, strict=True)) | {"unit": unit or "-"}
                rows["windows"][asset, tag, f"{size_ns // 10**9}s", start_ns] = row
            for kind, asset, tag, start_ns, revision, final, parts in db.execute(
                "select kind, asset, tag, start_ns, revision, final, parts from figure"
            ):
                told = {**json.loads(parts), "revision": revision, "final": final}
                series = tag if "series" in tags_of(kind) else "-"
                rows["figures"][kind, asset, series, start_ns] = told
            for asset, tag, time_ns, value in db.execute(
                f"select asset, tag, time_ns, value {OF.format('state_change')}"
            ):
                rows["states"][asset, tag, time_ns] = {"value": value}
            for asset, tag, hour_ns, *counts in db.execute(
                f"select asset, tag, hour_ns, {', '.join(LEDGER)} {OF.format('ledger')}"
            ):
                key = (asset or "-", tag or "-", hour_ns)
                before = rows["ledger"].get(key, dict.fromkeys(LEDGER, 0))
                rows["ledger"][key] = {name: before[name] + count for name, count in zip(LEDGER, counts, strict=True)}
    return rows


def _told(row: Mapping[str, Any]) -> str:
    return repr({name: _plain(value) for name, value in sorted(row.items()) if value is not None})


def _like(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What was found of the fields that are wanted."""
    return _told({name: found.get(name) for name, value in wanted.items() if value is not None} or found)


def _plain(value: object) -> object:
    return float(value) if isinstance(value, (int, float)) else value

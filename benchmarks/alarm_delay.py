"""How long an alarm takes from the log into the records while InfluxDB hangs, against while it serves.

    .venv/bin/python -m benchmarks.alarm_delay [--seconds 15] [--rounds 5] [--json FILE]

A worker and the sender to InfluxDB run over one data folder, as on a site. Ten times a second one of 100 readings
crosses its limit; the delay is from before the append to the queue until the record's own stamp. InfluxDB, behind a
proxy, serves and hangs by turns, so that both meet the same machine. Target: p99 while it hangs at most 1.1 times p99
while it serves. Absolute figures depend on the machine and its load.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.readings import NS_PER_MS
from andon.records import Records
from service.servers import Influxd
from sources.spool import Spool
from sources.ticks import tick_body
from tests.servers.toxiproxy import Toxiproxy

TARGET = 1.1
SERIES, STEP_S = 100, 0.1
WARM_S, SETTLE_S = 5.0, 2.0
TOKEN = "token-of-the-benchmark"
Sent = dict[tuple[str, int], int]  # (asset, start of the crossing in ns) -> when it was handed over, ns
CONFIG = """
schema = 1
[enterprise]
id = "bench"
[site]
id = "bench"
[influx]
url = "http://{influx}"
token_file = "token"
[[template]]
name = "machine"
series = [{{ tag = "value", unit = "Cel", range = [-50.0, 150.0] }}]
{assets}
[[rule]]
id = "hot"
on = "hall/*/value"
above = 24.0
"""


def feed(spool: Spool, seconds: float, step: int) -> tuple[Sent, int]:
    """Append for some seconds, from a step on; each series is back to normal in the step after its crossing."""
    sent: Sent = {}
    due, end = time.monotonic(), step + round(seconds / STEP_S)
    while step < end:
        now_ns = time.time_ns()
        ms = now_ns // NS_PER_MS
        rows = [
            {"ts": ms, "asset": asset_of(one), "tag": "value", "value": 30.0 if one == step % SERIES else 20.0}
            for one in range(SERIES)
        ]
        spool.append([*map(orjson.dumps, rows), *([tick_body(now_ns)] if step % 10 == 0 else [])])
        sent[asset_of(step % SERIES), ms * NS_PER_MS] = now_ns
        step += 1
        due += STEP_S
        time.sleep(max(0.0, due - time.monotonic()))
    return sent, step


def asset_of(number: int) -> str:
    """Path of an asset."""
    return f"hall/m{number:03}"


def delays_ms(sent: Sent, recorded: dict[tuple[str, int], int]) -> list[float]:
    """Of each crossing; KeyError when one never became an alarm."""
    return [(recorded[crossing] - at) / NS_PER_MS for crossing, at in sent.items()]


def measure(folder: Path, seconds: float, rounds: int) -> dict[str, list[list[float]]]:
    """Delays in ms by what InfluxDB did and by turn."""
    influxd, toxiproxy = Influxd(folder / "influxd", token=TOKEN), Toxiproxy(folder / "toxiproxy")
    influxd.start()
    toxiproxy.start()
    proxy = toxiproxy.proxy("influx", influxd.address)
    assets = "\n".join(f'[[asset]]\npath = "{asset_of(one)}"\ntemplate = "machine"\nshard = 0' for one in range(SERIES))
    config = folder / "plant.toml"
    config.write_text(CONFIG.format(influx=proxy.address, assets=assets))
    (folder / "token").write_text(TOKEN)
    plant, data = load_plant(config), DataFolder(folder / "data")
    data.create(plant.config.site.id, plant.config.transport.shards)
    command = [sys.executable, "-m"], ["--config", config, "--data", data.path]
    parts = [
        subprocess.Popen([*command[0], module, *command[1]], stderr=subprocess.DEVNULL)
        for module in ("flows.plant", "service.influx_sender")
    ]
    sent: dict[str, list[Sent]] = {"serves": [], "hangs": []}
    try:
        with Spool(data.spool(0), 0, SystemClock()) as spool:
            _, step = feed(spool, WARM_S, 0)
            for _ in range(rounds):
                for name in ("serves", "hangs"):
                    if name == "hangs":
                        proxy.toxic("timeout", timeout=0)
                    _, step = feed(spool, SETTLE_S, step)
                    more, step = feed(spool, seconds, step)
                    sent[name].append(more)
                    proxy.clear()
            time.sleep(SETTLE_S)
    finally:
        for part in parts:
            part.terminate()
        for part in parts:
            part.wait(60)
        toxiproxy.stop()
        influxd.stop()
    with Records(data.records_db, plant.config.site.id, SystemClock()) as records:
        recorded = {(one.asset, one.start_ns): one.recorded_ns for one in records.alarms(limit=10**9)}
    return {name: [delays_ms(turn, recorded) for turn in turns] for name, turns in sent.items()}


def figures(delays: dict[str, list[list[float]]]) -> dict[str, float]:
    """p50 and p99 of each, ms: the median of the turns, since one stall of the disk is most of a p99. And the ratio."""
    told = {
        f"alarm_delay_{name}_p{share}_ms": round(float(np.median([np.percentile(turn, share) for turn in turns])), 1)
        for name, turns in delays.items()
        for share in (50, 99)
    }
    told["alarm_delay_ratio"] = round(told["alarm_delay_hangs_p99_ms"] / told["alarm_delay_serves_p99_ms"], 3)
    return told


def main() -> int:
    """Print the lines; exit status 1 when the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alarm_delay", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        delays = measure(Path(folder), given.seconds, given.rounds)
    told = figures(delays)
    for name, value in told.items():
        print(f"{name:32} {value:10.3f}")
    ok = told["alarm_delay_ratio"] <= TARGET
    counts = " + ".join(str(sum(map(len, turns))) for turns in delays.values())
    print(f"alarms {counts}, target ratio <= {TARGET}: {'met' if ok else 'missed'}")
    if given.json:
        given.json.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())

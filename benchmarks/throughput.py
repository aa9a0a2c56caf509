"""Workload W1 by Andon, by what no program can do without, and by its peers: CPU time in one run, with targets.

    .venv/bin/python benchmarks/throughput.py [--quick] [--no-broker] [--no-peers] [--only NAME ...] [--json FILE]
        [--write]

W1: 99-byte JSON readings, 1,000 series, 10,000 a second of event time, 1 % out of order by up to 5 s; tumbling windows
of 10 s and hopping windows of 60/5 s (count, min, max, mean, std), and a z-score of each reading against an
exponentially weighted mean. From a real broker, 6 partitions keyed by asset; Andon with recovery on (epochs of 1 s),
checks, ledger, journal and an alarm rule for each series. Each contender is a process of its own and they take turns;
the best of `--repeat` runs counts. benchmarks/README.md says how each is configured. Exit status 1 when a target is
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))  # run as a script, by its path
from benchmarks.catalogue import ENTRIES, NO_BROKER, Entry, lane_of
from benchmarks.lane import Lane, LaneError, Sample, per_million_s
from benchmarks.origin import origin
from benchmarks.parts import PARTS
from benchmarks.report import FIGURES, as_text, costs, plot, ratios, shares, table, verdicts
from benchmarks.workload import IN_MEMORY
from benchmarks.world import World, filled

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULT = ROOT / "docs" / "results" / "bench.json"
PAGE = ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "images" / "bench.svg"
BEGIN, END = "<!-- begin of the table, written by make bench -->\n", "<!-- end of the table -->\n"
VERSIONED = ("bytewax", "confluent-kafka", "numba", "numpy", "orjson", "river")
NO_PEERS = "peers left out of this run"
START = "start_up"  # seconds, not seconds per million
Absent = dict[str, str]


def contenders(options: argparse.Namespace, world: World, absent: Absent) -> list[tuple[Entry, Lane]]:
    """Those that can be measured; the reasons of the others go into `absent`."""
    those = []
    for entry in ENTRIES:
        if options.only and entry.name not in options.only:
            continue
        if entry.kind == "peer" and options.no_peers:
            absent[entry.name] = NO_PEERS
            continue
        try:
            those.append((entry, lane_of(entry, world)))
        except LaneError as error:
            absent[entry.name] = str(error)
    return those


def in_turns(those: Sequence[tuple[Entry, Lane]], repeat: int, absent: Absent) -> dict[str, list[Sample]]:
    """`repeat` rounds, a run of each contender in every one."""
    samples: dict[str, list[Sample]] = {}
    try:
        for number in range(repeat):
            for entry, lane in those:
                if entry.name in absent:
                    continue
                try:
                    sample = lane.run()
                except LaneError as error:
                    absent[entry.name] = str(error)
                    samples.pop(entry.name, None)
                    continue
                samples.setdefault(entry.name, []).append(sample)
                cost = sample.cpu_s / sample.events * 1e6
                print(f"{number + 1}/{repeat} {entry.name:28s} {cost:9.3f} CPU-s per million", flush=True)
    finally:
        for _, lane in those:
            lane.close()
    return samples


def told(those: Sequence[tuple[Entry, Lane]], samples: Mapping[str, list[Sample]]) -> dict[str, dict[str, Any]]:
    """Each contender's part of the result."""
    return {
        entry.name: {
            "kind": entry.kind,
            "scope": entry.scope,
            "cpu_s_per_million": round(per_million_s(samples[entry.name]), 5),
            "runs": [round(one.cpu_s / one.events * 1e6, 5) for one in samples[entry.name]],
            "events_per_run": samples[entry.name][0].events,
            "wall_events_per_s": round(max(one.events / one.wall_s for one in samples[entry.name])),
            "rss_mb": round(max(one.rss_mb for one in samples[entry.name])),
            "start_cpu_s": round(lane.start_cpu_s, 2),
        }
        for entry, lane in those if entry.name in samples and entry.name != START
    }  # fmt: skip


def parts(options: argparse.Namespace, absent: Absent) -> tuple[dict[str, float], dict[str, float]]:
    """Ratios and figures of the scripts that stand alone."""
    found: tuple[dict[str, float], dict[str, float]] = {}, {}
    for part in PARTS:
        if options.only and part.name not in options.only:
            continue
        if options.no_broker and part.broker:
            absent[part.name] = NO_BROKER
            continue
        try:
            told = part.run(quick=options.quick)
        except LaneError as error:
            absent[part.name] = str(error)
            continue
        found[0].update(told.get("ratios", {}))
        found[1].update(told.get("figures", {}))
    return found


def broken(absent: Absent) -> list[str]:
    """What should have been measured and was not, with its reason; a peer may be absent."""
    peers = {entry.name for entry in ENTRIES if entry.kind == "peer"}
    return [
        f"{name}: {why}" for name, why in absent.items() if name not in peers and why not in (NO_BROKER, NO_PEERS)
    ]  # fmt: skip


def result_of(
    options: argparse.Namespace, measured: Mapping[str, Mapping[str, Any]], from_parts: tuple[Any, Any],
    absent: Absent, seconds: float, load: tuple[float, float],
) -> dict[str, Any]:  # fmt: skip
    """Everything that is written."""
    cost = {name: one["cpu_s_per_million"] for name, one in measured.items()}
    every = ratios(cost, from_parts[0])
    told = {name: from_parts[1].get(name) for name in FIGURES} | from_parts[1]
    told |= {f"share_{name}": round(value, 3) for name, value in shares(cost).items()}
    told |= costs(cost)
    figures = {name: value for name, value in told.items() if value is None or isinstance(value, (int, float))}
    return {
        "schema": 1,
        "suite": "bench",
        **origin(seconds, load),
        "versions": {name: metadata.version(name) for name in VERSIONED},
        "workload": {"events": options.events, "peer_events": options.peer_events, "repeat": options.repeat},
        "contenders": dict(measured),
        "ratios": {name: None if value is None else float(f"{value:.4g}") for name, value in every.items()},
        "figures": figures,
        "details": {name: value for name, value in told.items() if name not in figures},
        "absent": absent,
    }  # fmt: skip


def on_page(result: Mapping[str, Any]) -> str:
    """The part of docs/benchmarks.md that a run writes."""
    host, work = result["host"], result["workload"]
    told = (
        f"{result['date']}, commit `{result['commit'][:12]}`, {host['cpus']} CPUs, load {host['load_before']:g} before "
        f"and {host['load_after']:g} after, {work['events']:,} readings, {work['repeat']} rounds, "
        f"{result['seconds']} s. Every single run and the versions: [results/bench.json](results/bench.json).\n\n"
    )
    picture = "\n![CPU seconds per million readings, logarithmic](images/bench.svg)\n"
    return BEGIN + told + table(result) + picture + END


def write(result: Mapping[str, Any]) -> None:
    """Into docs: the result, its table, its plot."""
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + on_page(result) + after)
    plot(result, PLOT)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=2_000_000, help="readings in the topic")
    parser.add_argument("--peer-events", type=int, default=100_000, help="for Bytewax, Quix and Pathway")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer readings, no peers: a minute or two")
    parser.add_argument("--no-broker", action="store_true", help="leave out what needs Kafka (`make servers`)")
    parser.add_argument("--no-peers", action="store_true", help="leave out the peers (`scripts/bench/peers.sh`)")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these contenders and parts")
    parser.add_argument("--json", type=Path, help="where the result goes")
    parser.add_argument("--write", action="store_true", help="result, table and plot into docs")
    options = parser.parse_args()
    if options.quick:
        options.events, options.no_peers = min(options.events, 600_000), True
    return options


def main() -> int:
    """Measure, print, write."""
    options = arguments()
    began, load = time.monotonic(), os.getloadavg()[0]
    absent: Absent = {}
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder, filled(
        Path(folder), options.events, 0 if options.no_peers else options.peer_events, with_broker=not options.no_broker
    ) as world:  # fmt: skip
        those = contenders(options, world, absent)
        samples = in_turns(those, options.repeat, absent)
    measured = told(those, samples)
    from_parts = parts(options, absent)
    if START in samples:
        from_parts[1]["start_up_cpu_s"] = round(min(one.cpu_s for one in samples[START]), 2)
    seconds = time.monotonic() - began
    result = result_of(options, measured, from_parts, absent, seconds, (load, os.getloadavg()[0]))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.write:
        write(result)
    print(table(result))
    told_off = verdicts({**result["ratios"], **result["figures"]})
    print("\n".join(as_text(one) for one in told_off))
    told_shares = ", ".join(
        f"{name.removeprefix('share_')} {value:.0%}"
        for name, value in result["figures"].items()
        if name.startswith("share_")
    )
    print(f"of the whole flow's cost: {told_shares or 'not measured'}")
    print(f"{seconds:.0f} s, load {load:.1f} before and {os.getloadavg()[0]:.1f} after")
    faults = broken(absent)
    for fault in faults:
        print(f"could not be measured: {fault}")
    return 1 if faults or any(one.met is False for one in told_off) else 0


if __name__ == "__main__":
    raise SystemExit(main())

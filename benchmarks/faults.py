"""How well, how soon and at what price in false alarms simulated faults are found.

    .venv/bin/python -m benchmarks.faults [--quick] [--seeds N] [--days D ...] [--skab FILE] [--json FILE] [--write]

Faults and severities: simulators/faults.py. What watches what: benchmarks/fault_panels.py. A fault is found by the
first alarm from its start to its end plus the grace of the menu; the delay counts from its start. False alarms are
those of records without a fault, behind the first 21 days (7 of the water loop), in which detectors learn. The seeds
reported are not those anything was developed on (DEVELOPED). Exit status 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from andon.readings import F64
from benchmarks.fault_panels import CHANNELS, Panel, budget_days
from benchmarks.origin import origin
from detectors.settings import MODULES, fingerprint
from simulators import fault_plants as plants
from simulators.faults import FAULTS, inject

DOCS = Path(__file__).parent.parent / "docs"
RESULT, PLOT, PAGE = DOCS / "results" / "faults.json", DOCS / "images" / "faults.svg", DOCS / "detection.md"
BEGIN, END = "<!-- faults: begin -->\n\n", "<!-- faults: end -->\n"
SKAB = Path(__file__).parent.parent.parent / "shared" / "data" / "skab" / "anomaly-free" / "anomaly-free.csv"
DEVELOPED, REPORTED = 100, 70_000  # first seeds of either
LEARN_D = {"machine": 21.0, "cold_room": 21.0, "water_loop": 7.0, "steriliser": 21.0}
FAULT_D = {"machine": 9.0, "cold_room": 5.0, "water_loop": 1.0, "steriliser": 2.0}
ASSET_DAYS = {"machine": 720.0, "cold_room": 480.0, "water_loop": 180.0, "steriliser": 180.0}  # without a fault
QUIET_D = 60.0  # of a record without a fault, behind its learning
FOUND_LEAST, FALSE_MOST = 0.95, 1.0  # share of faults of the middle severity; alarms an asset and 30 days
Row = dict[str, Any]


def residuals(path: Path) -> F64 | None:
    """Flow, pressure and current of SKAB's run without anomalies, less the mean of 301 rows; None: no file."""
    if not path.exists():
        return None
    value = np.genfromtxt(path, delimiter=";", skip_header=1, usecols=(8, 4, 3))
    wide = np.ones(301) / 301
    level = [np.convolve(np.pad(one, 150, mode="edge"), wide, "valid") for one in value.T]
    return np.asarray(value - np.stack(level, axis=1), np.float64)


def record(kind: str, seed: int, days: float, noise: F64 | None) -> plants.Record:
    """A record without a fault."""
    if kind == "water_loop":
        return plants.water_loop(seed, days, noise)
    return {"machine": plants.machine, "cold_room": plants.cold_room, "steriliser": plants.steriliser}[kind](seed, days)


def delays(
    kind: str, seed: int, noise: F64 | None, days: float, *, per_asset: bool
) -> Iterator[tuple[str, int, dict[str, float]]]:
    """(fault, place of its severity, delay by channel in minutes, NaN where it is missed) of one seed of a kind."""
    clean = record(kind, seed, LEARN_D[kind] + FAULT_D[kind], noise)
    per_day = 86_400 // clean.interval_s
    rng = np.random.default_rng([seed, 9])
    start = round(LEARN_D[kind] * per_day)
    learned = Panel(budget_days(clean, days, per_asset=per_asset))
    learned.judge(_until(clean, start))
    for name, told in FAULTS.items():
        if told.kind != kind:
            continue
        at = start + int(rng.integers(0, per_day // 2))
        for place, severity in enumerate(told.severities):
            faulty, label = inject(clean, name, severity, at)
            until = label.end + told.grace_min * 60 // clean.interval_s
            alarms = copy.deepcopy(learned).judge(_until(faulty, until), start)
            found = {}
            for channel, rows in alarms.items():
                hits = rows[(rows >= label.start) & (rows < until)]
                found[channel] = float(hits[0] - label.start) * clean.interval_s / 60.0 if len(hits) else float("nan")
            told_at = [delay for delay in found.values() if not np.isnan(delay)]
            found["any"] = min(told_at, default=float("nan"))
            yield name, place, found


def _until(whole: plants.Record, row: int) -> plants.Record:
    values = {tag: value[:row] for tag, value in whole.values.items()}
    return plants.Record(whole.kind, whole.seed, whole.days, whole.interval_s, values, whole.context[:row])


def detected(seeds: Sequence[int], noise: F64 | None, days: float, *, per_asset: bool) -> list[Row]:
    """A row for each fault, severity and channel."""
    all_of: dict[tuple[str, int, str], list[float]] = {}
    for kind in LEARN_D:
        for seed in seeds:
            for name, place, found in delays(kind, seed, noise, days, per_asset=per_asset):
                for channel, delay in found.items():
                    all_of.setdefault((name, place, channel), []).append(delay)
    rows = []
    for name, told in FAULTS.items():
        for place, severity in enumerate(told.severities):
            for channel in (*CHANNELS, "any"):
                own = np.array(all_of[name, place, channel])
                hit = own[np.isfinite(own)]
                rows.append({
                    "fault": name, "severity": severity, "goal": place == 1, "channel": channel, "runs": len(own),
                    "found": round(len(hit) / len(own), 4),
                    "delay_min": round(float(np.median(hit)), 2) if len(hit) else None,
                    "delay_90_min": round(float(np.quantile(hit, 0.9)), 2) if len(hit) else None,
                })  # fmt: skip
    return rows


def false_alarms(share: float, first: int, noise: F64 | None, days: float, *, per_asset: bool) -> dict[str, Row]:
    """Of each kind: asset-days, and alarms an asset and 30 days by channel and all together."""
    told: dict[str, Row] = {}
    for kind, wanted in ASSET_DAYS.items():
        count, assets = dict.fromkeys(CHANNELS, 0), max(1, round(wanted * share / QUIET_D))
        for seed in range(first, first + assets):
            one = record(kind, seed, LEARN_D[kind] + QUIET_D, noise)
            since = LEARN_D[kind] * 86_400 / one.interval_s
            alarms = Panel(budget_days(one, days, per_asset=per_asset)).judge(one)
            for channel, rows in alarms.items():
                count[channel] += int((rows >= since).sum())
        asset_days = assets * QUIET_D
        monthly = {channel: round(30.0 * number / asset_days, 3) for channel, number in count.items()}
        told[kind] = {"asset_days": asset_days, "monthly": {**monthly, "any": round(sum(monthly.values()), 3)}}
    whole = sum(one["asset_days"] for one in told.values())
    channels = (*CHANNELS, "any")
    told["all"] = {"asset_days": whole, "monthly": {
        channel: round(sum(one["monthly"][channel] * one["asset_days"] for one in told.values()) / whole, 3)
        for channel in channels
    }}  # fmt: skip
    return told


def missed(setting: Mapping[str, Any]) -> list[str]:
    """Targets that are missed, as sentences."""
    rows = [row for row in setting["faults"] if row["goal"] and row["channel"] == "any"]
    lines = [
        f"{row['fault']} {row['severity']:g}: {100 * row['found']:.0f} % found, target >= {100 * FOUND_LEAST:.0f} %"
        for row in rows
        if row["found"] < FOUND_LEAST
    ]
    monthly = setting["false"]["all"]["monthly"]["any"]
    return lines + ([f"{monthly:.2f} false alarms an asset-month, target <= 1"] if monthly > FALSE_MOST else [])


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as Markdown."""
    for setting in result["settings_tried"]:
        whole = setting["false"]
        yield f"`false_alarm_days` = {setting['days']:g} {'an asset' if setting['per_asset'] else 'a series'}:"
        yield ""
        yield "| fault | severity | " + " | ".join((*CHANNELS, "any")) + " | delay, min: median / 90 % | target |"
        yield "|---" * (4 + len(CHANNELS) + 1) + "|"
        for row in setting["faults"]:
            if row["channel"] != "any":
                continue
            own = [one["found"] for one in setting["faults"]
                   if (one["fault"], one["severity"]) == (row["fault"], row["severity"])]  # fmt: skip
            told = "-" if row["delay_min"] is None else f"{row['delay_min']:.4g} / {row['delay_90_min']:.4g}"
            verdict = ("met" if row["found"] >= FOUND_LEAST else "**missed**") if row["goal"] else ""
            cells = " | ".join(f"{100 * one:.0f}" for one in own)
            yield f"| {row['fault']} | {row['severity']:g} {FAULTS[row['fault']].unit} | {cells} | {told} | {verdict} |"
        yield ""
        yield "| false alarms an asset and 30 days | asset-days | " + " | ".join((*CHANNELS, "any")) + " |"
        yield "|---" * (3 + len(CHANNELS)) + "|"
        for kind, one in whole.items():
            yield (
                f"| {kind} | {one['asset_days']:g} | " + " | ".join(f"{n:.2f}" for n in one["monthly"].values()) + " |"
            )
        yield ""


def plot(result: Mapping[str, Any], path: Path) -> None:
    """A panel a fault: share found by severity, a line a channel, at the last setting tried."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    setting = result["settings_tried"][-1]
    figure, panels = plt.subplots(4, 6, figsize=(15, 10))
    for column, (name, told) in enumerate(FAULTS.items()):
        share, delay = panels[2 * (column // 6)][column % 6], panels[2 * (column // 6) + 1][column % 6]
        for channel in (*CHANNELS, "any"):
            own = [row for row in setting["faults"] if (row["fault"], row["channel"]) == (name, channel)]
            how = {"color": "#333", "lw": 2.0, "ls": ":"} if channel == "any" else {"lw": 1.2}
            share.plot(told.severities, [100 * row["found"] for row in own], marker="o", ms=3, label=channel, **how)
            delay.plot(told.severities, [_shown(row) for row in own], marker="o", ms=3, **how)
        share.set(title=name, ylim=(-4, 104), ylabel="found, %")
        delay.set(yscale="log", xlabel=told.unit.partition(",")[0].partition(":")[0][:28], ylabel="median delay, min")
        share.axvline(told.severities[1], color="#ccc", lw=0.8)
    panels[0][0].legend(frameon=False, fontsize=7)
    figure.tight_layout()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "andon"}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _shown(row: Row) -> float:
    """Median delay on a logarithmic axis, min: half a minute at least."""
    return float("nan") if row["delay_min"] is None else max(0.5, row["delay_min"])


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="five seeds, a tenth of the asset-days")
    parser.add_argument("--seeds", type=int, default=40, help="runs of each fault and severity")
    parser.add_argument("--days", type=float, nargs="+", default=[180.0], help="false_alarm_days of an asset to try")
    parser.add_argument("--develop", action="store_true", help="seeds that settings may be developed on")
    parser.add_argument("--skab", type=Path, default=SKAB, help="SKAB's anomaly-free.csv")
    parser.add_argument("--json", type=Path, help="where the result goes")
    parser.add_argument("--write", action="store_true", help="the result and its plot into docs")
    return parser.parse_known_args()[0]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All settings: the shipped default for each series, then those of an asset."""
    noise, first = residuals(options.skab), DEVELOPED if options.develop else REPORTED
    seeds, share = range(first, first + (5 if options.quick else options.seeds)), 0.1 if options.quick else 1.0
    tried = []
    for days, per_asset in [(7.0, False), *((days, True) for days in options.days)]:
        faults = detected(seeds, noise, days, per_asset=per_asset)
        quiet = false_alarms(share, first + 10_000, noise, days, per_asset=per_asset)
        tried.append({"days": days, "per_asset": per_asset, "faults": faults, "false": quiet})
    source = "autocorrelated, fitted parameters" if noise is None else "SKAB, anomaly-free run, blocks of 60 rows"
    return {"water_noise": source, "first_seed": first, "settings_tried": tried}


def main() -> int:
    """Measure, print, write."""
    options, began, load = arguments(), time.monotonic(), os.getloadavg()[0]
    told = measure(options)
    where = origin(time.monotonic() - began, (load, os.getloadavg()[0]))
    frozen = {name: fingerprint(name) for name in MODULES}
    result = {"schema": 1, "suite": "faults", **where, "settings": frozen, **told}
    text = "\n".join(lines(result))
    wrong = missed(told["settings_tried"][-1])
    print(text, *(f"MISSED {one}" for one in wrong), sep="\n")
    if not wrong:
        print("all targets met")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + text + "\n![faults](images/faults.svg)\n" + END + rest.partition(END)[2])
        plot(result, PLOT)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

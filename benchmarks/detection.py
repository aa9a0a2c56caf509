"""How well anomalies are found: recorded series of the field, one pass, one frozen setting for all of them.

    .venv/bin/python -m benchmarks.detection --nab DIR [--skab DIR] [--river] [--json result.json] [--write]

The folders hold the public sets (benchmarks/nab.py, benchmarks/skab.py say how). Every detector of single series stands
behind the same alarm manager with its shipped setting; `silent`, `random` and `always` show what the scores are worth.
Nothing is chosen on the labels but the columns named best, which are the benchmark's own way to report.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from andon.readings import F64
from benchmarks import nab, skab
from benchmarks.origin import origin
from benchmarks.report import COLOURS
from benchmarks.river_models import rivers
from detectors.alarm_manager import AlarmManager
from detectors.contract import Detector
from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector
from detectors.mewma import MewmaDetector
from detectors.settings import MODULES, fingerprint

RESULT = Path(__file__).parent.parent / "docs" / "results" / "detection.json"
PLOT = Path(__file__).parent.parent / "docs" / "images" / "detection.svg"
PAGE = Path(__file__).parent.parent / "docs" / "detection.md"
BEGIN, END = "<!-- measured: begin -->\n\n", "<!-- measured: end -->\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One detector on the series of NAB.

    frozen   : scores by profile of the alarms as shipped; low, high: the middle 80 % of the standard one over series.
    best     : scores by profile of those alarms whose score reaches the threshold that is best for it on the labels.
    recall   : share of labelled windows with an alarm; delay_s: from a window's begin to its first alarm, median,
               None where none is hit.
    false_per_day: episodes outside windows for each series and day. ns: CPU time of a reading.
    """

    frozen: Mapping[str, float]
    low: float
    high: float
    best: Mapping[str, float]
    recall: float
    delay_s: float | None
    false: int
    false_per_day: float
    ns: float


def ours() -> dict[str, Callable[[], Detector]]:
    """Andon's detectors of single series."""
    return {"ensemble (default)": partial(EnsembleDetector, 1), "ewma": partial(EwmaDetector, 1)}


def scores_of(make: Callable[[], Detector], corpus: Sequence[nab.LabelledSeries]) -> tuple[list[F64], float]:
    """Scores of each series by a detector of its own, and CPU time of a reading, ns."""
    make().score_many(np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1))  # compiled before it is timed
    began = time.process_time()
    scores = [make().score_many(np.zeros(len(one.value), np.int32), one.time_ns, one.value).score for one in corpus]
    return scores, (time.process_time() - began) / sum(len(one.value) for one in corpus) * 1e9


def alarms_of(corpus: Sequence[nab.LabelledSeries], scores: Sequence[F64]) -> list[F64]:
    """1 on the rows on which the alarm manager tells somebody, a column a series."""
    return [
        AlarmManager(1).step(np.zeros(len(score), np.int32), one.time_ns, score).astype(np.float64)
        for one, score in zip(corpus, scores, strict=True)
    ]


def judged(judge: nab.Judge, scores: Sequence[F64], ns: float) -> Row:
    """A detector's scores behind the alarm manager."""
    return _row(judge, alarms_of(judge.series, scores), scores, ns)


def _row(judge: nab.Judge, alarms: Sequence[F64], scores: Sequence[F64], ns: float) -> Row:
    found = judge.at(alarms)
    kept = [np.where(alarm > 0.0, np.nan_to_num(score), 0.0) for alarm, score in zip(alarms, scores, strict=True)]
    best = {profile: judge.best(kept, profile)[0] for profile in nab.PROFILES}
    low, high = judge.interval("standard", alarms)
    return Row(
        found.scores, low, high, best, found.recall, found.delay_s, found.false, found.false_per_day, ns
    )  # fmt: skip


def on_nab(folder: Path, *, river: bool) -> dict[str, Row]:
    """All rows of the table."""
    judge = nab.Judge(nab.load(folder))
    silent = [np.zeros(len(one.value)) for one in judge.series]
    rng = np.random.default_rng(1)
    chance = [-np.log10(rng.random(len(one.value))) for one in judge.series]
    always = [np.ones(len(one.value)) for one in judge.series]
    rows = {
        "silent": _row(judge, silent, silent, 0.0),
        "always": _row(judge, always, always, 0.0),
        "random": judged(judge, chance, 0.0),
    }
    for name, make in {**ours(), **(rivers() if river else {})}.items():
        rows[name] = judged(judge, *scores_of(make, judge.series))
        print(f"  {name}: {rows[name].frozen['standard']:.1f}", flush=True)
    return rows


def on_skab(folder: Path) -> dict[str, dict[str, Any]]:
    """F1, false and missed alarm rate by detector and group, and CPU time of a row, ns."""
    files = skab.load(folder)
    rng = np.random.default_rng(1)
    began = time.process_time()
    mewma = [MewmaDetector(one.values.shape[1]).score_many(one.time_ns, one.values).alarm for one in files]
    ns = (time.process_time() - began) / sum(len(one.anomaly) for one in files) * 1e9
    columns: dict[str, Sequence[Any]] = {
        "silent": [np.zeros(len(one.anomaly)) for one in files],
        "always": [np.ones(len(one.anomaly)) for one in files],
        "random": [rng.random(len(one.anomaly)) < 0.5 for one in files],
        "mewma (default)": mewma,
    }
    groups = [*dict.fromkeys(one.group for one in files)]
    rows = {}
    for name, alarms in columns.items():
        by_group = {}
        for group in [*groups, "all"]:
            own = [at for at, one in enumerate(files) if group in (one.group, "all")]
            by_group[group] = asdict(skab.rates([files[at] for at in own], [alarms[at] for at in own]))
        rows[name] = {"groups": by_group, "ns": ns if name.startswith("mewma") else 0.0}
    return rows


def lines(result: Mapping[str, Any]) -> Iterator[str]:
    """The result as Markdown."""
    if "nab" in result:
        yield (
            "| detector | standard / low FP / low FN | 80 % of standard | best threshold | recall | delay, h "
            "| false a day | us |"
        )
        yield "|---" * 8 + "|"
        for name, row in result["nab"].items():
            frozen, best = (" / ".join(f"{row[which][p]:.1f}" for p in nab.PROFILES) for which in ("frozen", "best"))
            yield (
                f"| {name} | {frozen} | {row['low']:.1f}..{row['high']:.1f} | {best} | {row['recall']:.2f} | "
                f"{_hours(row['delay_s'])} | {row['false_per_day']:.3f} | {row['ns'] / 1000:.2f} |"
            )
        yield ""
    if "skab" in result:
        groups = [*next(iter(result["skab"].values()))["groups"]]
        yield "| detector | " + " | ".join(f"{group}: F1 / FAR % / MAR %" for group in groups) + " |"
        yield "|---" * (1 + len(groups)) + "|"
        for name, row in result["skab"].items():
            cells = [
                f"{one['f1']:.3f} / {100 * one['false_alarm']:.1f} / {100 * one['missed_alarm']:.1f}"
                for one in row["groups"].values()
            ]
            yield f"| {name} | " + " | ".join(cells) + " |"


def _hours(delay_s: float | None) -> str:
    return "-" if delay_s is None else f"{delay_s / 3600:.1f}"


def plot(result: Mapping[str, Any], path: Path) -> None:
    """NAB's standard score of each detector as shipped, with its interval over series."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = sorted(
        ((name, row) for name, row in result["nab"].items() if name != "always"),
        key=lambda item: item[1]["frozen"]["standard"],
    )  # fmt: skip
    figure, axes = plt.subplots(figsize=(9, 0.36 * len(rows) + 1.2))
    value = np.array([row["frozen"]["standard"] for _, row in rows])
    low, high = (np.array([row[end] for _, row in rows]) for end in ("low", "high"))
    colours = {"river": COLOURS["peer"], "random": COLOURS["limit"], "silent": COLOURS["limit"]}
    colour = [colours.get(name.partition(" ")[0], COLOURS["ours"]) for name, _ in rows]
    axes.barh([name for name, _ in rows], value, color=colour)
    axes.errorbar(value, np.arange(len(rows)), xerr=[value - low, high - value], fmt="none", ecolor="#333", capsize=2)
    axes.set_xlabel("NAB standard score as shipped, with the middle 80 % over series; 0 silence, 100 perfect")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "andon"}):
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nab", type=Path, help="folder of the Numenta Anomaly Benchmark")
    parser.add_argument("--skab", type=Path, help="folder of the Skoltech Anomaly Benchmark")
    parser.add_argument("--river", action="store_true", help="river's detectors too: minutes")
    parser.add_argument("--json", type=Path, help="where the result goes")
    parser.add_argument("--write", action="store_true", help="the result and its plot into docs")
    options = parser.parse_args()
    if options.nab is None and options.skab is None:
        parser.error("neither --nab nor --skab: nothing to measure")
    return options


def main() -> int:
    """Measure, print, write."""
    options, began, load = arguments(), time.monotonic(), os.getloadavg()[0]
    measured: dict[str, Any] = {}
    if options.nab:
        measured["nab"] = {name: asdict(row) for name, row in on_nab(options.nab, river=options.river).items()}
    if options.skab:
        measured["skab"] = on_skab(options.skab)
    where = origin(time.monotonic() - began, (load, os.getloadavg()[0]))
    settings = {name: fingerprint(name) for name in MODULES}
    result = {"schema": 1, "suite": "detection", **where, "settings": settings, **measured}
    text = "\n".join(lines(result))
    print(text)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if options.write:
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + BEGIN + text + "\n\n![scores](images/detection.svg)\n" + END + rest.partition(END)[2])
        plot(result, PLOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())

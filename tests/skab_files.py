"""Recorded runs of the Skoltech Anomaly Benchmark, for tests of what a detector reaches on them.

They are no part of the project (GPL-3.0): looked for at ANDON_SKAB, else at ../shared/data/skab.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tests.tree import ROOT

FOLDER = Path(os.environ.get("ANDON_SKAB") or ROOT.parent / "shared" / "data" / "skab")
LABELS = ("anomaly", "changepoint")
REFERENCE_ROWS = 400
MISSING = f"no recorded runs at {FOLDER}; set ANDON_SKAB to a folder with valve1 and valve2 of SKAB"


@dataclass(frozen=True)
class Run:
    time_ns: np.ndarray
    values: np.ndarray  # float64[n, 8]
    anomaly: np.ndarray  # bool[n]
    channels: list[str]


@cache
def runs(group: str) -> list[Run]:
    return [_read(path) for path in sorted((FOLDER / group).glob("*.csv"))]


def _read(path: Path) -> Run:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    channels = [name for name in rows[0] if name not in ("datetime", *LABELS)]
    time_ns = np.array([row["datetime"] for row in rows], "datetime64[ns]").astype(np.int64)
    values = np.array([[float(row[name]) for name in channels] for row in rows])
    return Run(time_ns, values, np.array([float(row["anomaly"]) > 0 for row in rows]), channels)


def rates(alarms: list[np.ndarray], given: list[Run]) -> tuple[float, float, float]:
    """(F1, false alarms, missed ones in per cent) as SKAB counts: rows of all runs together, after the reference."""
    alarm = np.concatenate([one[REFERENCE_ROWS:] > 0 for one in alarms])
    truth = np.concatenate([one.anomaly[REFERENCE_ROWS:] for one in given])
    hit, false, missed = (alarm & truth).sum(), (alarm & ~truth).sum(), (~alarm & truth).sum()
    f1 = 2.0 * hit / (2.0 * hit + false + missed)
    return float(f1), float(100.0 * false / (~truth).sum()), float(100.0 * missed / truth.sum())

"""The Skoltech Anomaly Benchmark: a water circulation bench, eight sensors at 1 Hz, each row labelled.

Its files are no part of the project (GPL-3.0, public repository waico/SKAB): a folder with `valve1`, `valve2`, `other`
where there is one, or the repository's `data` with them. The first 400 rows of a file are the reference, the rest is
scored row by row, over all files of a group together: F1, false alarm rate and missed alarm rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from andon.readings import F64, I64, NS_PER_S

GROUPS = ("valve1", "valve2", "other")
REFERENCE = 400  # rows
LABELS = ("anomaly", "changepoint")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """One file: time_ns int64[n], values float64[n, channels], anomaly bool[n], names of the channels."""

    group: str
    name: str
    time_ns: I64
    values: F64
    anomaly: np.ndarray
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """Of rows: F1, and shares of false alarms among normal rows and of missed ones among abnormal."""

    f1: float
    false_alarm: float
    missed_alarm: float


def load(folder: Path, groups: Iterable[str] = GROUPS) -> list[LabelledRows]:
    """All files of the groups that are there, in the order of their numbers. FileNotFoundError where there is none."""
    data = folder if any((folder / group).is_dir() for group in GROUPS) else folder / "data"
    files = [
        path for group in groups for path in sorted((data / group).glob("*.csv"), key=lambda path: int(path.stem))
    ]  # fmt: skip
    if not files:
        raise FileNotFoundError(f"no files of {', '.join(groups)} in {folder}")
    return [_read(path) for path in files]


def _read(path: Path) -> LabelledRows:
    names = path.read_text().partition("\n")[0].strip().split(";")
    rows = np.genfromtxt(path, delimiter=";", skip_header=1, usecols=range(1, len(names)))
    times = np.genfromtxt(path, delimiter=";", skip_header=1, usecols=0, dtype="datetime64[s]")
    channels = [at for at, name in enumerate(names[1:]) if name not in LABELS]
    return LabelledRows(
        path.parent.name, path.name, times.astype(np.int64) * NS_PER_S, np.ascontiguousarray(rows[:, channels]),
        rows[:, names.index("anomaly") - 1] > 0.5, tuple(names[1 + at] for at in channels),
    )  # fmt: skip


def rates(files: Sequence[LabelledRows], alarms: Sequence[np.ndarray]) -> Rates:
    """Of alarms, a column of 0 and 1 (or bool) a file, behind each reference."""
    said = np.concatenate([np.asarray(alarm[REFERENCE:]) > 0.5 for alarm in alarms])
    true = np.concatenate([one.anomaly[REFERENCE:] for one in files])
    hits, wrong, missed = int((said & true).sum()), int((said & ~true).sum()), int((~said & true).sum())
    normal, abnormal = int((~true).sum()), int(true.sum())
    return Rates(2 * hits / max(2 * hits + wrong + missed, 1), wrong / max(normal, 1), missed / max(abnormal, 1))

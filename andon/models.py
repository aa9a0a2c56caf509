"""Which detector judges which series from when on, as a person decided it: a file that the flow reads.

The records are the truth: they say who decided it, why, and on what evaluation. The file is made from them. A message
is judged by what was in force when it was received, so a replay gives the same alarms.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from andon.datafolder import write_durably
from andon.errors import DataFolderError

LAYOUT: Final = 1
Role = Literal["champion", "challenger"]
Signal = Literal["input", "score", "alarm_rate"]


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A version of a model, as far as a flow needs to know it.

    model            : name and version, `ensemble:1`.
    detector         : as `detect` of a series names them.
    false_alarm_days : about one false alarm of a series in so many days.
    fingerprint      : of the detector's frozen setting (detectors/settings.py).
    """

    model: str
    detector: str
    false_alarm_days: float
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who judges a series from a receive time on.

    since_ns   : messages received at or after it, ns since 1970 by the machine's clock.
    champion   : its scores are told, None: what plant.toml says. challenger: scored in shadow, alarms are only counted.
    """

    since_ns: int
    asset: str
    tag: str
    champion: ModelUse | None
    challenger: ModelUse | None


@dataclass(frozen=True, slots=True)
class ModelAlarm:
    """An alarm of a model, told or in shadow; of a series and a model one a time.

    time_ns: event time of the row. score: at that row. component: what said it.
    """

    asset: str
    tag: str
    model: str
    role: Role
    time_ns: int
    score: float
    component: str


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """What a champion reads or says is no longer what it was in the reference week.

    signal: `input` in the unit of the series, `score`, or `alarm_rate`, the share of rows whose score reaches the alarm
    threshold. time_ns: end of the window of event time that told it. before: mean of the reference week; after: mean of
    the last day.
    """

    asset: str
    tag: str
    model: str
    signal: Signal
    time_ns: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class LearningTurn:
    """From the row of a series at time_ns on its detectors learn it, or not: a code of detectors/contract.py."""

    asset: str
    tag: str
    time_ns: int
    learn: int


def write_assignments(path: Path, assignments: Sequence[Assignment]) -> None:
    """Replace the file, whole or not at all."""
    content = {"layout": LAYOUT, "assignments": [asdict(one) for one in sorted(assignments, key=lambda a: a.since_ns)]}
    write_durably(path, json.dumps(content, indent=1).encode() + b"\n")


def read_assignments(path: Path) -> list[Assignment]:
    """What the file says, the oldest first; nothing where there is none.

    Raises: DataFolderError where it cannot be read.
    """
    try:
        return [
            Assignment(int(one["since_ns"]), one["asset"], one["tag"], _use(one["champion"]), _use(one["challenger"]))
            for one in json.loads(path.read_bytes())["assignments"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise DataFolderError("datafolder.broken", path=str(path), detail=repr(error)) from None


def _use(told: dict[str, object] | None) -> ModelUse | None:
    if told is None:
        return None
    days = told["false_alarm_days"]
    if not isinstance(days, int | float):
        raise TypeError(f"false_alarm_days {days!r}")
    return ModelUse(str(told["model"]), str(told["detector"]), float(days), str(told["fingerprint"]))

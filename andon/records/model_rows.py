"""What the records give back of models: frozen views of rows, and how a model is named."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import RowMapping

from andon.errors import RecordsError

NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
PLANT: Final = "plant"  # `plant:<detector>` is what plant.toml says, no version of ours


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of a model. status: candidate, approved, retired. evaluations: how many are on file.

    trained_on: asset/tag of the readings it was chosen by, with [trained_from_ns, trained_until_ns), event time, and
    the SHA-256 of those rows; empty where none were named. at_ns: the machine's time.
    """

    name: str
    version: int
    detector: str
    parameters: Mapping[str, Any]
    fingerprint: str
    release: str
    trained_on: str
    trained_from_ns: int | None
    trained_until_ns: int | None
    trained_hash: str
    at_ns: int
    actor_id: str
    actor_name: str
    reason: str
    status: str
    evaluations: int

    @property
    def key(self) -> str:
        """name:version, as flows, people and the audit trail call it."""
        return f"{self.name}:{self.version}"

    @classmethod
    def of(cls, row: RowMapping, status: str, evaluations: int) -> Self:
        """From a row of model_version."""
        told = {name: value for name, value in row.items() if name != "site"}
        told["parameters"] = json.loads(row["parameters"])
        return cls(**told, status=status, evaluations=evaluations)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The readings that a version was chosen by: asset/tag, [from_ns, until_ns) in event time, SHA-256 of the rows."""

    series: str
    from_ns: int
    until_ns: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelEvaluation:
    """What a version did on a series in [from_ns, until_ns), event time. hash: of the content as canonical JSON."""

    name: str
    version: int
    seq: int
    asset: str
    tag: str
    from_ns: int
    until_ns: int
    content: Mapping[str, Any]
    hash: str
    at_ns: int
    actor_id: str
    actor_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelAssignment:
    """Who judges a series for messages received from since_ns on. champion None: what plant.toml says.

    kind: challenge, promote, rollback. at_ns: when it was decided, the machine's time.
    """

    asset: str
    tag: str
    seq: int
    since_ns: int
    kind: str
    champion: str | None
    challenger: str | None
    at_ns: int
    actor_id: str
    actor_name: str
    reason: str


@dataclass(frozen=True, slots=True)
class JudgedAlarm:
    """An alarm and the last word on it: true, false, known. Event time; end_ns: where it or the stretch ends."""

    key: str
    start_ns: int
    end_ns: int
    verdict: str


def parts_of(model: str) -> tuple[str, int]:
    """Name and version of `name:version`. RecordsError for another text.

    >>> parts_of("ensemble:3")
    ('ensemble', 3)
    """
    name, _, version = model.partition(":")
    if not NAME.fullmatch(name) or not version.isascii() or not version.isdigit() or len(version) > 9:
        raise RecordsError("models.name", found=model)
    return name, int(version)

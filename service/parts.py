"""What the supervisor last said of its parts, as a file: for the dead-man, the metrics and whoever looks.

state/parts.json: {"<name>": {"pid": 12 or null, "restarts": 0, "wanted": true}}. wanted: false once it is stopped on
purpose, or has come to its end; nobody shall miss it then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import structlog

from andon.datafolder import DataFolder

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class PartState:
    """One part. restarts: since the supervisor began."""

    pid: int | None
    restarts: int
    wanted: bool


def write_parts(data: DataFolder, parts: Mapping[str, PartState]) -> None:
    """Replace the file; what cannot be written (a full disk) is told in the log and stays as it was."""
    path = data.path / "state" / "parts.json"
    draft = path.with_suffix(".draft")
    try:
        draft.write_text(json.dumps({name: asdict(part) for name, part in parts.items()}))
        draft.replace(path)
    except OSError as error:
        log.warning("supervisor.parts_not_written", cause=error.strerror)


def read_parts(data: DataFolder) -> dict[str, PartState]:
    """The parts by name; empty where no supervisor has run over this folder."""
    try:
        found = json.loads((data.path / "state" / "parts.json").read_text())
        return {str(name): PartState(**part) for name, part in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def is_running(pid: int | None) -> bool:
    """Whether a process of this number runs; it may be another one that got the number since."""
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

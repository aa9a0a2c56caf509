"""The frozen setting of a detector as one hash: what a score or a published figure was made with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from types import ModuleType
from typing import Any, Final

from detectors import (
    alarm_manager,
    calibration,
    ensemble_kernel,
    ensemble_state,
    mewma,
    mewma_kernel,
    mewma_reference,
    season,
    shapes,
)

MODULES: Final[dict[str, tuple[ModuleType, ...]]] = {
    "ensemble": (ensemble_kernel, ensemble_state, season, shapes, calibration, alarm_manager),
    "mewma": (mewma, mewma_kernel, mewma_reference),
}


def constants(name: str) -> dict[str, Any]:
    """Every constant of a detector's modules that is a number, a text or a tuple of them, and the alarm settings.

    Raises: KeyError for a detector whose setting is not frozen.
    """
    found: dict[str, Any] = {"alarms": asdict(alarm_manager.AlarmSettings())} if name == "ensemble" else {}
    for module in MODULES[name]:
        room = module.__name__.rpartition(".")[2]
        found |= {
            f"{room}.{key}": value
            for key, value in vars(module).items()
            if key.isupper() and isinstance(value, int | float | str | tuple)
        }
    return found


def fingerprint(name: str) -> str:
    """First 16 hex digits of the SHA-256 of `constants`, as canonical JSON."""
    text = json.dumps(constants(name), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""Time model of a work unit: which category of time a state stands for, by its name, and how far categories go.

States go by names, since companion specifications number the same states in other orders; a producer of bare codes
(UMH) is mapped by ranges. Kernels see a table: codes from `starts[i]` on are of `categories[i]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np

from andon.readings import F64, I64

#: Categories of time, in the order of the kernels' numbers. Every instant is in exactly one of them.
CATEGORIES: Final = (
    "producing", "internal_stop", "external_stop", "starved", "blocked", "down", "idle", "transition", "setup",
    "planned_down", "unknown",
)  # fmt: skip
NUMBER: Mapping[str, int] = MappingProxyType({name: number for number, name in enumerate(CATEGORIES)})
PRODUCING, INTERNAL, EXTERNAL, STARVED, BLOCKED, DOWN, IDLE, TRANSITION, SETUP, PLANNED, UNKNOWN = range(11)

PRODUCTION, SETUP_MODE, OTHER_MODE = range(3)  # what a unit mode means

_PACKML = {
    "Execute": "producing",
    # Held: the machine's own cause. Suspended: starved or blocked, a loss of its neighbours.
    "Holding": "internal_stop", "Held": "internal_stop", "Unholding": "internal_stop",
    "Suspending": "external_stop", "Suspended": "external_stop", "Unsuspending": "external_stop",
    "Stopping": "down", "Stopped": "down", "Aborting": "down", "Aborted": "down", "Clearing": "down",
    "Idle": "idle", "Complete": "idle",
    "Starting": "transition", "Resetting": "transition", "Completing": "transition",
}  # fmt: skip
_OPC_MACHINERY = {  # MachineryItemState of OPC 40001-1, from memory: to be confirmed against the buyer's copy
    "Executing": "producing", "NotExecuting": "idle", "OutOfService": "down",
}  # fmt: skip
_PLAIN = {name: name for name in CATEGORIES} | {
    "running": "producing", "run": "producing", "stopped": "down", "stop": "down", "fault": "down",
    "changeover": "setup", "maintenance": "planned_down", "break": "planned_down", "off": "planned_down",
}  # fmt: skip
#: State names by vendor. packml: ISA-TR88.00.02. plain: names of the categories themselves and common words.
MAPPINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"packml": _PACKML, "opc-machinery": _OPC_MACHINERY, "plain": _PLAIN}
)
#: First codes of the ranges of United Manufacturing Hub 0.9 (its documentation), and what each stands for here.
UMH_RANGES: Final = (
    (0, "unknown"), (10_000, "producing"), (30_000, "unknown"), (60_000, "external_stop"), (100_000, "setup"),
    (140_000, "internal_stop"), (160_000, "planned_down"), (180_000, "down"), (230_000, "unknown"),
)  # fmt: skip


def category_name(code: float | None, names: Sequence[str], mapping: str, own: Mapping[str, str] | None = None) -> str:
    """The category that a code stands for, as `state_table` says; unknown where there is no code.

    >>> category_name(2.0, ("Idle", "Execute", "Cleaning"), "packml", {"Cleaning": "setup"})
    'setup'
    """
    starts, categories = state_table(names, mapping, own)
    if code is None or not code >= starts[0]:
        return "unknown"
    return CATEGORIES[categories[int(np.searchsorted(starts, code, side="right")) - 1]]


def state_table(names: Sequence[str], mapping: str, own: Mapping[str, str] | None = None) -> tuple[F64, I64]:
    """(starts float64[m], categories int64[m]) for `category_at`: names are those of codes 0, 1, ...

    own: name -> category of `CATEGORIES`, before the mapping's. A name that neither has is unknown time. With mapping
    "umh" codes are UMH's and names are not looked at.
    """
    if mapping == "umh":
        starts, told = zip(*UMH_RANGES, strict=True)
    else:
        known = {**MAPPINGS[mapping], **(own or {})}
        starts = tuple(range(len(names) + 1))
        told = (*(known.get(name, "unknown") for name in names), "unknown")
    return np.array(starts, np.float64), np.array([NUMBER[name] for name in told], np.int64)


def starting_table(names: Sequence[str], mapping: str, own: Mapping[str, str] | None = None) -> I64:
    """int64[m], beside `state_table`: 1 for PackML's Starting where it is transition time, else 0."""
    if mapping != "packml":
        return np.zeros(len(UMH_RANGES) if mapping == "umh" else len(names) + 1, np.int64)
    told = [name == "Starting" and {**_PACKML, **(own or {})}[name] == "transition" for name in names]
    return np.array([*told, False], np.int64)

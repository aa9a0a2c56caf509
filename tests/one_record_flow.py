"""The flow's process under a clock that runs faster, so that a log of half an hour is read in half a minute."""

from __future__ import annotations

import os
from collections.abc import Sequence

import flows.plant
from andon.clock import Clock, ScaledClock

CLOCK = "ANDON_TEST_CLOCK"  # origin_ns,wall_ns,speed


def clock() -> Clock:
    """The clock that the environment tells."""
    origin_ns, wall_ns, speed = os.environ[CLOCK].split(",")
    return ScaledClock(int(origin_ns), int(wall_ns), float(speed))


def main(argv: Sequence[str] | None = None) -> int:
    """`flows.plant` under that clock."""
    flows.plant.SystemClock = clock  # type: ignore[assignment,misc]  # there is no other way into a process
    return flows.plant.main(argv)

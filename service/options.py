"""Arguments that all processes of a site share."""

from __future__ import annotations

import argparse
from pathlib import Path

from andon.clock import Clock, ScaledClock, SystemClock


def parser(prog: str) -> argparse.ArgumentParser:
    """--config, --data and the plant's clock."""
    arguments = argparse.ArgumentParser(prog=f"python -m {prog}")
    arguments.add_argument("--config", type=Path, required=True, help="plant.toml")
    arguments.add_argument("--data", type=Path, required=True, help="data folder")
    arguments.add_argument("--origin-ns", type=int, default=0, help="plant time at --wall-ns, ns since the epoch")
    arguments.add_argument("--wall-ns", type=int, default=0, help="machine time of the origin")
    arguments.add_argument("--speed", type=float, default=0.0, help="plant seconds per second; 0: the machine's clock")
    return arguments


def plant_clock(options: argparse.Namespace) -> Clock:
    """The clock that stamps what comes in: the machine's, or a scaled one for simulations."""
    if options.speed:
        return ScaledClock(options.origin_ns, options.wall_ns, options.speed)
    return SystemClock()


def clock_arguments(origin_ns: int, wall_ns: int, speed: float) -> list[str]:
    """The same clock for a child process.

    >>> clock_arguments(1, 2, 60.0)
    ['--origin-ns', '1', '--wall-ns', '2', '--speed', '60.0']
    """
    return ["--origin-ns", str(origin_ns), "--wall-ns", str(wall_ns), "--speed", str(speed)]

"""Where a result comes from: the commit, the day, the machine and how busy it was."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def origin(seconds: float, load: tuple[float, float]) -> dict[str, Any]:
    """For the head of a result. seconds: how long it took; load: of the machine before and after."""
    return {
        "commit": git("rev-parse", "HEAD"),
        "clean": not git("status", "--porcelain", "--untracked-files=no"),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
        "host": {
            "machine": platform.machine(), "cpus": os.cpu_count(), "kernel": platform.release(),
            "python": platform.python_version(), "load_before": round(load[0], 1), "load_after": round(load[1], 1),
        },
    }  # fmt: skip


def git(*arguments: str) -> str:
    """What git says, "" where there is none."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()

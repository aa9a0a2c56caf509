"""A wall clock for real processes that a test sets while they run; see clock/shim.c."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from andon.readings import NS_PER_S

SOURCE = Path(__file__).parent / "clock" / "shim.c"


class MovedClock:
    """The machine's clock and what is added to it. `environment` makes a process see it."""

    def __init__(self, library: Path, file: Path) -> None:
        self.environment = {"LD_PRELOAD": str(library), "ANDON_TEST_CLOCK": str(file)}
        self._file = file
        self.offset_ns = 0
        self.add(0.0)

    def add(self, seconds: float) -> None:
        """Show so much more than the machine does, at once; negative: less."""
        self.offset_ns = round(seconds * NS_PER_S)
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("<q", self.offset_ns))

    def show(self, time_ns: int) -> None:
        """Show this time now, and go on from it."""
        self.add((time_ns - time.time_ns()) / NS_PER_S)

    def now_ns(self) -> int:
        """What the processes see."""
        return time.time_ns() + self.offset_ns


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim; CI fails without a C compiler, everybody else skips."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        reason = "no C compiler for the clock of tests/clock/shim.c (Debian: apt-get install gcc libc6-dev)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{reason}; CI leaves nothing out", pytrace=False)
        pytest.skip(reason)
    library = tmp_path_factory.mktemp("clock") / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


@pytest.fixture
def moved_clock(clock_library: Path, tmp_path: Path) -> MovedClock:
    """A clock that shows the machine's time until it is moved."""
    return MovedClock(clock_library, tmp_path / "clock")

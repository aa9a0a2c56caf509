"""Kills random processes of a running demo and lets its own checker judge; used by the crash tests.

python -m tests.chaos.demo --kills 20 --seconds 60 --seed 1
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.processes import free_port

EPOCH_S = 0.2  # more ends of epochs for a kill to meet


@dataclass
class Outcome:
    """Exit status, everything printed, and who was killed."""

    status: int
    text: str
    killed: list[str] = field(default_factory=list)

    @property
    def last_line(self) -> str:
        """The checker's verdict."""
        return self.text.strip().splitlines()[-1]


def children_of(pid: int) -> dict[int, str]:
    """Processes started by `pid` and what they run."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if parent == pid and "-m" in command:
            found[int(entry.name)] = command[command.index("-m") + 1]
    return found


def run(folder: Path, *, kills: int, seconds: float, seed: int, options: tuple[str, ...] = ()) -> Outcome:
    """A checked demo in `folder` with `kills` SIGKILLs of its parts at random instants."""
    command = [sys.executable, "-m", "service.cli", "demo", "--check", "--seconds", str(seconds), "--seed", str(seed),
               "--data", str(folder), "--port", str(free_port()), *options]  # fmt: skip
    rng = random.Random(seed)
    environment = {**os.environ, "ANDON_EPOCH_S": str(EPOCH_S)}
    with tempfile.TemporaryFile("w+") as out:
        demo = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, text=True, env=environment)
        began, killed = time.monotonic(), []
        instants = sorted(rng.uniform(4.0, seconds - 2.0) for _ in range(kills))
        for instant in instants:
            time.sleep(max(0.0, began + instant - time.monotonic()))
            alive = children_of(demo.pid)
            if demo.poll() is not None or not alive:
                continue
            victim = rng.choice(sorted(alive))
            killed.append(alive[victim])
            os.kill(victim, signal.SIGKILL)
        status = demo.wait(timeout=seconds + 180)
        out.seek(0)
        return Outcome(status, out.read(), killed)


def main() -> int:
    """One run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), kills=options.kills, seconds=options.seconds, seed=options.seed)
    print(outcome.text)
    print(f"killed {len(outcome.killed)}: {', '.join(outcome.killed)}")
    return outcome.status


if __name__ == "__main__":
    raise SystemExit(main())

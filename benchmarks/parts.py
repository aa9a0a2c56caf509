"""The scripts of this folder that stand alone, as parts of the whole run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lane import LaneError

ROOT = Path(__file__).parent.parent
Told = Mapping[str, Any]


def as_it_is(told: Told) -> Told:
    """Of a script that writes {"ratios": ..., "figures": ...}."""
    return told


def of_ratio(name: str) -> Callable[[Told], Told]:
    """Of a script that prints one flat object with this ratio in it; the rest are details."""
    return lambda told: {"ratios": {name: told[name]}, "figures": {f"{name}_details": told}}


def of_recovery(told: Told) -> Told:
    """The pause of a snapshot at the median, and what a series costs in memory."""
    return {
        "figures": {
            "snapshot_pause_ms_10k": told["snapshot_pause_ms"]["p50"],
            "snapshot_pause_p99_ms_10k": told["snapshot_pause_ms"]["p99"],
            "state_bytes_per_series": told["state_bytes_per_series"],
        }
    }


@dataclass(frozen=True)
class Part:
    """A script. reads: its result as {"ratios": ..., "figures": ...}. prints: the result comes out, not into --json.

    quick: further arguments where the whole run is a quick one.
    """

    name: str
    arguments: tuple[str, ...] = ()
    reads: Callable[[Told], Told] = as_it_is
    broker: bool = False
    prints: bool = False
    limit_s: float = 240.0
    quick: tuple[str, ...] = ()

    def run(self, *, quick: bool = False) -> Told:
        """Run it. LaneError says why there is no result."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.json"
            into = () if self.prints else ("--json", str(path))
            asked = (*self.arguments, *(self.quick if quick else ()))
            argv = [sys.executable, str(ROOT / "benchmarks" / f"{self.name}.py"), *asked, *into]
            try:
                done = subprocess.run(
                    argv,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=self.limit_s,
                )
            except subprocess.TimeoutExpired:
                raise LaneError(f"no answer within {self.limit_s:.0f} s") from None
            text = done.stdout if self.prints else path.read_text() if path.is_file() else ""
            begin = text.find("{")
            if begin < 0:
                raise LaneError((done.stderr.strip().splitlines() or ["it gave no result"])[-1][:300])
            return self.reads(json.loads(text[begin:]))


PARTS = (
    Part("series"),
    Part("recovery", ("--series", "10000"), of_recovery, prints=True),
    Part("latency", broker=True),
    Part("figures", limit_s=600.0, quick=("--quick",)),
    Part("line_protocol", reads=of_ratio("fstring_vs_line_protocol"), prints=True),
    Part("decode", reads=of_ratio("orjson_vs_decode"), prints=True),
)

"""What many series cost: windows and EWMA score of uniformly random series, columns in memory, one reading a second.

    .venv/bin/python -m benchmarks.series --json result.json

Each plant runs for 70 s of event time before the clock starts, so that every ring is full; then batches of 16,384 rows,
1 % late by up to 5 s, a tick a second. The plants take turns. CPU time of the process.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from andon.readings import NS_PER_S
from benchmarks.workload import START_MS
from detectors.ewma import EwmaDetector
from operators.windows import WindowOperator, WindowSpec

COUNTS = (1_000, 10_000, 100_000)
ROWS, WARM_S = 16_384, 70
START_NS = START_MS * 1_000_000
SPEC = WindowSpec.of(5.0, [(10.0, 10.0), (60.0, 5.0)])


@dataclass
class Site:
    """A plant of `count` series and its state."""

    count: int
    hz: float = 1.0
    windows: WindowOperator = field(init=False)
    detector: EwmaDetector = field(init=False)
    rows: int = 0
    ticked_ns: int = START_NS

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.count)
        self.windows, self.detector = WindowOperator(SPEC, 5.0, 30.0), EwmaDetector(self.count)
        self.windows.bind_all([True] * self.count)

    def run(self, rows: int) -> float:
        """At least so many more rows; CPU seconds a million of them."""
        took, done = 0.0, 0
        while done < rows:
            at_ns = START_NS + ((self.rows + np.arange(ROWS)) * (NS_PER_S / (self.count * self.hz))).astype(np.int64)
            late_ns = np.where(self._rng.random(ROWS) < 0.01, self._rng.integers(1, 5 * NS_PER_S, ROWS), 0)
            series = self._rng.integers(0, self.count, ROWS).astype(np.int32)
            value = 20.0 + self._rng.normal(0.0, 0.5, ROWS)
            took += self._step(at_ns, at_ns - late_ns, series, value)
            done += ROWS
            self.rows += ROWS
        return took / done * 1e6

    def _step(self, at_ns: np.ndarray, time_ns: np.ndarray, series: np.ndarray, value: np.ndarray) -> float:
        use = np.ones(ROWS, np.bool_)
        began = time.process_time()
        score = self.detector.score_many(series, time_ns, value).score
        self.windows.step(time_ns, series, value, use, score, at_ns)
        if at_ns[-1] - self.ticked_ns >= NS_PER_S:
            self.ticked_ns = int(at_ns[-1])
            self.windows.tick(self.ticked_ns)
        return time.process_time() - began


def measure(counts: tuple[int, ...] = COUNTS, rounds: int = 5, rows: int = 500_000) -> dict[int, float]:
    """CPU s a million readings by number of series: the best of the rounds, in which all take turns."""
    sites = [Site(count) for count in counts]
    for site in sites:
        site.run(int(WARM_S * site.count * site.hz))
    best = dict.fromkeys(counts, float("inf"))
    for _ in range(rounds):
        for site in sites:
            best[site.count] = min(best[site.count], site.run(rows))
    return best


def series_100k_vs_1k() -> float:
    """How much dearer a reading is among 100,000 series than among 1,000."""
    best = measure((1_000, 100_000))
    return best[100_000] / best[1_000]


def main() -> None:
    """Print the figures; --json FILE keeps them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    best = measure()
    memory = WindowOperator(SPEC, 5.0, 30.0)
    memory.bind_all([True] * 1_000)
    figures = {f"windows_and_score_{count // 1000}k_series": round(cost, 4) for count, cost in best.items()}
    figures["window_bytes_per_series"] = round(memory.nbytes / memory.count)
    ratios = {"series_100k_vs_1k": round(best[100_000] / best[1_000], 3)}
    result = json.dumps({"ratios": ratios, "figures": figures}, indent=2)
    print(result)
    if options.json:
        options.json.write_text(result)


if __name__ == "__main__":
    main()

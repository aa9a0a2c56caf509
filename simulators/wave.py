"""Blocks of acceleration of a rotating machine: unbalance of a known velocity, a bearing of a known damage."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from simulators.noise import unit

RATE_HZ, SECONDS, UNIT = 5120, 1, "m/s2"
RING_HZ, RING_DECAY = 1900.0, 600.0  # what a hit rings, and how fast it dies, 1/s
NOISE = 0.05  # m/s2
BALLS, BALL, PITCH = 9, 7.94, 38.5  # of the bearing in plant.toml
SLIP = 0.01  # by which hits lag the bearing's geometry
DIGITS = 3
MADE_OF_IT = ("velocity", "speed", "kurtosis", "envelope", "bpfo", "bpfi")  # series of plant.toml that come of a block


@dataclass(frozen=True, slots=True)
class Block:
    """A block as it is told of rather than held: its samples are a function of it.

    velocity: of the unbalance, mm/s rms. rpm: of the shaft. hit: peak of the outer ring's hits, m/s2.
    """

    seed: int
    asset: str
    second: int
    velocity: float
    rpm: float
    hit: float

    @property
    def bpfo_hz(self) -> float:
        """How often the outer ring is hit, Hz."""
        return BALLS * self.rpm / 60.0 / 2.0 * (1.0 - BALL / PITCH) * (1.0 - SLIP)

    def samples(self) -> list[float]:
        """RATE_HZ * SECONDS accelerations, m/s2, of DIGITS digits; 1 ms."""
        n = RATE_HZ * SECONDS
        at = np.arange(n) / RATE_HZ
        turning = 2.0 * math.pi * self.rpm / 60.0
        since = np.mod(at, 1.0 / self.bpfo_hz)
        told = self.velocity / 1000.0 * math.sqrt(2.0) * turning * np.sin(turning * at)
        told += self.hit * np.exp(-RING_DECAY * since) * np.sin(2.0 * math.pi * RING_HZ * since)
        key = int(unit(self.seed, "wave", self.asset, self.second) * 2**53)
        told += NOISE * np.random.Generator(np.random.Philox(key)).standard_normal(n)
        found: list[float] = np.round(told, DIGITS).tolist()
        return found

"""Randomness by address: a number is a function of (seed, name, second), so nothing random has to be saved.

Rejected: one `random.Random` a device; its state is 2,500 bytes in every checkpoint and replaying a single second
means drawing everything before it.
"""

from __future__ import annotations

import hashlib

import numpy as np

BLOCK_S = 600  # a generator is set up once for so many seconds (30 us)


def _digest(seed: int, *address: object) -> bytes:
    text = "|".join(("andon", str(seed), *(str(part) for part in address)))
    return hashlib.sha256(text.encode()).digest()


def unit(seed: int, *address: object) -> float:
    """One uniform number in [0, 1) for this address.

    >>> unit(1, "a") == unit(1, "a"), unit(1, "a") == unit(2, "a")
    (True, False)
    """
    return int.from_bytes(_digest(seed, *address)[:8], "big") / 2**64


def between(low: float, high: float, seed: int, *address: object) -> float:
    """One uniform number in [low, high) for this address."""
    return low + (high - low) * unit(seed, *address)


class Noise:
    """Rows of independent numbers, one row a second, readable in any order.

    gauss   : standard normal numbers a row, cut at +-4 so that no seed can cross a limit by luck.
    uniform : numbers in [0, 1) a row, after the normal ones.
    """

    def __init__(self, seed: int, name: str, *, gauss: int, uniform: int) -> None:
        self._key = np.frombuffer(_digest(seed, name)[:16], np.uint64)
        self._gauss, self._uniform = gauss, uniform
        self._block = -1
        self._rows: list[list[float]] = []

    def row(self, second: int) -> list[float]:
        """The numbers of this second (counted from the start of the simulation, >= 0)."""
        block, at = divmod(second, BLOCK_S)
        if block != self._block:
            generator = np.random.Generator(np.random.Philox(key=self._key, counter=block << 128))
            normal = np.clip(generator.standard_normal((BLOCK_S, self._gauss)), -4.0, 4.0)
            self._rows = np.hstack([normal, generator.random((BLOCK_S, self._uniform))]).tolist()
            self._block = block
        return self._rows[at]

"""Bad weather on the lines: toxiproxy's faults, one after the other, seeded."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from tests.servers.toxiproxy import Proxy


class Weather(threading.Thread):
    """Delays, cuts, blackholes and narrow lines on the proxies, one after the other, seeded; fair when it ends."""

    def __init__(self, proxies: dict[str, Proxy], seed: str, halt: threading.Event) -> None:
        super().__init__(name="weather", daemon=True)
        self._proxies, self._rng, self._halt = proxies, random.Random(seed), halt
        self.seen: Counter[str] = Counter()

    def run(self) -> None:
        rng = self._rng
        while not self._halt.wait(rng.uniform(0.3, 2.0)):
            name = rng.choice(sorted(self._proxies))
            proxy, kind = self._proxies[name], rng.choice(sorted(KINDS))
            self.seen[f"{name} {kind}"] += 1
            KINDS[kind](proxy, rng)
            self._halt.wait(rng.uniform(0.3, 3.0))
            if kind == "blackhole":  # it has dropped bytes, which no living connection does: it ends with them
                proxy.down()
            proxy.clear()

    def clear(self) -> None:
        """Fair weather again."""
        for proxy in self._proxies.values():
            proxy.clear()


def _away(proxy: Proxy, _rng: random.Random) -> None:
    proxy.down()


def _latency(proxy: Proxy, rng: random.Random) -> None:
    proxy.toxic("latency", latency=rng.randint(20, 400), jitter=50)


def _reset(proxy: Proxy, rng: random.Random) -> None:
    proxy.toxic("reset_peer", timeout=rng.randint(0, 500))


def _blackhole(proxy: Proxy, rng: random.Random) -> None:
    proxy.toxic("timeout", stream=rng.choice(["upstream", "downstream"]), timeout=0)


def _limit(proxy: Proxy, rng: random.Random) -> None:
    proxy.toxic("limit_data", stream=rng.choice(["upstream", "downstream"]), bytes=rng.randint(100, 60_000))


def _narrow(proxy: Proxy, rng: random.Random) -> None:
    proxy.toxic("bandwidth", rate=rng.randint(20, 200))


KINDS: dict[str, Callable[[Proxy, random.Random], None]] = {
    "away": _away, "latency": _latency, "reset": _reset, "blackhole": _blackhole, "cut short": _limit,
    "narrow": _narrow,
}  # fmt: skip

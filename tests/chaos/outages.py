"""Servers that go away and come back, without any kill: all resumes by itself, nothing is lost or doubled."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.chaos.compare import Verdict, compare
from tests.chaos.reference import run_reference
from tests.chaos.site import Site
from tests.servers.toxiproxy import Proxy

Act = Callable[[], None]


def run_outages(site: Site, act: Act) -> Verdict:
    """Start all parts, let `act` happen, come to rest, compare. No part may end by itself."""
    try:
        for name in site.processes.names():
            site.processes.start(name)
        act()
        ended = [name for name in site.processes.names() if site.processes.ended(name) is not None]
        wrong = [f"{name} ended by itself: {site.processes.last_words(name)}" for name in ended]
        wrong += site.rest(lambda _: None)
        sent_s = site.sent_s()
        reference = run_reference(site.plant, {one: site.log(one) for one in site.shards}, site.folder / "undisturbed")
        verdict = compare(site.plant, site.story, sent_s, site.data, reference, site.erp_db)
        site.check_more(verdict, reference)
        verdict.faults += wrong
        return verdict
    finally:
        site.close()


def away_again_and_again(proxy: Proxy, count: int, away_s: tuple[float, float], seed: int) -> None:
    """Cut all connections and refuse new ones, `count` times; as long again in between."""
    rng = random.Random(seed)
    for _ in range(count):
        proxy.down()
        time.sleep(rng.uniform(*away_s))
        proxy.up()
        time.sleep(rng.uniform(*away_s))


def hung(proxy: Proxy, seconds: float) -> None:
    """Connections are taken, and nothing ever comes back; then they are cut, since bytes were dropped from them."""
    proxy.toxic("timeout", timeout=0)
    time.sleep(seconds)
    proxy.down()
    proxy.clear()

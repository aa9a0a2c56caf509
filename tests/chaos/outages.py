"""Servers that go away and come back, without any kill: all resumes by itself, nothing is lost or doubled."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.chaos.compare import Verdict, compare
from tests.chaos.lanes import Lane, Tally
from tests.chaos.reference import run_reference
from tests.chaos.site import Site
from tests.servers.toxiproxy import Proxy

Act = Callable[[], None]
LONGEST_S = 120.0


def run_outages(site: Site, act: Act, tally: Tally | None = None) -> Verdict:
    """Start all parts, let `act` happen, come to rest, compare. A part that ends is a fault or one of `MAY_END`."""
    tally, halt = tally or Tally(1), threading.Event()
    try:
        lanes = [
            Lane(name, site.processes, replace(habits, pause_s=(1e9, 1e9)), tally, halt, "")
            for name, habits in site.habits().items()
        ]
        for lane in lanes:
            lane.start()
        act()
        halt.set()
        for lane in lanes:
            lane.join()
        wrong = site.rest(lambda _: None, tally)
        wrong += tally.findings
        sent_s = site.sent_s()
        reference = run_reference(site.plant, {one: site.log(one) for one in site.shards}, site.folder / "undisturbed")
        verdict = compare(site.plant, site.story, sent_s, site.data, reference, site.erp_db)
        site.check_more(verdict, reference)
        verdict.faults += wrong
        return verdict
    finally:
        site.close()


def lengths(count: int, seed: int) -> list[float]:
    """Seconds of so many outages: from 1 to 120, most of them short, in an order that goes by the seed."""
    found = [LONGEST_S ** ((at / (count - 1)) ** 6) for at in range(count)]
    random.Random(seed).shuffle(found)
    return found


def broker_and_influx(kafka: Proxy, influx: Proxy, away_s: Sequence[float], hung_s: float) -> None:
    """The broker away for each of these times, a second in between; meanwhile InfluxDB hangs for so long."""
    hanging = threading.Thread(target=hung, args=(influx, hung_s))
    hanging.start()
    for seconds in away_s:
        away_again_and_again(kafka, 1, (seconds, seconds), 0, between_s=(0.5, 1.5))
    hanging.join()


def away_again_and_again(
    proxy: Proxy, count: int, away_s: tuple[float, float], seed: int, between_s: tuple[float, float] | None = None
) -> None:
    """Cut all connections and refuse new ones, `count` times; as long again in between, if not said otherwise."""
    rng = random.Random(seed)
    for _ in range(count):
        proxy.down()
        time.sleep(rng.uniform(*away_s))
        proxy.up()
        time.sleep(rng.uniform(*(between_s or away_s)))


def hung(proxy: Proxy, seconds: float) -> None:
    """Connections are taken, and nothing ever comes back; then they are cut, since bytes were dropped from them."""
    proxy.toxic("timeout", timeout=0)
    time.sleep(seconds)
    proxy.down()
    proxy.clear()

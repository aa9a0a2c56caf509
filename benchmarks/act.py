"""How long from a reading to the alarm on the page and to the ERP's 2xx, with a plant's load, the ERP serving and away.

    .venv/bin/python -m benchmarks.act [--rate 10000] [--seconds 15] [--rounds 3] [--json FILE]

A broker, a worker, the sender, the control room and the stub ERP, each a process of its own as on a site, on loopback.
Beside the load ten readings a second cross their limit, each of another asset. From the moment such a reading is handed
to the producer: until the event stream brings its alarm; until the sender has noted the ERP's answer. The stub's own
time is that of orders which are put into it directly, meanwhile. Between these turns the stub is stopped in mid-air, so
that calls hang, and the alarms' way into the records and onto the page is measured again; then the backlog is drained.
In the end the ERP must have one record of each alarm.

Targets: ERP p99 at most 3 x (linger + poll) + one poll of the sender + the stub's own p99; page p99 at most 1 s, with
the ERP away too; p99 into the records at most 1.1 times as long with the ERP away. Absolute figures depend on the
machine and its load, which is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from andon.readings import NS_PER_MS
from andon.records import AlarmRecord, Records
from benchmarks.act_site import CROSSING, SECRET, STEPS_A_S, Site, crossing_asset
from benchmarks.paced import LINGER_MS
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import POLL_S
from sources.profile import PROFILES

PAGE_MS = 1000.0
TIMES, AWAY_TIMES = 3.0, 1.1
WARM_S, SETTLE_S, DRAIN_S = 5.0, 3.0, 120.0
Crossing = tuple[str, int]  # asset, start of the crossing in ms


@dataclass
class Turn:
    """Readings that crossed their limit, and when each was handed over, ns."""

    sent: dict[Crossing, int] = field(default_factory=dict)
    stub_ms: list[float] = field(default_factory=list)


class Feeder:
    """Hands ten crossings a second to a producer that lingers as the load's does."""

    def __init__(self, bootstrap: str, topic: str, partitions: int) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": LINGER_MS, "enable.idempotence": True})
        self._topic, self._partitions, self._step = topic, partitions, 0

    def feed(self, seconds: float) -> Turn:
        """For some seconds; each asset is back to normal in the step after its crossing."""
        turn, due = Turn(), time.monotonic()
        self._producer.list_topics(self._topic, timeout=30)
        for _ in range(round(seconds * STEPS_A_S)):
            now_ns = time.time_ns()
            self._send((self._step - 1) % CROSSING, now_ns, 20.0)
            turn.sent[crossing_asset(self._step % CROSSING), now_ns // NS_PER_MS] = now_ns
            self._send(self._step % CROSSING, now_ns, 30.0)
            self._step += 1
            due = max(due + 1 / STEPS_A_S, time.monotonic() + 0.01)  # after a stall no two steps in one millisecond
            while (left := due - time.monotonic()) > 0:
                self._producer.poll(min(left, 0.01))
        self._producer.flush(30)
        return turn

    def _send(self, number: int, now_ns: int, value: float) -> None:
        row = {"ts": now_ns // NS_PER_MS, "asset": crossing_asset(number), "tag": "value", "value": value, "q": 192}
        self._producer.produce(self._topic, json.dumps(row).encode(), partition=number % self._partitions)


def ask_the_stub(url: str, stop: threading.Event, took_ms: list[float]) -> None:
    """Put an order of our own into the stub now and then, and note how long each answer takes."""
    with WebhookConnector(url, SECRET) as erp:
        number = 0
        while not stop.wait(0.1):
            key = f"own-{number:06}"
            number += 1
            event = {
                "specversion": "1.0", "type": "andon.quality_event.raised", "id": f"{key}.1", "source": "bench",
                "subject": key, "data": {"revision": 1},
            }  # fmt: skip
            began = time.perf_counter()
            erp.open("quality_event", key, json.dumps(event).encode())
            took_ms.append((time.perf_counter() - began) * 1000)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """The figures of one run, ms."""
    with Site(folder, options.profile, options.partitions) as site, site.page() as page:
        feeder = Feeder(site.bootstrap, site.topic, options.partitions)
        warm = feeder.feed(1.0)
        site.wait_for_an_alarm()
        site.load(options.rate)
        warm.sent |= feeder.feed(WARM_S).sent
        serves, away, drained_s = [], [], []
        for _ in range(options.rounds):
            serves.append(_turn_serving(site, feeder, options.seconds))
            site.hold_erp()
            away.append(feeder.feed(options.seconds))
            time.sleep(SETTLE_S)
            site.release_erp()
            drained_s.append(_drained_s(site))
        loads = os.getloadavg()[0]
        with closing(site.records()) as records:
            alarms = _alarms(records)
            answered = {place: _answered_ns(records, alarm.key) for place, alarm in alarms.items()}
        if alarms.keys() != set().union(*(turn.sent for turn in (warm, *serves, *away))):
            raise RuntimeError(f"{len(alarms)} alarms, and not those of the crossings")
        site.check_erp({one.key for one in alarms.values()})
        seen = page.seen.copy()
    recorded = {place: alarm.recorded_ns for place, alarm in alarms.items()}
    return {
        "rate": options.rate, "crossings": sum(len(turn.sent) for turn in (*serves, *away)), "load": round(loads, 1),
        **_told("reading_to_erp", serves, answered),
        **_spread("stub", [one for turn in serves for one in turn.stub_ms]),
        **_told("reading_to_page", serves, seen), **_told("reading_to_page_erp_away", away, seen),
        **_told("reading_to_record", serves, recorded), **_told("reading_to_record_erp_away", away, recorded),
        "record_away_over_serves": round(_typical(away, recorded) / _typical(serves, recorded), 3),
        "drained_s": round(max(drained_s), 1),
    }  # fmt: skip


def _turn_serving(site: Site, feeder: Feeder, seconds: float) -> Turn:
    stop, took_ms = threading.Event(), list[float]()
    asking = threading.Thread(target=ask_the_stub, args=(site.erp_url, stop, took_ms), daemon=True)
    asking.start()
    turn = feeder.feed(seconds)
    time.sleep(SETTLE_S)
    stop.set()
    asking.join()
    turn.stub_ms = took_ms
    return turn


def _drained_s(site: Site) -> float:
    """How long the backlog takes once the ERP serves again. Raises RuntimeError when it does not go."""
    began = time.monotonic()
    with closing(site.records()) as records:
        while (counts := records.order_counts())["pending"] + counts["leased"]:
            if time.monotonic() > began + DRAIN_S:
                raise RuntimeError(f"orders still wait after {DRAIN_S:.0f} s: {counts}")
            time.sleep(0.2)
    if counts["parked"]:
        raise RuntimeError(f"{counts['parked']} orders were parked")
    return time.monotonic() - began


def _alarms(records: Records) -> dict[Crossing, AlarmRecord]:
    """Those of the limit, by what crossed it."""
    rows = records.alarms(limit=10**9)
    return {(one.asset, one.start_ns // NS_PER_MS): one for one in rows if one.rule_id == "hot"}


def _answered_ns(records: Records, key: str) -> int:
    """When the sender had noted the ERP's first 2xx for an order."""
    return next(one.at_ns for one in records.deliveries(key) if one.outcome in {"delivered", "found"})


def _delays(turn: Turn, came: dict[Crossing, int]) -> list[float]:
    """ms; KeyError when a crossing never came."""
    return [(came[place] - at) / NS_PER_MS for place, at in turn.sent.items()]


def _told(name: str, turns: list[Turn], came: dict[Crossing, int]) -> dict[str, float]:
    return _spread(name, [one for turn in turns for one in _delays(turn, came)])


def _typical(turns: list[Turn], came: dict[Crossing, int]) -> float:
    """The median of the turns' p99, since one stall of the disk is most of a p99."""
    return float(np.median([np.percentile(_delays(turn, came), 99) for turn in turns]))


def _spread(name: str, took_ms: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(took_ms, [50, 99]).tolist()
    return {f"{name}_p50_ms": round(p50, 1), f"{name}_p99_ms": round(p99, 1)}


def limits(told: dict[str, float], profile: str) -> dict[str, float]:
    """The most that each figure may be, ms."""
    poll_ms = PROFILES[profile].idle_s * 1000
    return {
        "reading_to_erp_p99_ms": TIMES * (LINGER_MS + poll_ms) + POLL_S * 1000 + told["stub_p99_ms"],
        "reading_to_page_p99_ms": PAGE_MS,
        "reading_to_page_erp_away_p99_ms": PAGE_MS,
        "record_away_over_serves": AWAY_TIMES,
    }


def main() -> int:
    """Print the figures; exit status 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.act", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=int, default=10_000, help="readings a second")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns with the ERP serving and away")
    parser.add_argument("--profile", choices=PROFILES, default="balanced")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = measure(options, Path(folder))
    most = limits(told, options.profile)
    for name, value in told.items():
        verdict = "" if name not in most else f"  <= {most[name]:.1f}  {'met' if value <= most[name] else 'MISSED'}"
        print(f"{name:36} {value:10.2f}{verdict}")
    if options.json:
        options.json.write_text(json.dumps({"figures": told, "limits": most}, indent=2) + "\n")
    return 1 if any(told[name] > limit for name, limit in most.items()) else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Metrics that are looked up when they are asked for: how far the flows are, alarms, orders, the state of the parts.

The other metrics are counted by the processes themselves (andon/metrics.py). Both are on one page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from andon import heartbeat
from andon.errors import AndonError
from andon.readings import NS_PER_S
from service.parts import is_running, read_parts
from service.web.room import Room

MOST_ALARMS = 10_000
log = structlog.get_logger()


def site_exposition(room: Room) -> bytes:
    """Prometheus text. What cannot be read just now (a database under repair) is left out and logged."""
    registry = CollectorRegistry()
    registry.register(_Site(room))
    return generate_latest(registry)


class _Site:
    """A collector of the library: asked at every scrape."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def collect(self) -> Iterable[Metric]:
        """Each group by itself, so that one that fails hides no other."""
        groups: tuple[Callable[[Room], list[Metric]], ...] = (_logs, _alarms, _parts)
        for group in groups:
            try:
                yield from group(self._room)
            except AndonError as error:
                log.warning("metrics.left_out", group=group.__name__.strip("_"), cause=error.code)


def _logs(room: Room) -> list[Metric]:
    unread = GaugeMetricFamily(
        "andon_log_unread_messages", "Messages that the flow has not worked off.", labels=["shard"]
    )
    kept = GaugeMetricFamily("andon_log_bytes", "Size of the spool on disk.", labels=["shard"])
    behind = GaugeMetricFamily(
        "andon_flow_lag_seconds", "Time of the machine by which the flow is behind the plant.", labels=["shard"]
    )
    marks = {mark.shard: mark for mark in room.history.marks()}
    now_ns = room.clock.now_ns()
    for spool in room.spools:
        shard, mark = str(spool.shard), marks.get(spool.shard)
        unread.add_metric([shard], max(0, spool.last_offset() - (mark.last_offset if mark else 0)))
        kept.add_metric([shard], spool.size_bytes())
    for mark in marks.values():
        behind.add_metric([str(mark.shard)], max(0.0, (now_ns - mark.watermark_ns) / NS_PER_S / room.speed))
    return [unread, kept, behind] if room.spools else [behind]


def _alarms(room: Room) -> list[Metric]:
    alarms = GaugeMetricFamily("andon_alarms", "Alarms that want somebody.", labels=["state", "priority"])
    counts = Counter((one.state, one.priority) for one in room.records.alarms(open_only=True, limit=MOST_ALARMS))
    for (state, priority), count in sorted(counts.items()):
        alarms.add_metric([str(state), priority], count)
    orders = GaugeMetricFamily("andon_orders", "Orders for the ERP, by state.", labels=["state"])
    for order, count in sorted(room.records.order_counts().items()):
        orders.add_metric([order], count)
    return [alarms, orders]


def _parts(room: Room) -> list[Metric]:
    if room.data is None:
        return []
    up = GaugeMetricFamily("andon_part_up", "1: the process runs, 0: it should and does not.", labels=["part"])
    restarts = CounterMetricFamily(
        "andon_part_restarts", "How often the supervisor started the process again.", labels=["part"]
    )
    silent = GaugeMetricFamily("andon_part_silent_seconds", "Since the process gave a sign of life.", labels=["part"])
    for name, part in sorted(read_parts(room.data).items()):
        if part.wanted:
            up.add_metric([name], int(is_running(part.pid)))
        restarts.add_metric([name], part.restarts)
        age_s = heartbeat.age_s(heartbeat.folder(room.data) / name)
        if part.wanted and age_s is not None:
            silent.add_metric([name], age_s)
    return [up, restarts, silent]

"""Where the control room reads its history: the local files, and InfluxDB before them where [influx] is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import structlog

from andon.clock import SystemClock
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.errors import ConfigError
from andon.figures import KINDS
from andon.readings import NS_PER_S
from service.influx_link import token_of
from sinks.history_reader import HistoryReader
from sinks.influx import gaps
from sinks.influx.flux import FluxClient
from sinks.influx.reader import LIMIT_S, InfluxHistory
from sinks.segments import SegmentReader

BEHIND_S = 30.0  # longer than that, and the local files show more
LOOK_S = 5.0
DAY_NS = 24 * 3600 * NS_PER_S
log = structlog.get_logger()


def history_of(plant: Plant, data: DataFolder, base: Path) -> HistoryReader:
    """The reader of a site. base: the folder of plant.toml. Without a token the page is served from the local files."""
    shards = plant.transport.shards
    paths = data.history_dbs(shards)
    influx = plant.influx
    if influx is None:
        return HistoryReader(paths)
    try:
        token = token_of(influx, base)
    except ConfigError as error:
        log.warning("influx.read_locally", cause=error.code)
        return HistoryReader(paths)
    kept_ns = round(influx.retention_d * DAY_NS)
    return InfluxHistory(
        paths, FluxClient(influx, token, min(LIMIT_S, influx.timeout_s)), plant.site.id, influx.bucket,
        part_names={"cold_chain": cold_chain_names()},
        kept_from=lambda: SystemClock().now_ns() - kept_ns,
        longest_ns=round(plant.windows.figures_s * NS_PER_S),
        behind=Behind([data.segments("influx", part) for part in (*range(shards), "sender")]),
    )  # fmt: skip


def cold_chain_names() -> tuple[str, ...]:
    """The parts of a cold-chain figure: those that are declared, and what `merge_parts` needs beside them."""
    return (*(part.name for part in KINDS["cold_chain"].parts), "integral_c_s", "arrhenius_log", "activation_j_mol")


class Behind:
    """Whether InfluxDB lacks what the files have: lines have waited for long, or a gap is open, or a refill is asked.

    A gap is open until InfluxDB has taken its lines. Looked at every few seconds.
    """

    def __init__(self, folders: list[Path], now_s: Callable[[], float] = time.monotonic) -> None:
        self._folders, self._now_s = folders, now_s
        self._next_s, self._is = float("-inf"), False

    def __call__(self) -> bool:
        if (now_s := self._now_s()) >= self._next_s:
            self._next_s = now_s + LOOK_S
            ages = [SegmentReader(folder).oldest_s() for folder in self._folders]
            lacks = any(SegmentReader(folder).gaps() or gaps.asks(folder) for folder in self._folders)
            self._is = lacks or any(age_s is not None and age_s > BEHIND_S for age_s in ages)
        return self._is

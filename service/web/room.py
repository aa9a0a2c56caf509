"""What the control room reads from, and the small conversions that all its views share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from andon.clock import Clock, ScaledClock
from andon.config.models import Rule
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.readings import NS_PER_MS, NS_PER_S
from andon.records import Records
from service.shard_logs import ShardLog, shard_logs
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader
from sources.spool import Spool

PRIORITIES = {"critical": 1, "high": 2, "medium": 3, "low": 4}
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
BEHIND_S = 15.0  # the machine's seconds that the flow may be behind before the page says so


@dataclass(frozen=True)
class Room:
    """Everything behind the page. clock is the plant's; records keep the machine's own."""

    plant: PlantModel
    records: Records
    history: HistoryReader
    dead: Sequence[DeadLetterStore]
    spools: Sequence[Spool]  # none where the log is Kafka
    clock: Clock
    data: DataFolder | None = None  # whose processes the metrics tell of

    @property
    def speed(self) -> float:
        """Plant seconds a real second; 1 outside of demos and replays."""
        return self.clock.speed if isinstance(self.clock, ScaledClock) else 1.0

    def logs(self) -> Mapping[int, ShardLog]:
        """The shards' logs to append to, for one request."""
        if self.spools or self.data is None:
            return {spool.shard: spool for spool in self.spools}
        return shard_logs(self.plant, self.data, self.clock)

    def plant_ns(self, machine_ns: int) -> int:
        """The plant's time when the machine's clock showed `machine_ns`."""
        if isinstance(self.clock, ScaledClock):
            return self.clock.origin_ns + round((machine_ns - self.clock.wall_ns) * self.clock.speed)
        return machine_ns

    def now_ns(self) -> int:
        """The event time the page shows: what every shard has reached, or the clock before the first row."""
        reached = self.history.watermark_ns()
        return self.clock.now_ns() if reached is None else reached

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """Rule by id."""
        return {rule.id: rule for rule in self.plant.config.rule}

    def rule_name(self, rule_id: str, language: str) -> str:
        """What people call the rule; its id where it has no name."""
        rule = self.rules.get(rule_id)
        return said(rule.name, language) or rule_id if rule else rule_id

    def asset_name(self, path: str) -> str:
        """What people call the asset; the last part of its path where it has no name."""
        asset = self.plant.assets.get(path)
        return asset.name if asset and asset.name else path.rpartition("/")[2]

    def stale_after_s(self, every_s: float) -> float:
        """A value older than this against the shard's watermark is shown grey with its date, s.

        Two real seconds come on top, because at 60 times the speed one write of a device spans minutes of the plant.
        """
        return max(3 * every_s, self.plant.config.time.idle_s) + 2 * self.speed


def ms(time_ns: int | None) -> int | None:
    """Milliseconds, the unit of every time in the API: ns do not fit into JavaScript's numbers."""
    return None if time_ns is None else time_ns // NS_PER_MS


def seconds(length_ns: int) -> float:
    """Seconds of a length in ns, to the millisecond."""
    return round(length_ns / NS_PER_S, 3)


def said(texts: object, language: str) -> str:
    """The text in the language, else the English one, else any, else nothing."""
    if not isinstance(texts, dict) or not texts:
        return ""
    return str(texts.get(language) or texts.get("en") or next(iter(texts.values())))

"""Alarms about the log in Kafka: messages removed unread, the broker away, partitions that nobody reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from andon import heartbeat
from andon.clock import Clock
from andon.conditions import ConditionChange
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.errors import AndonError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, AlarmRecord, Records
from flows.workers import CLUSTER, read_layout
from sources.kafka.gaps import Gap, GapFiles

GONE, GROWN, AWAY = "andon-log-gone", "andon-log-grown", "andon-log-away"
RULES: Final = (GONE, GROWN, AWAY)
ASSETS = "andon/"
AWAY_S = 60.0
FRESH_S = 10.0  # a flow that gave no sign for so long cannot tell how its log is
Place = tuple[str, str]  # rule, part
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Level:
    """How a shard's log is. silent_s: since the broker answered, None where nobody can tell just now."""

    gap: Gap | None
    partitions: int | None
    silent_s: float | None


@dataclass
class LogWatch:
    """Which alarms are on, and the changes that says. Pure: levels and time are arguments.

    since: start of each open alarm, ns.
    """

    shards: int
    since: dict[Place, int] = field(default_factory=dict)

    def take_over(self, alarms: Sequence[AlarmRecord]) -> None:
        """Go on with the alarms that an earlier process left open."""
        for alarm in alarms:
            if alarm.rule_id in RULES and alarm.cleared_ns is None:
                self.since[alarm.rule_id, alarm.asset.removeprefix(ASSETS)] = alarm.start_ns

    def look(self, levels: Mapping[int, Level], now_ns: int) -> list[ConditionChange]:
        """What has been raised and cleared. levels: by shard."""
        changes = []
        for shard, level in levels.items():
            changes += self._gone(f"shard-{shard}", level.gap, now_ns)
            if level.silent_s is not None:
                away = level.silent_s > AWAY_S
                changes += self._set((AWAY, f"shard-{shard}"), now_ns, level.silent_s, "s", on=away)
        known = [level.partitions for level in levels.values() if level.partitions is not None]
        if known:
            most = max(known)
            changes += self._set((GROWN, "topic"), now_ns, float(most), "1", on=most > self.shards)
        return changes

    def _gone(self, part: str, gap: Gap | None, now_ns: int) -> list[ConditionChange]:
        if gap is None:
            return self._set((GONE, part), now_ns, 0.0, "1", on=False)
        error = f"{gap.wanted} > {gap.end}" if gap.ahead else f"{gap.wanted} < {gap.oldest}"
        evidence: dict[str, object] = {
            "error": error, "partition": gap.shard, "wanted": gap.wanted, "oldest": gap.oldest, "end": gap.end,
            "missing": gap.missing,
        }  # fmt: skip
        return self._set((GONE, part), now_ns, float(gap.missing), "1", evidence, on=True)

    def _set(
        self, place: Place, now_ns: int, level: float, unit: str, evidence: Mapping[str, object] | None = None, *,
        on: bool,
    ) -> list[ConditionChange]:  # fmt: skip
        since_ns = self.since.get(place)
        if on == (since_ns is not None):
            return []
        start_ns = now_ns if since_ns is None else since_ns
        if on:
            self.since[place] = now_ns
        else:
            del self.since[place]
        rule, part = place
        return [
            ConditionChange(
                kind="raised" if on else "cleared", asset=f"{ASSETS}{part}", tag="log", rule_id=rule, rule_version="1",
                raises="none", priority="critical" if rule == GONE else "high", condition="above", limit=None,
                unit=unit, start_ns=start_ns, confirmed_ns=start_ns, cleared_ns=None if on else now_ns, peak=level,
                out_s=(now_ns - start_ns) / NS_PER_S, offset=0, evidence=dict(evidence or {}),
            )
        ]  # fmt: skip


def levels(data: DataFolder, shards: int) -> dict[int, Level]:
    """How the logs of all shards are, by what their flows have written down."""
    layout, signs = read_layout(data), heartbeat.folder(data)
    found = {}
    for shard in range(shards):
        files = GapFiles(data, shard)
        workers = layout.workers if layout is not None else shards
        flow = "flow-cluster" if workers == CLUSTER else f"flow-{shard % workers}"
        alive_s, answered_s = heartbeat.age_s(signs / flow), heartbeat.age_s(signs / f"log-{shard}")
        silent_s = AWAY_S + 1.0 if answered_s is None else answered_s  # never, since the machine started
        can_tell = alive_s is not None and alive_s < FRESH_S
        found[shard] = Level(files.current(), files.partitions(), silent_s if can_tell else None)
    return found


def watch_logs(data: DataFolder, plant: Plant, records: Records, logs: LogWatch, clock: Clock) -> None:
    """One look; a database that cannot be written is tried again at the next one."""
    before = dict(logs.since)
    try:
        changes = logs.look(levels(data, plant.transport.shards), clock.now_ns())
        if changes:
            records.apply_conditions(changes, SYSTEM_SUPERVISOR)
    except (AndonError, OSError):
        logs.since = before
        log.exception("deadman.logs_not_looked_at")

"""Alarms about Andon's own stores: a disk that fills up, dead letters that were dropped at their cap."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from andon.conditions import ConditionChange
from andon.config.models import Plant
from andon.datafolder import DataFolder
from andon.readings import NS_PER_S
from andon.records import AlarmRecord
from sinks.dead_letters import DeadLetterStore

DISK, DEAD_LETTERS = "andon-disk", "andon-dead-letters"
FULL_SHARE, CLEAR_SHARE = 0.80, 0.78
QUIET_NS = 24 * 3600 * NS_PER_S
ASSETS = "andon/"
Place = tuple[str, str]  # rule, part


@dataclass
class StoresWatch:
    """Which stores are in trouble, and the changes that says. Pure: levels and time are arguments.

    since: start of the open alarm of each store, ns.
    """

    since: dict[Place, int] = field(default_factory=dict)
    _dropped: dict[str, tuple[int, int]] = field(default_factory=dict)  # part -> count, when it last grew

    def take_over(self, alarms: Sequence[AlarmRecord]) -> None:
        """Go on with the alarms that an earlier process left open."""
        for alarm in alarms:
            if alarm.rule_id in (DISK, DEAD_LETTERS) and alarm.cleared_ns is None:
                self.since[alarm.rule_id, alarm.asset.removeprefix(ASSETS)] = alarm.start_ns

    def look(self, disk_share: float, dropped: Mapping[str, int], now_ns: int) -> list[ConditionChange]:
        """disk_share: used part of the disk, 0..1; dropped: dead letters dropped so far by part."""
        filling = disk_share >= (CLEAR_SHARE if (DISK, "disk") in self.since else FULL_SHARE)
        changes = self._set((DISK, "disk"), now_ns, disk_share * 100.0, "%", on=filling)
        for part, count in dropped.items():
            known, grown_ns = self._dropped.get(part, (count, 0))
            if count > known:
                grown_ns = now_ns
            self._dropped[part] = (count, grown_ns)
            recent = bool(grown_ns) and now_ns - grown_ns < QUIET_NS
            changes += self._set((DEAD_LETTERS, part), now_ns, float(count), "1", on=recent)
        return changes

    def _set(self, place: Place, now_ns: int, level: float, unit: str, *, on: bool) -> list[ConditionChange]:
        since_ns = self.since.get(place)
        if on == (since_ns is not None):
            return []
        start_ns = now_ns if since_ns is None else since_ns
        if on:
            self.since[place] = now_ns
        else:
            del self.since[place]
        rule, part = place
        now_ns = max(now_ns, start_ns)  # the clock may have been set back meanwhile
        return [
            ConditionChange(
                kind="raised" if on else "cleared", asset=f"{ASSETS}{part}", tag="store", rule_id=rule,
                rule_version="1", raises="none", priority="high", condition="above", limit=None, unit=unit,
                start_ns=start_ns, confirmed_ns=start_ns, cleared_ns=None if on else now_ns, peak=level,
                out_s=(now_ns - start_ns) / NS_PER_S, offset=0,
            )
        ]  # fmt: skip


def levels(data: DataFolder, plant: Plant) -> tuple[float, dict[str, int]]:
    """How full the disk is, and what each shard's dead letters have dropped."""
    usage = shutil.disk_usage(data.path)
    keep, dropped = plant.retention, {}
    for shard in range(plant.transport.shards):
        store = DeadLetterStore(data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
        dropped[f"shard-{shard}"] = store.dropped()
        store.close()
    return usage.used / usage.total, dropped

"""Alarms about the way to Kafka: a topic that takes nothing, the queue filling up, messages that are lost to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from andon.conditions import ConditionChange
from andon.readings import NS_PER_S
from andon.records import AlarmRecord

AWAY, SPOOL, REFUSED = "andon-kafka-away", "andon-kafka-spool", "andon-kafka-refused"
RULES: Final = (AWAY, SPOOL, REFUSED)
ASSET: Final = "andon/kafka-sender"
AWAY_S = 300.0  # a restart of the broker is nobody's business
FULL_SHARE, CLEAR_SHARE = 0.80, 0.78
QUIET_NS = 24 * 3600 * NS_PER_S
Place = tuple[str, str]  # rule, topic's kind


@dataclass(frozen=True, slots=True)
class Look:
    """What the sender sees of one topic.

    away_s: how long it has taken nothing though something waits; share: of transport.kafka.out_spool_mb, 0..1, that
    the fullest shard takes; refused: messages ever that the broker will not take, or that are given up.
    """

    away_s: float
    share: float
    refused: int


@dataclass
class KafkaWatch:
    """Which alarms are on, and the changes that says. Pure: what is seen and the time are arguments.

    since: start of each open alarm, ns.
    """

    since: dict[Place, int] = field(default_factory=dict)
    _refused: dict[str, tuple[int, int]] = field(default_factory=dict)  # kind -> count, when it last grew

    def take_over(self, alarms: Sequence[AlarmRecord]) -> None:
        """Go on with the alarms that an earlier process left open."""
        for alarm in alarms:
            if alarm.rule_id in RULES and alarm.asset == ASSET and alarm.cleared_ns is None:
                self.since[alarm.rule_id, alarm.tag] = alarm.start_ns
                if alarm.rule_id == REFUSED:
                    self._refused[alarm.tag] = (0, alarm.start_ns)

    def look(self, seen: Mapping[str, Look], now_ns: int) -> list[ConditionChange]:
        """What has been raised and cleared, by kind of topic. Refused messages stay an alarm for 24 h."""
        changes = []
        for kind, one in seen.items():
            known, grown_ns = self._refused.get(kind, (0, 0))
            if one.refused > known:
                grown_ns = now_ns
            self._refused[kind] = (one.refused, grown_ns)
            recent = bool(grown_ns) and 0 <= now_ns - grown_ns < QUIET_NS
            full = one.share >= (CLEAR_SHARE if (SPOOL, kind) in self.since else FULL_SHARE)
            changes += [
                *self._set(AWAY, kind, "medium", one.away_s, "s", now_ns, on=one.away_s >= AWAY_S),
                *self._set(SPOOL, kind, "high", one.share * 100.0, "%", now_ns, on=full),
                *self._set(REFUSED, kind, "high", float(one.refused), "1", now_ns, on=recent),
            ]
        return changes

    def _set(
        self, rule: str, kind: str, priority: str, level: float, unit: str, now_ns: int, *, on: bool
    ) -> list[ConditionChange]:
        since_ns = self.since.get((rule, kind))
        if on == (since_ns is not None):
            return []
        start_ns = now_ns if since_ns is None else since_ns
        if on:
            self.since[rule, kind] = now_ns
        else:
            del self.since[rule, kind]
        return [
            ConditionChange(
                kind="raised" if on else "cleared", asset=ASSET, tag=kind, rule_id=rule, rule_version="1",
                raises="none", priority=priority, condition="above", limit=None, unit=unit, start_ns=start_ns,
                confirmed_ns=start_ns, cleared_ns=None if on else now_ns, peak=level,
                out_s=(now_ns - start_ns) / NS_PER_S, offset=0,
            )
        ]  # fmt: skip

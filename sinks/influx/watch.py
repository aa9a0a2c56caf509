"""Alarms about the way to InfluxDB: refused, away, the queue filling up, lines parked, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from andon.conditions import ConditionChange
from andon.readings import NS_PER_S
from andon.records import AlarmRecord

REFUSED, AWAY, SPOOL = "andon-influx-refused", "andon-influx-away", "andon-influx-spool"
PARKED, GAP = "andon-influx-parked", "andon-influx-gap"
RULES: Final = (REFUSED, AWAY, SPOOL, PARKED, GAP)
ASSET: Final = "andon/influx-sender"
AWAY_S = 300.0  # a restart of the server is nobody's business
FULL_SHARE, CLEAR_SHARE = 0.80, 0.78
QUIET_NS = 24 * 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Look:
    """What the sender sees. denied: InfluxDB refuses us as a whole; share: of influx.spool_mb that is taken, 0..1."""

    denied: bool
    away_s: float
    share: float
    parked: int  # ever
    parked_ns: int | None  # when the newest of those still kept was refused; from the store, so a crash hides none
    gaps: int


@dataclass
class InfluxWatch:
    """Which alarms are on, and the changes that says. Pure: what is seen and the time are arguments.

    since: start of each open alarm by rule, ns.
    """

    since: dict[str, int] = field(default_factory=dict)

    def take_over(self, alarms: Sequence[AlarmRecord]) -> None:
        """Go on with the alarms that an earlier process left open."""
        for alarm in alarms:
            if alarm.rule_id in RULES and alarm.asset == ASSET and alarm.cleared_ns is None:
                self.since[alarm.rule_id] = alarm.start_ns

    def look(self, seen: Look, now_ns: int) -> list[ConditionChange]:
        """What has been raised and cleared. Parked lines stay an alarm for 24 h after the last one, or until taken."""
        recent = seen.parked_ns is not None and 0 <= now_ns - seen.parked_ns < QUIET_NS
        full = seen.share >= (CLEAR_SHARE if SPOOL in self.since else FULL_SHARE)
        return [
            *self._set(REFUSED, "high", 1.0, "1", now_ns, on=seen.denied),
            *self._set(AWAY, "medium", seen.away_s, "s", now_ns, on=not seen.denied and seen.away_s >= AWAY_S),
            *self._set(SPOOL, "high", seen.share * 100.0, "%", now_ns, on=full),
            *self._set(PARKED, "medium", float(seen.parked), "1", now_ns, on=recent),
            *self._set(GAP, "high", float(seen.gaps), "1", now_ns, on=seen.gaps > 0),
        ]

    def _set(
        self, rule: str, priority: str, level: float, unit: str, now_ns: int, *, on: bool
    ) -> list[ConditionChange]:
        since_ns = self.since.get(rule)
        if on == (since_ns is not None):
            return []
        start_ns = now_ns if since_ns is None else since_ns
        if on:
            self.since[rule] = now_ns
        else:
            del self.since[rule]
        return [
            ConditionChange(
                kind="raised" if on else "cleared", asset=ASSET, tag="influx", rule_id=rule, rule_version="1",
                raises="none", priority=priority, condition="above", limit=None, unit=unit, start_ns=start_ns,
                confirmed_ns=start_ns, cleared_ns=None if on else now_ns, peak=level,
                out_s=(now_ns - start_ns) / NS_PER_S, offset=0,
            )
        ]  # fmt: skip

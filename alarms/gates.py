"""Suppression by design: what silences a rule for a time, and what becomes of its conditions meanwhile.

The rules go on judging while they are silenced. A condition that is confirmed then is told as suppressed; it is let out
(`unsuppressed`) at the first tick at which nothing silences it any more, if it is still true, and an open one is taken
back (`suppressed`) at the first tick at which something does. Pure: no clock but the log's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.config.rules import DAYS, When
from andon.hours import Hours
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S, Event, Readings, Status

LAYOUT = 1
LONG_AGO = -(2**62)
CHANGES = ("product", "order", "lot")  # subjects of events whose start is a change of what the asset makes
MAINTENANCE = "maintenance"
#: A maintenance that nobody ended stops silencing after so long; another `maintenance.started` prolongs it.
LONGEST_MAINTENANCE_NS = 24 * 3600 * NS_PER_S
REMEMBERED = 1_000  # conditions that ended silenced
PAST_MAINTENANCES = 16  # of an asset: what is found late is judged by the maintenance that was then
Identity = tuple[str, str, str, int]  # asset, tag, rule id, start_ns


class Inside(NamedTuple):
    """Whether a series says that a rule counts, and since when, event time; LONG_AGO: since it was first heard of."""

    counts: bool
    since_ns: int


class Gates:
    """What silences the rules of one shard.

    rules    : every rule by id, as configured now; a change of any other rule passes as it is.
    timezone : of the site, for schedules.
    """

    def __init__(self, rules: Sequence[Rule], timezone: str) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._hours = {
            rule.id: Hours([DAYS.index(day) for day in one.days], one.begins, one.ends, timezone)
            for rule in rules
            if (one := rule.schedule) is not None
        }
        self._whens = {rule.when for rule in rules if rule.when is not None}
        self._watched: dict[int, tuple[str, list[tuple[When, frozenset[float]]]]] = {}  # series id -> asset, by `when`
        self._is_watched = np.zeros(1, np.bool_)
        self._said: dict[tuple[str, str], tuple[int, float]] = {}  # (asset, tag) -> event time, value, the newest
        self._inside: dict[tuple[str, When], Inside] = {}
        self._changed: dict[str, int] = {}  # asset -> event time of the newest product, order or lot
        self._maintained: dict[str, int] = {}  # asset -> event time of the start
        self._past: dict[str, tuple[tuple[int, int], ...]] = {}  # asset -> its last maintenances, [start, end)
        self._open: dict[Identity, ConditionChange] = {}
        self._ended: dict[Identity, str] = {}  # what silenced the last ones that ended, oldest first

    def bind(self, series: int, spec: SeriesSpec) -> None:
        """A series of the shard got its id."""
        whens = [when for when in sorted(self._whens, key=repr) if when.tag == spec.tag]
        if not whens:
            return
        pairs = [(when, _allowed(when, spec)) for when in whens]
        self._watched[series] = (spec.asset, pairs)
        self._is_watched = np.zeros(max(self._watched) + 2, np.bool_)
        self._is_watched[list(self._watched)] = True
        known = self._said.get((spec.asset, spec.tag))
        for when, allowed in pairs:
            if known is not None and (spec.asset, when) not in self._inside:
                self._inside[spec.asset, when] = Inside(known[1] in allowed, LONG_AGO)

    def event(self, event: Event) -> None:
        """Take one event in log order; those about anything else are left alone."""
        subject, _, verb = event.event.partition(".")
        if subject == MAINTENANCE and verb in ("started", "ended"):
            begun_ns = self._maintained.pop(event.asset, None)
            if begun_ns is not None and begun_ns < event.time_ns:
                ended = (begun_ns, min(event.time_ns, begun_ns + LONGEST_MAINTENANCE_NS))
                self._past[event.asset] = (*self._past.get(event.asset, ()), ended)[-PAST_MAINTENANCES:]
            if verb == "started":
                self._maintained[event.asset] = event.time_ns
        elif subject in CHANGES and verb == "started":
            self._changed[event.asset] = max(event.time_ns, self._changed.get(event.asset, 0))

    def step(self, rows: Readings, changes: Sequence[ConditionChange]) -> list[ConditionChange]:
        """Rows of a stretch of the log and what the rules made of them, in the order of their offsets.

        A change is judged by what the series of `when` said up to the end of its message.
        """
        said = self._rows_of_gates(rows)
        told, at = [], 0
        for change in changes:
            while at < len(said) and rows.offset[said[at]] <= change.offset:
                self._say(rows, said[at])
                at += 1
            told.append(self._take(change))
        for row in said[at:]:
            self._say(rows, row)
        return told

    def tick(self, time_ns: int, offset: int, changes: Sequence[ConditionChange]) -> list[ConditionChange]:
        """What the rules made of a tick, then what it lets out or takes back. time_ns: the time the tick says."""
        told = [self._take(change) for change in changes]
        for identity, known in self._open.items():
            by = self._silenced_by(known, time_ns, now=True)
            if bool(by) == bool(known.suppressed_by):
                continue
            after = replace(known, kind="suppressed" if by else "unsuppressed", suppressed_by=by, offset=offset)
            self._open[identity] = after
            told.append(after)
        return told

    def _rows_of_gates(self, rows: Readings) -> list[int]:
        if not self._watched or not len(rows):
            return []
        last = len(self._is_watched) - 1  # a place beyond the series with gates stands for all others: never watched
        mine = self._is_watched[np.minimum(rows.series, last)]
        usable = mine & (rows.status < Status.BAD) & np.isfinite(rows.value)
        found: list[int] = np.flatnonzero(usable).tolist()
        return found

    def _say(self, rows: Readings, row: int) -> None:
        """A row of a series that rules look at; one behind its newest changes nothing."""
        asset, pairs = self._watched[int(rows.series[row])]
        time_ns, value = int(rows.time_ns[row]), float(rows.value[row])
        key = (asset, pairs[0][0].tag)
        newest = self._said.get(key)
        if newest is not None and time_ns < newest[0]:
            return
        self._said[key] = (time_ns, value)
        for when, allowed in pairs:
            before = self._inside.get((asset, when))
            if before is None:
                self._inside[asset, when] = Inside(value in allowed, LONG_AGO)
            elif before.counts != (value in allowed):
                self._inside[asset, when] = Inside(value in allowed, time_ns)

    def _take(self, change: ConditionChange) -> ConditionChange:
        """The change with what silences it, which is kept while the condition is open."""
        identity = (change.asset, change.tag, change.rule_id, change.start_ns)
        known = self._open.pop(identity, None)
        if change.rule_id not in self._rules:  # perhaps one that was removed
            return change
        if known is not None:
            by = known.suppressed_by
        elif change.kind == "raised":
            by = self._silenced_by(change, change.confirmed_ns, now=False)
        else:
            by = self._ended.get(identity, "")
        change = replace(change, suppressed_by=by) if by else change
        if change.cleared_ns is None and not change.voided:
            self._open[identity] = change  # its evidence is the rule's: the rows are cited after the gates
        elif by:
            self._end(identity, by)
        return change

    def _end(self, identity: Identity, by: str) -> None:
        """Late data may revise what has ended; it stays as silent as it was."""
        self._ended[identity] = by
        if len(self._ended) > REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def _silenced_by(self, change: ConditionChange, at_ns: int, *, now: bool) -> str:
        """mode, schedule, state, change, or nothing: empty. now: at_ns is the time of a tick, else an event time."""
        rule = self._rules.get(change.rule_id)
        if rule is None:
            return ""
        if not rule.in_maintenance and self._maintains(change.asset, at_ns, now=now):
            return "mode"
        hours = self._hours.get(rule.id)
        if hours is not None and not hours.hold(at_ns):
            return "schedule"
        if rule.when is not None and self._state_silences(change.asset, rule.when, at_ns, now=now):
            return "state"
        if rule.change_grace_s and self._just_changed(change.asset, at_ns, round(rule.change_grace_s * NS_PER_S)):
            return "change"
        return ""

    def _state_silences(self, asset: str, when: When, at_ns: int, *, now: bool) -> bool:
        """A state that began after at_ns was another one then; at a tick it is the one that holds, ahead or not."""
        inside = self._inside.get((asset, when))
        if inside is None:  # the series has not said anything yet: better an alarm too many
            return False
        at_ns = max(at_ns, inside.since_ns) if now else at_ns
        if at_ns < inside.since_ns:
            return inside.counts
        return not inside.counts or at_ns - inside.since_ns < when.grace_s * NS_PER_S

    def _maintains(self, asset: str, at_ns: int, *, now: bool) -> bool:
        """Whether the asset is in maintenance; at an event time also whether it was."""
        if not self._maintained and (now or not self._past):
            return False
        places = _and_above(asset)
        begun = (self._maintained.get(one) for one in places)
        if any(at is not None and at <= at_ns < at + LONGEST_MAINTENANCE_NS for at in begun):
            return True
        return not now and any(start <= at_ns < end for one in places for start, end in self._past.get(one, ()))

    def _just_changed(self, asset: str, at_ns: int, grace_ns: int) -> bool:
        begun = (self._changed.get(one) for one in _and_above(asset))
        return any(at is not None and at <= at_ns < at + grace_ns for at in begun)

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return (
            LAYOUT,
            tuple((*key, *value) for key, value in sorted(self._said.items())),
            tuple(
                (asset, when.model_dump_json(), *inside)
                for (asset, when), inside in sorted(self._inside.items(), key=lambda one: (one[0][0], repr(one[0][1])))
            ),
            tuple(sorted(self._changed.items())),
            tuple(sorted(self._maintained.items())),
            tuple(_plain(change) for change in self._open.values()),
            tuple((*identity, by) for identity, by in self._ended.items()),
            tuple(sorted(self._past.items())),
        )

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot, before any series is bound; ValueError for another layout."""
        layout, said, inside, changed, maintained, opened, ended, *past = snapshot
        if layout != LAYOUT:
            raise ValueError(f"state of gates of layout {layout}; this version reads layout {LAYOUT}")
        self._said = {(asset, tag): (time_ns, value) for asset, tag, time_ns, value in said}
        before = {(asset, When.model_validate_json(text)): Inside(*rest) for asset, text, *rest in inside}
        self._inside = {key: one for key, one in before.items() if key[1] in self._whens}
        self._changed, self._maintained = dict(changed), dict(maintained)
        self._past = dict(past[0]) if past else {}
        self._ended = {(asset, tag, rule_id, start_ns): by for asset, tag, rule_id, start_ns, by in ended}
        for values in opened:
            named = dict(values)  # without evidence in snapshots of earlier versions
            change = ConditionChange(**(named | {"evidence": dict(named.get("evidence", ()))}))
            self._open[change.asset, change.tag, change.rule_id, change.start_ns] = change


def _allowed(when: When, spec: SeriesSpec) -> frozenset[float]:
    """Values of the series in which the rule counts."""
    if when.values:
        return frozenset(when.values)
    return frozenset(float(spec.states.index(name)) for name in when.states if name in spec.states)


def _and_above(asset: str) -> list[str]:
    """The asset, and the parts of the plant it stands in.

    >>> _and_above("filling/line1/filler")
    ['filling/line1/filler', 'filling/line1', 'filling']
    """
    parts = asset.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _plain(change: ConditionChange) -> tuple[tuple[str, Any], ...]:
    named = {one.name: getattr(change, one.name) for one in fields(change)}
    return tuple((named | {"evidence": tuple(change.evidence.items())}).items())

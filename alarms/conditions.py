"""From readings, scores and ticks to confirmed conditions: the rules of plant.toml at work.

`ConditionEngine` is pure: no I/O, no clock. Its changes depend only on the sequence of rows and ticks it was given,
not on how that sequence was cut into batches. docs/alarm-rules.md explains every decision it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alarms.anew import Told
from alarms.changes import change_of
from alarms.kernels import CHANGE, CHUNK, LANE, LONG_AGO, MOST, NONE, OPEN_END, RAISED, SERIES, step_rows, step_tick
from alarms.late import judged_kind
from alarms.late_rows import LateRows, near_ns
from alarms.rules import compile_rules
from alarms.snapshots import Snapshot, carry_over, read_snapshot, write_snapshot
from alarms.spans import Board
from alarms.stretches import Points
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.plant import SeriesSpec, rule_version
from andon.readings import F64, U8, Readings

FRESH = np.zeros((), SERIES)  # of a series that has had no row


@dataclass
class TickClock:
    """Time as the ticks tell it, made to run forward only.

    A tick behind the one before it means that the clock was set back: time stands still for that tick and runs on
    from there, with `correction_ns` on every later stamp, until the ticks have caught up by themselves.
    """

    passed_ns: int = LONG_AGO
    correction_ns: int = 0

    def tick(self, time_ns: int) -> None:
        """Take the next tick.

        >>> clock = TickClock()
        >>> for stamp in (100, 101, 61, 62, 102):
        ...     clock.tick(stamp)
        ...     print(clock.passed_ns, end=" ")
        100 101 101 102 102
        """
        if time_ns >= self.passed_ns:
            self.correction_ns = 0
        elif time_ns + self.correction_ns < self.passed_ns:
            self.correction_ns = self.passed_ns - time_ns
        self.passed_ns = time_ns + self.correction_ns


class ConditionEngine:
    """All conditions of one shard.

    Series are bound in the order of their ids; a series without rules costs one look-up a row. Good for 100,000
    series (about 60 bytes each, and 72 for each of its rules); cost per row and rule about 10 ns in the cache.

    rules_of : the rules that apply to a series, in the order in which their changes are to be told. Rules must have
               passed the configuration's check; ValueError where one has not exactly one limit.
    points   : where the rows of a series are read again when late ones came (`Journal.points`); it must know every
               row that `step` was given. None: late rows change nothing.
    keep_s   : how late a row may be.

    >>> from andon.readings import NS_PER_S
    >>> engine = ConditionEngine(lambda spec: [Rule(id="hot", on="*", above=8.0, delay_s=60.0)])
    >>> engine.bind(0, SeriesSpec("cold/room1", "air", "number", "Cel", -50, 50, 30, (), None, "", True))
    >>> times = np.array([0, 30, 60, 90]) * NS_PER_S
    >>> rows = Readings(
    ...     times, np.zeros(4, np.int32), np.array([7.0, 8.5, 9.0, 9.5]), np.zeros(4, np.uint8), np.arange(4), times
    ... )
    >>> [
    ...     (change.kind, change.start_ns // NS_PER_S, change.confirmed_ns // NS_PER_S, change.peak)
    ...     for change in engine.step(rows, np.full(4, np.nan))
    ... ]
    [('raised', 30, 90, 9.0)]
    """

    def __init__(
        self, rules_of: Callable[[SeriesSpec], Sequence[Rule]], points: Points | None = None, keep_s: float = 360_000.0
    ) -> None:
        self._rules_of = rules_of
        self._points, self._keep_s = points, keep_s
        self._out, self._behind = np.zeros(1024, CHANGE), np.zeros(1024, np.int32)
        self._forget()

    def _forget(self) -> None:
        self._clock = TickClock()
        self._late = LateRows(self._keep_s)
        self._specs: list[SeriesSpec] = []
        self._rules: list[Rule] = []
        self._versions: list[str] = []
        self._index: dict[tuple[str, str], int] = {}
        self._places: dict[int, int] = {}
        self._fresh_lanes: dict[tuple[int, ...], NDArray[np.void]] = {}  # of a new series, by its rules
        self._table = compile_rules([])
        self._slots = np.full(0, -1, np.int32)
        self._series = np.zeros(0, SERIES)
        self._lanes = np.zeros(0, LANE)
        self._due = np.zeros(0, np.int64)  # of each chunk of series, as is what follows: see step_tick
        self._latest = np.zeros(0, np.int64)
        self._series_used = self._lanes_used = 0

    def __len__(self) -> int:
        """How many series are bound."""
        return len(self._specs)

    def bind(self, series_id: int, spec: SeriesSpec) -> None:
        """Take up a series that appears for the first time; ids come in order, ValueError otherwise."""
        if series_id != len(self._specs):
            raise ValueError(f"series {series_id} bound out of order; the next id is {len(self._specs)}")
        rules = tuple(self._rule_index(rule) for rule in self._rules_of(spec))
        if rules not in self._fresh_lanes:
            lanes = np.zeros(len(rules), LANE)
            lanes["rule"] = lanes["next"] = rules
            lanes["told_start"] = lanes["decided"] = lanes["quiet"] = LONG_AGO
            self._fresh_lanes[rules] = lanes
        self._append(spec, None, self._fresh_lanes[rules])

    def step(self, readings: Readings, score: F64, held: U8 | None = None) -> list[ConditionChange]:
        """Take a batch in log order. score: float64[len(readings)], NaN where a row is not scored.

        held: uint8[len(readings)], 1 where an alarm that its detector told goes on; None: nowhere.

        ValueError when a column has another length or a series is not bound.
        """
        columns = (
            np.ascontiguousarray(readings.time_ns, np.int64), np.ascontiguousarray(readings.series, np.int32),
            np.ascontiguousarray(readings.value, np.float64), np.ascontiguousarray(readings.status, np.uint8),
            np.ascontiguousarray(readings.offset, np.int64), np.ascontiguousarray(readings.received_ns, np.int64),
            np.ascontiguousarray(score, np.float64),
            np.zeros(len(score), np.uint8) if held is None else np.ascontiguousarray(held, np.uint8),
        )  # fmt: skip
        count = len(readings)
        if {column.shape for column in columns} != {(count,)}:
            raise ValueError(f"columns of {[len(column) for column in columns]} rows in one batch")
        if not count:
            return []
        ids = columns[1]
        if int(ids.view(np.uint32).max()) >= len(self._specs):  # a negative id is a huge one there
            raise ValueError(f"series {ids.min()}..{ids.max()} in a batch; bound are 0..{len(self._specs) - 1}")
        if count > len(self._behind):
            self._behind = np.zeros(count, np.int32)
        changes: list[ConditionChange] = []
        row = 0
        while row < count:
            row, written, behind = step_rows(
                row, *columns, self._slots, self._series, self._lanes, self._table, self._due, self._latest,
                self._clock.passed_ns, self._clock.correction_ns, self._out, self._behind,
            )  # fmt: skip
            changes += self._changes(written)
            if behind and self._points is not None:
                self._late.note(self._behind[:behind], ids, columns[0], columns[2], self._board())
        return changes

    def tick(self, time_ns: int, offset: int) -> list[ConditionChange]:
        """Let time pass: delays end under the last value, series are found silent, late rows are judged."""
        self._clock.tick(time_ns)
        changes: list[ConditionChange] = []
        at = 0
        while at < self._series_used:
            at, written = step_tick(
                at, self._series[: self._series_used], self._lanes, self._table, self._due, self._latest,
                self._clock.passed_ns, offset, self._out,
            )  # fmt: skip
            changes += self._changes(written)
        if self._points is not None:
            changes += self._judge_late(self._points, offset)
        return changes

    def _judge_late(self, points: Points, offset: int) -> list[ConditionChange]:
        """The late rows whose turn it is."""
        self._late.pass_tick(self._series[: self._series_used], len(self))
        changes: list[ConditionChange] = []
        due = self._late.due(points, self._specs, self._board())
        for at, (series, first, last) in enumerate(due):
            slot, spec = int(self._slots[series]), self._specs[series]
            if slot < 0:
                continue
            lanes = self._lanes[self._series[slot]["first"] :][: self._series[slot]["count"]]
            waiting = min((other for one, other, _ in due[at + 1 :] if one == series), default=OPEN_END)
            stretch = self._late.stretch(series, first, last, spec, self._series[slot], self._clock.passed_ns, waiting)
            for lane in lanes:
                ran = max(int(lane["rule"]), int(lane["next"]))
                if ran == NONE:
                    continue
                for kind, told in self._late.judge(points, stretch, lane, self._rules[ran].id, self._table):
                    changes.append(self._told(kind, told, series, offset))
            self._due[slot // CHUNK] = LONG_AGO
        return changes

    def _board(self) -> Board:
        return Board(self._slots, self._series, self._lanes, self._table)

    def snapshot(self) -> Snapshot:
        """The whole state, independent of this object and of the configuration it ran with."""
        clock = (self._clock.passed_ns, self._clock.correction_ns)
        series, lanes = self._series[: self._series_used], self._lanes[: self._lanes_used]
        return write_snapshot(clock, self._slots[: len(self)], series, lanes, self._rules, self._late.snapshot())

    def restore(self, snapshot: Snapshot, specs: Sequence[SeriesSpec]) -> None:
        """Take over a snapshot under the rules of now. specs: of every series id the snapshot knows, in order.

        A confirmed condition whose rule was changed or removed is kept under its old rule until it clears; what was
        not confirmed is dropped. ValueError for another layout or another number of series.
        """
        old = read_snapshot(snapshot)
        if len(specs) != len(old.slots):
            raise ValueError(f"snapshot of {len(old.slots)} series, but {len(specs)} specs")
        self._forget()
        self._clock = TickClock(*old.clock)
        used = set(old.lanes["rule"].tolist()) | set(old.lanes["next"].tolist()) | set(old.told["rule"].tolist())
        places = [self._rule_index(rule) if at in used else NONE for at, rule in enumerate(old.rules)]
        remap = np.array(places, np.int32)
        for spec, slot in zip(specs, old.slots.tolist(), strict=True):
            now = [(rule.id, self._rule_index(rule)) for rule in self._rules_of(spec)]
            if slot < 0:
                record, before = None, np.zeros(0, LANE)
            else:
                record = old.series[slot]
                before = old.lanes[record["first"] : record["first"] + record["count"]].copy()
                for field in ("rule", "next"):
                    before[field] = np.where(before[field] >= 0, remap[before[field]], NONE)
            self._append(spec, record, carry_over(before, now, [rule.id for rule in self._rules]))
        ids = {at: (place, self._rules[place].id) for at, place in enumerate(places) if place != NONE}
        self._late.restore(old, ids)

    def _append(self, spec: SeriesSpec, record: Any, lanes: NDArray[np.void]) -> None:
        """Add a series with its lanes; record: what was known of it, or None."""
        self._make_room(len(lanes))
        series_id, slot, first = len(self._specs), self._series_used, self._lanes_used
        self._specs.append(spec)
        if not len(lanes):
            return
        self._series[slot] = FRESH if record is None else record
        s = self._series[slot]
        if s["near"] != near_ns(spec):
            s["run"] = s["newest"]
        s["id"], s["first"], s["count"], s["near"] = series_id, first, len(lanes), near_ns(spec)
        self._lanes[first : first + len(lanes)] = lanes
        self._slots[series_id] = slot
        self._series_used, self._lanes_used = slot + 1, first + len(lanes)

    def _make_room(self, lanes: int) -> None:
        """Room for one more series with so many lanes: doubled, so that n series cost n copies in all."""
        if len(self._slots) <= len(self._specs):
            more = max(64, len(self._slots))
            self._slots = np.concatenate([self._slots, np.full(more, -1, np.int32)])
        if len(self._series) <= self._series_used:
            self._series = np.concatenate([self._series, np.zeros(max(64, len(self._series)), SERIES)])
            fresh = np.full(-(-len(self._series) // CHUNK) - len(self._due), LONG_AGO)
            self._due, self._latest = np.concatenate([self._due, fresh]), np.concatenate([self._latest, fresh])
        if len(self._lanes) < self._lanes_used + lanes:
            self._lanes = np.concatenate([self._lanes, np.zeros(max(128, lanes, len(self._lanes)), LANE)])
        if len(self._out) <= MOST * lanes:  # the kernels stop where the next series might not fit
            self._out = np.zeros(MOST * lanes + 1, CHANGE)

    def _rule_index(self, rule: Rule) -> int:
        """Place of a rule in the table. Hashing costs 40 us, so the object seen last is recognised by identity."""
        known = self._places.get(id(rule))
        if known is not None:
            return known
        key = (rule.id, rule_version(rule))
        place = self._index.setdefault(key, len(self._rules))
        if place == len(self._rules):
            self._table = np.concatenate([self._table, compile_rules([rule])])
            self._rules.append(rule)
            self._versions.append(key[1])
        else:
            self._places.pop(id(self._rules[place]), None)
            self._rules[place] = rule  # kept alive here, so nobody else gets its identity
        self._places[id(rule)] = place
        return place

    def _changes(self, count: int) -> list[ConditionChange]:
        return [self._change(row) for row in self._out[:count]]

    def _change(self, row: Any) -> ConditionChange:
        series, place, raised = int(row["series"]), int(row["rule"]), row["kind"] == RAISED
        told = Told(
            place, int(row["start"]), int(row["begun"]), None if raised else int(row["cleared"]), float(row["peak"]),
            int(row["out"]), bool(row["upper"]), late=False,
        )  # fmt: skip
        if self._points is not None and judged_kind(self._table[place]["kind"]):
            told = self._late.tell(series, self._rules[place].id, told)
        return self._told("raised" if raised else "cleared", told, series, int(row["offset"]))

    def _told(
        self, kind: Literal["raised", "cleared", "revised"], told: Told, series: int, offset: int
    ) -> ConditionChange:
        confirmed_ns = told.begun + int(self._table[told.rule]["on_ns"])
        rule, version = self._rules[told.rule], self._versions[told.rule]
        return change_of(kind, told, self._specs[series], rule, version, confirmed_ns=confirmed_ns, offset=offset)

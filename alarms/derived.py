"""Rules on what is computed from the readings: rate of change, deviation, forecast to a limit, hole between rows.

Each (series, rule) has a slot whose values are a series of their own; a `ConditionEngine` judges those by the limits,
deadbands and delays of the rule. Pure like the engine, and as independent of how the log was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from alarms.conditions import ConditionEngine
from alarms.derived_kernel import NONE, POINTS, REFERENCE, SLOT, SUBJECT, derive_rows
from alarms.derived_slots import Slot, SlotSpec, evidence_of, fresh_slot, hole_changes, shape_of, slot_arrays
from alarms.rules import DERIVED, Kind, kind_of, rule_text
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.config.rule_references import reference_path
from andon.plant import SeriesSpec, rule_version
from andon.readings import I32, I64, U8, Readings

LAYOUT = 1
Snapshot = tuple[Any, ...]
Point = tuple[str, str, str]  # asset, tag, rule id


class _Written(NamedTuple):
    """A rule with its version, and as snapshots have it."""

    rule: Rule
    version: str
    text: str


class DerivedConditions:
    """All conditions of one shard on computed series.

    rules_of : the rules of a series, of any kind; those that judge the readings themselves are left out.

    A slot costs 1.1 KB. Changes come in the order of the rows.
    """

    def __init__(self, rules_of: Callable[[SeriesSpec], Sequence[Rule]]) -> None:
        self._rules_of = rules_of
        self._forget()

    def _forget(self) -> None:
        self._engine = ConditionEngine(self._judging)
        self._specs: list[SeriesSpec] = []
        self._of_path: dict[str, int] = {}
        self._slots: list[Slot] = []
        self._rules: dict[tuple[str, str], Rule] = {}  # by id and version, for evidence
        self._written: dict[int, _Written] = {}  # by id of the rule, which it keeps alive
        self._open: set[Point] = set()
        self._changing: set[int] = set()  # slots that wait, or that end with the condition that is open
        self._state = np.zeros(0, SLOT)
        self._times = np.zeros((0, POINTS), np.int64)
        self._values = np.zeros((0, POINTS), np.float64)
        self._links: tuple[I32, I32, U8, I64] | None = None  # of `derive_rows`; None: to be made

    def __len__(self) -> int:
        """How many series are bound."""
        return len(self._specs)

    def bind(self, series: int, spec: SeriesSpec) -> None:
        """Take up a series that appears for the first time; ids come in order."""
        self._add_series(series, spec)
        for rule in self._wanted(spec):
            self._add_slot(Slot(series, rule, rule), spec)

    def step(self, rows: Readings) -> list[ConditionChange]:
        """Take a batch in log order."""
        if not self._slots or not len(rows):
            return []
        begins, slot_of, role_of, most = self._linked()
        room = int(most[rows.series].sum())
        if not room:
            return []
        row, place = np.zeros(room, np.int64), np.zeros(room, np.int32)
        time_ns, value = np.zeros(room, np.int64), np.zeros(room, np.float64)
        columns = (
            np.ascontiguousarray(rows.time_ns, np.int64), np.ascontiguousarray(rows.series, np.int32),
            np.ascontiguousarray(rows.value, np.float64), np.ascontiguousarray(rows.status, np.uint8),
        )  # fmt: skip
        changes: list[ConditionChange] = []
        count = derive_rows(
            *columns, begins, slot_of, role_of, self._state, self._times, self._values, row, place, time_ns, value
        )
        row, place, time_ns, value = row[:count], place[:count], time_ns[:count], value[:count]
        holes = self._state["kind"][place] == Kind.GAP
        for at in np.flatnonzero(holes).tolist():
            slot = self._slots[place[at]]
            changes += hole_changes(self._specs[slot.series], slot.rule, rows, int(row[at]), float(value[at]))
        judged = ~holes
        if judged.any():
            kept = row[judged]
            derived = Readings(
                time_ns[judged], place[judged], value[judged], np.zeros(len(kept), np.uint8), rows.offset[kept],
                rows.received_ns[kept],
            )  # fmt: skip
            changes += self._told(self._engine.step(derived, np.full(len(kept), np.nan)))
        return sorted(changes, key=lambda change: change.offset)

    def tick(self, time_ns: int, offset: int) -> list[ConditionChange]:
        """Let time pass: delays end under the last value; slots go on that waited for a condition to end."""
        changes = self._told(self._engine.tick(time_ns, offset))
        if self._changing:
            self._release()
        return changes

    def _wanted(self, spec: SeriesSpec) -> list[Rule]:
        return [rule for rule in self._rules_of(spec) if kind_of(rule) in DERIVED]

    def _judging(self, spec: SeriesSpec) -> Sequence[Rule]:
        """Rules of the series of a slot."""
        if not isinstance(spec, SlotSpec) or kind_of(self._slots[spec.place].rule) == Kind.GAP:
            return ()
        today = self._slots[spec.place].today
        return () if today is None else (today,)

    def _add_series(self, series: int, spec: SeriesSpec) -> None:
        if series != len(self._specs):
            raise ValueError(f"series {series} bound out of order; the next id is {len(self._specs)}")
        self._specs.append(spec)
        self._of_path[spec.path] = series
        self._links = None

    def _add_slot(self, slot: Slot, spec: SeriesSpec, state: Any = None) -> int:
        """Take up a slot; state: its record and points, None for a new one."""
        place = len(self._slots)
        self._slots.append(slot)
        self._grow(place + 1)
        self._state[place] = fresh_slot(slot.rule) if state is None else state
        for rule in (slot.rule, *([slot.today] if slot.today else [])):
            self._rules[rule.id, self._of(rule).version] = rule
        self._links = None
        if state is None:
            self._engine.bind(place, self._spec_of(place, spec))
        return place

    def _of(self, rule: Rule) -> _Written:
        """Once a rule, not once a slot at each snapshot."""
        written = self._written.get(id(rule))
        if written is None:
            written = self._written[id(rule)] = _Written(rule, rule_version(rule), rule_text(rule))
        return written

    def _grow(self, count: int) -> None:
        more = max(count - len(self._state), 16, len(self._state)) if count > len(self._state) else 0
        if more:
            self._state = np.concatenate([self._state, np.zeros(more, SLOT)])
            self._times = np.concatenate([self._times, np.zeros((more, POINTS), np.int64)])
            self._values = np.concatenate([self._values, np.zeros((more, POINTS), np.float64)])

    def _spec_of(self, place: int, spec: SeriesSpec) -> SlotSpec:
        return SlotSpec(**{one.name: getattr(spec, one.name) for one in fields(SeriesSpec)}, place=place)

    def _linked(self) -> tuple[I32, I32, U8, I64]:
        """Which slots each series feeds, and as what; how many."""
        if self._links is None:
            pairs: list[list[tuple[int, int]]] = [[] for _ in self._specs]
            for place, slot in enumerate(self._slots):
                if self._state["kind"][place] == NONE:
                    continue
                pairs[slot.series].append((place, SUBJECT))
                other = self._of_path.get(reference_path(slot.rule, self._specs[slot.series].asset))
                if other is not None:
                    pairs[other].append((place, REFERENCE))
            begins = np.concatenate([[0], np.cumsum([len(one) for one in pairs])]).astype(np.int32)
            flat = np.array([pair for one in pairs for pair in one], np.int32).reshape(-1, 2)
            most = np.diff(begins).astype(np.int64)
            self._links = begins, np.ascontiguousarray(flat[:, 0]), flat[:, 1].astype(np.uint8), most
        return self._links

    def _told(self, changes: list[ConditionChange]) -> list[ConditionChange]:
        """The changes with their evidence."""
        told = []
        for change in changes:
            rule = self._rules[change.rule_id, change.rule_version]
            told.append(
                replace(change, latching=rule.latching, evidence={**change.evidence, **evidence_of(rule, change)})
            )
            point = (change.asset, change.tag, change.rule_id)
            if change.kind == "raised":
                self._open.add(point)
            else:
                self._open.discard(point)
        return told

    def _release(self) -> None:
        """At ticks only, so that no cut of the log decides which rows the next rule sees."""
        for place in [place for place in self._changing if self._point(place) not in self._open]:
            self._changing.discard(place)
            self._state["waits"][place] = NONE
            if self._slots[place].today is None:
                self._state["kind"][place] = NONE
                self._links = None

    def _point(self, place: int) -> Point:
        spec = self._specs[self._slots[place].series]
        return spec.asset, spec.tag, self._slots[place].rule.id

    def snapshot(self) -> Snapshot:
        """The whole state, plain values, independent of the configuration."""
        count = len(self._slots)
        slots = tuple((slot.series, self._of(slot.rule).text) for slot in self._slots)
        state = (self._state[:count].tobytes(), self._times[:count].tobytes(), self._values[:count].tobytes())
        rules = tuple(sorted(self._of(rule).text for rule in self._rules.values()))
        return (LAYOUT, len(self._specs), slots, state, tuple(sorted(self._open)), rules, self._engine.snapshot())

    def restore(self, snapshot: Snapshot, specs: Sequence[SeriesSpec]) -> None:
        """Take over a snapshot under the rules of now. specs: of every series id known, in order.

        A slot goes on where its rule computes the same. Of a rule that computes something else now, an open condition
        keeps the old slot until it clears, and the new one waits for that. ValueError for another layout.
        """
        if snapshot[0] != LAYOUT:
            raise ValueError(f"state of derived rules of layout {snapshot[0]}; this version reads layout {LAYOUT}")
        _, bound, slots, state, opened, rules, engine = snapshot
        if len(specs) != bound:
            raise ValueError(f"snapshot of {bound} series, but {len(specs)} specs")
        self._forget()
        self._open = {(asset, tag, rule_id) for asset, tag, rule_id in opened}
        for series, spec in enumerate(specs):
            self._add_series(series, spec)
        self._state, self._times, self._values = slot_arrays(state, len(slots))
        before = {text: Rule.model_validate_json(text) for text in {*rules, *(text for _, text in slots)}}
        for place, (series, text) in enumerate(slots):
            self._slots.append(self._carried(place, series, before[text]))
        self._remember_rules([before[text] for text in rules])
        self._engine.restore(engine, [self._spec_of(at, specs[slot.series]) for at, slot in enumerate(self._slots)])
        for series, spec in enumerate(specs):
            self._add_missing(series, spec)
        alive = self._state["kind"][: len(self._slots)] != NONE
        waits = self._state["waits"][: len(self._slots)] != NONE
        removed = np.array([slot.today is None for slot in self._slots], np.bool_)
        self._changing = set(np.flatnonzero(alive & (waits | removed)).tolist())

    def _carried(self, place: int, series: int, rule: Rule) -> Slot:
        """A slot of the snapshot under the rules of now; one that is of no use any more is switched off."""
        spec = self._specs[series]
        today = next((one for one in self._wanted(spec) if one.id == rule.id), None)
        if today is not None and shape_of(today) == shape_of(rule):
            if self._state["kind"][place] != NONE:
                return Slot(series, today, today)
        elif (spec.asset, spec.tag, rule.id) in self._open and self._state["waits"][place] == NONE:
            return Slot(series, rule, None)
        self._state["kind"][place] = NONE
        return Slot(series, rule, None)

    def _remember_rules(self, before: Sequence[Rule]) -> None:
        """Of those of a snapshot the rules that open conditions still name; and those of the slots."""
        named = {rule_id for _, _, rule_id in self._open}
        for rule in [*(one for one in before if one.id in named), *(slot.rule for slot in self._slots)]:
            self._rules[rule.id, self._of(rule).version] = rule

    def _add_missing(self, series: int, spec: SeriesSpec) -> None:
        """Slots for the rules of now that have none; they wait where a condition of an older one is open."""
        alive = self._state["kind"]
        here = [(at, slot) for at, slot in enumerate(self._slots) if slot.series == series and alive[at] != NONE]
        for rule in self._wanted(spec):
            if any(slot.today is not None and slot.today.id == rule.id for _, slot in here):
                continue
            place = self._add_slot(Slot(series, rule, rule), spec)
            before = [at for at, slot in here if slot.rule.id == rule.id]
            self._state["waits"][place] = before[0] if before else NONE

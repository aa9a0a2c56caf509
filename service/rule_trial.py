"""A rule tried on the past: the journal of a stretch of time through the rules as they ran and as they would be.

Both go through the same engine, so what differs comes from the rules. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alarms.conditions import ConditionEngine
from alarms.rules import Kind, kind_of
from alarms.spans import OLDEST_OPEN_TICKS
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.config.rule_references import reference_path
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.readings import NS_PER_S, Readings, Status, Tick
from andon.series import SeriesDictionary
from flows.rule_stages import RuleStages, rules_on
from sinks.journal_reader import JournalReader

LEAD_NS = 3600 * NS_PER_S  # read before the stretch, so that what had begun by then is known
TICK_NS, MOST_TICKS = 10 * NS_PER_S, 20_000
FAR = 2**62
#: A score needs the detector's memory, a figure its windows: the journal has neither.
NOT_TRIED = frozenset({Kind.ANOMALY, Kind.FIGURE})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would be another. Alarms as last told; moved: (as it was, as it would be); the same ones are counted."""

    appear: list[ConditionChange]
    go: list[ConditionChange]
    moved: list[tuple[ConditionChange, ConditionChange]]
    same: int
    rows: int


def can_be_tried(rule: Rule) -> bool:
    """Whether the journal alone says what the rule would have done."""
    return kind_of(rule) not in NOT_TRIED


def try_rules(
    plant: PlantModel, data: DataFolder, before: Sequence[Rule], after: Sequence[Rule], begin_ns: int, end_ns: int
) -> Outcome:
    """Alarms of [begin_ns, end_ns) under each set of rules, all of which `can_be_tried`.

    Late readings count as they do in the end. Events are not in the journal: maintenance and changes of product
    silence nothing here. Cost: about 0.2 ms for each 10 s of the stretch and shard, and the rows of the series.
    """
    sides: list[list[ConditionChange]] = []
    rows = 0
    for rules in (before, after):
        told: list[ConditionChange] = []
        rows = 0
        for shard in range(plant.config.transport.shards):
            changes, rows = _run_shard(_with_rules(plant, rules), shard, data, begin_ns, end_ns, rows)
            told += changes
        sides.append([one for one in _standing(told) if _begun(one) < end_ns and _end(one) >= begin_ns])
    return _compared(sides[0], sides[1], rows)


def _with_rules(plant: PlantModel, rules: Sequence[Rule]) -> PlantModel:
    return PlantModel(plant.config.model_copy(update={"rule": list(rules)}), plant.pins)


def _run_shard(
    plant: PlantModel, shard: int, data: DataFolder, begin_ns: int, end_ns: int, rows: int
) -> tuple[list[ConditionChange], int]:
    """What the rules tell of one shard, and `rows` plus those that were read."""
    reader = JournalReader(data.journal(shard))
    names = reader.series()
    dictionary = SeriesDictionary(plant, shard)
    dictionary.restore(names)
    wanted = _wanted(plant, names)
    if not wanted:
        return [], rows
    found = reader.find(wanted, begin_ns - LEAD_NS, end_ns, most=FAR)
    log = found.rows[np.argsort(found.number)]
    if not len(log):
        return [], rows
    engine = ConditionEngine(lambda spec: rules_on(plant, spec, direct=True), _points(found.rows))
    for series, spec in enumerate(dictionary.specs):
        engine.bind(series, spec)
    stages = RuleStages(plant, dictionary)
    return _fed(engine, stages, log, end_ns), rows + len(log)


def _wanted(plant: PlantModel, names: dict[str, int]) -> set[int]:
    """The series that any of the rules looks at."""
    wanted: set[str] = set()
    for spec in plant.series.values():
        for rule in plant.rules_for(spec):
            wanted |= {spec.path, reference_path(rule, spec.asset)}
            if rule.when is not None:
                wanted.add(f"{spec.asset}/{rule.when.tag}")
    return {names[path] for path in wanted if path in names}


def _points(rows: NDArray[Any]) -> Callable[[int, int, int], NDArray[Any]]:
    """As `Journal.points`, of rows in order of time."""
    usable = rows[rows["status"] != Status.BAD]
    of = {int(series): usable[usable["series"] == series] for series in np.unique(usable["series"])}

    def points(series: int, start_ns: int, stop_ns: int) -> NDArray[Any]:
        mine: NDArray[Any] = of.get(series, usable[:0])
        first, last = np.searchsorted(mine["time_ns"], (start_ns, stop_ns)).tolist()
        return mine[first:last]

    return points


def _fed(engine: ConditionEngine, stages: RuleStages, log: NDArray[Any], end_ns: int) -> list[ConditionChange]:
    """Rows in log order with ticks between them, and time for the late ones to be judged."""
    received = np.maximum.accumulate(log["received_ns"])
    first, last = int(received[0]), max(int(received[-1]), min(end_ns, int(received[-1]) + LEAD_NS))
    pace = max(TICK_NS, (last - first) // MOST_TICKS)
    ticks = [*range(first + pace, last, pace), last, *([last] * OLDEST_OPEN_TICKS)]
    told: list[ConditionChange] = []
    begin = offset = 0
    for time_ns in ticks:
        end = int(np.searchsorted(received, time_ns, "right"))
        if end > begin:
            rows = _readings(log[begin:end])
            told += stages.step(rows, engine.step(rows, np.full(end - begin, np.nan)))
            begin, offset = end, int(log["offset"][end - 1])
        told += stages.tick(Tick(time_ns, offset, 0), time_ns, [], engine.tick(time_ns, offset))
    return told


def _readings(rows: NDArray[Any]) -> Readings:
    return Readings(
        *(
            np.ascontiguousarray(rows[name])
            for name in ("time_ns", "series", "value", "status", "offset", "received_ns")
        )
    )


def _standing(told: Sequence[ConditionChange]) -> list[ConditionChange]:
    """The last word on each alarm, without those that are void or were silenced by design all the time."""
    last = {_identity(one): one for one in told}
    heard = {_identity(one) for one in told if not one.suppressed_by}
    return [one for identity, one in last.items() if identity in heard and not one.voided]


def _identity(one: ConditionChange) -> tuple[str, str, str, int]:
    return one.asset, one.tag, one.rule_id, one.start_ns


def _begun(one: ConditionChange) -> int:
    return one.start_ns if one.begun_ns is None else one.begun_ns


def _end(one: ConditionChange) -> int:
    return FAR if one.cleared_ns is None else one.cleared_ns


def _compared(before: list[ConditionChange], after: list[ConditionChange], rows: int) -> Outcome:
    """Alarms of one series and rule that share a time are one alarm, the earliest of them first."""
    outcome = Outcome([], [], [], 0, rows)
    same, left = 0, sorted(after, key=_begun)
    for old in sorted(before, key=_begun):
        new = next((one for one in left if _is_one(old, one)), None)
        if new is None:
            outcome.go.append(old)
            continue
        left.remove(new)
        if (_begun(old), _end(old)) == (_begun(new), _end(new)):
            same += 1
        else:
            outcome.moved.append((old, new))
    return Outcome(left, outcome.go, outcome.moved, same, rows)


def _is_one(old: ConditionChange, new: ConditionChange) -> bool:
    place = (old.asset, old.tag, old.rule_id) == (new.asset, new.tag, new.rule_id)
    return place and _begun(old) <= _end(new) and _begun(new) <= _end(old)

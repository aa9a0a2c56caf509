"""The rules of a shard beyond those on the readings themselves, and what silences any of them, as one part.

What is computed from readings and the figures are judged beside the `ConditionEngine`; then all changes pass the gates
of suppression by design. The order of the changes follows the log, so it does not depend on how the log was cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alarms.derived import DerivedConditions
from alarms.figure_rules import FigureRules
from alarms.gates import Gates
from alarms.rules import is_direct
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.outputs import Figure
from andon.plant import PlantModel, SeriesSpec
from andon.readings import Event, Readings, Tick
from andon.series import SeriesDictionary
from operators.oee import oee_ratios

LAYOUT = 1
#: How rules name the ratios of an OEE.
RATIOS = {"availability": "A", "performance": "P", "quality": "Q", "oee": "OEE", "teep": "TEEP", "coverage": "coverage"}


def rules_on(plant: PlantModel, spec: SeriesSpec, *, direct: bool) -> Sequence[Rule]:
    """The rules of a series that judge its readings themselves, or all others.

    A series that left the configuration has none: it would only ever be stale.
    """
    if (spec.asset, spec.tag) not in plant.series:
        return ()
    return [rule for rule in plant.rules_for(spec) if is_direct(rule) == direct]


def figure_values(figure: Figure) -> Mapping[str, float | None]:
    """What rules can judge of a figure: its parts, of an OEE also its ratios, 0..1."""
    if figure.kind != "oee":
        return figure.parts
    ratios = oee_ratios(figure.parts)
    named = {name: ratios[letter] for name, letter in RATIOS.items()}
    return {**figure.parts, **{name: None if value is None else float(value) for name, value in named.items()}}


class RuleStages:
    """Derived rules, rules on figures, gates. Series are taken up from the dictionary as it grows."""

    def __init__(self, plant: PlantModel, dictionary: SeriesDictionary) -> None:
        rules = plant.config.rule
        self._dictionary = dictionary
        self._derived = DerivedConditions(lambda spec: rules_on(plant, spec, direct=False))
        self._figures = FigureRules(rules, figure_values)
        self._gates = Gates(rules, plant.config.site.timezone)

    def event(self, event: Event) -> None:
        """Take one event in log order."""
        self._gates.event(event)

    def step(self, rows: Readings, changes: Sequence[ConditionChange]) -> list[ConditionChange]:
        """Rows between two ticks or events, and what the other rules made of them."""
        self._bind()
        derived = self._derived.step(rows)
        if derived:
            changes = sorted([*changes, *derived], key=lambda change: change.offset)
        return self._gates.step(rows, changes)

    def tick(
        self, tick: Tick, passed_ns: int, figures: Sequence[Figure], changes: Sequence[ConditionChange]
    ) -> list[ConditionChange]:
        """A tick: the figures it published, and what the other rules made of it."""
        self._bind()
        derived = self._derived.tick(passed_ns, tick.offset)
        on_figures = self._figures.take(figures, tick.offset)
        return self._gates.tick(tick.time_ns, tick.offset, [*changes, *derived, *on_figures])

    def _bind(self) -> None:
        for series in range(len(self._derived), len(self._dictionary)):
            spec = self._dictionary.specs[series]
            self._derived.bind(series, spec)
            self._gates.bind(series, spec)

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return (LAYOUT, self._derived.snapshot(), self._figures.snapshot(), self._gates.snapshot())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot, after the dictionary; ValueError for another layout."""
        layout, derived, figures, gates = snapshot
        if layout != LAYOUT:
            raise ValueError(f"state of rules of layout {layout}; this version reads layout {LAYOUT}")
        known = self._dictionary.specs[: _bound(derived)]
        self._derived.restore(derived, known)
        self._figures.restore(figures)
        self._gates.restore(gates)
        for series, spec in enumerate(known):
            self._gates.bind(series, spec)


def _bound(derived: tuple[Any, ...]) -> int:
    count: int = derived[1]
    return count

"""Calibrations of a plant's instruments: how they stand, what a figure was measured with, what a failed one touches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from zoneinfo import ZoneInfo

from andon.config.models import Rule
from andon.figures import KINDS
from andon.outputs import Figure
from andon.plant import PlantModel
from andon.records import AlarmRecord, Records
from flows.figure_specs import machine_specs
from operators.calibration import (
    EVER_NS,
    OPEN_END_NS,
    Calibration,
    Doubt,
    Measured,
    State,
    doubts,
    in_force,
    measured_with,
    state_at,
    told_once,
)
from operators.calibration_machine import DONE, declared, permitted, told
from operators.lots import EVENTS, LotStay, lots_at
from sinks.history_reader import HistoryReader

MOST = 10_000  # figures read at once
MOST_ALARMS = 100_000  # newest alarms of an asset that are looked through
Path = tuple[str, str]  # asset, tag
AlarmsOf = Callable[[str, int], Sequence[AlarmRecord]]  # of an asset, that started before


@dataclass(frozen=True, slots=True)
class Standing:
    """How the instrument of a series stands now; calibration: the one in force."""

    asset: str
    tag: str
    state: State
    calibration: Calibration | None


@dataclass(frozen=True, slots=True)
class Impact:
    """What a failed as-found puts in doubt.

    figures: final windows of that time, of any asset, that the series is an input of. lots: those that were at the
    asset. alarms: decided on the series, or on such a figure, in that time; None where the records were not asked.
    """

    asset: str
    tag: str
    doubt: Doubt
    figures: tuple[Figure, ...]
    lots: tuple[LotStay, ...]
    alarms: tuple[AlarmRecord, ...] | None = None


class Calibrations:
    """Reads the history once for each question. Certificates come from plant.toml and from events.

    alarms_of: reads the alarms of an asset; without it impacts tell none.
    """

    def __init__(self, plant: PlantModel, history: HistoryReader, alarms_of: AlarmsOf | None = None) -> None:
        self._plant, self._history, self._alarms_of = plant, history, alarms_of
        self._read: dict[str, dict[str, tuple[Calibration, ...]]] = {}

    def of(self, asset: str) -> dict[str, tuple[Calibration, ...]]:
        """Every certificate of an asset, by tag; read once."""
        if asset not in self._read:
            self._read[asset] = self._certificates(asset)
        return self._read[asset]

    def _certificates(self, asset: str) -> dict[str, tuple[Calibration, ...]]:
        known, mpe = declared(self._plant, asset), permitted(self._plant, asset)
        if not known:
            return {}
        events, zone = self._history.events(asset, 0, OPEN_END_NS, (DONE,)), ZoneInfo(self._plant.config.site.timezone)
        return {
            tag: told_once(
                mine, [one for event in events if (one := told(event, tag, mpe.get(tag), zone)) is not None]
            )
            for tag, mine in known.items()
        }  # fmt: skip

    def standings(self, now_ns: int) -> list[Standing]:
        """Every calibrated series."""
        return [
            Standing(asset, tag, state_at(mine, now_ns), in_force(mine, now_ns))
            for asset in self._plant.assets
            for tag, mine in self.of(asset).items()
        ]

    def measured(self, figure: Figure) -> list[Measured]:
        """The instruments that a figure was measured with, and how they stood over its time.

        Only series that are calibrated, and those that `[[calibration]]` does not name, with state none. An input of
        another asset has that asset's path before its tag.
        """
        found: list[Measured] = []
        for asset, tag in self._paths(figure):
            mine = measured_with(self.of(asset), [tag], figure.start_ns, figure.end_ns)
            found += mine if asset == figure.asset else [replace(one, tag=f"{asset}/{one.tag}") for one in mine]
        return found

    def impacts(self) -> list[Impact]:
        """What every failed as-found touches, in order of the assets; as known now."""
        return [
            self._impact(asset, tag, doubt)
            for asset in self._plant.assets
            for tag, mine in self.of(asset).items()
            for doubt in doubts(mine)
        ]

    def _impact(self, asset: str, tag: str, doubt: Doubt) -> Impact:
        since_ns = max(0, doubt.from_ns)
        users = {asset, *(path[0] for path, inputs in self._inputs.items() if (asset, tag) in inputs)}
        figures = [
            one
            for kind in KINDS
            if kind != "calibration"
            for user in sorted(users)
            for one in self._figures(kind, user, since_ns, doubt.to_ns)
            if one.final and (asset, tag) in self._paths(one)
        ]
        lots = lots_at(self._history.events(asset, 0, doubt.to_ns, EVENTS), since_ns, doubt.to_ns)
        alarms = None
        if self._alarms_of is not None:
            all_of = [one for user in sorted(users) for one in self._alarms_of(user, doubt.to_ns)]
            alarms = tuple(one for one in all_of if _ended(one) > since_ns and (asset, tag) in self._judged(one))
        return Impact(asset, tag, doubt, tuple(figures), tuple(lots), alarms)

    def _figures(self, kind: str, asset: str, start_ns: int, end_ns: int) -> list[Figure]:
        """All of them: the history gives the newest first, so many at once."""
        found: dict[tuple[str, int], Figure] = {}
        while True:
            part = self._history.figures(kind, start_ns, end_ns, asset, MOST)
            new = [one for one in part if (one.tag, one.start_ns) not in found]
            found |= {(one.tag, one.start_ns): one for one in new}
            if len(part) < MOST or not new:
                return sorted(found.values(), key=lambda one: (one.start_ns, one.tag))
            end_ns = part[0].start_ns + 1  # those that begin with the oldest may be cut off in their midst

    def _judged(self, alarm: AlarmRecord) -> Sequence[Path]:
        """The series that the limit decision of an alarm rests on: its own, its reference, the inputs of its figure."""
        own = (alarm.asset, alarm.tag)
        rule = self._rules.get(alarm.rule_id)
        if rule is None:
            return [own]
        if rule.figure is not None:
            kind = rule.figure.partition(".")[0]
            return (
                self._inputs.get((alarm.asset, kind, alarm.tag)) or self._inputs.get((alarm.asset, kind, "")) or [own]
            )
        if rule.deviates_from is None:
            return [own]
        asset, _, tag = rule.deviates_from.rpartition("/")
        return [own, (asset or alarm.asset, tag)]

    def _paths(self, figure: Figure) -> Sequence[Path]:
        """The inputs of a figure; its own tag where the configuration no longer has it."""
        own, whole = (self._inputs.get((figure.asset, figure.kind, tag)) for tag in (figure.tag, ""))
        return own or whole or ((figure.asset, figure.tag),)

    @cached_property
    def _rules(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self._plant.config.rule}

    @cached_property
    def _inputs(self) -> dict[tuple[str, str, str], tuple[Path, ...]]:
        """Series by (asset, kind, tag of the figure); under an empty tag those of all figures of the kind."""
        found: defaultdict[tuple[str, str, str], tuple[Path, ...]] = defaultdict(tuple)
        for shard in range(self._plant.config.transport.shards):
            for spec in machine_specs(self._plant, shard):
                for key in ((spec.asset, spec.kind, spec.tag), (spec.asset, spec.kind, "")):
                    found[key] = tuple(dict.fromkeys((*found[key], *spec.paths)))
        return dict(found)


def _ended(alarm: AlarmRecord) -> int:
    return OPEN_END_NS if alarm.cleared_ns is None else alarm.cleared_ns


def alarms_of(records: Records) -> AlarmsOf:
    """Reads the alarms of an asset from a site's records."""
    return lambda asset, before_ns: records.alarms(asset=asset, before_ns=before_ns, limit=MOST_ALARMS)


def since(doubt: Doubt) -> int | None:
    """Where a doubt begins, ns; None for no good calibration before."""
    return None if doubt.from_ns == EVER_NS else doubt.from_ns


def until(doubt: Doubt) -> int | None:
    """Where it ends, ns; None while the instrument is not good again."""
    return None if doubt.to_ns == OPEN_END_NS else doubt.to_ns

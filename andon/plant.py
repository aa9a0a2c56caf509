"""The plant as the rooms use it: configuration resolved to series, shards and rules."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property

import rfc8785

from andon.calendars import ShiftCalendar, ShiftTimes, WorkDays
from andon.config.calendar import WEEKDAYS, WorkCalendar
from andon.config.declared import DeclaredWindow
from andon.config.health import WaveAnalysis
from andon.config.models import Asset, ColdChain, Oee, Plant, Rule, Template
from andon.config.oee_lines import Line
from andon.partitioners import PARTITIONERS

PACKML_STATES = (
    "Undefined", "Clearing", "Stopped", "Starting", "Idle", "Suspended", "Execute", "Stopping", "Aborting",
    "Aborted", "Holding", "Held", "Unholding", "Suspending", "Unsuspending", "Resetting", "Completing", "Complete",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """One declared series: everything decoding and checking needs of it."""

    asset: str
    tag: str
    kind: str  # number, boolean, state, counter
    unit: str
    low: float  # -inf where no range is given
    high: float
    every_s: float
    states: tuple[str, ...]
    modulus: float | None
    detect: str  # name of the detector: ensemble, ewma; empty: none
    gxp: bool
    wave: WaveAnalysis | None = None  # of a waveform: what is computed of its blocks
    false_alarm_days: float | None = None  # of a series with detect: its share of the asset's; None: what ships

    @property
    def path(self) -> str:
        """asset-path/tag, as rules address it."""
        return f"{self.asset}/{self.tag}"


@dataclass(frozen=True)
class PlantModel:
    """Look-ups over a checked `Plant`. Shard of an asset: pinned, else as a producer of Kafka chooses from its path."""

    config: Plant
    pins: Mapping[str, int] = field(default_factory=dict)  # of transport.pins

    @cached_property
    def templates(self) -> dict[str, Template]:
        """Template by name."""
        return {template.name: template for template in self.config.template}

    @cached_property
    def assets(self) -> dict[str, Asset]:
        """Asset by path."""
        return {asset.path: asset for asset in self.config.asset}

    @cached_property
    def series(self) -> dict[tuple[str, str], SeriesSpec]:
        """Every declared series by (asset path, tag)."""
        specs = {}
        waves = self._waves
        for asset in self.config.asset:
            own = {one.tag: one for one in asset.series}
            template = self.templates[asset.template]
            every = (*(one for one in template.series if one.tag not in own), *own.values())
            sharing = sum(bool(one.detect) and one.false_alarm_days is None for one in every)
            days = template.false_alarm_days if asset.false_alarm_days is None else asset.false_alarm_days
            for one in every:
                low, high = one.range or (float("-inf"), float("inf"))
                states = PACKML_STATES if one.states == "packml" else tuple(one.states or ())
                specs[asset.path, one.tag] = SeriesSpec(
                    asset.path, one.tag, one.kind, one.unit, low, high, one.every_s,
                    states, one.modulus, "ensemble" if one.detect is True else one.detect or "", one.gxp,
                    waves.get((asset.template, one.tag)),
                    days * sharing if days and one.detect and one.false_alarm_days is None else one.false_alarm_days,
                )  # fmt: skip
        return specs

    @cached_property
    def _waves(self) -> dict[tuple[str, str], WaveAnalysis]:
        """What is computed of the blocks of a waveform, by template and tag."""
        bearings = {bearing.name: bearing for bearing in self.config.bearing}
        return {
            (template.name, one.tag): WaveAnalysis(one, bearings.get(one.bearing or ""))
            for template in self.config.template
            for one in template.vibration
        }

    def shard_of(self, asset: str) -> int:
        """The shard whose log carries this asset."""
        own = self.assets[asset].shard if asset in self.assets else None
        pinned = self.pins.get(asset) if own is None else own
        if pinned is not None:
            return pinned
        transport = self.config.transport
        choose = PARTITIONERS[transport.kafka.partitioner if transport.kafka else "crc32"]
        return choose(asset.encode()) % transport.shards

    def template_of(self, asset: str) -> Template:
        """The template an asset was declared with."""
        return self.templates[self.assets[asset].template]

    def rules_for(self, spec: SeriesSpec) -> list[Rule]:
        """The rules whose glob matches this series, in the order of the file; a waveform has none, its figures have."""
        if spec.kind == "waveform":
            return []
        return [rule for rule in self.config.rule if fnmatchcase(spec.path, rule.on)]

    def windows_for(self, spec: SeriesSpec) -> list[DeclaredWindow]:
        """The declared windows on this series, in the order of the file."""
        if not self.config.window or (spec.asset, spec.tag) not in self.series:
            return []
        template = self.assets[spec.asset].template
        return [one for one in self.config.window if one.selects(spec.path, template, spec.kind)]

    @property
    def longest_s(self) -> float:
        """The longest window of all, declared ones and what stands before them included, s."""
        return max([self.config.windows.longest_s, *(window.longest_s for window in self.config.window)])

    def oee_of(self, asset: str) -> Oee | None:
        """Which series give this asset's OEE."""
        return self.template_of(asset).oee

    @cached_property
    def lines(self) -> dict[str, Line]:
        """Declared lines by the path of their own asset."""
        return {line.asset: line for line in self.config.line}

    @cached_property
    def with_oee(self) -> list[str]:
        """Assets that an OEE is computed of: units and declared lines."""
        return [path for path in self.assets if path in self.lines or self.oee_of(path)]

    @cached_property
    def bottlenecks(self) -> frozenset[str]:
        """Units whose figures stand for a line that is not declared."""
        return frozenset(path for path in self.assets if (oee := self.oee_of(path)) and oee.bottleneck)

    @cached_property
    def line_cells(self) -> dict[str, tuple[str, ...]]:
        """The cells of declared lines, as `operators.topology` reads them."""
        return {line.asset: line.cells for line in self.config.line}

    @cached_property
    def shift_calendar(self) -> ShiftCalendar | None:
        """When production is planned; None where neither [calendar] nor a [[shift]] says."""
        days, shifts = self.config.calendar, self.config.shift
        if not shifts and days == WorkCalendar():
            return None
        begins = sorted(_minute(one.begins) for one in shifts)
        times = [
            ShiftTimes(
                one.name, _minute(one.begins),
                _minute(one.ends) if one.ends else begins[(begins.index(_minute(one.begins)) + 1) % len(begins)],
                frozenset(WEEKDAYS.index(day) for day in one.weekdays),
                tuple((_minute(pause.begins), pause.minutes) for pause in one.breaks),
            )
            for one in shifts
        ]  # fmt: skip
        off, work = (frozenset(map(date.fromisoformat, told)) for told in (days.off, days.work))
        worked = WorkDays(days.country, days.subdivision, off, work)
        return ShiftCalendar(self.config.site.timezone, times or [ShiftTimes("", 0, 0)], worked)

    def cold_chain_of(self, asset: str) -> ColdChain | None:
        """Which series is this asset's storage temperature."""
        return self.template_of(asset).cold_chain

    def ideal_cycle_s(self, asset: str) -> float | None:
        """Planned run time per item of the asset, s; None where no cycle is declared."""
        return next((cycle.seconds for cycle in self.config.cycle if cycle.asset == asset), None)


def _minute(local: str) -> int:
    """Minutes after midnight of HH:MM."""
    return int(local[:2]) * 60 + int(local[3:])


def rule_version(rule: Rule) -> str:
    """12 hexadecimal digits of the sha256 of the rule's canonical JSON (RFC 8785), as alarms keep it.

    Fields at their default are left out, so that a release that adds a field does not renew every rule.
    """
    content = rule.model_dump(mode="json", exclude_defaults=True)
    return hashlib.sha256(rfc8785.dumps(content)).hexdigest()[:12]

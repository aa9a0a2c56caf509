"""Checks of machine health: series that exist, of the right kind and unit; tables and bearings that are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from andon.config.health import ACCELERATION, SPEED, VELOCITY, FailureMode, Health, Running, Vibration, Zones
from andon.config.health_tables import BUILT_IN, zone_tables
from andon.config.models import Series, Template
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.validate import Draft
from andon.plant import PACKML_STATES

FIGURE_UNITS = {".velocity": "mm/s", ".speed": "{rev}/min"}
TREND_TRIGGERS = ("zone", "slope_per_d", "within_d")
BASELINE_TRIGGERS = ("novelty", "over_baseline")
METER_TRIGGERS = ("hours", "mtbf_share", "inspect_h")
CYCLE_TRIGGERS = ("cycles", "inspect_cycles")
Known = Mapping[str, Series]


def check_health(draft: Draft) -> Iterator[Problem]:
    """Every fault of [[bearing]], [[zones]] and what templates say of machine health."""
    bearings = draft.named("bearing", "name")
    own: dict[str, Zones] = {table.name: table for _, table in draft.lists["zones"]}
    for loc, bearing in draft.lists["bearing"]:
        if not bearing.ball_diameter < bearing.pitch_diameter:
            found = shown((bearing.ball_diameter, bearing.pitch_diameter))
            yield Problem("config.order", draft.document.place((*loc, "ball_diameter")), found=found)
    for loc, table in draft.lists["zones"]:
        if not table.a_b < table.b_c < table.c_d:
            yield Problem("config.order", draft.document.place((*loc, "a_b")), found=shown(table.bounds))
        if table.name in BUILT_IN:
            yield Problem("config.zones_built_in", draft.document.place((*loc, "name")), found=shown(table.name))
    for loc, template in draft.lists["template"]:
        yield from _template(draft, loc, template, bearings, own)


def _template(
    draft: Draft, loc: Loc, template: Template, bearings: set[str], own: Mapping[str, Zones]
) -> Iterator[Problem]:
    series = {one.tag: one for one in template.series}
    for number, one in enumerate(template.vibration):
        yield from _vibration(draft, (*loc, "vibration", number), one, series, bearings)
    tables = zone_tables(own.values())
    for number, watched in enumerate(template.health):
        yield from _watched(draft, (*loc, "health", number), watched, series, tables, draft.named("zones", "name"))
        if watched.while_running and template.running is None:
            place = draft.document.place((*loc, "health", number, "while_running"))
            yield Problem("config.health_needs", place, found=shown(value=True), needed="[template.running]")
    for section, key, names in (
        ("vibration", "tag", [one.tag for one in template.vibration]),
        ("health", "tag", [one.tag for one in template.health]),
        ("failure_mode", "id", [one.id for one in template.failure_mode]),
    ):
        yield from _twice(draft, (*loc, section), key, names)
    if template.running is not None:
        yield from _running(draft, (*loc, "running"), template.running, series)
    for number, mode in enumerate(template.failure_mode):
        yield from _mode(draft, (*loc, "failure_mode", number), mode, template)


def _twice(draft: Draft, loc: Loc, key: str, names: Iterable[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if name in first:
            before = draft.document.place((*loc, first[name], key))
            yield Problem("config.twice", draft.document.place((*loc, number, key)), found=shown(name), first=before)
        first.setdefault(name, number)


def _kind(draft: Draft, loc: Loc, tag: str, series: Known, wanted: tuple[str, ...]) -> Iterator[Problem]:
    """A tag that a section names."""
    place = draft.document.place(loc)
    if tag not in series:
        yield unknown_name(place, tag, Words("config.word.series"), series)
    elif series[tag].kind not in wanted:
        yield Problem(
            "config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted=" / ".join(wanted)
        )  # fmt: skip


def _vibration(draft: Draft, loc: Loc, one: Vibration, series: Known, bearings: set[str]) -> Iterator[Problem]:
    yield from _kind(draft, (*loc, "tag"), one.tag, series, ("waveform",))
    pairs = {"low_pass_hz": (one.high_pass_hz, one.low_pass_hz), "envelope_hz": one.envelope_hz, "rpm": one.rpm}
    for key, pair in pairs.items():
        if isinstance(pair, tuple) and not 0.0 < pair[0] < pair[1]:
            yield Problem("config.order", draft.document.place((*loc, key)), found=shown(pair))
    if one.bearing is not None:
        place = draft.document.place((*loc, "bearing"))
        if one.bearing not in bearings:
            yield unknown_name(place, one.bearing, Words("config.word.bearing"), bearings)
        if one.envelope_hz is None or (one.rpm is None and one.speed_tag is None):
            yield Problem("config.health_needs", place, found=shown(one.bearing), needed="envelope_hz, rpm / speed_tag")
    if one.speed_tag is not None:
        yield from _speed(draft, (*loc, "speed_tag"), one, series)
    units = (*ACCELERATION, *VELOCITY)
    if one.tag in series and series[one.tag].unit not in units:
        place, found = draft.document.place((*loc, "tag")), shown(series[one.tag].unit)
        yield Problem("config.health_unit", place, tag=one.tag, found=found, allowed=", ".join(units))
    for ending, unit in FIGURE_UNITS.items():
        made = series.get(one.tag + ending)
        if made is not None and made.unit != unit:
            place = draft.document.place((*loc, "tag"))
            yield Problem("config.health_unit", place, tag=made.tag, found=shown(made.unit), allowed=unit)


def _speed(draft: Draft, loc: Loc, one: Vibration, series: Known) -> Iterator[Problem]:
    """The series of a tachometer; not the one that is made of the block."""
    tag, place = one.speed_tag or "", draft.document.place(loc)
    yield from _kind(draft, loc, tag, series, ("number",))
    if tag == f"{one.tag}.speed":
        yield Problem("config.twice", place, found=shown(tag), first=draft.document.place((*loc[:-1], "tag")))
    elif tag in series and series[tag].unit not in SPEED:
        allowed = ", ".join(SPEED)
        yield Problem("config.health_unit", place, tag=tag, found=shown(series[tag].unit), allowed=allowed)


def _watched(
    draft: Draft, loc: Loc, one: Health, series: Known, tables: Mapping[str, Zones], own: set[str]
) -> Iterator[Problem]:
    yield from _kind(draft, (*loc, "tag"), one.tag, series, ("number",))
    if one.zones is not None and one.zones not in tables and one.zones not in own:
        place = draft.document.place((*loc, "zones"))
        yield unknown_name(place, one.zones, Words("config.word.zones"), {*tables, *own})
    table, declared = tables.get(one.zones or ""), series.get(one.tag)
    if table is not None and declared is not None and table.unit != declared.unit:
        place, found = draft.document.place((*loc, "zones")), shown(declared.unit)
        yield Problem("config.health_unit", place, tag=one.tag, found=found, allowed=table.unit)
    if one.model == "exponential" and one.limit is not None and one.limit <= 0.0:
        place = draft.document.place((*loc, "limit"))
        yield Problem("config.health_limit", place, found=one.limit)


def _running(draft: Draft, loc: Loc, one: Running, series: Known) -> Iterator[Problem]:
    yield from _kind(draft, (*loc, "state"), one.state, series, ("state", "boolean"))
    if one.cycles is not None:
        yield from _kind(draft, (*loc, "cycles"), one.cycles, series, ("counter",))
    declared = series.get(one.state)
    if declared is not None and declared.states:
        names = PACKML_STATES if declared.states == "packml" else declared.states
        for number, name in enumerate(one.states):
            if name not in names:
                yield unknown_name(
                    draft.document.place((*loc, "states", number)), name, Words("config.word.running_state"), names
                )


def _mode(draft: Draft, loc: Loc, one: FailureMode, template: Template) -> Iterator[Problem]:
    """A failure mode that nothing can trigger, or whose trigger lacks what it counts by."""
    watched = [health.tag for health in template.health]
    if one.tag is not None and one.tag not in watched:
        yield unknown_name(draft.document.place((*loc, "tag")), one.tag, Words("config.word.health"), watched)
    seen = next((health for health in template.health if health.tag == one.tag), None)
    zones = seen.zones if seen else None
    running = template.running
    have = {
        **dict.fromkeys((*TREND_TRIGGERS, *BASELINE_TRIGGERS), ("tag", one.tag is not None)),
        **dict.fromkeys(METER_TRIGGERS, ("[template.running]", running is not None)),
        **dict.fromkeys(CYCLE_TRIGGERS, ("[template.running] cycles", running is not None and bool(running.cycles))),
    }
    if one.tag in watched:
        have["zone"] = ("[[template.health]] zones", zones is not None)
        have["over_baseline"] = ("[[template.health]] zones, learn", zones is not None and bool(seen and seen.learn))
        have["novelty"] = ("[[template.health]] learn", bool(seen and seen.learn))
    for key, (needed, there) in have.items():
        if getattr(one, key) not in {None, False} and not there:
            place = draft.document.place((*loc, key))
            yield Problem("config.health_needs", place, found=shown(getattr(one, key)), needed=needed)
    asked = (*have, "inspect_d", "pf_d")
    if all(getattr(one, key) in {None, False} for key in asked):
        yield Problem("config.health_nothing", draft.document.place(loc), mode=one.id, allowed=", ".join(asked))

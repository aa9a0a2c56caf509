"""`andon rules`: the rules and their versions, what a changed plant.toml would change, and trials on the past."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from andon.clock import SystemClock
from andon.errors import ConfigError
from andon.i18n import translate
from andon.readings import NS_PER_S
from service.terminal import (
    CONFIG,
    DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    group,
    open_data,
    open_records,
    plant_of,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from pathlib import Path

    from andon.conditions import ConditionChange
    from andon.config.models import Rule
    from andon.plant import PlantModel
    from service.rule_diff import RuleDifference
    from service.rule_trial import Outcome

DEFAULT_DAYS = 7
RuleOption = Annotated[list[str] | None, typer.Option("--rule", help="cli.rules.rule")]
FromOption = Annotated[str, typer.Option("--from", help="cli.rules.from")]
ToOption = Annotated[str, typer.Option("--to", help="cli.rules.to")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    rules = group("cli.rules.help")
    rules.command("list", help="cli.rules.list.help", epilog="cli.rules.list.example")(list_rules)
    rules.command("diff", help="cli.rules.diff.help", epilog="cli.rules.diff.example")(diff)
    rules.command("try", help="cli.rules.try.help", epilog="cli.rules.try.example")(try_)
    app.add_typer(rules, name="rules")


def list_rules(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Every rule of plant.toml, and those that only the records know, with their versions."""
    plant = plant_of(config)
    found, versions = _differences(plant, data)
    rows = [
        {
            "rule": one.rule_id, "version": one.version, "state": one.state, "versions": one.ordinal,
            "first_seen": stamp_of(versions[one.rule_id][-1].first_seen_ns, plant) if one.rule_id in versions else None,
        }
        for one in found
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    print_table(
        [f"cli.rules.column.{name}" for name in ("rule", "version", "state", "versions", "first_seen")],
        [[*(row[name] for name in ("rule", "version")), _state(row["state"]), row["versions"], row["first_seen"]]
         for row in rows],
    )  # fmt: skip


def diff(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """What differs between the rules of plant.toml and the versions that ran here last."""
    found = [one for one in _differences(plant_of(config), data)[0] if one.state != "same"]
    if as_json:
        print_json([_difference_json(one) for one in found])
        return
    if not found:
        say("cli.rules.same")
    for one in found:
        typer.echo(f"{one.rule_id}: {_state(one.state)}")
        for name, (before, now) in one.fields.items():
            typer.echo(f"  {name}: {_shown(before)} -> {_shown(now)}")


def try_(
    rule: RuleOption = None,
    begin: FromOption = "",
    end: ToOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """Which alarms of the past would appear or go if the rules of plant.toml had been those of --config."""
    from service.rule_trial import can_be_tried, try_rules

    plant = plant_of(config)
    span = span_of(begin, end, plant)
    before, after = _sides(plant, data, rule)
    skipped = sorted({one.id for one in (*before, *after) if not can_be_tried(one)})
    before, after = ([one for one in side if one.id not in skipped] for side in (before, after))
    tried = sorted({one.id for one in (*before, *after)})
    outcome = try_rules(plant, open_data(data, plant), before, after, *span)
    if as_json:
        about = {"from": stamp_of(span[0], plant), "to": stamp_of(span[1], plant), "rules": tried, "not_tried": skipped}
        print_json({**about, **_outcome_json(outcome, plant)})
        return
    for name in skipped:
        say("cli.rules.not_tried", rule=name)
    say("cli.rules.tried", rules=", ".join(tried) or "-", begin=stamp_of(span[0], plant), end=stamp_of(span[1], plant),
        rows=outcome.rows)  # fmt: skip
    headers = [f"cli.rules.column.{name}" for name in ("what", "asset", "tag", "rule", "start", "cleared", "peak")]
    rows = [_row("appears", one, plant) for one in outcome.appear] + [_row("goes", one, plant) for one in outcome.go]
    for old, new in outcome.moved:
        rows += [_row("was", old, plant), _row("becomes", new, plant)]
    if rows:
        print_table(headers, rows)
    say("cli.rules.outcome", appear=len(outcome.appear), go=len(outcome.go), moved=len(outcome.moved),
        same=outcome.same)  # fmt: skip


def _differences(plant: PlantModel, data: Path) -> tuple[list[RuleDifference], dict[str, Any]]:
    from andon.records.rule_versions import rule_versions
    from service.rule_diff import rule_differences

    with open_records(open_data(data, plant), plant) as records:
        versions = rule_versions(records)
    return rule_differences(plant.config.rule, versions), versions


def _sides(plant: PlantModel, data: Path, names: list[str] | None) -> tuple[list[Rule], list[Rule]]:
    """The rules as they ran last and as they would be: those named, else those that differ."""
    from service.rule_diff import newest_rule

    found, versions = _differences(plant, data)
    known = {one.rule_id for one in found}
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ConfigError("cli.rules.unknown", found=", ".join(unknown), allowed=", ".join(sorted(known)) or "-")
    wanted = set(names or (one.rule_id for one in found if one.state in ("new", "changed", "earlier")))
    if not wanted:
        raise ConfigError("cli.rules.nothing")
    before = [newest_rule(rows) for rule_id, rows in versions.items() if rule_id in wanted]
    return before, [one for one in plant.config.rule if one.id in wanted]


def span_of(begin: str, end: str, plant: PlantModel) -> tuple[int, int]:
    """[begin, end) in ns; the last week where nothing is said."""
    end_ns = _time_of("--to", end, plant) if end else SystemClock().now_ns()
    begin_ns = _time_of("--from", begin, plant) if begin else end_ns - DEFAULT_DAYS * 86_400 * NS_PER_S
    if begin_ns >= end_ns:
        raise ConfigError("cli.rules.span", begin=stamp_of(begin_ns, plant), end=stamp_of(end_ns, plant))
    return begin_ns, end_ns


def _time_of(option: str, text: str, plant: PlantModel) -> int:
    """A time of the site, unless it names its zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("cli.rules.time", option=option, found=text) from None
    zoned = at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(plant.config.site.timezone))
    return round(zoned.timestamp() * NS_PER_S)


def stamp_of(time_ns: int, plant: PlantModel) -> str:
    """A moment in the site's time, to the second."""
    zone = ZoneInfo(plant.config.site.timezone)
    return datetime.fromtimestamp(time_ns / NS_PER_S, zone).isoformat(sep=" ", timespec="seconds")


def _state(state: object) -> str:
    return translate(f"cli.rules.state.{state}")


def _shown(value: object) -> str:
    return "-" if value is None or value in ("", {}) else str(value)


def _difference_json(one: RuleDifference) -> dict[str, Any]:
    fields = {name: {"before": before, "now": now} for name, (before, now) in one.fields.items()}
    return {"rule": one.rule_id, "state": one.state, "version": one.version, "fields": fields}


def _outcome_json(outcome: Outcome, plant: PlantModel) -> dict[str, Any]:
    return {
        "rows": outcome.rows, "same": outcome.same,
        "appear": [_alarm_json(one, plant) for one in outcome.appear],
        "go": [_alarm_json(one, plant) for one in outcome.go],
        "moved": [{"before": _alarm_json(old, plant), "now": _alarm_json(new, plant)} for old, new in outcome.moved],
    }  # fmt: skip


def _alarm_json(one: ConditionChange, plant: PlantModel) -> dict[str, Any]:
    begun_ns = one.start_ns if one.begun_ns is None else one.begun_ns
    return {
        "asset": one.asset, "tag": one.tag, "rule": one.rule_id, "start": stamp_of(begun_ns, plant),
        "cleared": None if one.cleared_ns is None else stamp_of(one.cleared_ns, plant), "peak": one.peak,
        "unit": one.unit, "priority": one.priority, "raises": one.raises,
    }  # fmt: skip


def _row(what: str, one: ConditionChange, plant: PlantModel) -> list[object]:
    shown = _alarm_json(one, plant)
    columns = [shown[name] for name in ("asset", "tag", "rule", "start", "cleared")]
    peak = "-" if one.peak is None else f"{one.peak:.6g} {one.unit}"  # of what could not be decided there is none
    return [translate(f"cli.rules.what.{what}"), *columns, peak]

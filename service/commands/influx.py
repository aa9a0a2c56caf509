"""`andon influx`: what InfluxDB must have, what the token may do, what it refused, what is to be written again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
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
    plant_of,
    print_json,
    print_table,
    say,
)

if TYPE_CHECKING:
    from andon.config.deployment import Influx
    from andon.datafolder import DataFolder
    from andon.plant import PlantModel
    from sinks.influx.setup import Step

SHOWN = 160  # characters of a line in the table
HISTORY = ("window", "oee", "cold_chain", "state")
DAY_NS = 24 * 3600 * NS_PER_S

DryOption = Annotated[bool, typer.Option("--dry-run", help="cli.influx.dry_run")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    influx = group("cli.influx.help")
    influx.command("setup", help="cli.influx.setup.help", epilog="cli.influx.setup.example")(setup)
    influx.command("check", help="cli.influx.check.help", epilog="cli.influx.check.example")(check)
    influx.command("parked", help="cli.influx.parked.help", epilog="cli.influx.parked.example")(parked)
    influx.command("refill", help="cli.influx.refill.help", epilog="cli.influx.refill.example")(refill)
    app.add_typer(influx, name="influx")


def setup(dry_run: DryOption = False, config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Buckets with their retention and the tasks; changes only what differs."""
    plant = plant_of(config)
    steps = _steps(plant, _influx(plant), config.parent, dry=dry_run)
    if as_json:
        print_json({"dry_run": dry_run, "steps": [_step_json(step) for step in steps]})
        return
    headers = ("what", "name", "state", "found", "wanted")
    rows = [(translate(step.what), step.name, _action(step, dry=dry_run), step.found, step.wanted) for step in steps]
    print_table([f"cli.influx.column.{header}" for header in headers], rows)


def check(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Rights of the token, what differs from the configuration, what waits. Exit status 1: something is missing."""
    from service.influx_link import token_of
    from sinks.influx.client import DeniedError
    from sinks.influx.sdk import connect
    from sinks.influx.setup import rights

    plant = plant_of(config)
    influx = _influx(plant)
    token = token_of(influx, config.parent)
    with connect(influx, token) as client:
        allowed = rights(client, influx, token)
    blind = allowed[f"write:{influx.bucket}"] and not allowed[f"read:{influx.bucket}"]  # it would see no bucket
    try:
        steps = [] if blind else _steps(plant, influx, config.parent, dry=True)
    except DeniedError:
        steps = []
    waiting = _waiting(open_data(data, plant), plant) if (data / "instance.json").exists() else None
    missing = not all(allowed.values()) or any(step.action != "as it is" for step in steps)
    if as_json:
        print_json({"rights": allowed, "steps": [_step_json(step) for step in steps], "waiting": waiting})
    else:
        rows = [(_right(name), "", translate(f"cli.influx.{'' if may else 'not_'}allowed"), "", "")
                for name, may in allowed.items()]  # fmt: skip
        rows += [(translate(one.what), one.name, _action(one, dry=True), one.found, one.wanted) for one in steps]
        headers = ("what", "name", "state", "found", "wanted")
        print_table([f"cli.influx.column.{header}" for header in headers], rows)
        if waiting is not None:
            say("cli.influx.waiting", **waiting)
    if missing:
        raise typer.Exit(1)


def parked(
    limit: Annotated[int, typer.Option("--limit", min=1, help="cli.influx.limit")] = 50,
    again: Annotated[bool, typer.Option("--again", help="cli.influx.again")] = False,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """The newest first, with how many there are of each reason."""
    plant = plant_of(config)
    store = _parked(open_data(data, plant))
    lines, counts, total = store.newest(limit), store.counts(), store.total()
    asked = store.ask_again(limit) if again else 0
    store.close()
    if as_json:
        told = [{"line": one.line, "status": one.status, "reason": one.reason, "at_ns": one.at_ns} for one in lines]
        print_json({"total": total, "counts": counts, "again": asked, "parked": told})
        return
    zone = ZoneInfo(plant.config.site.timezone)
    rows = [
        (datetime.fromtimestamp(one.at_ns // NS_PER_S, zone).isoformat(), one.status, one.reason[:SHOWN],
         one.line[:SHOWN])
        for one in lines
    ]  # fmt: skip
    print_table([f"cli.influx.column.{header}" for header in ("at", "status", "reason", "line")], rows)
    listed = ", ".join(f"{reason[:SHOWN]} {count}" for reason, count in counts.items())
    say("cli.influx.parked.counts", shown=len(lines), total=total, counts=listed or "-")
    if again:
        say("cli.influx.parked.again", count=asked)


def refill(
    days: Annotated[float, typer.Option("--days", min=0.001, help="cli.influx.days")] = 1.0,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Ask the sender to write the last days again; it does so when its queues are empty, a part at a time."""
    from sinks.influx.gaps import ask_refill

    plant = plant_of(config)
    _influx(plant)
    folder = open_data(data, plant)
    now_ns = SystemClock().now_ns()
    times = (now_ns - round(days * DAY_NS), now_ns)
    shards = plant.config.transport.shards
    for shard in range(shards):
        ask_refill(folder.segments("influx", shard), dict.fromkeys((*HISTORY, "alarm", "ledger"), times))
    say("cli.influx.refilling", days=days, shards=shards)


def _influx(plant: PlantModel) -> Influx:
    if plant.config.influx is None:
        raise ConfigError("influx.none")
    return plant.config.influx


def _steps(plant: PlantModel, influx: Influx, base: Path, *, dry: bool) -> list[Step]:
    from service.influx_link import plans, token_of
    from sinks.influx.sdk import connect
    from sinks.influx.setup import Setup

    with connect(influx, token_of(influx, base)) as client:
        return Setup(client, influx, plans(plant.config, influx)).run(dry=dry)


def _step_json(step: Step) -> dict[str, str]:
    return {"what": step.what.rpartition(".")[2], "name": step.name, "action": step.action, "found": step.found,
            "wanted": step.wanted}  # fmt: skip


def _action(step: Step, *, dry: bool) -> str:
    name = step.action.replace(" ", "_")
    return translate(f"cli.influx.action.{'would_' if dry and name != 'as_it_is' else ''}{name}")


def _right(name: str) -> str:
    what, _, bucket = name.partition(":")
    return translate(f"influx.check.{what}", None, bucket=bucket)


def _parked(folder: DataFolder) -> Any:
    from sinks.influx.parked import ParkedLines

    return ParkedLines(folder.segments("influx", "parked.db"))


def _waiting(folder: DataFolder, plant: PlantModel) -> dict[str, int]:
    from sinks.influx import gaps
    from sinks.segments import SegmentReader

    parts = [*range(plant.config.transport.shards), "sender"]
    readers = [SegmentReader(folder.segments("influx", part)) for part in parts]
    store = _parked(folder)
    found = {
        "rows": sum(reader.backlog_rows() for reader in readers),
        "bytes": sum(reader.backlog_bytes() for reader in readers),
        "gaps": sum(len(reader.gaps()) + len(gaps.asks(reader.folder)) for reader in readers),
        "parked": store.total(),
    }
    store.close()
    return found

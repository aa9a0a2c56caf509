"""`andon oee`: OEE of a site's levels as a document, and of an enterprise from such documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

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

COLUMNS = ("OEE", "availability", "effectiveness", "quality_ratio")


def register(app: typer.Typer) -> None:
    """Add the group."""
    oee = group("cli.oee.help")
    oee.command("levels", help="cli.oee.levels.help", epilog="cli.oee.levels.example")(show)
    oee.command("rollup", help="cli.oee.rollup.help", epilog="cli.oee.rollup.example")(rollup)
    app.add_typer(oee, name="oee")


def show(
    day: Annotated[str, typer.Argument(metavar="DAY", help="cli.report.day")],
    name: Annotated[str, typer.Option("--shift", help="cli.report.shift")] = "",
    as_of: Annotated[str, typer.Option("--as-of", help="cli.report.as_of")] = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Prints the document, which is what `rollup` reads."""
    from contextlib import closing

    from service.commands.report import instant
    from service.figure_reports.spans import shift_of
    from service.oee_levels import oee_levels
    from sinks.history_reader import HistoryReader

    plant = plant_of(config)
    folder, shift = open_data(data, plant), shift_of(plant, day, name)
    with closing(HistoryReader(folder.history_dbs(plant.config.transport.shards))) as history:
        as_of_ns = instant(as_of)
        reached_ns = as_of_ns or history.watermark_ns() or shift.end_ns
        whole_ns = min(shift.end_ns, reached_ns)
        print_json(oee_levels(plant, history, shift.start_ns, shift.end_ns, as_of_ns, whole_ns))


def rollup(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="cli.oee.files")], as_json: JsonOption = False
) -> None:
    """Additive parts of the sites, then ratios."""
    from service.oee_levels import read_document, rolled_up

    found = rolled_up([read_document(path) for path in files])
    if as_json:
        print_json(found)
        return
    rows = [_row(one["site"], one) for one in found["sites"]]
    print_table(
        [f"cli.oee.head.{name}" for name in ("site", *COLUMNS, "busy_h", "good")],
        [*rows, _row(found["enterprise"], found)],
    )
    if found["without"]:
        say("cli.oee.without", sites=", ".join(found["without"]))
    if not found["final"]:
        say("cli.oee.running")


def _row(name: str, one: dict[str, Any]) -> list[str]:
    ratios, parts = one["ratios"], one["parts"]
    busy_s, good = parts.get("pbt_s"), parts.get("gq")
    shares = ["-" if (value := ratios.get(key)) is None else f"{value:.4f}" for key in COLUMNS]
    return [name, *shares, "-" if busy_s is None else f"{busy_s / 3600:.2f}", "-" if good is None else f"{good:g}"]

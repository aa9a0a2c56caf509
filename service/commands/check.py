"""`andon check`: every problem of a configuration at once. Reads files only, so it runs anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from andon.config.people import DAYS
from andon.config.problems import Problem
from andon.errors import ConfigError
from andon.guard_bands import narrow_guard_bands
from andon.roster import DAY_MINUTES, WEEK_MINUTES, week_gaps
from service.terminal import CONFIG, JsonOption, plant_of, print_json, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help="cli.check.help", epilog="cli.check.example")(check)


def check(
    config: Annotated[Path, typer.Argument(metavar="PLANT.TOML", help="cli.option.config")] = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Exit status 0: usable; 2: not, and why is printed. Told, and no fault: gaps of a rota, guard bands below U."""
    try:
        plant = plant_of(config)
    except ConfigError as error:
        if not as_json:
            raise
        problems = [problem.as_json() for problem in error.problems if isinstance(problem, Problem)]
        print_json({"ok": False, "text": error.text().splitlines()[0], "problems": problems})
        raise typer.Exit(error.exit_status) from None
    counts = {
        "assets": len(plant.assets),
        "series": len(plant.series),
        "rules": len(plant.config.rule),
        "shards": plant.config.transport.shards,
    }
    gaps = [
        {"rota": rota.name, "from": _said(begin), "to": _said(end)}
        for rota in plant.config.rota
        for begin, end in week_gaps(rota.duty)
    ]
    narrow = [one._asdict() for one in narrow_guard_bands(plant)]
    if as_json:
        notes = {"problems": [], "rota_gaps": gaps, "guard_bands": narrow}
        print_json({"ok": True, "site": plant.config.site.id, **counts, **notes})
        return
    say("cli.check.ok", file=config, site=plant.config.site.id, **counts)
    for gap in gaps:
        say("cli.check.rota_gap", rota=gap["rota"], begin=gap["from"], end=gap["to"])
    for one in narrow:
        say("cli.check.guard_small" if one["uncertainty"] is not None else "cli.check.guard_uncalibrated", **one)


def _said(minute: int) -> str:
    """A minute of the week: mon 06:00."""
    day, of_day = divmod(minute % WEEK_MINUTES, DAY_MINUTES)
    return f"{DAYS[day]} {of_day // 60:02}:{of_day % 60:02}"

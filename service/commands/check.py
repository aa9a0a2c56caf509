"""`andon check`: every problem of a configuration at once. Reads files only, so it runs anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from andon.config.problems import Problem
from andon.errors import ConfigError
from service.terminal import CONFIG, JsonOption, plant_of, print_json, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help="cli.check.help", epilog="cli.check.example")(check)


def check(
    config: Annotated[Path, typer.Argument(metavar="PLANT.TOML", help="cli.option.config")] = CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Exit status 0: usable; 2: not, and why is printed."""
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
    if as_json:
        print_json({"ok": True, "site": plant.config.site.id, **counts, "problems": []})
    else:
        say("cli.check.ok", file=config, site=plant.config.site.id, **counts)

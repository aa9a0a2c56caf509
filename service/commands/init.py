"""`andon init`: a plant.toml to start from."""

from __future__ import annotations

import string
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from andon.errors import ConfigError
from andon.i18n import user_language
from service.terminal import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init", help="cli.init.help", epilog="cli.init.example")(init)


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="cli.init.dir")] = Path(),
    site: Annotated[str, typer.Option("--site", help="cli.init.site")] = "site1",
    timezone: Annotated[str, typer.Option("--timezone", help="cli.init.timezone")] = "Asia/Shanghai",
) -> None:
    """Write `DIR/plant.toml`, with comments in the user's language; never over an existing file."""
    path = folder / "plant.toml"
    folder.mkdir(parents=True, exist_ok=True)
    language = user_language()
    text = string.Template(
        resources.files("service").joinpath("starter", f"plant.{language}.toml").read_text(encoding="utf-8")
    ).substitute(site=site, timezone=timezone)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError("cli.init.exists", path=str(path)) from None
    say("cli.init.done", path=path)

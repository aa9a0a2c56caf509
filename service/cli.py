"""The command `andon`: everything a person or a script does from a terminal."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from andon import __version__
from andon.logs import set_up_logs
from service.commands import (
    audit,
    backup,
    calibration,
    check,
    dashboards,
    dead_letters,
    demo,
    doctor,
    erp,
    evidence,
    forward,
    influx,
    init,
    models,
    oee,
    people,
    qualify,
    replay,
    report,
    restore,
    rules,
    run,
    score,
    spc,
    state,
    topics,
    upgrade,
    user,
)
from service.terminal import group

COMMANDS = (
    demo,
    init,
    check,
    run,
    replay,
    score,
    dead_letters,
    dashboards,
    doctor,
    erp,
    evidence,
    report,
    oee,
    forward,
    influx,
    people,
    qualify,
    calibration,
    user,
    audit,
    backup,
    restore,
    rules,
    models,
    spc,
    state,
    topics,
    upgrade,
)


def build_app() -> typer.Typer:
    """The application with all commands; texts in the language of the environment."""
    app = group("cli.help")
    app.callback(help="cli.help", epilog="cli.example")(_top)
    for command in COMMANDS:
        command.register(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"andon {__version__}")
        raise typer.Exit


def _top(
    version: Annotated[
        bool, typer.Option("--version", help="cli.option.version", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    del version  # its callback has printed it


def main() -> None:
    """Entry point of `andon`."""
    os.umask(0o077)  # whatever a command writes may hold production data
    set_up_logs("cli", level="WARNING")
    build_app()()


if __name__ == "__main__":
    main()

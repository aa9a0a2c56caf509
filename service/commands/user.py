"""`andon user`: who may log in to the control room."""

from __future__ import annotations

from typing import Annotated

import typer

from service.terminal import (
    CONFIG,
    DATA,
    ByOption,
    ConfigOption,
    DataOption,
    ReasonOption,
    group,
    open_data,
    open_records,
    password_of,
    plant_of,
    reason_of,
    say,
    system_administrator,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    users = group("cli.user.help")
    users.command("add", help="cli.user.add.help", epilog="cli.user.add.example")(add)
    app.add_typer(users, name="user")


def add(
    user_id: Annotated[str, typer.Argument(metavar="ID", help="cli.user.id")],
    name: Annotated[str, typer.Option("--name", help="cli.user.name")],
    role: Annotated[str, typer.Option("--role", help="cli.user.role")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="cli.user.password_stdin")] = False,
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Add a user; the id is never given to someone else. The password is asked for and never shown."""
    plant = plant_of(config)
    folder = open_data(data, plant)
    actor, why = system_administrator(by), reason_of(reason)
    password = password_of("cli.ask.new_password", from_stdin=password_stdin, confirm=True)
    with open_records(folder, plant) as records:
        records.create_user(user_id, name, role, password, actor, why)
    say("cli.user.added", id=user_id, name=name, role=role)

"""What every command shares: options, output for people and programs, who is at the terminal."""

from __future__ import annotations

import getpass
import io
import json
import os
import pwd
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from andon.datafolder import DataFolder
from andon.errors import AndonError, DataFolderError
from andon.i18n import translate

if TYPE_CHECKING:
    from andon.plant import PlantModel
    from andon.records import Actor, Records

# Help texts are codes of the catalogue; `AndonGroup` translates them when the application is built.
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="cli.option.config")]
DataOption = Annotated[Path, typer.Option("--data", "-d", help="cli.option.data")]
JsonOption = Annotated[bool, typer.Option("--json", help="cli.option.json")]
ReasonOption = Annotated[str, typer.Option("--reason", help="cli.option.reason")]
ByOption = Annotated[str, typer.Option("--by", help="cli.option.by")]
CONFIG, DATA = Path("plant.toml"), Path("data")
PIPED_COLUMNS = 10_000


class AndonGroup(TyperGroup):
    """A group whose texts are in the user's language and whose expected errors are one sentence, not a traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for command in (self, *self.commands.values()):
            command.help, command.epilog = _translated(command.help), _translated(command.epilog)
            for parameter in command.params:
                if hasattr(parameter, "help"):
                    parameter.help = _translated(parameter.help)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an expected error goes to standard error and becomes the exit status."""
        try:
            return super().invoke(ctx)
        except AndonError as error:
            complain(error.text())
            raise typer.Exit(error.exit_status) from None
        except OSError as error:
            complain(str(error))
            raise typer.Exit(1) from None


def _translated(code: str | None) -> str | None:
    return None if code is None else translate(code)


def group(help_code: str, *, bare: bool = False) -> typer.Typer:
    """A group of commands such as `andon audit ...`. bare: the group alone does something too."""
    return typer.Typer(
        cls=AndonGroup, help=help_code, no_args_is_help=not bare, add_completion=False, rich_markup_mode=None,
        pretty_exceptions_enable=False,  # the pretty ones print local variables: passwords among them
    )  # fmt: skip


def complain(text: str) -> None:
    """Print `error: ...` on standard error."""
    typer.echo(translate("cli.error", text=text), err=True)


def say(code: str, **params: object) -> None:
    """Print a sentence of the catalogue."""
    typer.echo(translate(code, None, **params))


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; headers are codes. Piped, it is as wide as it needs to be."""
    table = Table(box=None, pad_edge=False)
    for header in headers:
        table.add_column(translate(header), overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        console.print(table)
        return
    # Piped, no row is folded: what reads it goes by lines.
    wide = Console(markup=False, highlight=False, emoji=False, width=PIPED_COLUMNS, file=io.StringIO())
    with wide.capture() as captured:
        wide.print(table)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def plant_of(config: Path) -> PlantModel:
    """The checked plant of a plant.toml; ConfigError with every problem."""
    from andon.config.load import load_plant

    return load_plant(config)


def open_data(data: Path, plant: PlantModel) -> DataFolder:
    """The data folder, when it is this plant's; DataFolderError otherwise."""
    folder = DataFolder(data)
    folder.open(plant.config.site.id)
    return folder


def open_records(folder: DataFolder, plant: PlantModel) -> Records:
    """The site's records, to be used in a `with`. DataFolderError when there are none: commands never make them."""
    from andon.records import site_records

    if plant.config.records is None and not folder.records_db.exists():
        raise DataFolderError("cli.no_records", path=str(folder.records_db))
    return site_records(plant.config, folder, create=False)


def system_administrator(by: str) -> Actor:
    """The person at the terminal as administrator: who may read the data folder (0700) runs the system.

    by is the full name for the audit trail; empty: the one in the operating system's user database.
    """
    from andon.records import Actor

    login = getpass.getuser()
    person = os.environ.get("SUDO_USER", login) if os.geteuid() == 0 else login
    name = by.strip() or pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0].strip() or person
    return Actor(f"os:{person}", name, "admin", terminal_name())


def terminal_name() -> str:
    """Where this command is typed: host and terminal."""
    try:
        tty = os.ttyname(0)
    except OSError:
        tty = "no terminal"
    return f"{socket.gethostname()} {tty}"


def reason_of(reason: str) -> str:
    """The reason of a change, asked for on a terminal; RecordsError when there is none."""
    from andon.records.actors import require_reason

    if not reason.strip() and sys.stdin.isatty():
        reason = typer.prompt(translate("cli.ask.reason"))
    return require_reason(reason)


def password_of(prompt_code: str, *, from_stdin: bool, confirm: bool = False) -> str:
    """A password, typed unseen on the terminal or as the first line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt(translate(prompt_code), hide_input=True, confirmation_prompt=confirm))

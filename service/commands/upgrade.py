"""`andon upgrade`: the one place where the operational database is migrated."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.errors import AndonError
from service.terminal import (
    CONFIG,
    DATA,
    ByOption,
    ConfigOption,
    DataOption,
    ReasonOption,
    open_data,
    open_records,
    plant_of,
    reason_of,
    say,
    system_administrator,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from andon.plant import PlantModel
    from andon.records import Actor


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("upgrade", help="cli.upgrade.help", epilog="cli.upgrade.example")(upgrade)


def upgrade(
    reason: ReasonOption = "", by: ByOption = "", config: ConfigOption = CONFIG, data: DataOption = DATA
) -> None:
    """Bring the records to this version's schema; a file is kept as it was beside it, a server undoes what fails."""
    from andon.records import connect, site_place
    from andon.records.dialect import translated
    from andon.records.migrate import schema_state

    plant = plant_of(config)
    with ExitStack() as held:
        folder = DataFolder(data)
        place = site_place(plant.config, folder)
        if isinstance(place, Path) or folder.instance_json.exists():  # a server's tables may come before the folder
            folder = open_data(data, plant)
            held.enter_context(folder.lock())
        if isinstance(place, Path) and not place.exists():
            say("cli.upgrade.nothing", path=place)
            return
        engine = connect(place)
        held.callback(engine.dispose)
        with translated(), engine.connect() as connection:
            state, version = schema_state(connection)  # refuses a newer one
        if state == "head":
            say("cli.upgrade.current", version=version)
            return
        actor, why = system_administrator(by), reason_of(reason)
        if isinstance(place, Path):
            _on_file(folder, plant, engine, actor, why)
        else:
            _on_server(plant, engine, actor, why)


def _on_file(folder: DataFolder, plant: PlantModel, engine: Engine, actor: Actor, why: str) -> None:
    from andon.records import migrate
    from andon.records.migrate import HEAD

    kept = folder.records_db.with_name(f"records.before-{HEAD}.db")
    _copy(folder.records_db, kept)
    version = migrate(engine)
    engine.dispose()
    try:
        with open_records(folder, plant) as records:
            old, new = {"schema": version}, {"schema": HEAD, "copy": kept.name}
            records.note(actor, "upgrade", "records", plant.config.site.id, old=old, new=new, reason=why)
    except AndonError:
        _copy(kept, folder.records_db)  # the trail of the old schema cannot take the record, so it is undone
        raise
    say("cli.upgrade.done", old=version or "-", new=HEAD, copy=kept)


def _on_server(plant: PlantModel, engine: Engine, actor: Actor, why: str) -> None:
    from andon.records import migrate
    from andon.records.migrate import HEAD

    version = migrate(engine, partial(_note, plant, actor, why))
    say("cli.upgrade.done_server", old=version or "-", new=HEAD)


def _note(plant: PlantModel, actor: Actor, why: str, connection: Connection, version: str) -> None:
    """The audit record, in the transaction of the migration."""
    from andon.records.base import Tx
    from andon.records.migrate import HEAD

    site = plant.config.site
    tx = Tx(connection, site.id, site.timezone, SystemClock())
    tx.audit(actor, "upgrade", "records", site.id, old={"schema": version}, new={"schema": HEAD}, reason=why)
    tx.finish()


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)

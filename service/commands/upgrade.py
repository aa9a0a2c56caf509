"""`andon upgrade`: the one place where the operational database is migrated."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import typer

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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("upgrade", help="cli.upgrade.help", epilog="cli.upgrade.example")(upgrade)


def upgrade(
    reason: ReasonOption = "", by: ByOption = "", config: ConfigOption = CONFIG, data: DataOption = DATA
) -> None:
    """Bring the records to this version's schema; a copy of the database as it was stays beside it."""
    from andon.records import connect, migrate
    from andon.records.migrate import HEAD, schema_state

    plant = plant_of(config)
    folder = open_data(data, plant)
    if not folder.records_db.exists():
        say("cli.upgrade.nothing", path=folder.records_db)
        return
    with folder.lock():
        engine = connect(folder.records_db)
        try:
            with engine.connect() as connection:
                state, version = schema_state(connection)  # refuses a newer one
            if state == "head":
                say("cli.upgrade.current", version=version)
                return
            actor, why = system_administrator(by), reason_of(reason)
            kept = folder.records_db.with_name(f"records.before-{HEAD}.db")
            _copy(folder.records_db, kept)
            migrate(engine)
        finally:
            engine.dispose()
        try:
            with open_records(folder, plant) as records:
                old, new = {"schema": version}, {"schema": HEAD, "copy": kept.name}
                records.note(actor, "upgrade", "records", plant.config.site.id, old=old, new=new, reason=why)
        except AndonError:
            _copy(kept, folder.records_db)  # the trail of the old schema cannot take the record, so it is undone
            raise
    say("cli.upgrade.done", old=version or "-", new=HEAD, copy=kept)


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)

"""`andon restore`: put a backup back, whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from andon.datafolder import DataFolder
from andon.errors import DataFolderError
from service.terminal import (
    CONFIG,
    DATA,
    ByOption,
    ConfigOption,
    DataOption,
    ReasonOption,
    open_records,
    plant_of,
    reason_of,
    say,
    system_administrator,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("restore", help="cli.restore.help", epilog="cli.restore.example")(restore)


def restore(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="cli.restore.source")],
    replace: Annotated[bool, typer.Option("--replace", help="cli.restore.replace")] = False,
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Every file is checked against the manifest first. The folder that was there is moved aside, not deleted."""
    from andon.records import site_place
    from andon.records.restored import RESTORED
    from andon.records.server import Server
    from service.backups import put_back, read_backup
    from service.records_dump import DUMP, undump

    plant = plant_of(config)
    manifest = read_backup(source)
    if manifest.site_id != plant.config.site.id:
        raise DataFolderError(
            "datafolder.other_site", path=str(source), found=manifest.site_id, site=plant.config.site.id
        )
    actor, why = system_administrator(by), reason_of(reason)
    occupied = data.exists() and any(data.iterdir())
    if occupied and not replace:
        raise DataFolderError("cli.restore.occupied", path=str(data))

    place = site_place(plant.config, DataFolder(data))

    def note(new: DataFolder) -> None:
        dumped = new.path / DUMP
        if isinstance(place, Server):
            if not dumped.exists():
                raise DataFolderError("dump.not_in_backup", path=str(source))
            undump(place, dumped)
            dumped.unlink()
        elif dumped.exists():
            raise DataFolderError("dump.not_configured", path=str(source))
        if isinstance(place, Server) or new.records_db.exists():
            with open_records(new, plant) as records:
                what = {"manifest": manifest.digest(), "made": manifest.made, "andon": manifest.andon}
                records.note(actor, "restore", "data_folder", manifest.site_id, new=what, reason=why)
                records.set_state(RESTORED, str(records.clock.now_ns()), actor, why)

    with ExitStack() as held:
        if occupied:
            held.enter_context(DataFolder(data).lock())
        kept = put_back(source, manifest, data, note)
    say("cli.restore.done", path=data, made=manifest.made)
    if kept is not None:
        say("cli.restore.kept", path=kept)

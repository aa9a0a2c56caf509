"""`andon backup`: a consistent copy of everything, also while the service runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from andon.clock import SystemClock
from service.terminal import (
    CONFIG,
    DATA,
    ByOption,
    ConfigOption,
    DataOption,
    JsonOption,
    ReasonOption,
    open_data,
    open_records,
    plant_of,
    print_json,
    say,
    system_administrator,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backup", help="cli.backup.help", epilog="cli.backup.example")(backup)


def backup(
    target: Annotated[Path, typer.Argument(metavar="DEST", help="cli.backup.target")],
    reason: ReasonOption = "scheduled backup",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """Copy the data folder to a new or empty folder, with a manifest of hashes."""
    from andon.records import site_place
    from andon.records.server import Server
    from service.backups import back_up
    from service.records_dump import DUMP, dump, need_tools

    plant = plant_of(config)
    folder = open_data(data, plant)
    actor = system_administrator(by)
    place = site_place(plant.config, folder)

    def tell(part: str) -> None:
        if not as_json:
            say("cli.copying", part=part)

    def more(copied: Path) -> None:
        if isinstance(place, Server):
            tell("PostgreSQL")
            dump(place, copied / DUMP)

    if isinstance(place, Server):
        need_tools()
    manifest = back_up(folder, target, SystemClock(), tell, more)
    size = sum(entry.size for entry in manifest.files)
    if isinstance(place, Server) or place.exists():
        with open_records(folder, plant) as records:
            new = {"manifest": manifest.digest(), "files": len(manifest.files), "bytes": size}
            records.note(actor, "backup", "data_folder", plant.config.site.id, new=new, reason=reason)
    if as_json:
        print_json({"path": str(target), "files": len(manifest.files), "bytes": size, "sha256": manifest.digest()})
    else:
        say("cli.backup.done", path=target, files=len(manifest.files), mb=round(size / 1e6, 1))

"""`andon audit`: verify the hash chain of the audit trail, export it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from andon.errors import RecordsError
from service.terminal import (
    CONFIG,
    DATA,
    ByOption,
    ConfigOption,
    DataOption,
    JsonOption,
    ReasonOption,
    group,
    open_data,
    open_records,
    plant_of,
    print_json,
    reason_of,
    say,
    system_administrator,
)

PAGE = 1000


def register(app: typer.Typer) -> None:
    """Add the group."""
    audits = group("cli.audit.help")
    audits.command("verify", help="cli.audit.verify.help", epilog="cli.audit.verify.example")(verify)
    audits.command("export", help="cli.audit.export.help", epilog="cli.audit.export.example")(export)
    app.add_typer(audits, name="audit")


def verify(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Exit status 0: chain, heads and anchors agree; 1: they do not."""
    from andon.records import verify_audit

    plant = plant_of(config)
    with open_records(open_data(data, plant), plant) as records:
        verdict = verify_audit(records)
    if as_json:
        print_json(asdict(verdict) | {"text": verdict.text()})
    else:
        typer.echo(verdict.text())
    raise typer.Exit(0 if verdict.ok else 1)


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="cli.audit.export.file")],
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Write every audit record as a line of JSON, with its hash; never over an existing file. Is itself audited."""
    import orjson

    plant = plant_of(config)
    folder = open_data(data, plant)
    actor, why = system_administrator(by), reason_of(reason)
    with open_records(folder, plant) as records:
        # Audited first: an export that cannot be written is on record as tried, never one that nobody knows of.
        records.note(actor, "audit.export", "audit", str(file), reason=why, right="export")
        try:
            handle = file.open("xb")
        except FileExistsError:
            raise RecordsError("cli.exists", path=str(file)) from None
        with handle:
            count, page = 0, records.audit_trail(limit=PAGE)
            while page:
                for record in page:
                    row: dict[str, Any] = asdict(record)
                    handle.write(orjson.dumps(row) + b"\n")
                count += len(page)
                page = records.audit_trail(after=page[-1].seq, limit=PAGE)
    say("cli.audit.exported", count=count, file=file)

"""`andon report`: the report of a shift or of a lot, for print and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from andon.errors import RecordsError
from service.commands.evidence import language_of
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
    reason_of,
    say,
    system_administrator,
)

if TYPE_CHECKING:
    from andon.records import Records
    from service.figure_reports.document import Document
    from service.figure_reports.shared import Sources

LanguageOption = Annotated[str, typer.Option("--language", help="cli.report.language")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="cli.report.out")]
AsOfOption = Annotated[str, typer.Option("--as-of", help="cli.report.as_of")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    report = group("cli.report.help")
    report.command("shift", help="cli.report.shift.help", epilog="cli.report.shift.example")(shift)
    report.command("lot", help="cli.report.lot.help", epilog="cli.report.lot.example")(lot)
    app.add_typer(report, name="report")


def shift(
    day: Annotated[str, typer.Argument(metavar="DAY", help="cli.report.day")],
    name: Annotated[str, typer.Option("--shift", help="cli.report.shift")] = "",
    asset: Annotated[str, typer.Option("--asset", help="cli.report.asset")] = "",
    out: OutOption = None,
    language: LanguageOption = "",
    as_of: AsOfOption = "",
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """A file is an audited export, which needs a reason; --json prints the same document."""
    from service.figure_reports.shift import shift_report

    def make(sources: Sources) -> Document:
        return shift_report(sources, day, name, asset)

    _run(make, out, language, as_of, reason, by, config, data, as_json=as_json)


def lot(
    lot: Annotated[str, typer.Argument(metavar="LOT", help="cli.report.lot")],
    out: OutOption = None,
    language: LanguageOption = "",
    as_of: AsOfOption = "",
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """A file is an audited export, which needs a reason; --json prints the same document."""
    from service.figure_reports.lot import lot_report

    def make(sources: Sources) -> Document:
        return lot_report(sources, lot)

    _run(make, out, language, as_of, reason, by, config, data, as_json=as_json)


def _run(
    make: Callable[[Sources], Document], out: Path | None, language: str, as_of: str, reason: str, by: str,
    config: Path, data: Path, *, as_json: bool,
) -> None:  # fmt: skip
    from contextlib import closing

    from andon.clock import SystemClock
    from service.figure_reports.shared import Sources
    from service.web.room import Room
    from sinks.history_reader import HistoryReader

    chosen, plant = language_of(language), plant_of(config)
    folder = open_data(data, plant)
    paths = folder.history_dbs(plant.config.transport.shards)
    with open_records(folder, plant) as records, closing(HistoryReader(paths)) as history:
        made = make(Sources(Room(plant, records, history, [], [], SystemClock(), folder), instant(as_of)))
        if out is not None:
            _write(made, out, chosen, records, reason, by)
        elif as_json:
            typer.echo(made.data().decode())
        else:
            say("cli.report.shown", subject=made.subject, sha256=made.sha256)


def instant(told: str) -> int | None:
    """ns of an ISO time with an offset; None for none given. Raises ReportError."""
    from service.figure_reports.document import ReportError

    if not told:
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ReportError("report.no_instant", found=told[:40])
    return round(at.timestamp()) * 1_000_000_000


def _write(made: Document, out: Path, language: str, records: Records, reason: str, by: str) -> None:
    """Never over an existing file. The audit record is written first, so there is no copy that nobody knows of."""
    from service.figure_reports.document import EXPORTED, EXPORTS, ReportError
    from service.figure_reports.printing import pdf

    actor, why = system_administrator(by), reason_of(reason)
    if out.suffix not in (".pdf", ".json"):
        raise ReportError("report.kind", path=str(out))
    content = made.data() if out.suffix == ".json" else pdf(made, language)
    if out.exists():
        raise RecordsError("evidence.exists", path=str(out))
    told = {"file": str(out), "sha256": made.sha256, "kind": made.kind}
    records.note(actor, EXPORTED, EXPORTS, made.subject, new=told, reason=why, right="export")
    try:
        with out.open("xb") as handle:
            handle.write(content)
    except FileExistsError:
        raise RecordsError("evidence.exists", path=str(out)) from None
    say("cli.report.written", subject=made.subject, file=out, sha256=made.sha256)

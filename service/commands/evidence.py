"""`andon evidence`: show and export the evidence of an alarm, verify an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from andon.errors import ConfigError, RecordsError
from andon.i18n import LANGUAGES, user_language
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

if TYPE_CHECKING:
    from andon.datafolder import DataFolder
    from andon.plant import PlantModel
    from andon.records import Records
    from service.evidence.bundle import Bundle
    from service.evidence.verify import Verdict
    from service.web.room import Room

KeyArgument = Annotated[str, typer.Argument(metavar="ALARM", help="cli.evidence.alarm")]
LanguageOption = Annotated[str, typer.Option("--language", help="cli.evidence.language")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    evidence = group("cli.evidence.help")
    evidence.command("show", help="cli.evidence.show.help", epilog="cli.evidence.show.example")(show)
    evidence.command("export", help="cli.evidence.export.help", epilog="cli.evidence.export.example")(export)
    evidence.command("verify", help="cli.evidence.verify.help", epilog="cli.evidence.verify.example")(verify)
    app.add_typer(evidence, name="evidence")


def show(
    key: KeyArgument,
    language: LanguageOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """--json prints the bundle itself, the same bytes as an export."""
    from service.evidence.collect import collect

    chosen, plant = language_of(language), plant_of(config)
    folder = open_data(data, plant)
    with open_records(folder, plant) as records:
        bundle = collect(room_of(plant, folder, records), key)
    if as_json:
        typer.echo(bundle.data().decode())
        return
    sections = bundle.sections
    typer.echo(sections["why"][chosen])
    readings = sections["readings"]
    if readings["journal"] is None:
        say("cli.evidence.no_readings")
    else:
        say("cli.evidence.readings", **{name: readings[name] for name in ("rows", "journal", "late", "bad", "sha256")})
    say(
        "cli.evidence.sections", windows=len(sections["windows"]["rows"]), figures=len(sections["figures"]),
        transitions=len(sections["transitions"]), audit=len(sections["audit"]),
    )  # fmt: skip
    say("cli.evidence.sha256", sha256=bundle.sha256)


def export(
    key: KeyArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="cli.evidence.file")],
    language: LanguageOption = "",
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Never over an existing file. The audit record is written first, so there is no copy that nobody knows of."""
    from service.evidence.bundle import EXPORTED, EXPORTS
    from service.evidence.collect import collect

    chosen, plant = language_of(language), plant_of(config)
    folder = open_data(data, plant)
    actor, why = system_administrator(by), reason_of(reason)
    with open_records(folder, plant) as records:
        bundle = collect(room_of(plant, folder, records), key)
        content = _content(bundle, file, chosen)
        told = {"file": str(file), "sha256": bundle.sha256}
        if file.exists():
            raise RecordsError("evidence.exists", path=str(file))
        records.note(actor, EXPORTED, EXPORTS, key, new=told, reason=why, right="export")
        try:
            with file.open("xb") as handle:
                handle.write(content)
        except FileExistsError:
            raise RecordsError("evidence.exists", path=str(file)) from None
    say("cli.evidence.exported", key=key, file=file, sha256=bundle.sha256)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="cli.evidence.bundle")],
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
    as_json: JsonOption = False,
) -> None:
    """Exit status 0: no fault; 1: something in file, journal or records does not fit."""
    from service.evidence.bundle import LARGEST, EvidenceError
    from service.evidence.verify import verify as check

    if file.stat().st_size > LARGEST:
        raise EvidenceError("evidence.too_large", found=file.stat().st_size, most=LARGEST)
    plant = plant_of(config)
    folder = open_data(data, plant)
    with open_records(folder, plant) as records:
        verdict = check(room_of(plant, folder, records), file.read_bytes())
    if as_json:
        print_json(_verdict_json(verdict))
    else:
        for fault in verdict.faults:
            say("cli.evidence.fault", text=fault.text())
        for note in verdict.notes:
            say("cli.evidence.note", text=note.text())
        say("cli.evidence.ok" if verdict.ok else "cli.evidence.not_ok", key=verdict.key, count=len(verdict.faults))
    raise typer.Exit(0 if verdict.ok else 1)


def _verdict_json(verdict: Verdict) -> dict[str, object]:
    found = {
        name: [{"code": one.code, **one.params, "text": one.text()} for one in findings]
        for name, findings in (("faults", verdict.faults), ("notes", verdict.notes))
    }
    return {"ok": verdict.ok, "key": verdict.key, "sha256": verdict.sha256, **found}


def _content(bundle: Bundle, file: Path, language: str) -> bytes:
    """What goes into the file, by its ending. Raises EvidenceError."""
    from service.evidence.bundle import EvidenceError
    from service.evidence.picture import picture

    if file.suffix == ".json":
        return bundle.data()
    if file.suffix == ".svg":
        return picture(bundle.sections, language).encode()
    if file.suffix == ".pdf":
        from service.evidence.report import report

        return report(bundle, language)
    raise EvidenceError("evidence.kind", path=str(file))


def language_of(chosen: str) -> str:
    """The language given, or the terminal's. Raises ConfigError."""
    if chosen and chosen not in LANGUAGES:
        raise ConfigError("cli.evidence.unknown_language", found=chosen, allowed=", ".join(LANGUAGES))
    return chosen or user_language()


def room_of(plant: PlantModel, folder: DataFolder, records: Records) -> Room:
    """What evidence is collected from, without the service."""
    from andon.clock import SystemClock
    from service.web.room import Room
    from sinks.history_reader import HistoryReader

    return Room(plant, records, HistoryReader([]), [], [], SystemClock(), folder)

"""`andon qualify`: run test vectors against the installed code and write a report for an inspector."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from andon.errors import ConfigError
from andon.i18n import LANGUAGES, user_language
from service.terminal import JsonOption, print_json, print_table, say

if TYPE_CHECKING:
    from service.qualify.report import Json

WRITTEN = (".json", ".html", ".pdf")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("qualify", help="cli.qualify.help", epilog="cli.qualify.example")(qualify)


def qualify(
    vectors: Annotated[Path | None, typer.Option("--vectors", help="cli.qualify.vectors")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="cli.qualify.report")] = None,
    language: Annotated[str, typer.Option("--language", help="cli.qualify.language")] = "",
    as_json: JsonOption = False,
) -> None:
    """Exit status 0: no vector failed; 1: one did, or there was none. The report is written either way."""
    from service.qualify.bindings import bindings
    from service.qualify.report import code_sha256, document
    from service.qualify.run import last_line, run
    from service.qualify.vectors import QualifyError, own, read

    if language and language not in LANGUAGES:
        raise ConfigError("cli.evidence.unknown_language", found=language, allowed=", ".join(LANGUAGES))
    if report is not None and report.suffix not in WRITTEN:
        raise QualifyError("qualify.kind", path=str(report))
    file = own() if vectors is None else read(vectors)
    begun, at_s = datetime.now(UTC), time.perf_counter()
    results = run(file.vectors, bindings())
    told = document(results, file, code_sha256(), begun, time.perf_counter() - at_s)
    if report is not None:
        report.write_bytes(_content(told, report.suffix, language, begun))
    if as_json:
        print_json(told)
    else:
        _tell(told)
        if report is not None:
            say("cli.qualify.written", file=report)
        typer.echo(last_line(results))
    raise typer.Exit(1 if told["summary"]["failed"] or not results else 0)


def _tell(told: Json) -> None:
    """What failed, then the areas."""
    for one in told["results"]:
        if one["verdict"] == "failed":
            why = {
                "id": one["id"],
                "fn": one["fn"],
                "about": one["about"],
                "expected": one["expected"],
                "got": one["got"],
            }
            say(f"cli.qualify.{one['detail']}", **why)
    names = ("passed", "failed", "not_implemented")
    head = ("qualify.head.area", *(f"qualify.verdict.{name}" for name in names))
    print_table(head, [(one["area"], *(one[name] for name in names)) for one in told["areas"]])


def _content(told: Json, ending: str, language: str, begun: datetime) -> bytes:
    """The report in its form. In both languages unless one is asked for, or a PDF has no font for Chinese."""
    if ending == ".json":
        return (json.dumps(told, ensure_ascii=False, indent=1) + "\n").encode()
    from service.qualify.words import Words, view

    languages = _languages(language)
    if ending == ".html":
        from service.qualify.html import page

        return page(view(told, Words(languages))).encode()
    from service.qualify.pdf import can_print_chinese, pdf

    if not language and not can_print_chinese():
        say("cli.qualify.english_only")
        languages = ("en",)
    return pdf(view(told, Words(languages)), begun)


def _languages(language: str) -> tuple[str, ...]:
    """The one that was asked for, else both, the terminal's first."""
    first = language or user_language()
    return (first,) if language else (first, *(one for one in LANGUAGES if one != first))

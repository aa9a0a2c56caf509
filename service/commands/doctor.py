"""`andon doctor`: what this machine and this installation are like, and what would stop the service."""

from __future__ import annotations

from dataclasses import asdict

import typer

from andon.i18n import translate
from service.terminal import CONFIG, DATA, ConfigOption, DataOption, JsonOption, print_json, print_table, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help="cli.doctor.help", epilog="cli.doctor.example")(doctor)


def doctor(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Exit status 0: nothing failed (there may be warnings); 1: something did."""
    from service.health import examine

    findings = examine(config, data)
    failed = sum(finding.status == "fail" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(one) | {"text": one.text()} for one in findings]})
    else:
        rows = [(translate(f"doctor.status.{one.status}"), translate(f"doctor.part.{one.part}"), one.text())
                for one in findings]  # fmt: skip
        print_table(("cli.doctor.status", "cli.doctor.part", "cli.doctor.finding"), rows)
        say("cli.doctor.end", failed=failed, warned=sum(one.status == "warn" for one in findings))
    raise typer.Exit(1 if failed else 0)

"""`andon topics`: the topics in Kafka: make them, check them, go on behind messages that are gone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from andon.datafolder import DataFolder
from andon.errors import SourceError
from andon.i18n import translate
from service.terminal import (
    CONFIG,
    DATA,
    ConfigOption,
    DataOption,
    JsonOption,
    ReasonOption,
    group,
    open_data,
    open_records,
    password_of,
    plant_of,
    print_json,
    print_table,
    reason_of,
    say,
    terminal_name,
)

RIGHT = "log.skip_gap"


def register(app: typer.Typer) -> None:
    """Add the group."""
    topics = group("cli.topics.help")
    topics.command("create", help="cli.topics.create.help", epilog="cli.topics.create.example")(create)
    topics.command("check", help="cli.topics.check.help", epilog="cli.topics.check.example")(check)
    topics.command("skip-gap", help="cli.topics.skip_gap.help", epilog="cli.topics.skip_gap.example")(skip_gap)
    app.add_typer(topics, name="topics")


def create(config: ConfigOption = CONFIG, as_json: JsonOption = False) -> None:
    """Make the topics that are missing; those that are there are left as they are."""
    from service.topics import create_topics

    made = create_topics(plant_of(config))
    if as_json:
        print_json({"topics": [{"name": name, "created": created} for name, created in made.items()]})
        return
    for name, created in made.items():
        say("cli.topics.created" if created else "cli.topics.exists", topic=name)


def check(config: ConfigOption = CONFIG, data: DataOption = DATA, as_json: JsonOption = False) -> None:
    """Exit status 0: the flow can read the topic right; 1: not, and why is printed."""
    from service.topics import check_topics, worst

    plant = plant_of(config)
    folder = DataFolder(data)
    findings = list(check_topics(plant, folder if folder.instance_json.exists() else None))
    failed, warned = (sum(one.status == status for one in findings) for status in ("fail", "warn"))
    if as_json:
        told = [{**asdict(one), "text": one.text()} for one in findings]
        print_json({"ok": failed == 0, "failed": failed, "warnings": warned, "findings": told})
    else:
        rows = [(translate(f"doctor.status.{one.status}"), one.part, one.text()) for one in findings]
        print_table(["cli.doctor.status", "cli.topics.column.topic", "cli.doctor.finding"], rows)
        say("cli.doctor.end", failed=failed, warned=warned)
    raise typer.Exit(worst(findings))


def skip_gap(
    partition: Annotated[int, typer.Option("--partition", min=0, help="cli.topics.partition")],
    user: Annotated[str, typer.Option("--user", help="cli.dead.user")],
    reason: ReasonOption = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="cli.user.password_stdin")] = False,
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Let the flow go on at the oldest message there is. The record is written first, then the permission.

    Done as a user of the site with the right to it, since figures lack what is gone.
    """
    from andon.records import require
    from sources.kafka.gaps import GapFiles

    plant = plant_of(config)
    folder = open_data(data, plant)
    why = reason_of(reason)
    files = GapFiles(folder, partition)
    gap = files.current()
    if gap is None:
        raise SourceError("topics.no_gap", partition=partition)
    if gap.ahead:
        raise SourceError("topics.gap_ahead", partition=partition, wanted=gap.wanted, oldest=gap.oldest, end=gap.end)
    password = password_of("cli.ask.password", from_stdin=password_stdin)
    with open_records(folder, plant) as records:
        token, session = records.login(user, password, terminal_name())
        try:
            actor = require(session, RIGHT)
            records.note(
                actor, "log.gap_skipped", "log", f"partition {partition}", old={"next": gap.wanted},
                new={"next": gap.oldest, "missing": gap.missing}, reason=why, right=RIGHT,
            )  # fmt: skip
            files.allow(gap)
        finally:
            records.logout(token)
    say("cli.topics.skipped", partition=partition, oldest=gap.oldest, missing=gap.missing)

"""`andon people`: whether messages reach people, and who would be called now."""

from __future__ import annotations

from typing import Annotated

import typer

from andon.clock import SystemClock
from andon.errors import AndonError, ConfigError
from andon.i18n import translate
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
    print_table,
    reason_of,
    system_administrator,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    people = group("cli.people.help")
    people.command("test", help="cli.people.test.help", epilog="cli.people.test.example")(send_test)
    people.command("who", help="cli.people.who.help", epilog="cli.people.who.example")(who)
    app.add_typer(people, name="people")


def send_test(
    person_id: Annotated[str, typer.Option("--person", help="cli.people.person")],
    as_json: JsonOption = False,
    reason: ReasonOption = "",
    by: ByOption = "",
    config: ConfigOption = CONFIG,
    data: DataOption = DATA,
) -> None:
    """Send a message to each address of a person; the exit status is 1 when one is not taken.

    What is sent is in the audit trail first: nobody gets messages from here that nobody answers for.
    """
    from sinks.notify.way import AppriseWay, address_url

    plant = plant_of(config)
    person = next((one for one in plant.config.person if one.id == person_id), None)
    if person is None:
        known = ", ".join(one.id for one in plant.config.person) or "-"
        raise ConfigError("people.unknown", person=person_id, known=known)
    folder = open_data(data, plant)
    actor, why = system_administrator(by), reason_of(reason)
    with open_records(folder, plant) as records:
        records.note(
            actor, "people.tested", "person", person.id, new={"addresses": [one.name for one in person.address]},
            reason=why,
        )  # fmt: skip
    site, language = plant.config.site.name or plant.config.site.id, person.language or plant.config.site.language
    title = translate("people.title.test", language, site=site)
    body = translate("people.body.test", language, name=person.name)
    way, told = AppriseWay(plant.config.notify.timeout_s), []
    for address in person.address:
        try:
            proof, error = way.send(address_url(person.id, address), title, body), None
        except AndonError as failure:
            proof, error = None, failure.text()
        told.append({"address": address.name, "sent": error is None, "proof": proof, "error": error})
    if as_json:
        print_json({"person": person.id, "addresses": told})
    else:
        headers = ("cli.people.address", "cli.people.sent", "cli.people.answer")
        print_table(headers, ((one["address"], one["sent"], one["proof"] or one["error"]) for one in told))
    if not told or not all(one["sent"] for one in told):
        raise typer.Exit(1)


def who(
    asset: Annotated[str, typer.Argument(metavar="ASSET", help="cli.people.asset")],
    priority: Annotated[str, typer.Option("--priority", help="cli.people.priority")] = "high",
    raises: Annotated[str, typer.Option("--raises", help="cli.people.raises")] = "none",
    as_json: JsonOption = False,
    config: ConfigOption = CONFIG,
) -> None:
    """Who would be called for an alarm now, step by step. Reads plant.toml only."""
    from andon.roster import Roster

    plant = plant_of(config)
    calls = Roster.of(plant.config).calls(asset, priority, raises, SystemClock().now_ns())
    if as_json:
        print_json([
            {"route": one.route, "step": one.step, "after_s": one.after_s, "people": list(one.people)} for one in calls
        ])  # fmt: skip
        return
    headers = ("cli.people.route", "cli.people.after", "cli.people.called")
    print_table(headers, ((one.route, f"{one.after_s:g}", ", ".join(one.people) or "-") for one in calls))

"""Who is told of an alarm, how, and when: people, teams, rotas, routes, and what keeps announcements few."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from andon.config.base import AssetPath, Language, Section, Slug

LocalTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Priority = Literal["critical", "high", "medium", "low"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Role = Literal["viewer", "operator", "quality", "engineer"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK_S = 604_800.0
PRIORITIES: tuple[Priority, ...] = ("critical", "high", "medium", "low")


class Address(Section):
    """[[person.address]]: one way to reach a person, as an address of Apprise. It holds a secret, so a file has it."""

    name: Slug = Field(description="Names it in proofs and logs: mail, wecom, sms.")
    url_file: str | None = Field(
        None, description="File with the address, such as wecom://KEY or mailtos://user:password@host?to=li; "
        "or ANDON_ADDRESS_<PERSON>_<NAME>, in capitals, with _ for what is no letter or digit.",
    )  # fmt: skip


class Person(Section):
    """[[person]]: somebody who is told."""

    id: Slug = Field(description="Never given to somebody else; teams, rotas and routes name it.")
    name: str = Field(description="Full name, as the audit trail prints it.")
    language: Language | None = Field(None, description="Of the messages; none: the site's.")
    user: str | None = Field(
        None, description="Id of the person's user of the control room; its role then decides what a link may do."
    )
    role: Role = Field("operator", description="What the link of a message may do for somebody without a user.")
    quiet: tuple[LocalTime, LocalTime] | None = Field(
        None, description='Quiet hours, local time, such as ["22:00", "06:00"]: what is not critical waits for '
        "their end and comes as one digest.",
    )  # fmt: skip
    address: tuple[Address, ...] = Field(
        (), description="In order of choice: where the first fails, the next one is taken."
    )


class Team(Section):
    """[[team]]: people who are told together."""

    name: Slug = Field(description="Routes name it.")
    members: tuple[Slug, ...] = Field(min_length=1, description="Ids of [[person]].")


class Duty(Section):
    """[[rota.duty]]: who is on duty when, in local time of the site. The first duty that holds an instant counts."""

    people: tuple[Slug, ...] = Field(
        min_length=1, description="Ids of [[person]], in the order in which they are called."
    )
    days: tuple[Day, ...] = Field(
        DAYS, min_length=1, description="Days on which it begins: mon, tue, wed, thu, fri, sat, sun."
    )
    begins: LocalTime = Field("00:00", description="HH:MM.")
    ends: LocalTime = Field("00:00", description="HH:MM; at or before `begins`: on the next day.")


class Rota(Section):
    """[[rota]]: who is on duty. Each step of a route that names it again calls the next person of the duty."""

    name: Slug = Field(description="Routes name it.")
    duty: tuple[Duty, ...] = Field(min_length=1, description="Who, when.")


class Step(Section):
    """[[route.step]]: who is called when nobody has acknowledged, or when nobody before could be reached."""

    after_s: float = Field(
        gt=0, le=WEEK_S, description="After the announcement, s; runs on from stored time after a restart."
    )
    to: tuple[str, ...] = Field(min_length=1, description="People, teams, rotas.")


class Route(Section):
    """[[route]]: who is told of an alarm, and who next when they do not answer. Every one that fits counts."""

    name: Slug | None = Field(None, description="Names it in proofs; none: its place in the list.")
    area: str = Field("*", description="Glob over asset paths.")
    priority: tuple[Priority, ...] = Field(PRIORITIES, min_length=1, description="Priorities that it is for.")
    shift: tuple[str, ...] = Field((), description="Names of [[shift]] during which it holds; none: always.")
    raises: Literal["none", "quality_event", "maintenance_order"] | None = Field(
        None, description="Kind of record that the alarm's rule raises; not given: any."
    )
    to: tuple[str, ...] = Field(
        ("erp",), description="Receivers: erp (the order goes there by itself), people, teams, rotas."
    )
    step: tuple[Step, ...] = Field((), description="Whom to call next, in ascending `after_s`.")


class Incidents(Section):
    """[incidents]: what belongs to one upset, so that people get one message of it and not hundreds."""

    level: int = Field(2, ge=1, le=8, description="Parts of an asset's path that make the scope: 1 area, 2 line.")
    window_s: float = Field(
        600.0, gt=0, le=WEEK_S, description="What comes within so long of the last alarm belongs to it, s."
    )
    longest_s: float = Field(
        3600.0, gt=0, le=WEEK_S, description="After so long a new alarm begins another incident, s."
    )
    flood_level: int = Field(
        0, ge=0, le=7, description="Parts of the path that one operator looks after; 0: the whole site."
    )
    flood_most: int = Field(
        10,
        ge=2,
        le=10_000,
        description="Announcements to an operator in flood_s at most; the rest is one incident. EEMUA 191: 10.",
    )
    flood_s: float = Field(600.0, gt=0, le=WEEK_S, description="s.")
    chatter_most: int = Field(
        3, ge=2, le=1000, description="So many raises of one point in chatter_s seconds are chatter."
    )
    chatter_s: float = Field(60.0, gt=0, le=WEEK_S, description="s.")
    calm_s: float = Field(300.0, gt=0, le=WEEK_S, description="Chatter ends after so long without a raise, s.")


class Dependency(Section):
    """[[dependency]]: while an asset has an active alarm, those of others are consequences, not announced."""

    asset: AssetPath = Field(description="What goes down: the line.")
    hides: tuple[str, ...] = Field(
        min_length=1, description="Globs over asset paths: its cells. Never what is critical."
    )


class Notify(Section):
    """[notify]: how messages are sent."""

    public_url: str | None = Field(
        None, description="Address of the control room as people reach it; without it messages have no link."
    )
    link_h: float = Field(12.0, gt=0, le=168, description="A link to acknowledge is good for so long, h.")
    timeout_s: float = Field(20.0, gt=0, le=600, description="For one message, s.")
    attempts: int = Field(3, ge=1, le=20, description="Then the next address, then the next step.")
    retry_s: float = Field(15.0, gt=0, le=3600, description="Wait after a failure, s; doubled each time, to 1 h.")
    update_s: float = Field(
        600.0, gt=0, le=WEEK_S, description="News of an incident come together, at most once in so long, s."
    )
    gap_s: float = Field(
        60.0, ge=0, le=WEEK_S, description="Least time between two messages to one person, s; not for critical."
    )
    stale_s: float = Field(
        300.0, gt=0, le=WEEK_S, description="What could not be sent for so long comes as one digest, s."
    )


def absolute(person: Person, folder: Path) -> Person:
    """The person with the files of the addresses as absolute paths; they are relative to plant.toml."""
    found = (
        one if one.url_file is None else one.model_copy(update={"url_file": str(folder / one.url_file)})
        for one in person.address
    )
    return person.model_copy(update={"address": tuple(found)})

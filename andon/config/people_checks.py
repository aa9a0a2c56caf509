"""Checks of [[person]], [[team]], [[rota]], [[route]], [[dependency]]: what they name exists."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from andon.config.loopback import is_loopback
from andon.config.people import Incidents, Notify
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.validate import Draft

NAMED = (("person", "id"), ("team", "name"), ("rota", "name"))


def check_people(draft: Draft) -> Iterator[Problem]:
    """Faults of everything about who is told."""
    yield from _one_name(draft)
    yield from _members(draft)
    yield from _addresses(draft)
    yield from _routes(draft)
    yield from _dependencies(draft)
    yield from _levels(draft)
    yield from _public_url(draft)


def _one_name(draft: Draft) -> Iterator[Problem]:
    """A route says only a name, so people, teams and rotas share one list of names; erp is taken."""
    first = {"erp": "erp"}
    for section, key in NAMED:
        for place, name in draft.texts(section, key):
            if name in first:
                yield Problem("config.twice", place, found=shown(name), first=first[name])
            first.setdefault(name, str(place))


def _members(draft: Draft) -> Iterator[Problem]:
    known = draft.named("person", "id")
    what = Words("config.word.person")
    for loc, team in draft.lists["team"]:
        for index, member in enumerate(team.members):
            if member not in known:
                yield unknown_name(draft.document.place((*loc, "members", index)), member, what, known)
    for loc, rota in draft.lists["rota"]:
        for number, duty in enumerate(rota.duty):
            for index, member in enumerate(duty.people):
                if member not in known:
                    place = draft.document.place((*loc, "duty", number, "people", index))
                    yield unknown_name(place, member, what, known)


def _addresses(draft: Draft) -> Iterator[Problem]:
    for loc, person in draft.lists["person"]:
        names = [address.name for address in person.address]
        if len(set(names)) < len(names):
            yield Problem("config.repeated", draft.document.place((*loc, "address")), found=shown(names))


def _routes(draft: Draft) -> Iterator[Problem]:
    receivers = {name for section, key in NAMED for name in draft.named(section, key)}
    shifts = draft.named("shift", "name")
    assets = draft.named("asset", "path")
    for loc, route in draft.lists["route"]:
        yield from _receivers(draft, (*loc, "to"), route.to, receivers, erp=True)
        for number, step in enumerate(route.step):
            yield from _receivers(draft, (*loc, "step", number, "to"), step.to, receivers, erp=False)
            if number and step.after_s <= route.step[number - 1].after_s:
                place = draft.document.place((*loc, "step", number, "after_s"))
                yield Problem("config.not_later", place, found=step.after_s, before=route.step[number - 1].after_s)
        for index, shift in enumerate(route.shift):
            if shift not in shifts:
                place = draft.document.place((*loc, "shift", index))
                yield unknown_name(place, shift, Words("config.word.shift"), shifts)
        if "asset" not in draft.broken and assets and not any(fnmatchcase(path, route.area) for path in assets):
            place = draft.document.place((*loc, "area"))
            yield Problem("config.area_no_asset", place, found=shown(route.area))


def _receivers(draft: Draft, loc: Loc, to: tuple[str, ...], known: set[str], *, erp: bool) -> Iterator[Problem]:
    for index, target in enumerate(to):
        place = draft.document.place((*loc, index))
        if target == "erp" and erp:
            if "erp" not in draft.document.raw:
                yield Problem("config.no_erp", place)
        elif target not in known:
            yield unknown_name(
                place, target, Words("config.word.receiver"), sorted(known | ({"erp"} if erp else set()))
            )


def _dependencies(draft: Draft) -> Iterator[Problem]:
    """Its asset may be declared or a level above assets: a line that has a series of its own is one."""
    known = draft.named("asset", "path")
    for loc, one in draft.lists["dependency"]:
        if one.asset not in known:
            yield unknown_name(draft.document.place((*loc, "asset")), one.asset, Words("config.word.asset"), known)
        for index, glob in enumerate(one.hides):
            if "asset" not in draft.broken and not any(fnmatchcase(path, glob) for path in known if path != one.asset):
                place = draft.document.place((*loc, "hides", index))
                yield Problem("config.area_no_asset", place, found=shown(glob))


def _levels(draft: Draft) -> Iterator[Problem]:
    told: Incidents | None = draft.section("incidents", Incidents())
    if told is not None and told.flood_level >= told.level:
        place = draft.document.place(("incidents", "flood_level"))
        yield Problem("config.flood_level", place, found=told.flood_level, level=told.level)


def _public_url(draft: Draft) -> Iterator[Problem]:
    told: Notify | None = draft.section("notify", Notify())
    if told is None or told.public_url is None:
        return
    place = draft.document.place(("notify", "public_url"))
    try:
        url = urlsplit(told.public_url)
        host, plain = url.hostname or "", url.scheme == "http"
        usable = url.scheme in {"http", "https"} and url.port != 0 and not url.query and url.username is None
    except ValueError:
        host, plain, usable = "", False, False
    if not usable or not host:
        yield Problem("config.url", place, found=shown(told.public_url))
    elif plain and not is_loopback(host):
        yield Problem("config.url_plain", place, found=shown(told.public_url))

"""Checks of [erp]: one set of keys for its kind, templates that name what there is, assets and zones that exist."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from urllib.parse import urlsplit

from andon.config.erp import Erp, Sap
from andon.config.erp_names import ALARM_KINDS, ALARM_NAMES, OTHER_KINDS, names_in, wrong_formats
from andon.config.loopback import is_loopback
from andon.config.problems import Loc, Place, Problem, Words, shown, unknown_name
from andon.config.validate import Draft

SECTIONS = ("tryton", "erpnext", "odoo", "sap")
NEEDED = {"tryton", "sap"}  # their section has keys without a usual value
MAPPED = ("timezone", "models", "map", "equipment", "priorities")  # what a webhook has no use for


def check_erp(draft: Draft) -> Iterator[Problem]:
    """Faults of [erp] between its keys."""
    erp: Erp | None = draft.tables.get("erp")
    if erp is None:
        return
    yield from _sections(draft, erp)
    if erp.timezone not in zoneinfo.available_timezones():
        known = zoneinfo.available_timezones()
        yield unknown_name(_at(draft, "timezone"), erp.timezone, Words("config.word.timezone"), known)
    kinds = ALARM_KINDS | OTHER_KINDS | erp.models.keys()
    for kind, fields in erp.map.items():
        if kind not in kinds:
            yield unknown_name(_at(draft, "map", kind), kind, Words("config.word.order_kind"), kinds)
            continue
        for field, template in fields.items():
            if isinstance(template, str):
                yield from _template(draft, ("erp", "map", kind, field), kind, template)
    assets = draft.named("asset", "path")
    for asset in erp.equipment:
        if asset not in assets:
            place = draft.document.place(("erp", "equipment", asset))
            yield unknown_name(place, asset, Words("config.word.asset"), assets)
    if erp.kind == "sap":
        for kind in erp.models.keys() - ALARM_KINDS:  # which fields hold key and text is known for these only
            yield unknown_name(_at(draft, "models", kind), kind, Words("config.word.order_kind"), ALARM_KINDS)
        if erp.sap is not None:
            yield from _sap_login(draft, erp.sap)


def _at(draft: Draft, *keys: str) -> Place:
    return draft.document.place(("erp", *keys))


def _sections(draft: Draft, erp: Erp) -> Iterator[Problem]:
    for section in SECTIONS:
        if section != erp.kind and getattr(erp, section) is not None:
            yield Problem("config.erp_other", _at(draft, section), kind=erp.kind)
    if erp.kind in NEEDED and getattr(erp, erp.kind) is None:
        yield Problem("config.erp_section", _at(draft, "kind"), kind=erp.kind)
    if erp.kind == "webhook":
        for key in MAPPED:
            if key in draft.document.raw["erp"]:
                yield Problem("config.erp_webhook", _at(draft, key))


def _template(draft: Draft, loc: Loc, kind: str, template: str) -> Iterator[Problem]:
    place = draft.document.place(loc)
    try:
        named = list(names_in(template))
    except ValueError:
        yield Problem("config.erp_template", place, found=shown(template))
        return
    for name in named:
        if kind in ALARM_KINDS and name not in ALARM_NAMES:
            yield unknown_name(place, name, Words("config.word.template_name"), ALARM_NAMES)
            return
    if kind in ALARM_KINDS:
        for found in wrong_formats(template):
            yield Problem("config.erp_format", place, found=shown(found))


def _sap_login(draft: Draft, sap: Sap) -> Iterator[Problem]:
    oauth = (sap.token_url is not None) + (sap.client_id is not None)
    if (sap.user is not None) == (oauth > 0) or oauth == 1:
        yield Problem("config.erp_login", _at(draft, "sap"))
    if sap.token_url is None:
        return
    place = _at(draft, "sap", "token_url")
    try:
        url = urlsplit(sap.token_url)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.username is None
    except ValueError:
        url, usable = urlsplit(""), False
    if not usable:
        yield Problem("config.url", place, found=shown(sap.token_url.rpartition("@")[2]))
    elif url.scheme == "http" and not is_loopback(url.hostname or ""):
        yield Problem("config.url_plain", place, found=shown(sap.token_url))

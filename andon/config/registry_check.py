"""Checks of [sources.schema_registry]: its addresses, and that no secret stands in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from andon.config.loopback import is_loopback
from andon.config.models import Sources
from andon.config.problems import Loc, Place, Problem, shown
from andon.config.validate import Draft

_WHERE: Loc = ("sources", "schema_registry")


def check_registry(draft: Draft) -> Iterator[Problem]:
    """Faults of [sources.schema_registry]."""
    sources: Sources | None = draft.section("sources", Sources())
    registry = None if sources is None else sources.schema_registry
    if registry is None:
        return
    place = draft.document.place((*_WHERE, "url"))
    for address in registry.url.split(","):
        yield from _address(place, address.strip())
    if registry.user is not None and registry.token_file is not None:
        yield Problem("config.registry_both", draft.document.place((*_WHERE, "token_file")))


def _address(place: Place, address: str) -> Iterator[Problem]:
    host, usable = "", False
    with suppress(ValueError):
        url = urlsplit(address)
        host, usable = url.hostname or "", url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    if "@" in address.partition("://")[2].partition("/")[0]:
        yield Problem("config.registry_secret", place)  # the value is not shown: it holds a password
    elif not usable:
        yield Problem("config.url", place, found=shown(address))
    elif address.startswith("http:") and not is_loopback(host):
        yield Problem("config.url_plain", place, found=shown(address))

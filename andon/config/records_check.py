"""Checks of [records]: an address that can be one, without a password, and encrypted beyond this machine."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from andon.config.deployment import RecordsDatabase
from andon.config.loopback import is_loopback
from andon.config.problems import Problem, shown
from andon.config.validate import Draft

SCHEMES = ("postgresql", "postgres")
ENCRYPTED = ("verify-full", "verify-ca", "require")
# What of libpq's parameters makes sense here; its `password`, `options` and the like would undo what is set for all.
PARAMETERS = (
    "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "require_auth", "gssencmode", "host",
    "port", "target_session_attrs", "load_balance_hosts",
)  # fmt: skip


def check_records(draft: Draft) -> Iterator[Problem]:
    """Faults of [records] url."""
    records: RecordsDatabase | None = draft.tables.get("records")
    if records is None:
        return
    place = draft.document.place(("records", "url"))
    try:
        url = urlsplit(records.url)
        pairs = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
        query = dict(pairs)
        several = [one for name, value in pairs if name == "host" for one in value.split(",")]
        hosts = [one.partition(":")[0] for one in several] or [url.hostname or ""]
        usable = url.scheme in SCHEMES and len(url.path) > 1 and url.port != 0 and url.fragment == ""
    except ValueError:
        url, query, hosts, usable = urlsplit(""), {}, [], False
    if "@" in records.url.partition("://")[2] and ":" in records.url.partition("://")[2].rpartition("@")[0]:
        yield Problem("config.records_secret", place)  # the value is not shown: it holds a password
    elif "password" in query or "sslpassword" in query:
        yield Problem("config.records_secret", place)
    elif not usable:
        yield Problem("config.records_url", place, found=shown(records.url))
    elif unknown := [name for name in query if name not in PARAMETERS]:
        meant = difflib.get_close_matches(unknown[0], PARAMETERS, n=1)
        allowed = meant[0] if meant else ", ".join(PARAMETERS)
        yield Problem("config.records_parameter", place, found=shown(unknown[0]), allowed=allowed)
    elif any(not _on_this_machine(host) for host in hosts) and query.get("sslmode") not in ENCRYPTED:
        yield Problem("config.records_plain", place, found=shown(records.url), allowed=", ".join(ENCRYPTED))


def _on_this_machine(host: str) -> bool:
    return host == "" or host.startswith("/") or is_loopback(host)  # none or a folder: a socket of the file system

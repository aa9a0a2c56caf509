"""PostgreSQL: the connection, what a session is like, and what its errors mean. Imported where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from psycopg import Connection, InterfaceError, OperationalError
from psycopg.adapt import Buffer
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

from andon.errors import RecordsError
from andon.records.canonical import storable
from andon.records.server import Server
from andon.secrets import Secret

DRIVER = "postgresql+psycopg"

# Set for every session, whatever the server's defaults are. A statement that hangs must end before the watchdog of a
# flow strikes (30 s); a writer that was stopped in mid-transaction must not hold the site's lock for ever.
SESSION = {
    "lock_timeout": "10s",
    "statement_timeout": "25s",
    "idle_in_transaction_session_timeout": "15s",
    "synchronous_commit": "on",  # a call that returned is on disk
    "TimeZone": "UTC",
}
# A server that is gone without a word is noticed in 25 s.
NETWORK = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}

# SQLSTATE, or its first two characters, to the code of the message. The longer one decides.
STATES = {
    "55P03": "records.busy", "40001": "records.busy", "40P01": "records.busy", "57014": "records.busy",
    "53100": "records.disk_full", "58030": "records.disk_failed", "53": "records.away", "XX001": "records.damaged",
    "XX002": "records.damaged", "25006": "records.read_only", "42501": "records.no_right", "08": "records.away",
    "57P": "records.away", "25P": "records.away",
    "28": "records.login", "3D000": "records.no_database",
}  # fmt: skip
# While connecting, the driver tells no SQLSTATE, only the server's sentence.
SENTENCES = (
    (re.compile("password authentication failed|no password supplied|authentication failed for user|pg_hba"),
     "records.login"),
    (re.compile('FATAL: .*role "'), "records.login"),
    (re.compile('FATAL: .*database "'), "records.no_database"),
    (re.compile("SSL SYSCALL|SSL connection has been closed|unexpected eof"), "records.away"),  # cut
    (re.compile("SSL|certificate"), "records.tls"),
)  # fmt: skip
RETRIED = frozenset({"40001", "40P01"})  # rolled back by the server for the sake of another: again is likely to work


class _Storable(StrDumperUnknown):
    """PostgreSQL has no NUL in text; SQLite has. Both keep the same characters: see `canonical.storable`."""

    def dump(self, obj: str) -> Buffer | None:
        return super().dump(storable(obj))


def engine_of(server: Server) -> Engine:
    """An engine over a small pool; a connection that has died meanwhile is replaced before it is used."""
    engine = create_engine(
        make_url(server.url).set(drivername=DRIVER), pool_pre_ping=True, pool_use_lifo=True,
        hide_parameters=True,  # parameters in a traceback would be evidence and hashes of passwords
        connect_args={
            "connect_timeout": max(1, round(server.connect_s)), "client_encoding": "utf8", **NETWORK,
            "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
            "fallback_application_name": "andon",
        },
    )  # fmt: skip
    if server.password is not None:
        event.listen(engine, "do_connect", partial(_give_password, server.password))
    event.listen(engine, "connect", _connected)
    return engine


def _give_password(
    password: Callable[[], Secret | None], _dialect: object, _record: object, _args: list[Any], params: dict[str, Any]
) -> None:
    secret = password()
    if secret is not None:
        params["password"] = secret.reveal()


def _connected(connection: Connection[Any], _record: object) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise RecordsError("records.encoding", found=encoding)
    if connection.info.parameter_status("in_hot_standby") == "on":
        raise RecordsError("records.read_only", cause="in_hot_standby = on")
    connection.adapters.register_dumper(str, _Storable)


def meaning(error: DBAPIError) -> tuple[str, str, bool]:
    """Code of the message, the server's own words in one line, and whether trying again at once makes sense.

    Only the first line of what the server says: its details quote whole rows.
    """
    cause = error.orig
    state = getattr(cause, "sqlstate", None)
    words = (getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)).strip().partition("\n")[0]
    if state is not None:
        code = next((STATES[state[:size]] for size in (5, 3, 2) if state[:size] in STATES), "records.refused")
        return ("records.append_only" if "append-only" in words else code), words, state in RETRIED
    if not isinstance(cause, InterfaceError | OperationalError):  # ConnectionTimeout is one of the latter
        return "records.refused", words, False
    return next((code for sign, code in SENTENCES if sign.search(words)), "records.away"), words, False

"""Everything that differs between SQLite and PostgreSQL; with `postgres` the only file with SQL of one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from andon.errors import RecordsError
from andon.records.server import Place, Server, place_of

BUSY_S = 10.0
MIGRATION_LOCK = 0x616E646F6E  # "andon": who migrates a PostgreSQL database holds this advisory lock


def connect(place: Place) -> Engine:
    """Engine for a file (SQLite) or a server. A missing file is created empty with mode 0600, its folder is not."""
    where = place_of(place)
    if isinstance(where, Server):
        from andon.records.postgres import engine_of  # 0.1 s of import that a file does not need

        return engine_of(where)
    if not where.parent.is_dir():
        raise RecordsError("records.no_folder", path=str(where.parent))
    # WAL and shared-memory files take the mode of the database file.
    os.close(os.open(where, os.O_RDWR | os.O_CREAT, 0o600))
    engine = create_engine(f"sqlite:///{where}", connect_args={"timeout": BUSY_S, "check_same_thread": False})
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connected(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: see _sqlite_begin
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "recursive_triggers=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.execute(f"PRAGMA busy_timeout={round(BUSY_S * 1000)}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once with SQLITE_BUSY when another wrote.
    read_only = connection.get_execution_options().get("andon_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def read_options(engine: Engine) -> dict[str, Any]:
    """Execution options of a transaction that only reads and sees one state of the database.

    Writers on PostgreSQL stay with READ COMMITTED, its default: under the site's lock each statement then sees what
    the last holder committed. REPEATABLE READ would fail where two wrote at once, after waiting for the first.
    """
    if engine.dialect.name == "sqlite":
        return {"andon_read_only": True}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def insert_once(connection: Connection, table: Table, values: Mapping[str, object]) -> None:
    """Insert a row unless one with its key is there, also one that another transaction is about to commit."""
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).values(**values).on_conflict_do_nothing())
    else:
        from sqlalchemy.dialects import postgresql

        connection.execute(postgresql.insert(table).values(**values).on_conflict_do_nothing())


def hold_schema(connection: Connection) -> None:
    """Keep others from migrating until this transaction ends; SQLite's BEGIN IMMEDIATE has done so already."""
    if connection.dialect.name == "postgresql":
        for setting in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {setting} = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a PostgreSQL server says of itself. number: 150018 for 15.18; not_durable: settings that are off."""

    version: str
    number: int
    not_durable: tuple[str, ...]


def server_facts(connection: Connection) -> ServerFacts:
    """Ask a server; SQLite has none to ask."""
    shown = {
        name: str(connection.execute(text(f"SHOW {name}")).scalar())
        for name in ("server_version", "server_version_num", "fsync", "full_page_writes")
    }
    off = tuple(f"{name} = off" for name in ("fsync", "full_page_writes") if shown[name] == "off")
    return ServerFacts(shown["server_version"], int(shown["server_version_num"]), off)


def append_only_ddl(dialect: str, table: str) -> list[str]:
    """Statements that make a table refuse UPDATE and DELETE, SQLite's REPLACE and PostgreSQL's TRUNCATE.

    Its owner is refused too. Who drops the triggers first can still do it; that is what the hash chain is for.
    """
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE")
        ]
    refuse = f"BEGIN RAISE EXCEPTION '{table} is append-only'; END"
    on = f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} FOR EACH STATEMENT"
    return [
        f"CREATE OR REPLACE FUNCTION {table}_append_only() RETURNS trigger AS $$ {refuse} $$ LANGUAGE plpgsql",
        f"CREATE TRIGGER {table}_append_only {on} EXECUTE FUNCTION {table}_append_only()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only",  # not switched off by a replica's session
    ]


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into RecordsError with a code: busy, away, disk full, damaged, refused.

    The parameter `again` is there where the database undid the transaction for the sake of another.
    """
    try:
        yield
    except PoolTimeoutError:
        raise RecordsError("records.busy", cause="connection pool") from None
    except DBAPIError as error:
        if type(error.orig).__module__.partition(".")[0] == "psycopg":
            from andon.records.postgres import meaning

            code, cause, again = meaning(error)
            told: dict[str, object] = {"cause": cause, **({"again": True} if again else {})}
        else:
            code, told = _sqlite_meaning(str(error.orig))
        raise RecordsError(code, **told) from error


def _sqlite_meaning(cause: str) -> tuple[str, dict[str, object]]:
    lowered = cause.lower()
    codes = {
        "locked": "records.busy", "full": "records.disk_full", "malformed": "records.damaged",
        "not a database": "records.damaged", "disk i/o": "records.disk_failed", "readonly": "records.read_only",
        "append-only": "records.append_only",
    }  # fmt: skip
    return next((code for words, code in codes.items() if words in lowered), "records.refused"), {"cause": cause}

"""Everything that differs between SQLite and PostgreSQL; the only file with SQL of one of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from andon.errors import RecordsError

BUSY_S = 10.0
READ_ONLY = {"andon_read_only": True}  # execution option of transactions that only read


def is_url(place: str | Path) -> bool:
    """Whether a place of records is a database URL rather than a file."""
    return "://" in str(place)


def connect(place: str | Path) -> Engine:
    """Engine for a file (SQLite) or a URL. A missing file is created empty with mode 0600, its folder is not."""
    if is_url(place):
        engine = create_engine(str(place), pool_pre_ping=True)
    else:
        path = Path(place)
        if not path.parent.is_dir():
            raise RecordsError("records.no_folder", path=str(path.parent))
        # WAL and shared-memory files take the mode of the database file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S, "check_same_thread": False})
    if engine.dialect.name == "sqlite":
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


def append_only_ddl(dialect: str, table: str) -> list[str]:
    """Statements that make a table refuse UPDATE and DELETE and SQLite's REPLACE."""
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
    ]


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into RecordsError with a code: busy, disk full, damaged, refused."""
    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig)
        lowered = cause.lower()
        codes = {
            "locked": "records.busy", "lock timeout": "records.busy", "full": "records.disk_full",
            "malformed": "records.damaged", "not a database": "records.damaged", "disk i/o": "records.disk_failed",
            "readonly": "records.read_only", "append-only": "records.append_only",
        }  # fmt: skip
        code = next((code for words, code in codes.items() if words in lowered), "records.refused")
        raise RecordsError(code, cause=cause) from error

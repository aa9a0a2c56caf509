"""Schema versions of the operational database. Only `andon upgrade` migrates; a fresh file is created at the head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, inspect, text

from andon.errors import RecordsError
from andon.records.dialect import hold_schema, read_options, translated

KNOWN = ("0001", "0002", "0003")  # oldest first; a test compares this with the files of migrations/versions
HEAD = KNOWN[-1]
FOLDER = Path(__file__).parent / "migrations"

SchemaState = Literal["empty", "older", "head"]


def schema_state(connection: Connection) -> tuple[SchemaState, str]:
    """Where a database stands, and its version ("" when empty).

    Raises RecordsError for a version this program does not know ("records.schema_newer") and for a database
    that holds tables of somebody else ("records.not_records").
    """
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise RecordsError("records.not_records", tables=", ".join(sorted(tables)[:5]))
        return "empty", ""
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if version is None:
        return "empty", ""
    if version not in KNOWN:
        raise RecordsError("records.schema_newer", found=version, known=HEAD)
    return ("head" if version == HEAD else "older"), str(version)


def migrate(engine: Engine, after: Callable[[Connection, str], None] = lambda _connection, _version: None) -> str:
    """Bring the database to the head in one transaction; returns the version it had ("" when it was empty).

    after: called in the same transaction with that version, where something was done; what it raises undoes all.

    Safe to call from several processes at once: the first does it, the others wait and find it done.
    """
    from alembic import command  # 0.3 s of import that a running service does not need
    from alembic.config import Config

    with translated(), engine.begin() as connection:
        hold_schema(connection)
        state, version = schema_state(connection)
        if state != "head":
            config = Config()
            config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            after(connection, version)
        return version


def require_head(engine: Engine, *, create: bool = True) -> None:
    """Create a fresh database at the head; refuse an older one ("run andon upgrade") and a newer one."""
    with translated(), engine.connect().execution_options(**read_options(engine)) as connection:
        state, version = schema_state(connection)
    if state == "empty" and not create:
        raise RecordsError("records.empty")
    if state == "empty":
        migrate(engine)
    elif state == "older":
        raise RecordsError("records.schema_older", found=version, known=HEAD)

"""The two databases that records run on, for suites that must say the same on both.

    pytestmark = pytest.mark.usefixtures("database")

A folder of a test stands for a database: `fresh(folder)` of `records_world` opens the one that belongs to it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from andon.clock import ManualClock
from andon.records import Records, connect, migrate
from tests import records_world

ANCHORS = "anchors.jsonl"


class Sqlite:
    """A file in the folder."""

    name = "sqlite"

    def place(self, folder: Path) -> Path | str:
        return folder / "records.db"

    def copy(self, source: Path, target: Path) -> None:
        """What lies in one folder, database included, into another."""
        target.mkdir(parents=True, exist_ok=True)
        for path in filter(Path.is_file, source.iterdir()):
            shutil.copy(path, target / path.name)

    def folders(self) -> set[Path]:
        return set()  # pytest removes files by itself

    def drop(self, folder: Path) -> None:
        pass


class OnPostgres:
    """A database of the shared cluster for each folder, made from one that has its tables already."""

    name = "postgres"

    def __init__(self, server: Any) -> None:
        self._server = server
        self._names: dict[Path, str] = {}
        self._template = self._new(None)
        engine = connect(self.url(self._template))
        migrate(engine)
        engine.dispose()

    def url(self, name: str) -> str:
        return f"postgresql://andon@{self._server.address}/{name}"

    def place(self, folder: Path) -> Path | str:
        if folder not in self._names:
            self._names[folder] = self._new(self._template)
        return self.url(self._names[folder])

    def copy(self, source: Path, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        if (source / ANCHORS).exists():
            shutil.copy(source / ANCHORS, target / ANCHORS)
        self.drop(target)
        self._names[target] = self._new(self._names[source])

    def folders(self) -> set[Path]:
        return set(self._names)

    def drop_all(self) -> None:
        for folder in self.folders():
            self.drop(folder)

    def drop(self, folder: Path) -> None:
        name = self._names.pop(folder, None)
        if name is not None:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _new(self, template: str | None) -> str:
        name = f"contract_{time.monotonic_ns()}"
        given = f" TEMPLATE {template}" if template else ""
        for attempt in range(50):
            try:
                self._run(f"CREATE DATABASE {name}{given}")
            except psycopg.errors.ObjectInUse:  # a connection that was closed a moment ago
                if attempt == 49:
                    raise
                time.sleep(0.05)
            else:
                break
        return name

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def databases(request: pytest.FixtureRequest) -> Iterator[Sqlite | OnPostgres]:
    """The database that `records_world` uses in this module: one after the other."""
    chosen = Sqlite() if request.param == "sqlite" else OnPostgres(request.getfixturevalue("postgres_server"))
    before, records_world.place = records_world.place, chosen.place
    yield chosen
    records_world.close_all()
    records_world.place = before
    if isinstance(chosen, OnPostgres):
        chosen.drop_all()


@pytest.fixture
def database(databases: Sqlite | OnPostgres) -> Iterator[Sqlite | OnPostgres]:
    """The same, with what the test opened closed after it."""
    before = databases.folders()
    yield databases
    records_world.close_all()
    for folder in databases.folders() - before:
        databases.drop(folder)


class Rows(list[dict[str, Any]]):
    """Rows as a cursor gives them."""

    def fetchone(self) -> dict[str, Any] | None:
        return self[0] if self else None


class Shell:
    """What an intruder has: the database with every right, without the triggers. Marks are ?."""

    def __init__(self, place: Path | str) -> None:
        self.engine = connect(place)
        self._connection = self.engine.connect()
        for table in ("audit", "transition", "delivery"):
            for statement in self._disarm(table):
                self._connection.exec_driver_sql(statement)
        self._connection.commit()

    def execute(self, statement: str, values: Sequence[object] = ()) -> Rows:
        if self.engine.dialect.name == "postgresql":
            statement = statement.replace("?", "%s")
        result = self._connection.exec_driver_sql(statement, tuple(values))
        return Rows(dict(row) for row in result.mappings()) if result.returns_rows else Rows()

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What is done inside is undone at the end."""
        yield
        self._connection.rollback()

    def records(self, anchors: Path) -> Records:
        """Records that read what this transaction sees, before it is committed."""
        return _Seen(self._connection, anchors)

    def close(self) -> None:
        self._connection.commit()
        self._connection.close()
        self.engine.dispose()

    def _disarm(self, table: str) -> list[str]:
        if self.engine.dialect.name == "postgresql":
            return [f"ALTER TABLE {table} DISABLE TRIGGER USER"]
        return [f"DROP TRIGGER {table}_no_{verb}" for verb in ("update", "delete")]


class _Seen(Records):
    def __init__(self, connection: Connection, anchors: Path) -> None:
        super().__init__("never.db", "szh1", ManualClock(records_world.START_NS), anchors=anchors)
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[Any]:
        yield self._connection

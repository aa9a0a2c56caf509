"""Schema versions, the file itself, and the promise that every changing call names somebody."""

from __future__ import annotations

import inspect
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert

from andon.clock import ManualClock
from andon.errors import AccessError, RecordsError
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, Records, connect, migrate, schema_acts
from andon.records.dialect import append_only_ddl
from andon.records.migrate import FOLDER, HEAD, KNOWN
from andon.records.schema import APPEND_ONLY
from andon.records.schema_acts import TABLES
from tests.records_world import RAISED, START_NS, fresh


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.real)])
def empty(request, tmp_path) -> Path | str:
    """Where an empty database is."""
    return tmp_path / "records.db" if request.param == "sqlite" else request.getfixturevalue("postgres").url


def of(place: Path | str) -> Records:
    return Records(place, "szh1", ManualClock(START_NS))


def test_migrations_create_exactly_the_tables_of_the_code(empty):
    engine = connect(empty)
    assert migrate(engine) == ""
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), TABLES) == []
    assert migrate(engine) == HEAD
    engine.dispose()


def test_every_table_carries_the_site():
    assert [table.name for table in TABLES.sorted_tables if "site" not in table.c] == []


def test_known_versions_are_the_files_in_order():
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    script = ScriptDirectory.from_config(config)
    assert tuple(reversed([one.revision for one in script.walk_revisions()])) == KNOWN
    assert script.get_heads() == [HEAD]


def run(place: Path | str, statement: str) -> None:
    engine = connect(place)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_an_older_schema_asks_for_the_upgrade(empty, monkeypatch):
    of(empty).open().close()
    monkeypatch.setattr(sys.modules["andon.records.migrate"], "KNOWN", ("0000", "0001"))
    run(empty, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(RecordsError, match="andon upgrade") as caught:
        of(empty).open()
    assert caught.value.code == "records.schema_older"


def test_a_newer_schema_is_refused_and_left_alone(empty):
    of(empty).open().close()
    run(empty, "UPDATE alembic_version SET version_num = '9999'")
    before = empty.read_bytes() if isinstance(empty, Path) else None
    engine = connect(empty)
    for attempt in (lambda: of(empty).open(), lambda: migrate(engine)):
        with pytest.raises(RecordsError) as caught:
            attempt()
        assert caught.value.code == "records.schema_newer"
    engine.dispose()
    assert (empty.read_bytes() if isinstance(empty, Path) else None) == before


def test_a_database_of_somebody_else_is_refused(empty):
    run(empty, "CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(RecordsError, match="recipes"):
        of(empty).open()


def test_a_command_makes_no_tables(empty):
    """A wrong address must not become a second, empty set of records."""
    if isinstance(empty, Path):
        empty.touch()
    with pytest.raises(RecordsError) as caught:
        Records(empty, "szh1", ManualClock(), create=False).open()
    assert caught.value.code == "records.empty"


def test_no_database_and_no_folder_are_told_apart(tmp_path):
    (tmp_path / "records.db").write_bytes(b"this is no database, it is a text of some length" * 100)
    with pytest.raises(RecordsError) as caught:
        fresh(tmp_path)
    assert caught.value.code == "records.damaged"
    with pytest.raises(RecordsError) as caught:
        Records(tmp_path / "gone" / "records.db", "s", ManualClock()).open()
    assert caught.value.code == "records.no_folder"


def test_the_file_is_private_and_durable(tmp_path):
    with fresh(tmp_path) as records:
        records.apply_conditions([RAISED], SYSTEM_FLOW)
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()}
        assert set(modes.values()) == {"0o600"}
        with records.reading() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_it_opens_again_after_close(empty):
    records = of(empty)
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    records.close()
    assert len(records.alarms()) == 1
    records.close()


def test_several_that_create_it_together(empty):
    results = []

    def opened():
        try:
            with of(empty) as records:
                results.append(len(records.alarms()))
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=opened) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0, 0, 0]


def test_a_writer_that_hangs_is_reported_as_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("andon.records.dialect.BUSY_S", 0.05)
    with fresh(tmp_path) as records:
        other = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordsError) as caught:
            records.apply_conditions([RAISED], SYSTEM_FLOW)
        assert caught.value.code == "records.busy"
        assert records.alarms() == []  # readers go on
        other.execute("ROLLBACK")
        other.close()
        records.apply_conditions([RAISED], SYSTEM_FLOW)


REWRITES = {
    "UPDATE": "UPDATE {table} SET site = 'other'",
    "UPDATE-OF-NOTHING": "UPDATE {table} SET site = 'other' WHERE site = 'nobody'",
    "DELETE": "DELETE FROM {table}",
    "REPLACE": "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    "UPSERT": "INSERT INTO {table} SELECT * FROM {table} WHERE true ON CONFLICT ({key}) DO UPDATE SET site = 'other'",
    "TRUNCATE": "TRUNCATE {table} CASCADE",
    "MERGE": "MERGE INTO {table} t USING {table} s ON t.site = s.site WHEN MATCHED THEN DELETE",
}
LABEL = {
    "seq": 1, "site": "szh1", "verdict": "true", "source": "person", "at_ns": 1, "actor_id": "li", "actor_name": "Li",
    "comment": "",
}  # fmt: skip
ONLY = {"REPLACE": "sqlite", "TRUNCATE": "postgresql", "MERGE": "postgresql", "UPDATE-OF-NOTHING": "postgresql"}


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", REWRITES)
def test_histories_only_grow(empty, table, verb):
    """Also for the owner of the tables, who is connected here."""
    with of(empty) as records:
        if ONLY.get(verb, records.engine.dialect.name) != records.engine.dialect.name:
            return
        records.apply_conditions([RAISED], SYSTEM_FLOW)
        item = records.claim_order("x", 9.0, SYSTEM_SENDER)
        records.finish_order(item, DeliveryResult("retry", 500, "x"), SYSTEM_SENDER)
        with records.engine.begin() as connection:
            connection.execute(insert(schema_acts.alarm_label).values(**LABEL, alarm_key=item.order_key))
        key = ", ".join(column.name for column in TABLES.tables[table].primary_key)
        with pytest.raises(Exception, match="append-only"), records.engine.begin() as connection:
            connection.exec_driver_sql(REWRITES[verb].format(table=table, key=key))


@pytest.mark.real
def test_a_session_that_replays_a_replica_is_refused_too(postgres):
    with of(postgres.url) as records:
        records.apply_conditions([RAISED], SYSTEM_FLOW)
        with records.engine.connect() as connection:
            connection.exec_driver_sql("SET session_replication_role = replica")
            with pytest.raises(Exception, match="append-only"):
                connection.exec_driver_sql("DELETE FROM audit")


def test_postgresql_gets_triggers_too():
    create, trigger, always = append_only_ddl("postgresql", "audit")
    assert "plpgsql" in create
    assert "UPDATE OR DELETE OR TRUNCATE" in trigger
    assert "ALWAYS" in always


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (("PRAGMA", "sqlite3", "exec_driver", "dialect.name"), {"dialect.py"}),
        (("psycopg", "plpgsql", "pg_"), {"dialect.py", "postgres.py"}),
    ],
)
def test_few_files_know_which_database_it_is(root, words, where):
    files = (root / "andon" / "records").glob("*.py")
    assert {path.name for path in files if any(word in path.read_text(encoding="utf-8") for word in words)} == where


def test_a_site_without_postgresql_does_not_load_its_driver():
    code = "import sys, service.web.main, flows.plant; print('psycopg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


MUTATING = {
    name: method
    for name, method in inspect.getmembers(Records, inspect.isfunction)
    if not name.startswith("_") and "actor" in inspect.signature(method).parameters
}
# Who logs in is nobody yet; the audit record names who they claim to be. anchor writes no table.
WITHOUT_ACTOR = {"login", "logout", "redeem_one_time_token", "session"}
OTHERS = {"open", "close", "anchor", "reading", "writing"}
READING = {
    "alarm", "alarms", "transitions", "changes_since", "change_head", "orders", "order_counts", "deliveries",
    "order_event",
    "get_state", "rule_content", "audit_trail", "has_users", "labels", "points", "announcements", "point_of",
    "notices", "notice_counts", "incidents", "incident", "link_role", "holds", "capas", "orders_to_ask", "occurrences",
    "unmanned_routes", "repeated_until", "told_reports", "similar",
}  # fmt: skip


def test_every_public_method_is_known_to_change_or_not():
    public = {name for name, _ in inspect.getmembers(Records, inspect.isfunction) if not name.startswith("_")}
    assert public == set(MUTATING) | WITHOUT_ACTOR | OTHERS | READING


@pytest.mark.parametrize("name", sorted(set(MUTATING) | WITHOUT_ACTOR))
def test_every_changing_call_is_tried_again_after_a_deadlock(name):
    assert hasattr(getattr(Records, name), "__wrapped__")


@pytest.mark.parametrize("name", sorted(MUTATING))
def test_nobody_changes_nothing(tmp_path, name):
    """Each changing method refuses None, and an actor of a role without the right, before it touches the database."""
    from andon.records import Actor

    records = Records(tmp_path / "never-opened.db", "szh1", ManualClock())
    needed = [
        parameter
        for parameter in inspect.signature(MUTATING[name]).parameters.values()
        if parameter.name not in {"self", "actor"} and parameter.default is inspect.Parameter.empty
    ]
    for actor in (None, "li.wei", Actor("v", "Viewer", "viewer", "t")):
        with pytest.raises(AccessError):
            getattr(records, name)(**{one.name: "x" for one in needed}, actor=actor)
    assert not (tmp_path / "never-opened.db").exists()

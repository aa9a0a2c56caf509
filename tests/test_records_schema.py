"""Schema versions, the file itself, and the promise that every changing call names somebody."""

from __future__ import annotations

import inspect
import sqlite3
import sys
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from andon.clock import ManualClock
from andon.errors import AccessError, RecordsError
from andon.records import SYSTEM_FLOW, Records, connect, migrate
from andon.records.dialect import append_only_ddl
from andon.records.migrate import FOLDER, HEAD, KNOWN
from andon.records.schema import metadata
from tests.records_world import RAISED, fresh


def test_migrations_create_exactly_the_tables_of_the_code(tmp_path):
    engine = connect(tmp_path / "records.db")
    assert migrate(engine) == ""
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert migrate(engine) == HEAD
    engine.dispose()


def test_every_table_carries_the_site():
    assert [table.name for table in metadata.sorted_tables if "site" not in table.c] == []


def test_known_versions_are_the_files_in_order():
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    script = ScriptDirectory.from_config(config)
    assert tuple(reversed([one.revision for one in script.walk_revisions()])) == KNOWN
    assert script.get_heads() == [HEAD]


def stamp(path, version):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))
    connection.close()


def test_an_older_schema_asks_for_the_upgrade(tmp_path, monkeypatch):
    fresh(tmp_path).close()
    monkeypatch.setattr(sys.modules["andon.records.migrate"], "KNOWN", ("0000", "0001"))
    stamp(tmp_path / "records.db", "0000")
    with pytest.raises(RecordsError, match="andon upgrade") as caught:
        fresh(tmp_path)
    assert caught.value.code == "records.schema_older"


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    fresh(tmp_path).close()
    stamp(tmp_path / "records.db", "9999")
    before = (tmp_path / "records.db").read_bytes()
    for attempt in (lambda: fresh(tmp_path), lambda: migrate(connect(tmp_path / "records.db"))):
        with pytest.raises(RecordsError) as caught:
            attempt()
        assert caught.value.code == "records.schema_newer"
    assert (tmp_path / "records.db").read_bytes() == before


def test_a_file_of_somebody_else_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / "records.db") as connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    connection.close()
    with pytest.raises(RecordsError, match="recipes"):
        fresh(tmp_path)


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


def test_it_opens_again_after_close(tmp_path):
    records = fresh(tmp_path)
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    records.close()
    assert len(records.alarms()) == 1
    records.close()


def test_several_that_create_it_together(tmp_path):
    results = []

    def opened():
        try:
            with fresh(tmp_path) as records:
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


@pytest.mark.parametrize("table", ["audit", "transition", "delivery"])
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE", "REPLACE"])
def test_histories_only_grow(tmp_path, table, verb):
    with fresh(tmp_path) as records:
        records.apply_conditions([RAISED], SYSTEM_FLOW)
        if table == "delivery":
            from andon.records import SYSTEM_SENDER, DeliveryResult

            item = records.claim_order("x", 9.0, SYSTEM_SENDER)
            records.finish_order(item, DeliveryResult("retry", 500, "x"), SYSTEM_SENDER)
        statement = {
            "UPDATE": f"UPDATE {table} SET site = 'other'",
            "DELETE": f"DELETE FROM {table}",
            "REPLACE": f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        }[verb]
        with pytest.raises(Exception, match="append-only"), records.engine.begin() as connection:
            connection.exec_driver_sql(statement)


def test_postgresql_gets_triggers_too():
    create, trigger = append_only_ddl("postgresql", "audit")
    assert "plpgsql" in create
    assert "UPDATE OR DELETE OR TRUNCATE" in trigger


def test_only_the_dialect_file_knows_sqlite(root):
    words = ("PRAGMA", "sqlite3", "exec_driver")
    files = (root / "andon" / "records").glob("*.py")
    told = {path.name for path in files if any(word in path.read_text(encoding="utf-8") for word in words)}
    assert told == {"dialect.py"}


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
    "get_state", "rule_content", "audit_trail", "has_users",
}  # fmt: skip


def test_every_public_method_is_known_to_change_or_not():
    public = {name for name, _ in inspect.getmembers(Records, inspect.isfunction) if not name.startswith("_")}
    assert public == set(MUTATING) | WITHOUT_ACTOR | OTHERS | READING


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

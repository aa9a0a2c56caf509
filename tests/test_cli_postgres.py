"""The commands on a site whose records are on PostgreSQL: each works or says what to use instead."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import ConfigError, RecordsError
from andon.records import SYSTEM_FLOW, site_records, verify_audit
from service import records_dump
from service.web.errors import status_of
from tests.command_line import PASSWORD, Terminal, andon
from tests.records_world import orders

__all__ = ["andon"]  # a fixture


def configure(url: str, more: str = "") -> None:
    """plant.toml of the folder with these records."""
    path = Path("plant.toml")
    text = re.sub(r"\n\[records\][^\[]*", "\n", path.read_text(encoding="utf-8"))
    path.write_text(f'{text}\n[records]\nurl = "{url}"\n{more}\n', encoding="utf-8")


def records(data: str = "data"):
    return site_records(load_plant(Path("plant.toml")).config, DataFolder(Path(data)))


def actions() -> list[str]:
    with records() as mine:
        assert verify_audit(mine).ok
        return [one.action for one in mine.audit_trail()]


@pytest.fixture
def site(andon: Terminal, postgres, monkeypatch) -> DataFolder:
    """A data folder and filled records, with a password from a file."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    andon("init", "--site", "szh1")
    folder = DataFolder(Path("data"))
    folder.create("szh1", 1)
    Path("secret").write_text(postgres.password)
    Path("secret").chmod(0o600)
    configure(postgres.guarded_url, 'password_file = "secret"')
    with records() as mine:
        mine.apply_conditions(orders(10), SYSTEM_FLOW)
    return folder


@pytest.mark.real
def test_users_and_the_audit_trail(andon: Terminal, site: DataFolder) -> None:
    andon("user", "add", "li.wei", "--name", "Li Wei", "--role", "operator", "--password-stdin", "--reason", "new",
          typed=PASSWORD + "\n")  # fmt: skip
    assert json.loads(andon("audit", "verify", "--json"))["records"] == 21
    andon("audit", "export", "trail.jsonl", "--reason", "inspection")
    assert len(Path("trail.jsonl").read_text().splitlines()) == 22
    with records() as mine:
        assert mine.login("li.wei", PASSWORD, "t")[1].actor.name == "Li Wei"
    assert not site.records_db.exists()
    assert (site.path / "records" / "anchors.jsonl").exists()


@pytest.mark.real
def test_a_database_rewritten_behind_the_anchors_is_found(andon: Terminal, site: DataFolder) -> None:
    """The anchors are in the data folder, out of reach of who has the database alone."""
    with records() as mine, mine.engine.begin() as connection:
        for table in ("transition", "audit"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        connection.exec_driver_sql("DELETE FROM audit WHERE seq > 10")
        connection.exec_driver_sql(
            "UPDATE site_head SET audit_count = 10, audit_hash = (SELECT hash FROM audit WHERE seq = 10)"
        )
    verdict = json.loads(andon("audit", "verify", "--json", status=1))
    assert (verdict["code"], verdict["first_bad"]) == ("audit.cut", 11)


@pytest.mark.real
def test_commands_make_no_tables_in_a_wrong_database(andon: Terminal, site: DataFolder, postgres) -> None:
    configure(postgres.url)
    andon("audit", "verify", status=1)
    assert "empty" in andon.err
    name = postgres.url.rpartition("/")[2]
    assert postgres.server.sql("select count(*) from pg_tables where schemaname = 'public'", name) == "0"


@pytest.mark.real
def test_backup_and_restore_bring_the_records_back(andon: Terminal, site: DataFolder, postgres) -> None:
    with records() as mine:
        before = [(one.key, one.erp_state, one.start_ns) for one in mine.alarms()]
    answer = json.loads(andon("backup", "b", "--json"))
    assert answer["files"] >= 3
    assert (Path("b/data/records/records.dump").stat().st_mode & 0o777) == 0o600
    assert actions()[-1] == "backup"

    andon("restore", "b", "--replace", "--reason", "x", status=1)  # the database still has what it had
    assert "not empty" in andon.err
    assert Path("data/instance.json").exists()
    assert not list(Path().glob("data.before*"))

    site.path.rename("lost")
    configure(postgres.server.new_database(guarded=True), 'password_file = "secret"')
    andon("restore", "b", "--reason", "server replaced", "--by", "Wang Min")
    with records() as mine:
        assert [(one.key, one.erp_state, one.start_ns) for one in mine.alarms()] == before
        with pytest.raises(Exception, match="append-only"), mine.engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM audit")
    assert actions() == ["alarm.raised", "outbox.queued"] * 10 + ["restore", "state.set"]
    assert not Path("data/records/records.dump").exists()
    assert postgres.password not in andon.out + andon.err


@pytest.mark.real
def test_a_backup_without_the_tool_is_no_backup(andon: Terminal, site: DataFolder, monkeypatch) -> None:
    monkeypatch.setattr(records_dump.shutil, "which", lambda _tool: None)
    andon("backup", "b", status=1)
    assert "postgresql-client" in andon.err
    assert not Path("b").exists()


@pytest.mark.real
def test_a_backup_that_the_tool_refuses_is_no_backup(andon: Terminal, site: DataFolder, monkeypatch) -> None:
    fake = Path("bin").absolute()
    fake.mkdir()
    for tool in ("pg_dump", "pg_restore"):
        (fake / tool).write_text("#!/bin/sh\necho 'error: aborting because of server version mismatch' >&2\nexit 1\n")
        (fake / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    andon("backup", "b", status=1)
    assert "version mismatch" in andon.err
    assert not Path("b/manifest.json").exists()
    assert not Path("b/data/records/records.dump").exists()


@pytest.mark.real
def test_a_backup_goes_back_to_the_kind_of_database_it_came_from(andon: Terminal, site: DataFolder) -> None:
    andon("backup", "b")
    site.path.rename("lost")
    plant = Path("plant.toml").read_text(encoding="utf-8")
    Path("plant.toml").write_text(plant.partition("[records]")[0], encoding="utf-8")
    andon("restore", "b", "--reason", "x", status=1)
    assert "[records]" in andon.err
    folder = DataFolder(Path("data"))
    folder.create("szh1", 1)
    andon("backup", "c")
    Path("plant.toml").write_text(plant, encoding="utf-8")
    andon("restore", "c", "--replace", "--reason", "x", status=1)
    assert "[records]" in andon.err


@pytest.mark.real
def test_upgrade_creates_the_tables_for_the_owner_and_is_audited(andon: Terminal, postgres) -> None:
    andon("init", "--site", "szh1")
    configure(postgres.url)
    andon("upgrade", "--reason", "first installation", "--by", "Wang Min")  # before there is a data folder
    assert "one transaction" in andon.out
    assert actions() == ["upgrade"]
    andon("upgrade", "--reason", "again")
    assert "already" in andon.out


@pytest.mark.real
def test_an_upgrade_that_cannot_be_audited_is_undone(andon: Terminal, postgres, monkeypatch) -> None:
    andon("init", "--site", "szh1")
    configure(postgres.url)

    def refuse(*_args: object) -> None:
        raise RecordsError("records.refused", cause="the trail is down")

    monkeypatch.setattr("service.commands.upgrade._note", refuse)
    andon("upgrade", "--reason", "x", status=1)
    name = postgres.url.rpartition("/")[2]
    assert postgres.server.sql("select count(*) from pg_tables where schemaname = 'public'", name) == "0"


def findings(andon: Terminal, status: int) -> dict[str, str]:
    answer = json.loads(andon("doctor", "--json", status=status))
    return {one["code"]: one["text"] for one in answer["findings"] if one["part"] == "records"}


@pytest.mark.real
def test_the_doctor_looks_at_it(andon: Terminal, site: DataFolder, postgres) -> None:
    found = findings(andon, 0)
    assert "PostgreSQL" in found["doctor.records"]
    assert postgres.guarded_url in found["doctor.records"]
    Path("secret").write_text("a wrong one")
    assert set(findings(andon, 1)) == {"records.login"}
    configure(postgres.url)
    assert set(findings(andon, 0)) == {"doctor.records_empty"}
    configure("postgresql://andon@127.0.0.1:1/andon")
    assert set(findings(andon, 1)) == {"records.away"}
    Path("secret").unlink()
    configure(postgres.guarded_url, 'password_file = "secret"')
    assert set(findings(andon, 1)) == {"secret.unreadable"}


@pytest.mark.real
def test_the_doctor_warns_of_a_server_that_forgets(andon: Terminal, server_folder, monkeypatch) -> None:
    from tests.servers.postgres import Postgres

    server = Postgres(server_folder / "forgetful")
    server.start()
    try:
        server.sql("alter system set full_page_writes = off")
        server.sql("select pg_reload_conf()")
        andon("init", "--site", "szh1")
        configure(server.new_database())
        assert "full_page_writes = off" in findings(andon, 1)["doctor.records_not_durable"]
    finally:
        server.stop()


ADDRESSES = {
    "password": ("postgresql://andon:geheim@127.0.0.1/andon", "config.records_secret"),
    "password-in-query": ("postgresql://andon@127.0.0.1/andon?password=geheim", "config.records_secret"),
    "password-in-another-scheme": ("pgsql://andon:geheim@127.0.0.1/andon", "config.records_secret"),
    "other-database": ("mysql://andon@127.0.0.1/andon", "config.records_url"),
    "no-database": ("postgresql://andon@127.0.0.1", "config.records_url"),
    "bad-port": ("postgresql://andon@127.0.0.1:99999/andon", "config.records_url"),
    "text": ("db.example.com", "config.records_url"),
    "plain": ("postgresql://andon@db.example.com/andon", "config.records_plain"),
    "prefer": ("postgresql://andon@db.example.com/andon?sslmode=prefer", "config.records_plain"),
    "one-of-two-plain": ("postgresql:///andon?host=127.0.0.1&host=db2:5432", "config.records_plain"),
    "parameter": ("postgresql://andon@127.0.0.1/andon?sslmod=require", "config.records_parameter"),
    "options": ("postgresql://andon@127.0.0.1/andon?options=-c%20synchronous_commit%3Doff", "config.records_parameter"),
}
GOOD = (
    "postgresql://andon@127.0.0.1:5432/andon", "postgres://andon@localhost/andon", "postgresql:///andon?host=/run/postgresql",
    "postgresql://andon@db.example.com/andon?sslmode=verify-full&sslrootcert=/etc/ca.pem", "postgresql://[::1]/andon",
    "postgresql:///andon?host=a:5432&host=b:5432&target_session_attrs=read-write&sslmode=verify-ca",
)  # fmt: skip


@pytest.mark.parametrize(("url", "code"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_the_address_is_checked_and_a_password_in_it_never_shown(andon: Terminal, url: str, code: str) -> None:
    andon("init", "--site", "szh1")
    configure(url)
    with pytest.raises(ConfigError) as caught:
        load_plant(Path("plant.toml"))
    assert [problem.code for problem in caught.value.problems] == [code]
    for language in ("en", "zh-CN"):
        assert "geheim" not in caught.value.text(language)


@pytest.mark.parametrize("url", GOOD)
def test_good_addresses_pass(andon: Terminal, url: str) -> None:
    andon("init", "--site", "szh1")
    configure(url, 'password_file = "secret"')
    config = load_plant(Path("plant.toml")).config
    assert config.records is not None
    assert Path(str(config.records.password_file)).is_absolute()
    mine = site_records(config, DataFolder(Path("data")), SystemClock())
    assert mine.anchors_path == Path("data/records/anchors.jsonl")


def test_the_page_tells_an_outage_of_the_database_as_one() -> None:
    assert status_of(RecordsError("records.away", cause="x")) == 503
    assert status_of(RecordsError("records.login", cause="x")) == 503

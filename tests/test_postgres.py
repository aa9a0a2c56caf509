"""Records on PostgreSQL: what SQLite cannot do wrong, and what a server can."""

from __future__ import annotations

import io
import json
import logging
import multiprocessing
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import structlog

from andon.clock import ManualClock, SystemClock
from andon.erp_state import ErpState
from andon.errors import RecordsError
from andon.logs import set_up_logs
from andon.readings import NS_PER_S
from andon.records import (
    SYSTEM_ERP,
    SYSTEM_FLOW,
    SYSTEM_QUALITY,
    SYSTEM_SENDER,
    DeliveryResult,
    Records,
    verify_audit,
)
from andon.records import postgres as module
from andon.records.erp_answers import REMEMBERED_NS, Told
from andon.records.policy import Policy
from andon.records.server import Server
from andon.secrets import Secret
from tests.records_world import ADMIN, OPERATOR, QUALITY, RAISED, START_NS, orders, raised
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.real
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.test_postgres"])


def of(place, clock=None, **given) -> Records:
    return Records(place, "szh1", clock or ManualClock(START_NS), **given)


@pytest.fixture
def records(postgres):
    with of(postgres.url) as mine:
        yield mine


@pytest.fixture
def own_server(server_folder):
    """A cluster that may be killed."""
    server = Postgres(server_folder / f"own-{time.monotonic_ns()}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def logs_as_before():
    """Puts the logging of the test run back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)  # so that set_up_logs does not close them
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def code_of(call, *args) -> str:
    with pytest.raises(RecordsError) as caught:
        call(*args)
    return caught.value.code


def sql(records: Records, *statements: str) -> None:
    with records.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


UNREACHABLE = {
    "wrong-password": (lambda one: one.guarded_url.replace("guarded@", "guarded:wrong-one@"), "records.login"),
    "no-password": (lambda one: one.guarded_url, "records.login"),
    "no-such-user": (lambda one: one.url.replace("andon@", "nobody@"), "records.login"),
    "no-such-database": (lambda one: one.url + "_not", "records.no_database"),
    "nobody-listens": (lambda _: "postgresql://andon@127.0.0.1:1/andon", "records.away"),
    "no-such-host": (lambda _: "postgresql://andon@no.such.host.invalid/andon", "records.away"),
    "no-tls-there": (lambda one: one.url + "?sslmode=require", "records.tls"),
}


def test_a_line_cut_while_tls_begins_is_an_away_server():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            with suppress(OSError):
                while True:
                    line, _ = server.accept()
                    line.recv(8)
                    line.sendall(b"S")  # yes to TLS, and no word more
                    line.close()

        threading.Thread(target=cut, daemon=True).start()
        with pytest.raises(RecordsError) as caught:
            of(f"postgresql://andon@127.0.0.1:{server.getsockname()[1]}/andon?sslmode=require").open()
    assert caught.value.code == "records.away"


def test_a_server_that_takes_the_line_and_never_answers_is_away():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = Server(f"postgresql://andon@127.0.0.1:{silent.getsockname()[1]}/andon", connect_s=1.0)
        assert code_of(of(place).open) == "records.away"


@pytest.mark.parametrize(("url", "code"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_what_keeps_records_from_opening_is_told_apart(postgres, monkeypatch, url, code):
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with pytest.raises(RecordsError) as caught:
        of(url(postgres)).open()
    assert caught.value.code == code
    assert caught.value.text("en") != code
    assert caught.value.text("zh-CN") != code


def test_the_password_shows_nowhere(postgres, capsys, logs_as_before):
    """Not in what is raised, printed or kept: with the right one, the wrong one, and one in the address."""
    import traceback

    wrong, right, log = "wrong-one-entirely", postgres.password, io.StringIO()
    set_up_logs("test", level="DEBUG", stream=log)
    shown = []
    for password in (right, wrong):
        places = [
            Server(postgres.guarded_url, lambda password=password: Secret(password)),
            postgres.guarded_url.replace("guarded@", f"guarded:{password}@"),
        ]
        for place in places:
            mine = of(place)
            try:
                mine.open().apply_conditions([RAISED], SYSTEM_FLOW)
                shown.append(repr(mine.engine) + str(mine.engine.url) + repr(mine.engine.pool))
                sql(mine, "SELECT nonsense")
            except Exception as error:
                structlog.get_logger().exception("test.failed", place=mine.place)
                told = getattr(error, "text", str)()
                shown += [repr(error), told, "".join(traceback.format_exception(error))]
            shown += [repr(mine.place), str(mine.place), repr(mine), repr(vars(mine))]
            mine.close()
    printed = capsys.readouterr()
    text = "\n".join([*shown, printed.out, printed.err, log.getvalue()])
    assert "guarded" in text
    assert right not in text
    assert wrong not in text


def test_a_password_may_change_while_the_process_runs(postgres, tmp_path):
    from functools import partial

    from andon.secrets import read_secret

    file = tmp_path / "password"
    file.write_text("an old one\n")
    file.chmod(0o600)
    place = Server(postgres.guarded_url, partial(read_secret, "NO_SUCH_VARIABLE", str(file), "records.password_file"))
    mine = of(place)
    assert code_of(mine.open) == "records.login"
    file.write_text(postgres.password)
    with mine:
        assert mine.apply_conditions([RAISED], SYSTEM_FLOW) == 1


def test_sessions_do_not_depend_on_what_the_server_defaults_to(postgres):
    name = postgres.url.rpartition("/")[2]
    for setting in ("synchronous_commit = off", "timezone = 'Asia/Shanghai'", "statement_timeout = 0"):
        postgres.server.sql(f"alter database {name} set {setting}")
    with of(postgres.url) as mine, mine.engine.connect() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar()
            for name in (*module.SESSION, "transaction_isolation", "client_encoding")
        }
    assert shown["synchronous_commit"] == "on"
    assert shown["TimeZone"] == "UTC"
    assert (shown["lock_timeout"], shown["statement_timeout"]) == ("10s", "25s")
    assert (shown["transaction_isolation"], shown["client_encoding"]) == ("read committed", "UTF8")


def test_a_database_in_another_encoding_is_refused(postgres):
    name = f"latin_{time.monotonic_ns()}"
    postgres.server.sql(f"create database {name} encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'")
    with pytest.raises(RecordsError, match="LATIN1") as caught:
        of(f"postgresql://andon@{postgres.server.address}/{name}").open()
    assert caught.value.code == "records.encoding"


def test_a_standby_is_refused(own_server):
    url = own_server.new_database()
    with of(url) as mine:
        mine.apply_conditions([RAISED], SYSTEM_FLOW)
    own_server.stop()
    (own_server.folder / "data" / "standby.signal").touch()
    own_server.start()
    assert code_of(of(url).open) == "records.read_only"


def test_who_holds_the_lock_too_long_is_reported_as_busy(postgres, monkeypatch):
    monkeypatch.setitem(module.SESSION, "lock_timeout", "100ms")
    with of(postgres.url) as mine:
        mine.apply_conditions([RAISED], SYSTEM_FLOW)
        with mine.engine.begin() as other:
            other.exec_driver_sql("SELECT * FROM site_head FOR UPDATE")
            assert code_of(mine.apply_conditions, [raised(1)], SYSTEM_FLOW) == "records.busy"
            assert len(mine.alarms()) == 1  # readers go on
        assert mine.apply_conditions([raised(1)], SYSTEM_FLOW) == 1


def test_a_writer_that_sleeps_in_its_transaction_loses_it(postgres, monkeypatch):
    monkeypatch.setitem(module.SESSION, "idle_in_transaction_session_timeout", "1500ms")
    with of(postgres.url) as asleep, of(postgres.url) as other:

        def sleep() -> None:
            with asleep.writing() as tx:
                tx.audit(ADMIN, "slept", "test", "1")
                assert other.apply_conditions([RAISED], SYSTEM_FLOW) == 1  # waits for it to be cut off

        assert code_of(sleep) == "records.away"
        assert [one.action for one in other.audit_trail()] == ["alarm.raised", "outbox.queued"]
        assert asleep.apply_conditions([raised(1)], SYSTEM_FLOW) == 1  # with a new connection


def test_a_deadlock_with_an_outsider_is_tried_again(records):
    """Somebody at the database locks rows in another order than Andon does."""
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    key = records.alarms()[0].key
    ready, errors = threading.Event(), []

    def outsider() -> None:
        with records.engine.connect() as connection:
            connection.exec_driver_sql("SET deadlock_timeout = '10s'")  # the other one finds it
            connection.exec_driver_sql("SELECT * FROM alarm FOR UPDATE")
            ready.set()
            time.sleep(0.3)
            try:
                connection.exec_driver_sql("SELECT * FROM site_head FOR UPDATE")
            except Exception as error:
                errors.append(error)
            connection.rollback()

    thread = threading.Thread(target=outsider)
    thread.start()
    ready.wait(10)
    with structlog.testing.capture_logs() as logs:
        assert records.acknowledge(key, OPERATOR, "seen").state == "acknowledged"
    thread.join()
    assert [one["event"] for one in logs] == ["records.again"]
    assert not errors
    assert [one.action for one in records.audit_trail()].count("alarm.acknowledged") == 1
    assert verify_audit(records).ok


def test_tries_are_bounded(records, monkeypatch):
    monkeypatch.setattr("andon.records.again.WAITS_S", (0.0, 0.0))
    sql(
        records,
        "CREATE SEQUENCE tried",
        "CREATE FUNCTION conflict() RETURNS trigger AS $$ BEGIN PERFORM nextval('tried'); "
        "RAISE EXCEPTION 'could not serialize' USING ERRCODE = '40001'; END $$ LANGUAGE plpgsql",
        "CREATE TRIGGER conflict BEFORE INSERT ON alarm FOR EACH ROW EXECUTE FUNCTION conflict()",
    )
    assert code_of(records.apply_conditions, [RAISED], SYSTEM_FLOW) == "records.busy"
    with records.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT last_value FROM tried").scalar() == 3


def test_the_first_writers_of_a_site_do_not_stumble_over_each_other(postgres):
    for attempt in range(5):
        errors, together = [], threading.Barrier(8)

        def write(number, site=f"site{attempt}", together=together, errors=errors):
            try:
                with Records(postgres.url, site, ManualClock(START_NS)) as mine:
                    together.wait(20)
                    mine.apply_conditions([raised(number)], SYSTEM_FLOW)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        with Records(postgres.url, f"site{attempt}", ManualClock(START_NS)) as mine:
            assert [one.seq for one in mine.audit_trail()] == list(range(1, 17))
            assert verify_audit(mine).ok


def hold(url, ready):
    """A writer that stops in mid-transaction, with the site's lock in its hand."""
    records = Records(url, "szh1", SystemClock()).open()
    with records.writing() as tx:
        tx.audit(ADMIN, "never.committed", "test", "1")
        tx.finish()
        ready.send(True)
        time.sleep(600)


def test_a_writer_killed_in_mid_transaction_leaves_nothing_and_no_lock(postgres):
    with of(postgres.url) as mine:
        mine.apply_conditions([RAISED], SYSTEM_FLOW)
        for number in range(1, 6):
            told, ready = PROCESSES.Pipe(duplex=False)
            process = PROCESSES.Process(target=hold, args=(postgres.url, ready), daemon=True)
            process.start()
            ready.close()
            told.recv()
            process.kill()
            process.join()
            process.close()
            told.close()
            assert mine.apply_conditions([raised(number)], SYSTEM_FLOW) == 1
        assert "never.committed" not in {one.action for one in mine.audit_trail()}
        assert verify_audit(mine).records == 12
        assert verify_audit(mine).ok


def test_a_server_that_was_killed_is_found_again_without_a_restart(own_server):
    with of(own_server.new_database()) as mine:
        mine.apply_conditions(orders(20), SYSTEM_FLOW)
        for round_ in range(3):
            own_server.kill()
            assert code_of(mine.apply_conditions, [raised(100 + round_)], SYSTEM_FLOW) == "records.away"
            assert code_of(mine.alarms) == "records.away"
            own_server.start()
            assert mine.apply_conditions([raised(100 + round_)], SYSTEM_FLOW) == 1
        assert verify_audit(mine).records == 46
        assert verify_audit(mine).ok


def test_a_server_killed_in_mid_transaction_undoes_it(own_server):
    with of(own_server.new_database()) as mine:
        mine.apply_conditions([RAISED], SYSTEM_FLOW)

        def write() -> None:
            with mine.writing() as tx:
                tx.audit(ADMIN, "never.committed", "test", "1")
                own_server.kill()

        assert code_of(write) == "records.away"
        own_server.start()
        assert [one.action for one in mine.audit_trail()] == ["alarm.raised", "outbox.queued"]
        assert verify_audit(mine).ok


def test_a_long_read_sees_one_state_and_stops_nobody(records):
    from sqlalchemy import func, select

    from andon.records import schema

    records.apply_conditions(orders(5), SYSTEM_FLOW)
    count = select(func.count()).select_from(schema.audit)
    with records.reading() as connection:
        before = connection.execute(count).scalar()
        records.apply_conditions([raised(50)], SYSTEM_FLOW)
        assert connection.execute(count).scalar() == before
        with pytest.raises(Exception, match="read-only"):
            connection.exec_driver_sql("UPDATE users SET name = 'x'")


def test_verifying_while_others_write_never_cries_wolf(postgres):
    stop, errors = threading.Event(), []

    def write() -> None:
        with of(postgres.url) as mine:
            number = 0
            while not stop.is_set():
                number += 1
                mine.apply_conditions([raised(number)], SYSTEM_FLOW)

    with of(postgres.url) as mine:
        thread = threading.Thread(target=write)
        thread.start()
        for _ in range(40):
            found = verify_audit(mine)
            if not found.ok:
                errors.append(found)
        stop.set()
        thread.join()
    assert not errors


ODD = {
    "nul": "a\x00b",
    "half-a-surrogate": "a\ud800b",
    "long": "x" * 5_000,
    "chinese": "压缩机跳闸 — 2号冷库",
    "percent-and-marks": "100 % %s :x ' \" \\ ?",
    "emoji": "🧊",
}


@pytest.mark.parametrize("words", ODD.values(), ids=ODD.keys())
def test_any_words_are_kept_and_hashed_alike(records, words):
    """What PostgreSQL has no way to keep is replaced before the hash is made of it."""
    records.apply_conditions([RAISED], SYSTEM_FLOW)
    key = records.alarms()[0].key
    records.comment(key, OPERATOR, words)
    with pytest.raises(Exception, match="password"):
        records.login(words, "some password", f"terminal {words}")
    item = records.claim_order("x", 9.0, SYSTEM_SENDER)
    records.finish_order(item, DeliveryResult("delivered", 200, words, words, words), SYSTEM_SENDER)
    kept = words.replace("\x00", "\ufffd").replace("\ud800", "?")
    assert records.transitions(key)[-1].comment == kept
    assert records.alarm(key).erp_number == kept
    assert verify_audit(records).ok


def test_names_of_any_length_and_case_stay_apart(records):
    long = "Cel" * 100
    records.apply_conditions([raised(unit=long, asset="a/" + "b" * 300)], SYSTEM_FLOW)
    assert records.alarms()[0].unit == long
    for user in ("li.wei", "Li.Wei", "LI.WEI", "li_wei", "李伟"):
        records.create_user(user, "Somebody", "viewer", "a long enough word", ADMIN, "new")
    for user in ("li.wei", "LI.WEI", "李伟"):
        assert records.login(user, "a long enough word", "t")[1].actor.id == user
    with pytest.raises(Exception, match="password"):
        records.login("l%", "a long enough word", "t")


def test_numbers_come_back_to_the_last_bit(records):
    peak, start = 0.1 + 0.2, START_NS + 123_456_789
    records.apply_conditions([raised(peak=peak, start_ns=start, limit=-1e-300)], SYSTEM_FLOW)
    alarm = records.alarms()[0]
    assert (alarm.peak, alarm.start_ns, alarm.limit) == (peak, start, -1e-300)
    assert json.loads(records.claim_order("x", 9.0, SYSTEM_SENDER).body)["data"]["peak"] == peak


def grants(root: Path) -> list[str]:
    """The statements of docs/postgresql.md under "Two users"."""
    text = (root / "docs" / "postgresql.md").read_text(encoding="utf-8")
    block = text.partition("## Two users")[2].partition("```sql")[2].partition("```")[0]
    lines = [line.partition("--")[0] for line in block.splitlines()]
    return [one.strip() for one in " ".join(lines).split(";") if one.strip()]


def test_a_user_with_only_the_documented_rights_can_do_all(root, postgres):
    with of(postgres.url) as owner:
        sql(owner, *grants(root))
    url = postgres.url.replace("andon@", "andon_service@")
    with of(url) as mine:
        mine.apply_conditions(orders(3), SYSTEM_FLOW)
        mine.acknowledge(mine.alarms()[0].key, OPERATOR, "seen")
        item = mine.claim_order("x", 9.0, SYSTEM_SENDER)
        mine.finish_order(item, DeliveryResult("delivered", external_id="1"), SYSTEM_SENDER)
        mine.policy = Policy()
        mine.apply_conditions([raised(9_000, asset="line/m9")], SYSTEM_FLOW)
        key = mine.alarms(asset="line/m9")[0].key
        mine.shelve(key, OPERATOR, "x", mine.clock.now_ns() + 60 * NS_PER_S)
        mine.label(key, QUALITY, "known")
        mine.hold_lot(key, "L1", "VIAL", SYSTEM_QUALITY)
        mine.release_lot(mine.holds()[0].key, QUALITY, "fine")
        mine.propose_capa(key, "severe", key, {}, SYSTEM_QUALITY)
        mine.decide_capa(mine.capas()[0].key, QUALITY, "no", accept=False)
        mine.erp_answered(item.order_key, ErpState("done", closed=True), SYSTEM_ERP, Told("x", "m1", "aa"))
        mine.clock.advance(2 * REMEMBERED_NS / NS_PER_S)
        mine.erp_answered(item.order_key, ErpState("done", closed=True), SYSTEM_ERP, Told("x", "m2", "bb"))
        for figures in ({"a": 1.0}, {"a": 2.0}):
            mine.tell_report("oee_shift", "line/m9", "today", figures, {}, SYSTEM_QUALITY, at_ns=START_NS)
        mine.set_state("a", 1, ADMIN)
        mine.set_state("a", 2, ADMIN)
        mine.register_rule("r", "1", {}, SYSTEM_FLOW)
        mine.create_user("li.wei", "Li Wei", "operator", "a long enough word", ADMIN, "new")
        token, _ = mine.login("li.wei", "a long enough word", "t")
        mine.logout(token)
        mine.redeem_one_time_token(mine.issue_one_time_token(ADMIN), "t")
        assert verify_audit(mine).ok
        for statement in (
            "DROP TRIGGER audit_append_only ON audit",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "DELETE FROM audit",
            "UPDATE audit SET reason = 'x'",
            "TRUNCATE audit",
            "DELETE FROM alarm",
            "DROP TABLE outbox",
        ):
            with pytest.raises(Exception, match=r"permission denied|must be owner"):
                sql(mine, statement)


def test_without_the_right_to_create_tables_the_message_names_the_grants(postgres):
    postgres.server.sql("do $$ begin create role nothing login; exception when duplicate_object then null; end $$")
    with pytest.raises(RecordsError, match="grants") as caught:
        of(postgres.url.replace("andon@", "nothing@")).open()
    assert caught.value.code == "records.no_right"

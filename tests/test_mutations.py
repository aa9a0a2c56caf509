"""Everything that changes something: each command and route has an actor, a reason and its record, or does nothing.

How a change and its record hold together, by kind:
    same   the change is in the records: one transaction
    first  the change is in a file or the log: the record is written first, so it may tell of a change that then failed
    undone the record cannot be written first (restore, upgrade): without it the change is taken back or not shown
    copy   nothing of the site changes; the record tells that a copy was made
    start  the service's own start: rules and the first token are records of the supervisor, in one transaction each
    view   nothing of the site is touched: how Grafana shows it, which keeps versions of its own
    files  there is no site yet, so nothing to write a record into; an existing file is never written over
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import typer

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.errors import RecordsError
from andon.readings import NS_PER_S, DeadLetters, Readings, Reason
from andon.records import SYSTEM_FLOW, Actor, Records, alarm_key, verify_audit
from andon.records.applying import change_path
from andon.records.base import Tx
from detectors.settings import fingerprint
from service import cli
from service.web.actions import MUTATING_ROUTES
from sinks.dead_letters import DeadLetterStore
from sinks.erp.webhook import WebhookConnector
from sinks.journal import Journal
from sinks.outbox import Sender
from sources.kafka.gaps import Gap, GapFiles
from sources.spool import Spool
from tests.command_line import PASSWORD, Terminal, andon, audit_actions, site
from tests.page_fixture import Served, page_plant
from tests.records_world import SECRET, orders, stub_erp

__all__ = ["andon", "site"]  # fixtures

READ_ONLY = {
    "check", "doctor", "state show", "dead-letters", "dead-letters list", "dead-letters show", "audit verify",
    "rules list", "rules diff", "rules try", "topics check", "influx check",
    "report shift", "report lot",  # a file is an audited export: test_figure_reports.py
    "evidence show", "evidence verify", "people who", "erp ping", "erp preview", "erp parked", "qualify",
    "calibration list", "calibration impact", "spc limits", "oee levels", "oee rollup", "score",
    "models list", "models show", "models compare",
    "replay",  # into a sandbox of its own; --live is in the other table
}  # fmt: skip
DOUBLED = orders(1)
JUDGED = "filling/line1/filler1/vibration"  # the series of the starting plant that a detector scores
MUTATING = {  # command: (kind, audit actions of a run, the last words that make it one)
    "init": ("files", (), ()),
    "demo": ("start", (), ()),  # a plant of its own; its start is that of run
    "run": ("start", ("rule.version", "token.issued"), ()),
    "forward": ("start", (), ()),  # the log is handed on as it is
    "topics create": ("files", (), ()),
    "dashboards push": ("view", (), ()),
    "dashboards export": ("view", (), ()),
    "influx setup": ("view", (), ()),  # InfluxDB holds a copy of what the history and the records hold
    "influx parked": ("view", (), ()),
    "influx refill": ("view", (), ()),
    "topics skip-gap": (
        "first", ("login.ok", "log.gap_skipped", "logout"),
        ("--partition", "0", "--user", "li.wei", "--password-stdin"),
    ),
    **{
        f"models {name}": ("same", ("login.ok", f"model.{action}", "logout"),
                           (*given, "--user", "li.wei", "--password-stdin"))
        for name, action, given in (
            ("register", "registered", ("further",)), ("challenge", "challenged", (JUDGED, "--model", "ensemble:1")),
            ("evaluate", "evaluated", ("ensemble:1", JUDGED)), ("retire", "retired", ("ensemble:1",)),
            ("promote", "promoted", (JUDGED, "--model", "ensemble:1")), ("rollback", "rolled_back", (JUDGED,)),
        )
    },
    "erp reconcile": ("same", ("alarm.raised", "outbox.parked"), ()),
    "erp release": (
        "same", ("login.ok", "outbox.released", "logout"),
        (alarm_key("szh1", *change_path(DOUBLED[0])), "--user", "li.wei", "--password-stdin"),
    ),
    "evidence export": (
        "first", ("evidence.exported",), (alarm_key("szh1", *change_path(DOUBLED[0])), "out.json"),
    ),
    "people test": ("view", (), ()),  # writes its record before it sends: test_people_command.py
    "user add": ("same", ("user.created",), ("li", "--name", "Li", "--role", "quality", "--password-stdin")),
    "audit export": ("first", ("audit.export",), ("out.jsonl",)),
    "backup": ("copy", ("backup",), ("copy",)),
    "restore": ("undone", ("restore", "state.set"), ("saved", "--replace")),
    "upgrade": ("undone", ("upgrade",), ()),
    "state rescale": ("first", ("state.rescale",), ("--shards", "2")),
    "dead-letters redrive": (
        "first", ("login.ok", "dead_letters.redriven", "logout"), ("--user", "li.wei", "--password-stdin"),
    ),
    "replay --live": ("first", ("replay.live",), ("log.csv", "--live", "--yes", "--timezone", "UTC")),
}  # fmt: skip
EXERCISED = [name for name, (kind, _, _) in MUTATING.items() if kind not in {"files", "start", "view"}]
REASON_GIVEN = {"backup", "erp reconcile"}  # have a default: a scheduled job gives no reason
WITH_FINDINGS = {"erp reconcile"}  # exit status 1, since they have something to change only then
DEAD = b'{"ts": 1, "asset": "cold/room9", "tag": "air", "value": 1}'


def commands(group: Any, above: str = "") -> Iterator[str]:
    """Every command that can be typed; a group that does something alone counts too."""
    for name, command in group.commands.items():
        path = f"{above} {name}".strip()
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield path
            yield from commands(command, path)
        else:
            yield path


def test_every_command_is_in_one_of_the_tables():
    real = set(commands(typer.main.get_command(cli.build_app())))
    listed = READ_ONLY | {name.removesuffix(" --live") for name in MUTATING}
    assert real == listed
    assert READ_ONLY & set(MUTATING) == set()


@pytest.fixture
def ready(andon: Terminal, site: DataFolder, request: pytest.FixtureRequest) -> DataFolder:
    """A site with a user, a dead letter, a recording and, where the command asks for it, a backup or an old schema."""
    with Records(site.records_db, "szh1", SystemClock()) as records:
        root = Actor("os:root", "Root", "admin", "test")
        records.create_user("li.wei", "Li Wei", "quality", PASSWORD, root, "test")
    one = np.array([0], np.int64)
    DeadLetterStore(site.dead_letters_db(0), 0, 10.0, 90.0).write(
        DeadLetters(one + 7, one.astype(np.int32), one, np.full(1, Reason.unknown_series, np.uint8),
                    np.array([-1], np.int32), (DEAD,)), [],
    )  # fmt: skip
    with Spool(site.spool(0), 0, SystemClock()):
        pass
    GapFiles(site, 0).note(Gap(0, 5, 9, 20, 0))
    Path("log.csv").write_text("timestamp,asset,tag,value\n2026-01-01T00:00:00,cold/room1,air,4.0\n", encoding="utf-8")
    command = request.node.callspec.params["command"]
    if command == "restore":
        andon("backup", "saved")
    if command == "upgrade":
        site.records_db.unlink()
        site.records_db.with_name("anchors.jsonl").unlink()  # they are of the records that go here
        with closing(sqlite3.connect(site.records_db)) as db:
            db.execute("create table alembic_version (version_num varchar(32) not null)")
            db.commit()
    if command == "evidence export":
        with Records(site.records_db, "szh1", SystemClock()) as records:
            records.apply_conditions(DOUBLED, SYSTEM_FLOW)
    if command == "erp release":
        with Records(site.records_db, "szh1", SystemClock()) as records:
            records.apply_conditions(DOUBLED, SYSTEM_FLOW)
            records.park_order(records.orders()[0].order_key, root, "test")
    if command.startswith("models "):
        models(site, command)
    if command == "erp reconcile":
        request.getfixturevalue("doubled")
    return site


def models(site: DataFolder, command: str) -> None:
    """A version, evaluated where it is to be promoted, in force where that is to be undone; a reading of today."""
    asset, _, tag = JUDGED.rpartition("/")
    person = Actor("li.wei", "Li Wei", "quality", "test")
    now = np.array([SystemClock().now_ns() - 60 * NS_PER_S], np.int64)
    journal = Journal(site.journal(0))
    journal.name_series(f"{JUDGED}\n".encode())
    one = np.zeros(1, np.int64)
    journal.append(Readings(now, one.astype(np.int32), one + 2.0, one.astype(np.uint8), one, now), now, 0)
    journal.flush()
    journal.close()
    with Records(site.records_db, "szh1", SystemClock()) as records:
        records.register_model("ensemble", "ensemble", {}, fingerprint("ensemble"), person, "test")
        records.evaluate_model("ensemble:1", asset, tag, (0, 1), {}, person, "test")
        if command == "models rollback":
            records.promote_model(asset, tag, person, "test", model="ensemble:1")


@pytest.fixture
def doubled(site: DataFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An ERP with two records of an order that was delivered."""
    with stub_erp(tmp_path_factory.mktemp("erp"), unique=False) as (url, _):
        Path("erp.secret").write_text(SECRET, encoding="utf-8")
        with Path("plant.toml").open("a", encoding="utf-8") as file:
            file.write(f'\n[erp]\nurl = "{url}"\nsecret_file = "erp.secret"\n')
        with Records(site.records_db, "szh1", SystemClock()) as records, WebhookConnector(url, SECRET) as erp:
            records.apply_conditions(DOUBLED, SYSTEM_FLOW)
            Sender(records, erp).step()
            (order,) = records.orders()
            erp.open(order.kind, order.order_key, (records.order_event(order.order_key) or ("", ""))[1].encode())
        yield


def words(command: str) -> list[str]:
    return [*command.removesuffix(" --live").split(), *MUTATING[command][2]]


def contents(folder: DataFolder) -> dict[str, object]:
    """Every table of the records, the log and the marks of the dead letters: what a change would show in."""
    found: dict[str, object] = {}
    with closing(sqlite3.connect(folder.records_db)) as db:
        tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            found[table] = sorted(map(repr, db.execute(f'select * from "{table}"')))
    if folder.spool(0).exists():
        with Spool(folder.spool(0), 0, SystemClock()) as spool:
            found["log"] = spool.last_offset()
    found["instance"] = folder.instance_json.read_bytes()
    found["pins"] = Path("pins.csv").exists()
    found["letters"] = DeadLetterStore(folder.dead_letters_db(0), 0, 10.0, 90.0).list()
    found["gap"] = GapFiles(folder, 0).is_allowed(5)
    return found


@pytest.mark.parametrize("command", EXERCISED)
def test_a_command_leaves_its_records_and_the_chain_verifies(andon: Terminal, ready: DataFolder, command: str) -> None:
    before = [] if command == "upgrade" else audit_actions(ready)
    andon(*words(command), "--reason", "because", typed=PASSWORD + "\n", status=int(command in WITH_FINDINGS))
    after = audit_actions(DataFolder(Path("data")))
    if command == "restore":  # of a time before its own backup was recorded
        before = before[:-1]
    assert tuple(after[len(before) :]) == MUTATING[command][1]
    with Records(ready.records_db, "szh1", SystemClock()) as records:
        rows = [row for row in records.audit_trail(after=len(before)) if row.action in MUTATING[command][1][:2]]
        assert all(row.actor_id and row.actor_id.lower() != "anonymous" for row in rows)
        assert any(row.reason == "because" for row in rows)
        assert all(row.role != "service" for row in rows), "a person is answerable"
    andon("audit", "verify")


@pytest.mark.parametrize("command", [name for name in EXERCISED if name not in REASON_GIVEN])
def test_a_command_without_a_reason_changes_nothing(andon: Terminal, ready: DataFolder, command: str) -> None:
    before = contents(ready)
    andon(*words(command), "--reason", " ", status=1, typed=PASSWORD + "\n")
    assert contents(ready) == before
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize("command", [name for name in EXERCISED if "--user" not in MUTATING[name][2]])
def test_a_command_by_nobody_changes_nothing(
    andon: Terminal, ready: DataFolder, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login name of the operating system that stands for nobody. Two commands name a user: see their own tests."""
    monkeypatch.setattr("service.terminal.getpass.getuser", lambda: " ")
    monkeypatch.setattr("service.terminal.pwd.getpwuid", lambda _: type("Nobody", (), {"pw_gecos": ""}))
    monkeypatch.delenv("SUDO_USER", raising=False)
    before = contents(ready)
    andon(*words(command), "--reason", "because", status=3, typed=PASSWORD + "\n")
    assert contents(ready) == before
    assert not Path("out.jsonl").exists()


@pytest.mark.parametrize("command", EXERCISED)
def test_a_command_whose_record_cannot_be_written_changes_nothing(
    andon: Terminal, ready: DataFolder, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(ready)
    with monkeypatch.context() as patch:  # not undo(): it would leave the test's folder too
        patch.setattr(Tx, "audit", refusing)
        andon(*words(command), "--reason", "because", status=1, typed=PASSWORD + "\n")
    assert contents(ready) == before
    assert not Path("out.jsonl").exists()
    assert not Path("data.before-restore-1").exists()


def refusing(*_: object, **__: object) -> None:
    raise RecordsError("records.disk_full", cause="test")


def test_init_writes_over_nothing_and_needs_no_record(andon: Terminal) -> None:
    andon("init")
    text = Path("plant.toml").read_text(encoding="utf-8")
    andon("init", status=2)
    assert Path("plant.toml").read_text(encoding="utf-8") == text
    assert not Path("data").exists()


# ---- andon run: what happens before the processes start


class Started:
    """In the place of the supervisor: asks for the end as soon as it is started."""

    count = 0

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        Started.count += 1
        os.kill(os.getpid(), signal.SIGTERM)

    def poll(self) -> None:
        pass

    def stop(self) -> None:
        pass


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("service.supervisor.Supervisor", Started)
    monkeypatch.setattr(Started, "count", 0)
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("no_processes")
def test_the_start_records_rules_and_token_once(andon: Terminal) -> None:
    andon("init", "--site", "szh1")
    with Path("plant.toml").open("a", encoding="utf-8") as file:
        file.write("\n[web]\nport = 48311\n")
    andon("run")
    folder = DataFolder(Path("data"))
    actions = audit_actions(folder)
    assert set(actions) == {"rule.version", "token.issued"}
    andon("run")
    assert audit_actions(folder)[len(actions) :] == ["token.issued"]
    assert Started.count == 2
    with Records(folder.records_db, "szh1", SystemClock()) as records:
        assert {row.actor_id for row in records.audit_trail()} == {"service:supervisor"}
        assert verify_audit(records).ok


@pytest.mark.usefixtures("no_processes")
def test_a_start_whose_records_cannot_be_written_does_not_start(
    andon: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    andon("init", "--site", "szh1")
    monkeypatch.setattr(Tx, "audit", refusing)
    andon("run", status=1)
    assert "disk" in andon.err.lower()
    assert Started.count == 0


@pytest.mark.usefixtures("no_processes")
@pytest.mark.parametrize(
    ("web", "status", "said"),
    [
        ('host = "0.0.0.0"', 2, "web.host"),  # the configuration alone is refused
        ('host = "0.0.0.0"\ntls_cert = "c.pem"\ntls_key = "k.pem"', 3, "Create a user"),
    ],
    ids=["no TLS", "no users"],
)
def test_run_listens_beyond_this_machine_only_with_users_and_tls(
    andon: Terminal, web: str, status: int, said: str
) -> None:
    andon("init", "--site", "szh1")
    with Path("plant.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n[web]\n{web}\n")
    andon("run", status=status)
    assert said in andon.err
    assert Started.count == 0
    if status == 3:
        assert "token.issued" not in audit_actions(DataFolder(Path("data")))


# ---- routes: test_web.py holds that the table is the truth, who is refused, and which record each change leaves


def test_a_route_whose_record_cannot_be_written_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = page_plant(tmp_path)
    served = Served(plant.room)
    keys = {one.rule_id: one.key for one in plant.records.alarms()}
    letter = {"shard": 1, "offset": 501, "line": 0}
    plant.records.create_user("wang", "Wang Fang", "quality", PASSWORD, Actor("r", "R", "admin", "test"), "test")
    calls = {
        ("GET", "/"): {"params": {"token": plant.token("operator")}},
        ("POST", "/login"): {"data": {"user": "wang", "password": PASSWORD}},
        ("POST", "/logout"): {},
        ("POST", "/ack/{token}"): {"data": {"comment": "seen"}},  # with a real one in test_ack_link.py
        ("POST", "/api/v1/alarms/{key}/acknowledge"): {"json": {"comment": "driver called"}},
        ("POST", "/api/v1/alarms/{key}/comment"): {"json": {"comment": "doors closed"}},
        ("POST", "/api/v1/alarms/{key}/reset"): {"json": {"comment": "seal replaced"}},
        ("POST", "/api/v1/alarms/{key}/assign"): {"json": {"to": "engineer", "comment": "yours"}},
        ("POST", "/api/v1/alarms/{key}/going"): {"json": {"arrives_in_s": 300, "comment": "five minutes"}},
        ("POST", "/api/v1/alarms/{key}/arrived"): {"json": {"comment": "at the ramp"}},
        ("POST", "/api/v1/alarms/{key}/shelve"): {"json": {"for_s": 3600, "reason": "loading until noon"}},
        ("POST", "/api/v1/alarms/{key}/unshelve"): {"json": {"reason": "loaded"}},
        ("POST", "/api/v1/alarms/{key}/out-of-service"): {"json": {"reason": "probe away for calibration"}},
        ("POST", "/api/v1/alarms/{key}/restore"): {"json": {"reason": "probe back"}},
        ("POST", "/api/v1/alarms/{key}/label"): {"json": {"verdict": "known", "comment": "doors at loading"}},
        ("POST", "/api/v1/erp-records/{key}/release"): {"json": {"reason": "equipment created"}},
        ("POST", "/api/v1/dead-letters/redrive"): {"json": {"letters": [letter], "reason": "room 9 added"}},
    }
    elsewhere = {  # test_quality_web.py, test_erp_inbound.py: by people of quality, and by the ERP
        ("POST", "/api/v1/holds/{key}/release"), ("POST", "/api/v1/capas/{key}/decide"), ("POST", "/api/v1/erp/states"),
        ("POST", "/api/v1/models/promote"), ("POST", "/api/v1/models/rollback"),  # test_models_web.py
    }  # fmt: skip
    assert set(calls) | elsewhere == set(MUTATING_ROUTES)
    try:
        with httpx.Client(base_url=served.address, timeout=20) as person, httpx.Client(
            base_url=served.address, timeout=20
        ) as stranger:  # fmt: skip
            assert person.get("/", params={"token": plant.token("engineer")}).status_code == 303
            person.headers["x-csrf-token"] = person.get("/api/v1/me").json()["csrf"]
            before = _page_contents(plant)
            monkeypatch.setattr(Tx, "audit", refusing)
            for (method, path), arguments in calls.items():
                key = keys["compressor-anomaly" if "erp-records" in path else "truck-high"]
                client = stranger if path in {"/", "/login"} else person
                answer = client.request(method, path.replace("{key}", key), **arguments)
                assert answer.status_code >= 400, (method, path, answer.text)
                assert _page_contents(plant) == before, (method, path)
            monkeypatch.undo()
            assert person.get("/api/v1/me").status_code == 200, "the session is still there"
            assert stranger.get("/api/v1/me").status_code == 401
            assert verify_audit(plant.records).ok
    finally:
        served.close()
        plant.close()


def _page_contents(plant) -> dict[str, object]:
    found: dict[str, object] = {}
    with closing(sqlite3.connect(plant.room.records.place)) as db:
        for (table,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
            found[table] = sorted(map(repr, db.execute(f'select * from "{table}"')))
    found["log"] = [spool.last_offset() for spool in plant.room.spools]
    found["letters"] = [store.list() for store in plant.room.dead]
    return found

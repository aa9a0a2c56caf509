"""The command line: what it prints, in which language, its exit status, and that it never shows a traceback."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.i18n import LANGUAGES, translate
from andon.records import Records, verify_audit
from service import cli
from sinks.erp.webhook import new_secret
from tests.command_line import PASSWORD, Terminal, andon, audit_actions, site
from tests.records_world import SECRET, stub_erp

__all__ = ["andon", "site"]  # fixtures


@pytest.mark.parametrize("language", LANGUAGES)
def test_init_then_check(andon: Terminal, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    monkeypatch.setenv("LANG", f"{language.replace('-', '_')}.UTF-8")
    andon("init", "plant1", "--site", "szh1", "--timezone", "Europe/Berlin")
    assert ("下一步" in andon.out) == (language == "zh-CN")
    path = Path("plant1/plant.toml")
    andon("check", str(path))
    assert "szh1" in andon.out
    plant = load_plant(path)
    assert (plant.config.site.timezone, plant.config.site.language) == ("Europe/Berlin", language)
    assert path.read_text(encoding="utf-8").count("#") > 20


def test_both_starting_plants_say_the_same(andon: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    plants = []
    for language in LANGUAGES:
        monkeypatch.setenv("LANG", language)
        andon("init", language)
        plants.append(load_plant(Path(language) / "plant.toml").config.model_dump())
    for plant in plants:
        for one in (plant["enterprise"], plant["site"], *plant["asset"]):
            one["name"] = ""
        plant["site"]["language"] = ""
    assert plants[0] == plants[1]


def test_init_leaves_an_existing_file_alone(andon: Terminal) -> None:
    Path("plant.toml").write_text("mine")
    andon("init", status=2)
    assert andon.err.startswith("error: plant.toml: exists already")
    assert Path("plant.toml").read_text() == "mine"


def test_check_prints_every_problem_and_exits_2(andon: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    andon("init")
    path = Path("plant.toml")
    path.write_text(path.read_text(encoding="utf-8").replace("above =", "abov =").replace('kind = "spool"', "kind = 1"))
    andon("check", status=2)
    assert andon.out == ""
    assert andon.err.startswith("error: plant.toml: problems found: 2\n")
    assert "unknown key; did you mean 'above'?" in andon.err

    answer = json.loads(andon("check", "--json", status=2))
    assert answer["ok"] is False
    assert [problem["path"] for problem in answer["problems"]] == ["transport.kind", "rule[0].abov"]
    assert all(problem["line"] for problem in answer["problems"])

    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    andon("check", status=2)
    assert andon.err.startswith("错误")
    for code, params in (
        ("config.invalid", {"file": "plant.toml", "count": 2}),
        ("config.unknown_key", {"meant": "above"}),
    ):
        assert translate(code, "zh-CN", **{"at": "", **params}).strip() in andon.err


def test_check_of_a_missing_file(andon: Terminal) -> None:
    andon("check", "nothing.toml", status=2)
    assert "andon init" in andon.err


def test_check_as_json(andon: Terminal) -> None:
    andon("init")
    assert json.loads(andon("check", "--json")) == {
        "ok": True, "site": "site1", "assets": 2, "series": 6, "rules": 3, "shards": 1, "problems": [],
        "rota_gaps": [], "guard_bands": [],
    }  # fmt: skip


def commands() -> list[tuple[str, ...]]:
    """Every command there is, groups with their members."""
    found: list[tuple[str, ...]] = [(str(command.name),) for command in cli.build_app().registered_commands]
    for group in cli.build_app().registered_groups:
        assert group.typer_instance is not None
        found += [(str(group.name), str(command.name)) for command in group.typer_instance.registered_commands]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_of_each_command_shows_an_example(
    andon: Terminal, monkeypatch: pytest.MonkeyPatch, language: str, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LANG", language)
    text = andon(*words, "--help")
    example = " ".join(text.split()).rpartition("示例" if language == "zh-CN" else "Example")[2]
    assert example[1:].strip().startswith(" ".join(("andon", *words)))
    assert "cli." not in text


def test_version_and_help_of_the_whole(andon: Terminal) -> None:
    assert andon("--version").startswith("andon 0.")
    assert "cli." not in andon("--help")


def test_the_installed_command_speaks_the_environments_language(tmp_path: Path, root: Path) -> None:
    for lang, begin in (("C", "error: x.toml"), ("zh_CN.UTF-8", "错误")):
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", "check", "x.toml"],
            capture_output=True, text=True, check=False, encoding="utf-8", cwd=tmp_path,
            env=os.environ | {"LANG": lang, "LC_ALL": lang, "PYTHONPATH": str(root), "PYTHONUTF8": "1"},
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(begin)


def test_other_sites_folder_is_refused_by_every_command_that_opens_it(andon: Terminal, site: DataFolder) -> None:
    andon("init", "other", "--site", "other")
    for words in (
        ("audit", "verify"),
        ("upgrade",),
        ("backup", "b"),
        ("user", "add", "x", "--name", "X", "--role", "viewer"),
    ):
        andon(*words, "--config", "other/plant.toml", status=1)
        assert "belongs to site 'szh1'" in andon.err
    assert audit_actions(site) == []


def test_user_add_asks_for_the_password_and_audits(andon: Terminal, site: DataFolder) -> None:
    words = ("user", "add", "li.wei", "--name", "Li Wei", "--role", "operator")
    andon(*words, "--reason", "shift B", "--by", "Wang Min", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert PASSWORD not in andon.out + andon.err
    with Records(site.records_db, "szh1", SystemClock()) as records:
        _, session = records.login("li.wei", PASSWORD, "test")
        (added,) = [record for record in records.audit_trail() if record.object_id == "li.wei" and record.new]
        assert verify_audit(records).ok
    assert session.actor.role == "operator"
    assert (added.actor_name, added.role, added.reason) == ("Wang Min", "admin", "shift B")
    assert added.actor_id.startswith("os:")
    assert PASSWORD not in json.dumps([added.old, added.new])


def test_user_add_refusals_change_nothing(andon: Terminal, site: DataFolder) -> None:
    words = ("user", "add", "li.wei", "--name", "Li Wei", "--password-stdin")
    andon(*words, "--role", "operator", typed=PASSWORD + "\n", status=1)  # no reason
    andon(*words, "--role", "king", "--reason", "x", typed=PASSWORD + "\n", status=3)
    andon(*words, "--role", "operator", "--reason", "x", typed="short\n", status=1)
    with Records(site.records_db, "szh1", SystemClock()) as records:
        assert not records.has_users()


def test_audit_verify_and_export(andon: Terminal, site: DataFolder) -> None:
    for number in range(3):
        typed = f"{PASSWORD}\n"
        andon(
            "user",
            "add",
            f"u{number}",
            "--name",
            "U",
            "--role",
            "viewer",
            "--reason",
            "x",
            "--password-stdin",
            typed=typed,
        )
    andon("audit", "export", "audit.jsonl", "--reason", "inspection")
    rows = [json.loads(line) for line in Path("audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert (rows[-1]["action"], rows[-1]["reason"]) == ("audit.export", "inspection")
    assert rows[0]["prev_hash"] == "0" * 64
    assert [row["prev_hash"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    andon("audit", "export", "audit.jsonl", "--reason", "again", status=1)
    andon("audit", "export", "b.jsonl", status=1)
    assert not Path("b.jsonl").exists()

    assert json.loads(andon("audit", "verify", "--json"))["ok"] is True
    with closing(sqlite3.connect(site.records_db)) as db:
        for (name,) in db.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            db.execute(f"drop trigger {name}")
        db.execute("update audit set reason = 'y' where seq = 2")
        db.commit()
    answer = json.loads(andon("audit", "verify", "--json", status=1))
    assert (answer["ok"], answer["first_bad"]) == (False, 2)
    andon("audit", "verify", status=1)


def test_commands_on_a_site_without_records_say_so(andon: Terminal) -> None:
    andon("init", "--site", "szh1")
    andon("audit", "verify", status=1)
    assert "andon run" in andon.err
    DataFolder(Path("data")).create("szh1")
    andon("audit", "verify", status=1)
    assert "no records yet" in andon.err
    assert not DataFolder(Path("data")).records_db.exists()


def test_upgrade_of_a_current_database_changes_nothing(andon: Terminal, site: DataFolder) -> None:
    andon("upgrade", "--reason", "x")
    assert "already" in andon.out
    assert audit_actions(site) == []


def test_upgrade_migrates_keeps_a_copy_and_audits(andon: Terminal, site: DataFolder) -> None:
    site.records_db.unlink()
    with closing(sqlite3.connect(site.records_db)) as db:
        db.execute("create table alembic_version (version_num varchar(32) not null)")
        db.commit()
    andon("upgrade", "--reason", "released by quality")
    assert audit_actions(site) == ["upgrade"]
    (copy,) = site.records_db.parent.glob("records.before-*.db")
    assert copy.stat().st_size > 0


def test_upgrade_refuses_a_newer_database_and_a_running_service(andon: Terminal, site: DataFolder) -> None:
    with site.lock():
        andon("upgrade", "--reason", "x", status=1)
    assert "in use by another Andon" in andon.err
    with closing(sqlite3.connect(site.records_db)) as db:
        db.execute("update alembic_version set version_num = '9999'")
        db.commit()
    andon("upgrade", "--reason", "x", status=1)
    assert "9999" in andon.err
    assert list(site.records_db.parent.glob("records.before-*.db")) == []


@pytest.mark.usefixtures("site")
def test_doctor_reports_every_part_and_fails_on_a_bad_configuration(andon: Terminal) -> None:
    text = Path("plant.toml").read_text(encoding="utf-8")
    Path("plant.toml").write_text(text + "\n[web]\nport = 48213\n", encoding="utf-8")
    answer = json.loads(andon("doctor", "--json"))
    parts = {finding["part"]: finding["status"] for finding in answer["findings"]}
    assert set(parts) == {"config", "versions", "clock", "disk", "data", "kernels", "fonts", "erp", "web"}
    assert (parts["config"], parts["data"], parts["versions"]) == ("ok", "ok", "ok")
    assert not any(finding["text"].startswith(("doctor.", "secret.")) for finding in answer["findings"])
    andon("doctor", "--config", "nothing.toml", status=1)
    assert "FAILED" in andon.out


@pytest.mark.usefixtures("site")
def test_doctor_says_whether_the_erp_answers_and_knows_us(andon: Terminal, tmp_path: Path) -> None:
    text = Path("plant.toml").read_text(encoding="utf-8")
    Path("secret").write_text(SECRET)
    with stub_erp(tmp_path) as (url, store):
        section = f'\n[web]\nport = 48213\n[erp]\nurl = "{url}"\nsecret_file = "secret"\n'
        Path("plant.toml").write_text(text + section, encoding="utf-8")
        assert ("doctor.erp_answers", "ok") in _codes(andon("doctor", "--json"))
        Path("secret").write_text(new_secret())
        found = _codes(andon("doctor", "--json", status=1))
        assert {("doctor.erp_reached", "ok"), ("erp.refused", "fail")} <= found
        assert store.records() == []


def _codes(answer: str) -> set[tuple[str, str]]:
    return {(finding["code"], finding["status"]) for finding in json.loads(answer)["findings"]}


def test_doctor_names_what_is_in_the_way(andon: Terminal, site: DataFolder) -> None:
    import socket

    with socket.socket() as taken, socket.socket() as away:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        away.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        text = Path("plant.toml").read_text(encoding="utf-8")
        web = f'[web]\nport = {taken.getsockname()[1]}\ntls_cert = "c.pem"\ntls_key = "k.pem"\n'
        erp = f'[erp]\nurl = "http://127.0.0.1:{away.getsockname()[1]}"\nsecret_file = "none"\n'
        Path("plant.toml").write_text(text + web + erp, encoding="utf-8")
        site.path.chmod(0o755)
        answer = json.loads(andon("doctor", "--json", status=1))
    found = {(finding["code"], finding["status"]) for finding in answer["findings"]}
    assert {
        ("doctor.port_taken", "fail"), ("doctor.erp_away", "fail"), ("secret.unreadable", "fail"),
        ("doctor.tls_unreadable", "fail"), ("doctor.data_rights", "warn"),
    } <= found  # fmt: skip

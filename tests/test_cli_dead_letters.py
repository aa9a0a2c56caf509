"""`andon dead-letters`: the list, the bytes, and putting them into the log again as somebody who may."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.readings import DeadLetters, Reason
from andon.records import Records, verify_audit
from sinks.dead_letters import DeadLetterStore
from sources.spool import Spool
from tests.command_line import PASSWORD, Terminal, andon, audit_actions, site

__all__ = ["andon", "site"]  # fixtures

RAW = [b'{"asset":"cold/room9"}', b"\xff\x1b[2Jnot json", '{"a":"冷库"}'.encode()]
REASONS = [Reason.unknown_series, Reason.not_json, Reason.unknown_series]
RECEIVED_NS = 1_767_225_600_000_000_000


@pytest.fixture
def letters(andon: Terminal, site: DataFolder) -> DataFolder:
    """Three dead letters of shard 0, and a quality engineer."""
    store = DeadLetterStore(site.dead_letters_db(0), 0, 10.0, 36_500.0)
    store.write(
        DeadLetters(
            np.array([7, 8, 9], np.int64), np.array([0, 0, 2], np.int32), np.full(3, RECEIVED_NS, np.int64),
            np.array(REASONS, np.uint8), np.array([-1, -1, 0], np.int32), RAW,
        ),
        ["cold/room1/air"],
    )  # fmt: skip
    store.close()
    for name, role in (("li.wei", "quality"), ("root", "admin")):
        words = ("user", "add", name, "--name", "Li Wei", "--role", role, "--reason", "x", "--password-stdin")
        andon(*words, typed=PASSWORD + "\n")
    return site


def log_of(folder: DataFolder) -> list[bytes]:
    with Spool(folder.spool(0), 0, SystemClock()) as spool:
        reader = spool.reader(0)
        bodies = [message.body for message in reader.read(1000, 10**9)]
        reader.close()
    return bodies


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize("words", [("dead-letters",), ("dead-letters", "list")], ids=["alone", "list"])
def test_list(andon: Terminal, words: tuple[str, ...]) -> None:
    text = andon(*words)
    assert "\x1b" not in text
    assert "\\xff\\x1b[2Jnot json" in text
    assert "2026-01-01 08:00:00+08:00" in text  # the site's time with its offset
    assert "not_json 1, unknown_series 2" in text

    answer = json.loads(andon(*words, "--json"))
    assert answer["counts"] == {"unknown_series": 2, "not_json": 1}
    assert [base64.b64decode(one["raw_base64"]) for one in answer["dead_letters"]] == RAW[::-1]
    assert answer["dead_letters"][0]["series"] == "cold/room1/air"

    answer = json.loads(andon(*words, "--json", "--reason", "not_json"))
    assert [one["offset"] for one in answer["dead_letters"]] == [8]
    assert len(json.loads(andon(*words, "--json", "--limit", "1"))["dead_letters"]) == 1


@pytest.mark.usefixtures("letters")
def test_an_unknown_reason_lists_the_known_ones(andon: Terminal) -> None:
    andon("dead-letters", "--reason", "unknown_serie", status=1)
    assert "unknown_series" in andon.err


def test_list_of_a_site_without_dead_letters(andon: Terminal, site: DataFolder) -> None:
    assert json.loads(andon("dead-letters", "--json")) == {"counts": {}, "dead_letters": []}
    assert not site.dead_letters_db(0).exists()


@pytest.mark.usefixtures("letters")
def test_show(andon: Terminal) -> None:
    assert andon("dead-letters", "show", "0", "9", "2").endswith(RAW[2].decode() + "\n")
    assert "\x1b" not in andon("dead-letters", "show", "0", "8")
    assert json.loads(andon("dead-letters", "show", "0", "9", "2", "--json"))["reason"] == "unknown_series"
    assert andon("dead-letters", "show", "0", "7", "--bytes") == RAW[0].decode()
    for place in (("0", "7", "1"), ("1", "7")):
        andon("dead-letters", "show", *place, status=1)


def redrive(andon: Terminal, *words: str, user: str = "li.wei", password: str = PASSWORD, status: int = 0) -> str:
    command = ("dead-letters", "redrive", "--user", user, "--password-stdin", *words)
    return andon(*command, typed=password + "\n", status=status)


def test_redrive_puts_the_bytes_into_the_log_once_and_audits(andon: Terminal, letters: DataFolder) -> None:
    before = len(audit_actions(letters))
    assert "2" in redrive(andon, "--only", "unknown_series", "--reason", "room 9 added")
    assert log_of(letters) == [RAW[0], RAW[2]]
    assert audit_actions(letters)[before:] == ["login.ok", "dead_letters.redriven", "logout"]
    with Records(letters.records_db, "szh1", SystemClock()) as records:
        (note,) = [one for one in records.audit_trail() if one.action == "dead_letters.redriven"]
        assert verify_audit(records).ok
    assert (note.actor_id, note.role, note.reason) == ("li.wei", "quality", "room 9 added")
    assert json.loads(note.new or "") == {"count": 2, "letters": "7:0, 9:2"}

    listed = json.loads(andon("dead-letters", "--json"))["dead_letters"]
    assert {one["offset"]: one["redriven"] for one in listed} == {7: True, 8: False, 9: True}
    redrive(andon, "--reason", "the rest")
    assert log_of(letters) == [RAW[0], RAW[2], RAW[1]]
    redrive(andon, "--reason", "again")
    assert len(log_of(letters)) == 3


def test_redrive_stops_at_the_limit(andon: Terminal, letters: DataFolder) -> None:
    redrive(andon, "--limit", "2", "--reason", "x")
    assert len(log_of(letters)) == 2


@pytest.mark.parametrize(
    ("user", "password", "reason", "status"),
    [
        ("li.wei", "wrong horse battery", "x", 3),
        ("nobody", PASSWORD, "x", 3),
        ("root", PASSWORD, "x", 3),  # an administrator has no say over figures
        ("li.wei", PASSWORD, "", 1),
    ],
    ids=["wrong password", "unknown user", "no right", "no reason"],
)
def test_redrive_is_refused(
    andon: Terminal, letters: DataFolder, user: str, password: str, reason: str, status: int
) -> None:
    redrive(andon, "--reason", reason, user=user, password=password, status=status)
    assert password not in andon.out + andon.err
    assert not Path(letters.spool(0)).exists()
    assert "dead_letters.redriven" not in audit_actions(letters)

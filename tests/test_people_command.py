"""`andon people`: a test message over a real socket, with its record; who would be called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from andon.datafolder import DataFolder
from tests.command_line import Terminal, andon, audit_actions, site
from tests.test_notify_way import chat

__all__ = ["andon", "site"]  # fixtures
# A plugin of Apprise that nobody here uses imports it, when Apprise looks for its plugins.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
PEOPLE = """
[[person]]
id = "li"
name = "Li Wei"
address = [{ name = "chat", url_file = "li.url" }, { name = "sms" }]
[[team]]
name = "cold"
members = ["li"]
[[route]]
to = ["cold"]
step = [{ after_s = 60, to = ["li"] }]
"""


@pytest.fixture
def people(site: DataFolder) -> DataFolder:
    with Path("plant.toml").open("a", encoding="utf-8") as file:
        file.write(PEOPLE)
    return site


def test_a_test_message_goes_to_every_address_and_is_in_the_audit_trail(andon: Terminal, people: DataFolder) -> None:
    with chat() as server:
        Path("li.url").write_text(f"json://127.0.0.1:{server.server_address[1]}/secret\n")
        Path("li.url").chmod(0o600)
        told = json.loads(andon("people", "test", "--person", "li", "--reason", "new telephone", "--json", status=1))
        assert [one["sent"] for one in told["addresses"]] == [True, False], "sms has no address yet"
        assert "ANDON_ADDRESS_LI_SMS" in told["addresses"][1]["error"]
        [(_, message)] = server.got  # type: ignore[attr-defined]  # what the chat got
    assert message["message"].startswith("Li Wei, this is a test")
    assert "secret" not in andon.out
    assert audit_actions(people)[-1] == "people.tested"


def test_without_a_reason_nothing_is_sent(andon: Terminal, people: DataFolder) -> None:
    with chat() as server:
        Path("li.url").write_text(f"json://127.0.0.1:{server.server_address[1]}/secret\n")
        andon("people", "test", "--person", "li", "--reason", " ", status=1)
        assert server.got == []  # type: ignore[attr-defined]  # what the chat got
    assert "people.tested" not in audit_actions(people)


def test_an_unknown_person_is_told_with_those_there_are(andon: Terminal, people: DataFolder) -> None:
    andon("people", "test", "--person", "lu", "--reason", "x", status=2)
    assert "'lu'" in andon.err
    assert "li" in andon.err
    assert "people.tested" not in audit_actions(people)


def test_who_would_be_called(andon: Terminal, people: DataFolder) -> None:
    assert people.records_db.exists()
    told = json.loads(andon("people", "who", "cold/room1", "--priority", "critical", "--json"))
    assert told == [
        {"route": "1", "step": 0, "after_s": 0.0, "people": ["li"]},
        {"route": "1", "step": 1, "after_s": 60.0, "people": ["li"]},
    ]
    andon("people", "who", "cold/room1")
    assert "li" in andon.out

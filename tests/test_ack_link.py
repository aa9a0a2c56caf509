"""Links to acknowledge: who gets in by one, what it does, and that it does it once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from httpx2 import Response
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from andon.datafolder import DataFolder
from andon.errors import AccessError, RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, verify_audit
from andon.records.base import Tx
from andon.records.notices import NoticeRecords
from service.ack_links import Claim, Links, link_key
from service.web.ack_link import MOST_SHOWN, AckPages
from service.web.app import create_app
from service.web.gate import Access, known_hosts
from service.web.room import Room
from tests.people_world import KEY, PLANT, PeopleWorld

NOW_NS = 1_800_000_000 * NS_PER_S
LINKS = Links(KEY, "https://andon.example.com/", 12.0)
HOUR_S = 3600


@dataclass
class Door:
    """The web service over a world of people; `link` makes what stands in a message, as a path."""

    world: PeopleWorld
    client: TestClient
    links: Links

    def link(self, person: str = "ana") -> str:
        [incident] = self.world.records.incidents(open_only=True)[:1]
        made = self.links.make(person, incident.key, self.world.clock.now_ns())
        assert made is not None
        return made.removeprefix("https://andon.example.com")

    def press(self, link: str, comment: str = "") -> Response:
        """Open the page and press its button, as a browser does."""
        shown = re.findall(r'name="shown" value="([^"]*)"', self.client.get(link).text)
        return self.client.post(link, data={"comment": comment, "shown": shown[0] if shown else ""})

    def actions(self) -> list[str]:
        return [row.action for row in self.world.records.audit_trail()]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    world = PeopleWorld(tmp_path, PLANT.replace('name = "Boss"', 'name = "Boss"\nuser = "boss"'))
    data = DataFolder(tmp_path / "data")
    data.create("szh1")
    # What the page of a link needs; nothing else of the room is looked at.
    room = Room(world.plant, world.records, None, [], [], world.clock, data)  # type: ignore[arg-type]  # no history here
    client = TestClient(create_app(room, Access(known_hosts("127.0.0.1"))), base_url="http://127.0.0.1")
    client.headers["accept-language"] = "en"
    yield Door(world, client, Links(link_key(data), "https://andon.example.com", 12.0))
    client.close()


def test_a_link_is_bound_to_person_and_incident_and_expires() -> None:
    token = LINKS.token(Claim("ana", "inc", NOW_NS // NS_PER_S + HOUR_S, "n1"))
    assert LINKS.check(token, NOW_NS) == Claim("ana", "inc", NOW_NS // NS_PER_S + HOUR_S, "n1")
    with pytest.raises(AccessError) as late:
        LINKS.check(token, NOW_NS + HOUR_S * NS_PER_S)
    assert late.value.code == "people.link_expired"
    other = Links(type(KEY)("E" * 43), None, 1.0)
    assert other.make("ana", "inc", NOW_NS) is None
    with pytest.raises(AccessError) as forged:
        other.check(token, NOW_NS)
    assert forged.value.code == "people.link_forged"


TOKEN = LINKS.token(Claim("ana", "inc", NOW_NS // NS_PER_S + HOUR_S, "n1"))


@given(
    place=st.integers(0, len(TOKEN) - 1),
    char=st.sampled_from("ABCDEFGHabcdefgh0123456789-_.=+/ \u00e9"),
    how=st.sampled_from(["change", "insert", "cut"]),
)
def test_nothing_but_the_token_itself_is_taken(place: int, char: str, how: str) -> None:
    changed = {
        "change": TOKEN[:place] + char + TOKEN[place + 1 :], "insert": TOKEN[:place] + char + TOKEN[place:],
        "cut": TOKEN[:place],
    }[how]  # fmt: skip
    if changed != TOKEN:
        with pytest.raises(AccessError):
            LINKS.check(changed, NOW_NS)


@given(text=st.text(max_size=200))
def test_no_text_breaks_the_check(text: str) -> None:
    with pytest.raises(AccessError):
        LINKS.check(text, NOW_NS)


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    data.create("szh1")
    first = link_key(data)
    path = data.path / "state" / "ack-link.key"
    assert (path.stat().st_mode & 0o777, link_key(data) == first) == (0o600, True)
    assert [one.name for one in path.parent.glob("ack-link.key*")] == ["ack-link.key"]
    path.write_text("short")
    with pytest.raises(AccessError):
        link_key(data)


def test_looking_changes_nothing_and_the_button_acknowledges_once(door: Door) -> None:
    keys = [door.world.alarm(), door.world.alarm(priority="medium")]
    link = door.link()
    before = door.actions()
    pages = [door.client.get(link) for _ in range(3)]
    assert [page.status_code for page in pages] == [200, 200, 200]
    page = pages[-1]
    assert "2 alarms wait" in page.text
    assert "As Ana" in page.text
    assert door.actions() == before
    done = door.press(link, "on my way")
    assert done.status_code == 200
    assert "Acknowledged: 2. Thank you, Ana." in done.text
    alarms = [door.world.records.alarm(key) for key in keys]
    assert {(one.state, one.ack_by, one.ack_comment) for one in alarms} == {("acknowledged", "Ana", "on my way")}
    row = next(one for one in door.world.records.audit_trail(newest=True) if one.action == "ack_link.used")
    assert (row.actor_id, row.actor_name, row.role) == ("person:ana", "Ana", "operator")
    assert row.terminal.startswith("link ")
    door.world.set(keys[0], state="unacknowledged")
    again = door.press(link, "again")
    assert (again.status_code, "has been used" in again.text) == (403, True)
    assert door.world.records.alarm(keys[0]).state == "unacknowledged"
    assert verify_audit(door.world.records).ok


def test_a_critical_alarm_wants_a_comment_and_the_link_is_still_good(door: Door) -> None:
    key = door.world.alarm(priority="critical")
    link = door.link()
    refused = door.press(link, "  ")
    assert (refused.status_code, "<button" in refused.text) == (422, True)
    assert door.world.records.alarm(key).state == "unacknowledged"
    assert door.press(link, "seen").status_code == 200
    assert door.world.records.alarm(key).state == "acknowledged"


def test_a_link_to_somebody_with_a_user_has_that_users_rights(door: Door) -> None:
    key = door.world.alarm()
    link = door.link("boss")
    assert door.press(link).status_code == 403, "there is no such user"
    door.world.records.create_user("boss", "Boss", "viewer", "a-long-password", SYSTEM_SUPERVISOR, "test")
    assert door.press(link).status_code == 403, "who may only look may not acknowledge"
    door.world.records.change_user("boss", SYSTEM_SUPERVISOR, "test", role="quality")
    assert door.press(link).status_code == 200
    assert door.world.records.alarm(key).ack_by == "Boss"


def test_forged_links_are_refused_and_slowed_down(door: Door) -> None:
    door.world.alarm()
    link = door.link()
    codes = [door.client.get(link[:-3] + "abc").status_code for _ in range(12)]
    assert codes == [403] * 10 + [429] * 2
    assert door.client.get(link).status_code == 429


def test_another_page_cannot_press_the_button(door: Door) -> None:
    key = door.world.alarm()
    answer = door.client.post(door.link(), data={}, headers={"origin": "https://evil.example.com"})
    assert answer.status_code == 403
    assert door.world.records.alarm(key).state == "unacknowledged"


def test_a_link_whose_record_cannot_be_written_acknowledges_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(*_: object, **__: object) -> None:
        raise RecordsError("records.disk_full", cause="test")

    key, link = door.world.alarm(), door.link()
    with monkeypatch.context() as patch:
        patch.setattr(Tx, "audit", refusing)
        assert door.press(link).status_code == 503
    assert door.world.records.alarm(key).state == "unacknowledged"
    assert door.press(link).status_code == 200, "the link was not spent"


def test_a_crash_after_spending_leaves_the_alarm_waiting(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    key, link = door.world.alarm(), door.link()
    real = NoticeRecords.redeem_link

    def dies(self: NoticeRecords, nonce: str, incident: str, actor: object) -> bool:
        real(self, nonce, incident, actor)  # type: ignore[arg-type]  # what the page gives
        raise RecordsError("records.busy", cause="killed")

    with monkeypatch.context() as patch:
        patch.setattr(NoticeRecords, "redeem_link", dies)
        assert door.press(link).status_code == 503
    assert door.world.records.alarm(key).state == "unacknowledged"


def test_the_page_names_no_more_than_it_must(door: Door) -> None:
    door.world.alarm()
    page = door.client.get(door.link()).text
    assert not re.findall(r"\{\{\w+\}\}", page)
    assert "<script" not in page


def test_only_what_the_page_showed_is_acknowledged(door: Door) -> None:
    first, link = door.world.alarm(), door.link()
    page = door.client.get(link).text
    later = door.world.alarm("cold/room1", priority="critical")
    [shown] = re.findall(r'name="shown" value="([^"]*)"', page)
    assert shown == first
    done = door.client.post(link, data={"shown": shown})
    assert (done.status_code, "Acknowledged: 1." in done.text, "1 more wait" in done.text) == (200, True, True)
    assert door.world.records.alarm(later).state == "unacknowledged"


def test_a_page_shows_so_many_and_acknowledges_no_more(door: Door) -> None:
    keys = [door.world.alarm() for _ in range(MOST_SHOWN + 5)]
    link = door.link()
    assert f"The first {MOST_SHOWN} are below" in door.client.get(link).text
    assert f"Acknowledged: {MOST_SHOWN}." in door.press(link).text
    waiting = [key for key in keys if door.world.records.alarm(key).state == "unacknowledged"]
    assert len(waiting) == 5


def test_keys_of_another_incident_are_not_taken_and_the_link_stays_good(door: Door) -> None:
    here, link = door.world.alarm(), door.link()
    other = door.world.alarm("filling/line1/filler")
    for shown in (other, "", "x y z"):
        refused = door.client.post(link, data={"shown": shown})
        assert (refused.status_code, here in refused.text) == (400, True), "it shows what waits now"
    assert {door.world.records.alarm(key).state for key in (here, other)} == {"unacknowledged"}
    assert door.press(link).status_code == 200
    assert door.world.records.alarm(other).state == "unacknowledged"


def test_a_form_that_is_none_is_refused_and_no_log_gets_the_link(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    key, link = door.world.alarm(), door.link()
    token = link.rpartition("/")[2]
    client = TestClient(door.client.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
    with capture_logs() as told:
        assert client.post(link, content="&".join("abcdefg=1"[n:] for n in range(7))).status_code == 400

        def broken(*_: object) -> None:
            raise ValueError("test")

        monkeypatch.setattr(AckPages, "_claim", broken)
        assert client.get(link).status_code == 500
    assert [one["event"] for one in told].count("web.failed") == 1
    assert token not in str(told)
    assert door.world.records.alarm(key).state == "unacknowledged"

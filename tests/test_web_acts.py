"""People's acts over HTTP: two people for a critical alarm, what is set aside, labels, figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from andon.records import SYSTEM_FLOW, Actor, verify_audit
from tests.command_line import PASSWORD
from tests.page_fixture import PagePlant, Served, page_plant
from tests.records_world import cleared, raised

ROOT = Actor("root", "Root", "admin", "test")


class Site:
    """A plant, its page, and a person at it."""

    def __init__(self, folder: Path) -> None:
        self.plant: PagePlant = page_plant(folder)
        self.served = Served(self.plant.room)
        self.records = self.plant.records
        self.person = httpx.Client(base_url=self.served.address, timeout=20)
        self.person.get("/", params={"token": self.plant.token("engineer")})
        self.person.headers["x-csrf-token"] = self.person.get("/api/v1/me").json()["csrf"]

    def raise_one(self, number: int, **changes: object) -> str:
        change = raised(number, asset="cold/room1", rule_id=f"rule{number}", raises="none", **changes)
        self.records.apply_conditions([change], SYSTEM_FLOW)
        return next(one.key for one in self.records.alarms() if one.rule_id == f"rule{number}")

    def act(self, key: str, act: str, **body: object) -> httpx.Response:
        return self.person.post(f"/api/v1/alarms/{key}/{act}", json=body)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with closing(made.person):
        yield made
    made.served.close()
    made.plant.close()


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_a_critical_alarm_needs_the_password_of_a_second_person(site: Site) -> None:
    key = site.raise_one(1, priority="critical")
    site.records.create_user("wu", "Wu Min", "operator", PASSWORD, ROOT, "test")
    site.records.create_user("wei", "Wei Na", "viewer", PASSWORD, ROOT, "test")
    asked = {"for_s": 600, "reason": "known leak"}
    assert code_of(site.act(key, "shelve", **asked)) == "records.second_person"
    wrong = {"user": "wu", "password": "a wrong password"}
    assert code_of(site.act(key, "shelve", **asked, second=wrong)) == "access.login_failed"
    viewer = {"user": "wei", "password": PASSWORD}
    assert code_of(site.act(key, "shelve", **asked, second=viewer)) == "access.denied"
    answer = site.act(key, "shelve", **asked, second={"user": "wu", "password": PASSWORD})
    assert (answer.status_code, answer.json()["state"]) == (200, "shelved")
    last = site.records.audit_trail(newest=True, limit=1)[0]
    assert (last.actor_name, last.reason) == ("Demo engineer", "known leak (Wu Min)")
    assert verify_audit(site.records).ok


def test_guesses_of_a_second_password_are_limited(site: Site) -> None:
    key = site.raise_one(1, priority="critical")
    given = {"for_s": 600, "reason": "x", "second": {"user": "nobody", "password": "guess"}}
    codes = [code_of(site.act(key, "shelve", **given)) for _ in range(11)]
    assert codes == ["access.login_failed"] * 10 + ["page.too_many_logins"]
    assert site.records.points() == []


def test_what_is_set_aside_is_shown_with_its_end(site: Site) -> None:
    key = site.raise_one(1)
    site.act(key, "shelve", for_s=600, reason="loading")
    (point,) = site.person.get("/api/v1/alarm-points").json()["points"]
    assert (point["mode"], point["asset"], point["reason"], point["alarm"]) == (
        "shelved", "cold/room1", "loading", key,
    )  # fmt: skip
    assert point["until_ms"] - point["since_ms"] == pytest.approx(600_000, abs=10_000)
    detail = site.person.get(f"/api/v1/alarms/{key}").json()
    assert detail["aside"]["until_ms"] == point["until_ms"]
    assert detail["transitions"][-1]["kind"] == "shelved"
    site.act(key, "unshelve", reason="loaded")
    assert site.person.get("/api/v1/alarm-points").json() == {"points": []}
    assert site.person.get(f"/api/v1/alarms/{key}").json()["aside"] is None


def test_the_alarm_says_who_has_it_who_comes_and_what_it_was(site: Site) -> None:
    key = site.raise_one(1)
    site.act(key, "assign", to="engineer")
    site.act(key, "going", arrives_in_s=300)
    told = site.act(key, "label", verdict="false", comment="probe was out").json()
    assert told["assigned"] == {"to": "engineer", "name": "Demo engineer"}
    assert told["going"]["name"] == "Demo engineer"
    assert told["going"]["arrived_ms"] is None
    assert told["label"] == "false"
    (label,) = site.person.get("/api/v1/alarm-labels", params={"alarm": key}).json()["labels"]
    assert (label["verdict"], label["source"], label["comment"]) == ("false", "person", "probe was out")


@pytest.mark.parametrize(
    ("act", "body", "status"),
    [
        ("shelve", {"for_s": 8 * 3600 + 1, "reason": "x"}, 422), ("shelve", {"for_s": 60, "reason": " "}, 422),
        ("label", {"verdict": "maybe"}, 422), ("going", {"arrives_in_s": -1}, 422), ("assign", {"to": "nobody"}, 404),
        ("reset", {}, 409), ("unshelve", {"reason": "x"}, 409), ("restore", {"reason": "x"}, 409),
        ("shelve", {"for_s": 60, "reason": "x", "until": 5}, 422),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(site: Site, act: str, body: dict[str, object], status: int) -> None:
    key = site.raise_one(1)
    answer = site.act(key, act, **body)
    assert answer.status_code == status, answer.text
    assert site.records.alarm(key).state == "unacknowledged"


def test_the_figures_count_what_came_up(site: Site) -> None:
    before = site.person.get("/api/v1/alarm-kpis").json()
    for number in range(12):
        site.raise_one(number)
    late = raised(99, asset="cold/room2", rule_id="rule99", raises="none")
    site.records.apply_conditions([late, cleared(late)], SYSTEM_FLOW)
    found = site.person.get("/api/v1/alarm-kpis", params={"hours": 1, "operators": 2}).json()
    assert found["raised"] - before["raised"] == 13
    assert found["rates"]["per_hour"] == pytest.approx(found["announced"] / 2, rel=1e-3)
    assert len(found["floods"]) == 1
    room = site.person.get("/api/v1/alarm-kpis", params={"area": "cold/room2"}).json()
    assert (room["raised"], room["top"][0]["asset"], room["top"][0]["share"]) == (1, "cold/room2", 1.0)
    assert found["cut"] is False
    assert site.person.get("/api/v1/alarm-kpis", params={"operators": 0}).status_code == 422

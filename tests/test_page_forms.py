"""The two pages that are plain forms, in a browser: it says by itself where a form comes from, and is believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from andon.datafolder import DataFolder
from andon.records import SYSTEM_SUPERVISOR
from service.ack_links import Links, link_key
from service.web.room import Room
from tests.page_fixture import Served
from tests.page_visit import chromium_at
from tests.people_world import PeopleWorld
from tests.test_ack_link import PLANT

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


@pytest.fixture
def world(tmp_path) -> Iterator[tuple[PeopleWorld, Served, DataFolder]]:
    made = PeopleWorld(tmp_path, PLANT)
    data = DataFolder(tmp_path / "data")
    data.create("szh1")
    served = Served(Room(made.plant, made.records, None, [], [], made.clock, data))
    yield made, served, data
    served.close()


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    with chromium_at(chromium) as browser:
        yield browser.new_page()


def test_a_link_acknowledges_at_a_click(world, page):
    made, served, data = world
    made.alarm(priority="high")
    (incident,) = made.records.incidents(open_only=True)
    page.goto(Links(link_key(data), served.address, 12.0).make("ana", incident.key, made.clock.now_ns()))
    with page.expect_navigation():
        page.click("button.primary")
    assert [one.state for one in made.records.alarms()] == ["acknowledged"]


def test_a_password_lets_in(world, page):
    made, served, _ = world
    made.records.create_user("wang", "Wang Fang", "quality", PASSWORD, SYSTEM_SUPERVISOR, "test")
    page.goto(f"{served.address}/login")
    page.fill("input[name=user]", "wang")
    page.fill("input[name=password]", PASSWORD)
    with page.expect_navigation():
        page.click("button.primary")
    assert not page.url.endswith("/login")
    assert "login.ok" in [row.action for row in made.records.audit_trail(newest=True, limit=5)]

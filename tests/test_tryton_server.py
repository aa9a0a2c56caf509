"""Tryton as a test server, and what its module promises: a UNIQUE key, machines as origin, holds on lots."""

from __future__ import annotations

import base64
import json
import sqlite3

import httpx
import pytest

from service.servers import Tryton
from tests.servers.fixtures import start

pytestmark = pytest.mark.real


class Rest:
    """A few calls to Tryton's REST, without our connector."""

    def __init__(self, server: Tryton) -> None:
        headers = {"Authorization": f"bearer {server.token}", "X-Tryton-Context": coded({"company": 1})}
        self.client = httpx.Client(base_url=f"{server.url}/rest/model", headers=headers, timeout=30, trust_env=False)

    def make(self, model, **values):
        return self.client.post(f"/{model}", json=values)

    def made(self, model, **values):
        done = self.make(model, **values)
        assert done.is_success, done.text
        return done.json()["id"]

    def find(self, model, *domain, fields=()):
        return self.client.get(f"/{model}", params={"d": coded(domain), "f": list(fields)}).raise_for_status().json()

    def id(self, model, name, value):
        return self.find(model, (name, "=", value))[0]["id"]

    def act(self, model, record, action):
        return self.client.post(f"/{model}/{record}/{action}")


def coded(told):
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


@pytest.fixture
def rest(tryton):
    one = Rest(tryton)
    yield one
    one.client.close()


def test_it_is_killed_and_comes_back_on_its_port_with_its_records(tmp_path):
    server = Tryton(tmp_path / "t")
    start(server)
    url, speaking = server.url, Rest(server)
    speaking.made("project.work", name="before", type="project", company=1)
    server.kill()
    with pytest.raises(httpx.HTTPError):
        httpx.get(url, trust_env=False)
    server.start()
    assert server.url == url
    assert len(speaking.find("project.work", ("name", "=", "before"))) == 1
    server.stop()
    assert server.pid is None


def test_two_servers_are_copies_of_their_own(tmp_path, rest):
    server = Tryton(tmp_path / "t")
    start(server)
    Rest(server).made("project.work", name="only in the other", type="project", company=1)
    assert rest.find("project.work", ("name", "=", "only in the other")) == []
    server.stop()
    assert sqlite3.connect(server.database).execute("PRAGMA integrity_check").fetchone() == ("ok",)


KEYED = {
    "quality.inspection": lambda rest: {"control": rest.id("quality.control", "name", "Andon"), "points": {}},
    "project.work": lambda _: {"name": "task", "type": "task"},
    "stock.lot.hold": lambda rest: {"lot": rest.id("stock.lot", "number", "LOT-A")},
}


@pytest.mark.parametrize("model", KEYED)
def test_a_second_record_of_a_key_is_refused(rest, model):
    values = {"company": 1, "external_key": f"twice-{model}", **KEYED[model](rest)}
    rest.made(model, **values)
    refused = rest.make(model, **values)
    assert (refused.status_code, refused.json()["message"]) == (400, "The external key must be unique.")
    rest.made(model, **{**values, "external_key": None})
    rest.made(model, **{**values, "external_key": None})


def test_a_machine_is_inspected_and_the_alert_has_the_key_at_once(rest):
    machine = rest.id("production.work.center", "name", "LATHE-07")
    inspection = rest.made(
        "quality.inspection", company=1, control=rest.id("quality.control", "name", "Andon"), external_key="inherited",
        origin=f"production.work.center,{machine}", points={"within_limits": False},
    )  # fmt: skip
    rest.act("quality.inspection", inspection, "process").raise_for_status()
    alerts = rest.find("quality.alert", ("external_key", "=", "inherited"), fields=["origin", "state"])
    assert [(one["state"], one["origin"]) for one in alerts] == [("open", f"quality.inspection,{inspection}")]
    # Nobody processes it a second time.
    assert rest.act("quality.inspection", inspection, "process").status_code == 400


def move_to(rest, place, lot, **price):
    """A move of a lot from the supplier to there, done: what comes from the stock has to be assigned before."""
    product = rest.id("product.product", "code", "IOL-23")
    move = rest.made(
        "stock.move", product=product, lot=lot, quantity=1, unit=1, company=1, **price,
        from_location=rest.id("stock.location", "code", "SUP"), to_location=rest.id("stock.location", "code", place),
    )  # fmt: skip
    return rest.act("stock.move", move, "do")


def decimal(text):
    return {"__class__": "Decimal", "decimal": text}


def test_a_held_lot_reaches_no_customer_until_it_is_released(rest):
    lot = rest.id("stock.lot", "number", "LOT-B")
    hold = rest.made("stock.lot.hold", company=1, lot=lot, external_key="hold-lot-b")
    assert move_to(rest, "CUS", lot).status_code == 403
    assert move_to(rest, "STO", lot, unit_price=decimal("0"), currency=1).status_code == 200, "into the store it may go"
    rest.act("stock.lot.hold", hold, "release").raise_for_status()
    assert move_to(rest, "CUS", lot).status_code == 200


def test_what_the_key_opens_is_bounded(rest):
    assert rest.make("party.category", name="x").status_code == 400
    assert rest.client.get("/quality.alert", headers={"Authorization": "bearer wrong"}).status_code == 401

"""Lots on hold and CAPA proposals over real HTTP: who sees them, who decides, what stays in the audit trail."""

from __future__ import annotations

from contextlib import closing

import httpx
import pytest

from andon.errors import RecordsError
from andon.records import SYSTEM_FLOW, SYSTEM_QUALITY
from andon.records.base import Tx
from andon.records.policy import Policy
from service.web.actions import MUTATING_ROUTES
from tests.page_fixture import Served, page_plant
from tests.records_world import raised

HOLD, CAPA = "/api/v1/holds/{key}/release", "/api/v1/capas/{key}/decide"


@pytest.fixture
def world(tmp_path):
    plant = page_plant(tmp_path)
    served = Served(plant.room)
    key = plant.records.alarms()[0].key
    plant.records.hold_lot(key, "L1", "VIAL", SYSTEM_QUALITY)
    plant.records.propose_capa(key, "severe", key, {"type": "corrective"}, SYSTEM_QUALITY)
    yield plant, served
    served.close()
    plant.close()


def client(plant, served, role: str) -> httpx.Client:
    made = httpx.Client(base_url=served.address, timeout=20)
    assert made.get("/", params={"token": plant.token(role)}).status_code == 303
    made.headers["x-csrf-token"] = made.get("/api/v1/me").json()["csrf"]
    return made


def test_quality_decides_and_nobody_else(world):
    plant, served = world
    with closing(client(plant, served, "viewer")) as viewer:
        (hold,) = viewer.get("/api/v1/holds").json()["holds"]
        (capa,) = viewer.get("/api/v1/capas", params={"state": "proposed"}).json()["capas"]
        assert (hold["lot"], hold["state"], capa["content"]["type"]) == ("L1", "asked", "corrective")
    calls = {HOLD: (hold["key"], {"reason": "within budget"}), CAPA: (capa["key"], {"reason": "yes", "accept": True})}
    for role in ("viewer", "operator", "engineer", "admin", "quality"):
        with closing(client(plant, served, role)) as person:
            for path, (key, body) in calls.items():
                answer = person.post(path.replace("{key}", key), json=body)
                assert answer.status_code == (200 if role == "quality" else 403), (role, path, answer.text)
    actions = [row.action for row in plant.records.audit_trail(newest=True, limit=10)]
    assert {MUTATING_ROUTES["POST", path] for path in calls} <= set(actions)
    with closing(client(plant, served, "quality")) as person:
        for path, (key, body) in calls.items():
            assert person.post(path.replace("{key}", key), json=body).status_code == 409
            assert person.post(path.replace("{key}", "x"), json=body).status_code == 404
            assert person.post(path.replace("{key}", key), json={**body, "reason": " "}).status_code == 422


def test_incidents_tell_their_first_alarm(world):
    plant, served = world
    plant.records.policy = Policy()
    plant.records.apply_conditions([raised(1), raised(2, asset="cold/room2")], SYSTEM_FLOW)
    with closing(client(plant, served, "viewer")) as viewer:
        told = viewer.get("/api/v1/incidents").json()["incidents"]
        still_open = viewer.get("/api/v1/incidents", params={"open": True}).json()["incidents"]
        assert viewer.get("/api/v1/incidents", params={"limit": 0}).status_code == 422
    there = plant.records.incidents()
    assert [one["key"] for one in told] == [one.key for one in there]
    assert {one["first_alarm"] for one in told} <= {alarm.key for alarm in plant.records.alarms()}
    assert [one["key"] for one in still_open] == [one.key for one in there if one.closed_ns is None]
    assert told


def test_a_decision_that_cannot_be_recorded_is_none(world, monkeypatch):
    def refusing(*_args, **_kwargs):
        raise RecordsError("records.disk_full", cause="audit")

    plant, served = world
    before = plant.records.holds(), plant.records.capas()
    with closing(client(plant, served, "quality")) as person:
        monkeypatch.setattr(Tx, "audit", refusing)
        for path, key, more in ((HOLD, before[0][0].key, {}), (CAPA, before[1][0].key, {"accept": False})):
            assert person.post(path.replace("{key}", key), json={"reason": "x", **more}).status_code == 503
        monkeypatch.undo()
    assert (plant.records.holds(), plant.records.capas()) == before

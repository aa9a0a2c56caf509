"""The ERP tells how a record stands, over real HTTP: signed, once, and nobody else's word counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count

import httpx
import pytest
from standardwebhooks import Webhook

from andon.errors import ConfigError, DeliveryError, RecordsError
from andon.readings import NS_PER_S
from andon.records.base import Tx
from service.web.erp_inbound import ENDPOINT, inbound_keys
from sinks.erp.webhook import check_secret, new_secret
from tests.page_fixture import Served, page_plant

SECRET, OTHER = new_secret(), new_secret()
NUMBERS = count()


class World:
    def __init__(self, folder):
        self.plant = page_plant(folder)
        self.served = Served(self.plant.room, inbound_keys=(check_secret(SECRET),))
        self.client = httpx.Client(base_url=self.served.address, timeout=20)
        self.key = next(one.order_key for one in self.plant.records.orders() if one.state == "delivered")

    def send(self, content: object, secret: str = SECRET, *, one: str | None = None, **headers: str) -> httpx.Response:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        one = one or f"m{next(NUMBERS)}"
        stamp = datetime.fromtimestamp(self.plant.records.clock.now_ns() // NS_PER_S, tz=UTC)
        told = {
            "webhook-id": one, "webhook-timestamp": str(int(stamp.timestamp())),
            "webhook-signature": Webhook(secret).sign(one, stamp, raw.decode()), **headers,
        }  # fmt: skip
        return self.client.post(ENDPOINT, content=raw, headers=told)

    def trail(self) -> int:
        return self.plant.records.audit_trail(newest=True, limit=1)[0].seq


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.client.close()
    made.served.close()
    made.plant.close()


def test_a_signed_state_is_taken_and_the_same_message_again_changes_nothing(world):
    state = {"key": world.key, "status": "Closed", "closed": True, "verdict": "true", "comment": "seal changed"}
    answer = world.send({"type": "erp.record.state", "data": state}, one="first")
    assert (answer.status_code, answer.json()) == (200, {"key": world.key, "outcome": "taken"})
    alarm = world.plant.records.alarm(world.key)
    assert alarm.label == "true"
    trail = world.trail()
    assert world.send({"type": "erp.record.state", "data": state}, one="first").json()["outcome"] == "again"
    assert world.trail() == trail
    assert world.send({**state, "status": "Open"}, one="first").status_code == 409  # the id of another message
    assert world.plant.records.alarm(world.key).state == alarm.state


@pytest.mark.parametrize(
    ("change", "status"),
    {
        "other-secret": (lambda world: world.send({"key": world.key, "status": "x"}, OTHER), 401),
        "no-signature": (lambda world: world.send({"key": world.key, "status": "x"}, **{"webhook-signature": ""}), 401),
        "stale": (lambda world: world.send({"key": world.key, "status": "x"}, **{"webhook-timestamp": "1"}), 401),
        "no-json": (lambda world: world.send(b"hello"), 401),
        "unknown-key": (lambda world: world.send({"key": "a" * 20, "status": "x"}), 404),
        "no-status": (lambda world: world.send({"key": world.key}), 422),
        "odd-verdict": (lambda world: world.send({"key": world.key, "status": "x", "verdict": "maybe"}), 422),
        "odd-closed": (lambda world: world.send({"key": world.key, "status": "x", "closed": "yes"}), 422),
        "too-large": (lambda world: world.send({"key": world.key, "status": "x", "comment": "y" * 70_000}), 413),
        "from-a-page": (
            lambda world: world.send({"key": world.key, "status": "x"}, origin="https://evil.example"), 403,
        ),
    }.values(),
    ids=lambda value: "",
)  # fmt: skip
def test_what_is_not_taken_leaves_no_trace(world, change, status):
    before, trail = world.plant.records.alarm(world.key), world.trail()
    answer = change(world)
    assert answer.status_code == status, answer.text
    assert "signature" not in answer.text.lower()  # why is nobody's business
    assert (world.plant.records.alarm(world.key), world.trail()) == (before, trail)


def test_without_a_secret_there_is_no_such_address(tmp_path):
    plant = page_plant(tmp_path)
    served = Served(plant.room)
    try:
        assert httpx.post(served.address + ENDPOINT, json={}).status_code == 404
    finally:
        served.close()
        plant.close()


def test_where_its_record_cannot_be_written_nothing_is_taken(world, monkeypatch):
    def refusing(*_args, **_kwargs):
        raise RecordsError("records.disk_full", cause="audit")

    before = world.plant.records.alarm(world.key)
    monkeypatch.setattr(Tx, "audit", refusing)
    assert world.send({"key": world.key, "status": "Closed", "closed": True}, one="m").status_code == 503
    monkeypatch.undo()
    assert world.plant.records.alarm(world.key) == before
    assert world.send({"key": world.key, "status": "Closed", "closed": True}, one="m").json()["outcome"] == "taken"


def test_the_secret_is_a_file_with_one_or_two(tmp_path, monkeypatch):
    erp = page_plant(tmp_path / "data").room.plant.config.erp
    assert erp is not None
    back = erp.back.model_copy(update={"secret_file": "back.secret"})
    named = erp.model_copy(update={"back": back})
    assert inbound_keys(None, tmp_path) == inbound_keys(erp, tmp_path) == ()
    with pytest.raises(ConfigError):
        inbound_keys(named, tmp_path)
    (tmp_path / "back.secret").write_text(f"{SECRET}\n{OTHER}\n")
    assert inbound_keys(named, tmp_path) == (check_secret(SECRET), check_secret(OTHER))
    monkeypatch.setenv("ANDON_ERP_BACK_SECRET", "whsec_short")
    with pytest.raises(DeliveryError):
        inbound_keys(named, tmp_path)

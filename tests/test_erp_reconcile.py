"""`andon erp`: both sides compared, doubles parked; ping, preview, the parked and their release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, Actor, DeliveryResult, OutboxRecord, Records
from sinks.erp.port import ExternalRecord
from sinks.erp.reconcile import differences
from sinks.erp.stub_store import StubStore
from sinks.erp.webhook import WebhookConnector
from sinks.outbox import Sender
from tests.command_line import PASSWORD, Terminal, andon, audit_actions, site
from tests.records_world import SECRET, orders, raised, stub_erp

__all__ = ["andon", "site"]  # fixtures

BEGAN = 1000
ORDER = OutboxRecord(
    order_key="k1", kind="quality_event", asset="line/m0", revision=2, delivered_revision=2, state="delivered",
    attempts=1, failures=0, next_at_ns=0, external_id="7", external_number="QE-7", last_error=None, created_ns=100,
    delivered_ns=200, change_seq=1, alarm_key="k1", erp_status=None, erp_closed=False,
)  # fmt: skip
RECORD = ExternalRecord("7", "QE-7", 2, "k1", "quality_event")
NEVER_SENT = replace(
    ORDER, delivered_revision=0, state="pending", attempts=0, external_id=None, external_number=None, delivered_ns=None
)
CASES = {
    "both-the-same": (ORDER, [RECORD], []),
    "never-sent": (NEVER_SENT, [], []),
    "taken-without-an-answer": (replace(NEVER_SENT, attempts=1), [RECORD], []),
    "a-revision-waits": (replace(ORDER, state="pending", revision=3), [RECORD], []),
    "a-revision-was-taken-without-an-answer": (
        replace(ORDER, state="pending", revision=3), [replace(RECORD, revision=3)], [],
    ),
    "gone": (ORDER, [], [("missing", "gone")]),
    "delivered-after-the-list-was-begun": (replace(ORDER, delivered_ns=BEGAN), [], []),
    "older-than-asked-for": (replace(ORDER, created_ns=10), [], []),
    "an-older-revision": (ORDER, [replace(RECORD, revision=1)], [("changed", "revision")]),
    "updated-after-the-list-was-begun": (replace(ORDER, delivered_ns=BEGAN), [replace(RECORD, revision=1)], []),
    "a-revision-nobody-decided": (ORDER, [replace(RECORD, revision=9)], [("changed", "revision")]),
    "another-kind": (ORDER, [replace(RECORD, kind="maintenance_order")], [("changed", "kind")]),
    "kind-not-told": (ORDER, [replace(RECORD, kind="")], []),
    "another-record": (ORDER, [replace(RECORD, id="8")], [("changed", "id")]),
    "parked-and-there": (replace(NEVER_SENT, state="parked"), [RECORD], [("changed", "parked")]),
    "parked-and-not-there": (replace(NEVER_SENT, state="parked"), [], []),
    "doubled": (ORDER, [RECORD, replace(RECORD, id="8", revision=1)], [("doubled", "twice")]),
    "listed-twice": (ORDER, [replace(RECORD, revision=1), RECORD], []),
    "begun-on-one-page-and-whole-on-a-later-one": (
        NEVER_SENT, [replace(RECORD, id="inspection,9", revision=0), RECORD], [],
    ),
    "begun-and-not-whole": (replace(NEVER_SENT, attempts=1), [replace(RECORD, revision=0)], []),
    "unknown-key": (ORDER, [RECORD, replace(RECORD, key="k9")], [("extra", "unknown")]),
    "not-of-andon": (ORDER, [RECORD, ExternalRecord("9", "QE-9")], []),
}  # fmt: skip


@pytest.mark.parametrize(("order", "records", "expected"), CASES.values(), ids=CASES.keys())
def test_what_does_not_fit(order, records, expected):
    found = differences([order], records, since_ns=50, began_ns=BEGAN)
    assert [(one.kind, one.why) for one in found] == expected


def test_orders_that_name_one_record_are_doubles_on_this_side():
    second = replace(ORDER, order_key="k2", created_ns=101)
    records = [RECORD, replace(RECORD, key="k2")]
    found = differences([second, ORDER], records, since_ns=0, began_ns=BEGAN)
    assert [(one.key, one.why) for one in found] == [("k2", "shared")]
    other_kind = replace(second, kind="maintenance_order")
    found = differences([other_kind, ORDER], [RECORD], since_ns=0, began_ns=BEGAN)
    assert [one.why for one in found] == ["gone"], "numbers of two kinds may be the same"


def test_an_id_that_a_restored_erp_gave_again_belongs_to_the_key_it_carries():
    second = replace(ORDER, order_key="k2", created_ns=101)
    found = differences([ORDER, second], [replace(RECORD, key="k2")], since_ns=0, began_ns=BEGAN)
    assert [(one.key, one.kind, one.why) for one in found] == [("k1", "missing", "gone")]
    assert differences([ORDER, second], [], since_ns=200, began_ns=BEGAN) == [], "the record was not asked for"


@given(st.lists(st.integers(0, 5), max_size=12), st.sets(st.integers(0, 5)))
def test_every_key_of_either_side_is_judged_once(held, decided):
    """A naive twin: how often the ERP holds a key against whether it was delivered."""
    sides = [replace(ORDER, order_key=f"k{one}", external_id=None) for one in sorted(decided)]
    records = [replace(RECORD, id=str(place), key=f"k{one}") for place, one in enumerate(held)]
    found = {(one.key, one.kind) for one in differences(sides, records, since_ns=0, began_ns=BEGAN)}
    expected = set()
    for one in {*held, *decided}:
        if one not in decided:
            expected.add((f"k{one}", "extra"))
        elif held.count(one) != 1:
            expected.add((f"k{one}", "doubled" if one in held else "missing"))
    assert found == expected


@pytest.fixture
def erp(site: DataFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubStore]:
    """A plant with an ERP that knows no unique key, and three delivered orders."""
    with stub_erp(tmp_path_factory.mktemp("erp"), unique=False) as (url, store):
        Path("erp.secret").write_text(SECRET, encoding="utf-8")
        with Path("plant.toml").open("a", encoding="utf-8") as file:
            file.write(f'\n[erp]\nurl = "{url}"\nsecret_file = "erp.secret"\n')
        with Records(site.records_db, "szh1", SystemClock()) as records, WebhookConnector(url, SECRET) as driver:
            records.apply_conditions(orders(3), SYSTEM_FLOW)
            assert Sender(records, driver).step() == 3
        yield store


def double(store: StubStore, folder: DataFolder) -> str:
    """Make a second record of the oldest order; returns its key."""
    with Records(folder.records_db, "szh1", SystemClock()) as records:
        key = records.orders()[-1].order_key
        _, body = records.order_event(key)
    store.take(json.loads(body), body.encode())
    return key


def test_nothing_found_is_status_0(andon: Terminal, erp: StubStore) -> None:
    andon("erp", "reconcile")
    assert "3 orders and 3 records compared, 0 differences" in andon.out


def test_doubles_are_parked_once_and_stay_found_until_the_erp_is_mended(
    andon: Terminal, site: DataFolder, erp: StubStore
) -> None:
    key = double(erp, site)
    andon("erp", "reconcile", "--dry-run", status=1)
    assert "DOUBLED" in andon.out
    andon("erp", "parked")
    assert "0 parked" in andon.out
    for parked in ([key], []):
        told = json.loads(andon("erp", "reconcile", "--json", status=1))
        assert told["parked"] == parked
        assert [(one["kind"], one["key"], len(one["records"])) for one in told["differences"]] == [("doubled", key, 2)]
    (order,) = json.loads(andon("erp", "parked", "--json"))["parked"]
    assert order["order_key"] == key
    with Records(site.records_db, "szh1", SystemClock()) as records:
        (alarm,) = [one for one in records.alarms() if one.rule_id == "erp-parked"]
        assert (alarm.asset, alarm.state) == (order["asset"], "unacknowledged")
    assert audit_actions(site).count("outbox.parked") == 1


def test_a_parked_order_is_released_by_who_may(andon: Terminal, site: DataFolder, erp: StubStore) -> None:
    key = double(erp, site)
    andon("erp", "reconcile", status=1)
    for name, role in (("li.wei", "quality"), ("root", "admin")):
        words = ("user", "add", name, "--name", "Li Wei", "--role", role, "--reason", "x", "--password-stdin")
        andon(*words, typed=PASSWORD + "\n")
    release = ("erp", "release", key, "--reason", "the second one is cancelled", "--password-stdin")
    andon(*release, "--user", "root", status=3, typed=PASSWORD + "\n")
    andon(*release, "--user", "li.wei", typed=PASSWORD + "\n")
    andon("erp", "parked")
    assert "0 parked" in andon.out
    andon(*release, "--user", "li.wei", status=1, typed=PASSWORD + "\n")
    assert "parked" in andon.err


def test_ping(andon: Terminal, erp: StubStore) -> None:
    told = json.loads(andon("erp", "ping", "--json"))
    assert (told["ok"], told["kind"], told["features"]) == (True, "webhook", ["list", "state", "unique_key"])
    assert "answered" in andon("erp", "ping")


def test_an_erp_that_is_away_or_not_there_is_an_error(andon: Terminal, site: DataFolder) -> None:
    andon("erp", "ping", status=2)
    assert "[erp]" in andon.err
    Path("erp.secret").write_text(SECRET, encoding="utf-8")
    with Path("plant.toml").open("a", encoding="utf-8") as file:
        file.write('\n[erp]\nurl = "http://127.0.0.1:9"\nsecret_file = "erp.secret"\n')
    for command in ("ping", "reconcile"):
        andon("erp", command, status=1)
        assert "cannot be reached" in andon.err


def test_preview_shows_the_newest_revision_of_an_order(andon: Terminal, site: DataFolder, erp: StubStore) -> None:
    with Records(site.records_db, "szh1", SystemClock()) as records:
        key = records.orders()[-1].order_key
        newer = raised(0, asset="line/m0", raises="quality_event", peak=12.5, offset=900)
        records.apply_conditions([newer], SYSTEM_FLOW)
    told = json.loads(andon("erp", "preview", key, "--json"))
    assert (told["kind"], told["fields"]["data"]["revision"]) == ("quality_event", 2)
    text = andon("erp", "preview", key)
    assert "data.peak" in text
    assert "12.5" in text
    assert len(erp.records()) == 3, "nothing was sent"


def test_preview_of_an_alarm_that_goes_nowhere(andon: Terminal, site: DataFolder, erp: StubStore) -> None:
    with Records(site.records_db, "szh1", SystemClock()) as records:
        records.apply_conditions([raised(7, raises="none")], SYSTEM_FLOW)
        (key,) = [one.key for one in records.alarms() if one.raises == "none"]
    andon("erp", "preview", key, status=2)
    assert "--kind" in andon.err
    told = json.loads(andon("erp", "preview", key, "--kind", "maintenance_order", "--json"))
    assert told["fields"]["type"] == "andon.maintenance_order.opened"
    andon("erp", "preview", "nosuchkey", status=1)


def test_a_parked_order_is_not_sent_and_its_late_sender_is_fenced(site: DataFolder) -> None:
    with Records(site.records_db, "szh1", SystemClock()) as records:
        records.apply_conditions(orders(1), SYSTEM_FLOW)
        item = records.claim_order("x", 30.0, SYSTEM_SENDER)
        root = Actor("os:root", "Root", "admin", "test")
        assert records.park_order(item.order_key, root, "looks wrong")
        assert not records.park_order(item.order_key, root, "looks wrong")
        assert not records.finish_order(item, DeliveryResult("delivered", 201, external_id="1"), SYSTEM_SENDER)
        assert records.claim_order("x", 30.0, SYSTEM_SENDER) is None
        assert [one.last_error for one in records.orders(state="parked")] == ["looks wrong"]

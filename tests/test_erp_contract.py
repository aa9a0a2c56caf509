"""One contract for every connector: found by key, made once, brought up to date, refusals told apart, nothing shown.

What each ran against is in sinks/erp/systems/*.toml and docs/erp.md. Stubs are made of those files; a real server joins
with a world of its own (tests/erp_stubs/worlds.py).
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from andon.clock import ManualClock
from andon.readings import NS_PER_S
from sinks.erp.odoo import OdooConnector
from sinks.erp.port import (
    FEATURES,
    BrokenError,
    BusyError,
    ExternalRecord,
    RefusedError,
    SendError,
    UnavailableError,
)
from sinks.outbox import Sender
from tests.erp_stubs.orders import KINDS, Order, connected, revised, told_orders
from tests.erp_stubs.worlds import WORLDS, World, erpnext, sap
from tests.records_world import START_NS, filled

KEYED = [name for name in WORLDS if not name.startswith("sap")]


@pytest.fixture(scope="module")
def order(tmp_path_factory) -> Callable[[int], Order]:
    return told_orders(tmp_path_factory.mktemp("orders"))


@pytest.fixture(params=WORLDS, ids=WORLDS.keys())
def world(request, tmp_path) -> Iterator[World]:
    with WORLDS[request.param](tmp_path) as made:
        yield made


@pytest.mark.parametrize("number", [0, 1], ids=KINDS)
def test_made_found_and_brought_up_to_date(world, order, number):
    kind, key, body = order(number)
    with connected(world) as erp:
        assert erp.find(key) is None
        made = erp.open(kind, key, body)
        found = erp.find(key)
        assert (made.revision, found.revision, found.id) == (1, 1, made.id)
        assert found.number
        updated = erp.update(*revised(order(number)), found)
        again = erp.find(key)
        assert (updated.revision, again.revision, again.id) == (2, 2, made.id)
        assert erp.find(order(number + 2)[1]) is None
    (stored,) = world.stored(key)
    assert stored["revision"] == 2
    assert "12.25" in json.dumps(stored) or "DefectText" in stored  # which is too short for it


def test_a_revision_may_be_the_first_that_is_told(world, order):
    with connected(world) as erp:
        erp.open(*revised(order(0), 3))
        assert erp.find(order(0)[1]).revision == 3


def test_an_answer_lost_after_the_commit_is_found(world, order):
    kind, key, body = order(1)
    with connected(world) as erp:
        erp.ping()  # fields, tokens: the fault must meet the create
        _warm(erp, order)
        world.faults(*["-"] * isinstance(erp, OdooConnector), "lost")  # which looks first
        with pytest.raises(UnavailableError):
            erp.open(kind, key, body)
        assert erp.find(key).revision == 1
    assert len(world.stored(key)) == 1


def _warm(erp: Any, order: Callable[[int], Order]) -> None:
    erp.open(*order(3))


@pytest.mark.parametrize("name", WORLDS)
def test_the_same_order_sent_twice(tmp_path, order, name):
    """No look-up between them: a unique key or the Gateway's idempotent services leave one record."""
    with WORLDS[name](tmp_path) as world, connected(world) as erp:
        erp.open(*order(0))
        refusals: list[int | None] = []
        try:
            erp.open(*order(0))
        except RefusedError as refused:
            refusals.append(refused.status)
        assert all(status is not None and 400 <= status < 500 for status in refusals)  # so that the sender looks it up
        assert len(world.stored(order(0)[1])) == 1


@pytest.mark.parametrize("name", KEYED)
def test_eight_senders_race_to_one_record(tmp_path, order, name):
    with WORLDS[name](tmp_path) as world:
        assert len(_raced(world, order(1))) == 1


def test_without_a_unique_key_the_same_race_doubles(tmp_path, order):
    """The control: what the suite's race would show if the key did nothing."""
    with erpnext(tmp_path, unique=False) as world:
        assert len(_raced(world, order(1))) == 8


def test_sap_without_idempotent_services_doubles(tmp_path, order):
    with sap(tmp_path, idempotent=False) as world:
        assert len(_raced(world, order(1))) == 8


def _raced(world: World, order: Order) -> list[dict[str, Any]]:
    """Eight senders that have all looked it up before one of them makes it; losers find it."""
    kind, key, body = order
    barrier = threading.Barrier(8)
    found: list[ExternalRecord | None] = []

    def send() -> None:
        with connected(world) as erp:
            assert erp.find(key) is None
            barrier.wait(10)
            with suppress(SendError):
                erp.open(kind, key, body)
            found.append(erp.find(key))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({record.id for record in found if record is not None}) == 1
    assert len(found) == 8
    return world.stored(key)


FAULTS = {"limited": (BusyError, None), "broken": (BrokenError, 500), "lost": (UnavailableError, None)}


@pytest.mark.parametrize(("fault", "expected"), FAULTS.items(), ids=FAULTS.keys())
def test_a_fault_is_the_error_it_means(world, order, fault, expected):
    kind, status = expected
    with connected(world) as erp:
        _warm(erp, order)
        world.faults(fault)
        with pytest.raises(SendError) as caught:
            erp.find(order(0)[1])
    assert type(caught.value) is kind, caught.value
    if status is not None:
        assert caught.value.status == status
    if fault == "limited":
        assert caught.value.retry_after_s is not None


def test_a_wrong_secret_is_refused_and_not_shown(world, order):
    with connected(world) as right:
        right.ping()
    wrong = world.wrong()
    try:
        for call in (wrong.ping, lambda: wrong.find(order(0)[1]), lambda: wrong.open(*order(0))):
            with pytest.raises(RefusedError) as caught:
                call()
            assert caught.value.status in {401, 403}
            assert "wrong" not in str(caught.value)
            assert "127.0.0.1" not in str(caught.value)
    finally:
        wrong.close()
    assert world.stored(order(0)[1]) == []


def test_nobody_there_is_an_outage(world, order):
    with connected(world) as erp:
        erp._caller.base = "http://127.0.0.1:1"
        with pytest.raises(UnavailableError) as caught:
            erp.find(order(0)[1])
    assert "127.0.0.1" not in str(caught.value)


def test_a_kind_without_a_place_and_a_body_of_another_order_are_refused(world, order):
    kind, key, body = order(0)
    with connected(world) as erp:
        for given in ((KINDS[1], key, body), (kind, order(1)[1], body), (kind, key, b"{}")):
            with pytest.raises((RefusedError, KeyError)):
                erp.open(*given)
    assert world.stored(key) == []


@pytest.mark.parametrize("name", ["erpnext", "odoo", "sap"])
def test_a_kind_that_the_erp_has_no_place_for_is_named(tmp_path, order, name):
    _, key, body = order(0)
    other = body.replace(b"andon.quality_event.", b"andon.oee_shift.")
    with WORLDS[name](tmp_path) as world, connected(world) as erp:
        for call in (erp.open, erp.preview):
            with pytest.raises(RefusedError, match="oee_shift") as caught:
                call("oee_shift", key, other)
            assert "quality_event" in str(caught.value)


def test_features_are_what_the_driver_does(world, order):
    kind, key, body = order(1)
    with connected(world) as erp:
        assert erp.features <= FEATURES
        record = erp.open(kind, key, body)
        if "state" in erp.features and world.finish is not None:
            assert not erp.get_state(record).closed
            world.finish(key)
            state = erp.get_state(record)
            assert state.closed
            assert state.status
        for _ in range(2):
            if "attach" in erp.features:
                erp.attach(record, "evidence.pdf", b"%PDF-1.7", "application/pdf")
            else:
                with pytest.raises(RefusedError, match="attach"):
                    erp.attach(record, "evidence.pdf", b"%PDF-1.7", "application/pdf")
        if world.files is not None:
            (file,) = world.files()
            assert file[1:] == ("evidence.pdf", b"%PDF-1.7")


def test_the_state_of_a_record_that_somebody_deleted_is_404(world, order):
    assert world.remove is not None
    kind, key, body = order(1)
    with connected(world) as erp:
        record = erp.open(kind, key, body)
        world.remove(key)
        with pytest.raises(RefusedError) as caught:
            erp.get_state(record)
        assert caught.value.status == 404
        assert erp.find(key) is None


def test_records_lists_every_key_with_kind_and_revision(world, order):
    with connected(world) as erp:
        if "list" not in erp.features:
            with pytest.raises(RefusedError, match="list"):
                list(erp.records(0))
            return
        made = [erp.open(*order(number)) for number in range(6)]
        erp.update(*revised(order(2)), made[2])
        listed = {record.key: record for record in erp.records(START_NS - 86_400 * NS_PER_S)}
    assert {key: (one.kind, one.revision, one.id) for key, one in listed.items()} == {
        order(number)[1]: (order(number)[0], 2 if number == 2 else 1, made[number].id) for number in range(6)
    }


def test_a_preview_is_what_is_sent(world, order):
    for number in (0, 1):
        kind, key, body = order(number)
        with connected(world) as erp:
            shown = erp.preview(kind, key, body)
            assert world.stored(key) == []
            erp.open(kind, key, body)
        (stored,) = world.stored(key)
        assert shown
        for name, value in shown.items():
            assert str(stored[name]) == str(value), name


def test_a_sender_over_a_faulty_erp_leaves_one_record_each(world, tmp_path):
    """Thirty orders of seven assets, a third of all requests hit by a fault, the clock moved by hand."""
    clock = ManualClock(START_NS)
    records = filled(tmp_path / "records", 30, clock)
    rng = random.Random(7)
    with connected(world) as erp:
        sender = Sender(records, erp, clock, rng=random.Random(1))
        for _ in range(2000):
            world.faults(*(rng.choice(("lost", "limited", "broken", *["-"] * 6)) for _ in range(4)))
            sender.step(most=1)
            counts = records.order_counts()
            if counts["delivered"] == 30:
                break
            clock.advance(400)
    assert records.order_counts() == {"pending": 0, "leased": 0, "delivered": 30, "parked": 0}
    for one in records.orders(limit=100):
        assert [stored["revision"] for stored in world.stored(one.order_key)] == [1]

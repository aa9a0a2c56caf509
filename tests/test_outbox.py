"""The sender against a stub ERP that fails on purpose, and against a scripted connector with a clock moved by hand."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from andon.clock import ManualClock
from andon.errors import AccessError, DeliveryError, RecordsError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, verify_audit
from sinks.erp.port import BrokenError, BusyError, ExternalRecord, RefusedError, SendError, UnavailableError
from sinks.erp.stub import Faults
from sinks.erp.webhook import WebhookConnector, check_secret, check_url, new_secret
from sinks.outbox import Sender
from tests.records_world import QUALITY, SECRET, START_NS, filled, opened, orders, raised, stub_erp

pytestmark = pytest.mark.usefixtures("database")
FAST = {"gaps_s": (0.0,), "rng": random.Random(1)}


class NoJitter(random.Random):
    """Takes nothing off."""

    def uniform(self, _a, b):
        return b


class Scripted:
    """An ERP in memory; `script` says what the next opens do: None takes it, an error is raised before or after."""

    def __init__(self, script: list[SendError | Callable[[], None] | None] | None = None) -> None:
        self.script = script or []
        self.taken: dict[str, ExternalRecord] = {}
        self.calls: list[tuple[str, str]] = []
        self.find_error: SendError | None = None
        self.commit_before_error = False

    def find(self, key: str) -> ExternalRecord | None:
        self.calls.append(("find", key))
        if self.find_error is not None:
            raise self.find_error
        return self.taken.get(key)

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        assert json.loads(body)["subject"] == key
        self.calls.append(("open", key))
        step = self.script.pop(0) if self.script else None
        if callable(step):
            step()
        if isinstance(step, SendError) and not self.commit_before_error:
            raise step
        if key in self.taken:
            raise AssertionError("opened twice")
        self.taken[key] = ExternalRecord(str(len(self.taken) + 1), f"{kind}-{len(self.taken) + 1}")
        if isinstance(step, SendError):
            raise step
        return self.taken[key]

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        assert found.number.startswith(kind)
        self.calls.append(("update", key))
        self.taken[key] = ExternalRecord(found.id, found.number, json.loads(body)["data"]["revision"])
        return self.taken[key]

    def ping(self) -> None:
        pass


def by_hand(tmp_path, script, count=1, **kwargs):
    """Records, a clock moved by hand, a scripted ERP and a sender without jitter."""
    clock = ManualClock(START_NS)
    records = filled(tmp_path, count, clock)
    erp = Scripted(script)
    return records, clock, erp, Sender(records, erp, clock, rng=NoJitter(), owner="test", **kwargs)


def test_every_order_is_delivered_with_its_number(tmp_path):
    records = filled(tmp_path, 12)
    with stub_erp(tmp_path) as (url, store), WebhookConnector(url, SECRET) as erp:
        assert Sender(records, erp, records.clock).step() == 12
        shown = {record["key"]: record["number"] for record in store.records()}
    assert {alarm.key: alarm.erp_number for alarm in records.alarms()} == shown
    assert sorted(shown.values()) == [f"{kind}-{i:06d}" for kind in ("MO", "QE") for i in range(1, 7)]
    assert records.order_counts() == {"pending": 0, "leased": 0, "delivered": 12, "parked": 0}
    assert verify_audit(records).ok


@pytest.mark.parametrize("strict", [False, True])
def test_all_faults_and_still_one_record_each(tmp_path, strict):
    records = filled(tmp_path, 40)
    faults = Faults(7, slow_s=0.0, retry_after_s=0)
    with stub_erp(tmp_path, faults=faults, strict=strict) as (url, store), WebhookConnector(url, SECRET) as erp:
        sender = Sender(records, erp, records.clock, **FAST, max_refusals=50)
        for _ in range(400):
            if not sender.step():
                break
        stats = store.stats()
    assert records.order_counts()["delivered"] == 40
    assert (stats["records"], stats["doubled"], stats["effects"]) == (40, 0, {"created": 40})
    assert {"busy", "error", "unavailable", "lost"} <= set(stats["faults"])


def test_without_an_external_key_lost_answers_make_doubles(tmp_path):
    """The control: the same run against an ERP that cannot find by key."""
    records = filled(tmp_path, 40)
    faults = Faults(7, slow_s=0.0, retry_after_s=0)
    with stub_erp(tmp_path, faults=faults, unique=False) as (url, store), WebhookConnector(url, SECRET) as erp:
        sender = Sender(records, erp, records.clock, **FAST, max_refusals=50)
        for _ in range(400):
            if not sender.step():
                break
        assert store.stats()["doubled"] > 0


def test_lost_answer_is_found_not_sent_again(tmp_path):
    records, clock, erp, sender = by_hand(tmp_path, [UnavailableError(None, "ReadError")])
    erp.commit_before_error = True
    assert sender.step() == 1
    clock.advance(5)
    assert sender.step() == 1
    assert [call for call, _ in erp.calls] == ["open", "find"]
    (order,) = records.orders()
    assert (order.state, order.external_number) == ("delivered", "quality_event-1")
    assert [one.outcome for one in records.deliveries(order.order_key)] == ["retry", "found"]


def test_backoff_pauses_the_sender_and_grows_to_its_cap(tmp_path):
    down = UnavailableError(None, "ConnectError")
    records, clock, erp, sender = by_hand(tmp_path, [down] * 10, count=3)
    waits = []
    for _ in range(10):
        assert sender.step() == 1  # one probe, not one for each order
        waited = 0
        while sender.breaker.state == "open":
            clock.advance(1)
            waited += 1
        waits.append(waited)
    assert waits == [1, 2, 5, 10, 20, 30, 60, 120, 300, 300]
    for _ in range(3):
        sender.step()
        clock.advance(300)
    assert records.order_counts()["delivered"] == 3
    assert len(erp.taken) == 3


def test_jitter_only_shortens(tmp_path):
    records = filled(tmp_path, 1)
    sender = Sender(records, Scripted([UnavailableError(None, "x")]), records.clock, rng=random.Random(3))
    sender.step()
    (order,) = records.orders()
    assert 0.8 * NS_PER_S <= order.next_at_ns - START_NS < NS_PER_S


def test_retry_after_is_honoured(tmp_path):
    _, clock, erp, sender = by_hand(tmp_path, [BusyError(429, "slow down", 42.0)], count=2)
    assert sender.step() == 1
    clock.advance(41.9)
    assert sender.step() == 0
    clock.advance(0.2)
    assert sender.step() == 2
    assert len(erp.taken) == 2


def test_a_refused_order_is_looked_up_parked_and_alarmed_while_others_go_on(tmp_path):
    records, clock, erp, sender = by_hand(tmp_path, [RefusedError(422, "no such asset")], count=8)
    assert sender.step() == 8
    parked = records.orders(state="parked")
    assert [(one.last_error, one.failures) for one in parked] == [("422: no such asset", 1)]
    assert ("find", parked[0].order_key) in erp.calls
    (alarm,) = [alarm for alarm in records.alarms() if alarm.rule_id == "erp-parked"]
    assert (alarm.asset, alarm.state, alarm.raises) == (parked[0].asset, "unacknowledged", "none")
    assert alarm.evidence["order_key"] == parked[0].order_key
    assert records.order_counts() == {"pending": 0, "leased": 0, "delivered": 7, "parked": 1}

    with pytest.raises(AccessError):
        records.release_order(parked[0].order_key, SYSTEM_SENDER, "again")
    with pytest.raises(RecordsError, match="reason"):
        records.release_order(parked[0].order_key, QUALITY, "  ")
    records.release_order(parked[0].order_key, QUALITY, "asset has been created in the ERP")
    clock.advance(60)
    assert sender.step() == 1
    assert records.order_counts()["delivered"] == 8
    assert records.alarm(alarm.key).state == "returned_unacknowledged"
    assert records.alarm(alarm.key).out_s == 60.0
    with pytest.raises(RecordsError):
        records.release_order(parked[0].order_key, QUALITY, "again")


def test_a_refusal_of_something_taken_is_a_delivery(tmp_path):
    records, _, erp, sender = by_hand(tmp_path, [RefusedError(400, "external key must be unique")])
    erp.commit_before_error = True
    sender.step()
    assert records.order_counts()["delivered"] == 1
    assert records.deliveries(records.orders()[0].order_key)[0].outcome == "found"


def test_nothing_is_parked_when_the_lookup_fails(tmp_path):
    """A wrong secret makes every call a 401; thousands of orders must not be parked for it."""
    records, clock, erp, sender = by_hand(tmp_path, [RefusedError(401, "who?")] * 3, count=5)
    erp.find_error = RefusedError(401, "who?")
    for _ in range(3):
        assert sender.step() == 1
        clock.advance(300)
    assert records.order_counts() == {"pending": 5, "leased": 0, "delivered": 0, "parked": 0}


@pytest.mark.parametrize("status", [500, 409])
def test_answers_that_blame_the_order_are_capped(tmp_path, status):
    records, clock, _, sender = by_hand(tmp_path, [BrokenError(status, "unknown model")] * 12, count=1)
    for _ in range(12):
        assert sender.step() == 1
        clock.advance(300)
    assert records.order_counts()["parked"] == 1
    assert [one.outcome for one in records.deliveries(records.orders()[0].order_key)] == ["retry"] * 11 + ["parked"]


def test_an_outage_is_never_parked(tmp_path):
    records, clock, _, sender = by_hand(tmp_path, [UnavailableError(None, "ConnectError")] * 30)
    for _ in range(30):
        assert sender.step() == 1
        clock.advance(300)
    assert records.order_counts()["pending"] == 1
    sender.step()
    assert records.order_counts()["delivered"] == 1


def test_an_erp_that_answers_500_to_everything_is_away_and_parks_nothing(tmp_path):
    """Eight hours of it; what it does not take when all else goes again is parked after its own refusals."""
    records, clock, erp, sender = by_hand(tmp_path, [BrokenError(500, "internal error")] * 10_000, count=40)
    for _ in range(8 * 12):
        sender.step()
        clock.advance(300)
    assert records.order_counts()["parked"] == 0
    assert sender.breaker.state != "closed"
    poison = records.orders()[-1].order_key
    erp.script = []

    def takes(kind, key, body, take=erp.open):
        if key == poison:
            raise BrokenError(500, "internal error")
        return take(kind, key, body)

    erp.open = takes
    records.apply_conditions(orders(200), SYSTEM_FLOW)
    for _ in range(60):
        sender.step()
        clock.advance(300)
    assert records.order_counts() == {"pending": 0, "leased": 0, "delivered": 199, "parked": 1}


def test_a_broken_connector_is_capped_too(tmp_path):
    def bug():
        raise ZeroDivisionError

    records, clock, _, sender = by_hand(tmp_path, [bug] * 3, max_refusals=3)
    for _ in range(3):
        sender.step()
        clock.advance(300)
    assert records.order_counts()["parked"] == 1


def test_orders_of_an_asset_keep_their_order(tmp_path):
    script = [BrokenError(500, "x")]
    records, clock, erp, sender = by_hand(tmp_path, script, count=20, max_refusals=5)
    assert sender.step() == 18  # the first of m0 waits, and so do the two behind it
    clock.advance(5)
    sender.step()
    opened = [key for call, key in erp.calls if call == "open"]
    decided = [order.order_key for order in reversed(records.orders())]
    assets = {order.order_key: order.asset for order in records.orders()}
    for asset in set(assets.values()):
        first = list(dict.fromkeys(key for key in opened if assets[key] == asset))
        assert first == [key for key in decided if assets[key] == asset]
    assert records.order_counts()["delivered"] == 20


def test_a_revision_updates_the_same_record(tmp_path):
    records, _, erp, sender = by_hand(tmp_path, [])
    sender.step()
    records.apply_conditions([raised(0, asset="line/m0", raises="quality_event", peak=12.0, offset=900)], SYSTEM_FLOW)
    assert records.order_counts()["pending"] == 1
    sender.step()
    assert [call for call, _ in erp.calls] == ["open", "find", "update"]
    (order,) = records.orders()
    assert (order.state, order.delivered_revision, order.external_id) == ("delivered", 2, "1")
    assert len(erp.taken) == 1


def test_a_revision_decided_while_the_order_is_under_way_is_sent_after_it(tmp_path):
    newer = raised(0, asset="line/m0", raises="quality_event", peak=12.0, offset=900)
    records, _, erp, sender = by_hand(tmp_path, [lambda: records.apply_conditions([newer], SYSTEM_FLOW) and None])
    assert sender.step() == 2
    assert [call for call, _ in erp.calls] == ["open", "find", "update"]
    assert records.orders()[0].delivered_revision == 2


def test_a_late_holder_of_a_lease_is_fenced(tmp_path):
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 1, clock)
    first = records.claim_order("a", 30.0, SYSTEM_SENDER)
    assert records.claim_order("b", 30.0, SYSTEM_SENDER) is None
    clock.advance(31)
    second = records.claim_order("b", 30.0, SYSTEM_SENDER)
    assert (first.fence, second.fence, second.attempt) == (1, 2, 2)
    assert not records.finish_order(first, DeliveryResult("parked", 422, "late"), SYSTEM_SENDER)
    assert records.orders()[0].state == "leased"
    assert records.finish_order(second, DeliveryResult("delivered", external_id="1"), SYSTEM_SENDER)
    assert not records.finish_order(first, DeliveryResult("retry", 500, "told twice"), SYSTEM_SENDER)
    assert records.orders()[0].state == "delivered"
    assert [one.outcome for one in records.deliveries(first.order_key)] == ["fenced", "delivered"]


def test_a_clock_set_back_does_not_hold_orders_for_hours(tmp_path):
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 2, clock)
    item = records.claim_order("a", 30.0, SYSTEM_SENDER)
    records.finish_order(item, DeliveryResult("retry", None, "x", retry_after_s=300.0), SYSTEM_SENDER)
    records.claim_order("gone", 30.0, SYSTEM_SENDER)
    clock.advance(-48 * 3600)
    assert records.claim_order("b", 30.0, SYSTEM_SENDER) is not None
    assert records.claim_order("b", 30.0, SYSTEM_SENDER) is not None


def test_four_racing_senders(tmp_path):
    folder, count = tmp_path, 50
    filled(folder, count).close()
    faults = Faults(11, slow_s=0.05, retry_after_s=0)
    errors = []

    def send(url, stop):
        try:
            records = opened(folder)
            with WebhookConnector(url, SECRET) as erp:
                Sender(records, erp, records.clock, gaps_s=(0.0,), max_refusals=99).run(stop, poll_s=0.01)
            records.close()
        except Exception as error:
            errors.append(error)

    watcher = opened(folder)
    with stub_erp(tmp_path, faults=faults) as (url, store):
        stop = threading.Event()
        threads = [threading.Thread(target=send, args=(url, stop)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(400):
            if watcher.order_counts()["delivered"] == count:
                break
            stop.wait(0.05)
        stop.set()
        for thread in threads:
            thread.join(20)
        stats = store.stats()
    assert not errors
    assert (stats["records"], stats["doubled"], stats["effects"]) == (count, 0, {"created": count})
    assert watcher.order_counts()["delivered"] == count
    outcomes = Counter(one.outcome for order in watcher.orders() for one in watcher.deliveries(order.order_key))
    assert outcomes["delivered"] + outcomes["found"] == count
    assert verify_audit(watcher).ok


def test_an_order_is_claimed_by_one_of_eight_that_reach_for_it_at_once(tmp_path):
    filled(tmp_path, 21).close()
    claims, errors, together = [], [], threading.Barrier(8)

    def reach(number):
        try:
            with opened(tmp_path) as mine:
                together.wait(30)
                while (item := mine.claim_order(f"sender {number}", 30.0, SYSTEM_SENDER)) is not None:
                    claims.append((item.order_key, item.fence, item.asset))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=reach, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    # Of each of the 7 assets the oldest order, each once.
    assert len(claims) == len({key for key, _, _ in claims}) == len({asset for _, _, asset in claims}) == 7
    assert {fence for _, fence, _ in claims} == {1}


def test_only_the_sender_may_claim(tmp_path):
    records = filled(tmp_path, 1)
    for actor in (None, QUALITY):
        with pytest.raises(AccessError):
            records.claim_order("x", 1.0, actor)


WEBHOOK_ERRORS = {
    "http-beyond-loopback": (lambda: check_url("http://erp.example.com"), "erp.url_plain"),
    "not-a-url": (lambda: check_url("erp.example.com/hook"), "erp.url_invalid"),
    "file": (lambda: check_url("file:///etc/passwd"), "erp.url_invalid"),
    "credentials-in-url": (lambda: check_url("https://me:pw@erp.example.com"), "erp.url_invalid"),
    "loopback-look-alike": (lambda: check_url("http://127.0.0.1.example.com"), "erp.url_plain"),
    "short-secret": (lambda: check_secret("whsec_c2hvcnQ="), "erp.secret_invalid"),
    "secret-not-base64": (lambda: check_secret("whsec_!!!"), "erp.secret_invalid"),
}


@pytest.mark.parametrize(("call", "code"), WEBHOOK_ERRORS.values(), ids=WEBHOOK_ERRORS.keys())
def test_webhook_configuration_is_checked(call, code):
    with pytest.raises(DeliveryError) as caught:
        call()
    assert caught.value.code == code


def test_good_configuration_passes():
    assert check_url("https://erp.example.com/hook/") == "https://erp.example.com/hook"
    assert check_url("http://[::1]:8090") == "http://[::1]:8090"
    assert len(check_secret(new_secret())) == 32


def test_a_body_too_large_is_refused_before_it_is_sent():
    with WebhookConnector("http://127.0.0.1:9", SECRET) as erp, pytest.raises(RefusedError):
        erp.open("quality_event", "k" * 20, b"x" * 20_000)


def test_no_server_is_an_outage():
    with WebhookConnector("http://127.0.0.1:9", SECRET) as erp, pytest.raises(UnavailableError) as caught:
        erp.ping()
    assert "127.0.0.1" not in str(caught.value)


def test_the_largest_evidence_still_fits_the_body(tmp_path):
    records = filled(tmp_path, 0)
    records.apply_conditions([raised(evidence={"rows": ["x" * 100] * 1000})], SYSTEM_FLOW)
    with stub_erp(tmp_path) as (url, store), WebhookConnector(url, SECRET) as erp:
        Sender(records, erp, records.clock).step()
        assert store.stats()["records"] == 1
        assert len(store.records()[0]["body"]) < 20_000


def test_every_event_is_a_valid_cloudevent(tmp_path):
    from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
    from cloudevents.core.formats.json import JSONFormat

    records = filled(tmp_path, 0)
    records.apply_conditions(orders(2), SYSTEM_FLOW)
    item = records.claim_order("x", 30.0, SYSTEM_SENDER)
    message = HTTPMessage({"content-type": "application/cloudevents+json"}, item.body.encode())
    event = from_structured_event(message, JSONFormat())
    assert event.get_id() == f"{item.order_key}.1"
    assert event.get_type() == "andon.quality_event.opened"
    assert event.get_source() == "/site/szh1/line/m0"
    assert event.get_subject() == item.order_key

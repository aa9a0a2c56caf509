"""The circuit breaker, and the lanes in which a sender has several calls under way."""

from __future__ import annotations

import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.clock import ManualClock, SystemClock
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER
from sinks.breaker import Breaker
from sinks.erp.port import BusyError, ExternalRecord, UnavailableError
from sinks.lanes import Lanes
from sinks.outbox import GAPS_S, Sender
from tests.records_world import START_NS, filled, fresh, orders, raised

GAPS = (1.0, 2.0, 5.0)


class NoJitter(random.Random):
    """Takes nothing off."""

    def uniform(self, _a, b):
        return b


def breaker(**given):
    clock = ManualClock(START_NS)
    return Breaker(clock, given.get("gaps_s", GAPS), NoJitter()), clock


def test_one_outage_opens_it_one_call_finds_out_and_closes_it():
    one, clock = breaker()
    assert (one.state, one.room(3, 8)) == ("closed", 8)
    assert one.failed(one.round, "away", None) == 1.0
    assert (one.state, one.room(0, 8), one.error) == ("open", 0, "away")
    clock.advance(1.0)
    assert (one.state, one.room(1, 8), one.room(0, 8), one.room(0, 0)) == ("half_open", 0, 1, 0)
    one.answered(one.round)
    assert (one.state, one.room(0, 8), one.failures, one.error) == ("closed", 8, 0, "")


def test_calls_that_were_under_way_together_are_one_outage():
    one, clock = breaker()
    begun = one.round
    waits = [one.failed(begun, "away", None) for _ in range(8)]
    assert (one.failures, waits) == (1, [1.0] * 8)
    one.answered(begun)
    assert one.state == "open", "an answer to what was begun before it says nothing"
    clock.advance(1.0)
    assert one.failed(one.round, "still", None) == 2.0


def test_the_longest_wait_that_was_asked_for_counts():
    one, clock = breaker()
    begun = one.round
    one.failed(begun, "429", 30.0)
    one.failed(begun, "429", 42.0)
    one.failed(begun, "429", 7.0)
    assert one.left_s() == 42.0
    clock.advance(41.9)
    assert one.state == "open"


def test_a_clock_set_back_does_not_keep_it_open():
    one, clock = breaker()
    one.failed(one.round, "away", None)
    clock.advance(-3600)
    assert one.state == "half_open"


@given(st.lists(st.one_of(st.just("fail"), st.just("answer"), st.floats(0.1, 10.0)), max_size=40))
def test_it_waits_as_long_as_the_failures_in_a_row_say(acts):
    """A naive twin that only knows calls one at a time."""
    one, clock = breaker()
    failures, until_ns = 0, 0
    for act in acts:
        if isinstance(act, float):
            clock.advance(act)
        elif not one.room(0, 1):
            assert clock.now_ns() < until_ns
            continue
        elif act == "fail":
            failures += 1
            one.failed(one.round, "x", None)
            until_ns = clock.now_ns() + round(GAPS[min(failures, len(GAPS)) - 1] * NS_PER_S)
        else:
            failures = 0
            one.answered(one.round)
        assert one.failures == failures
        assert (one.state == "closed") == (failures == 0)
        assert (one.state == "open") == (failures > 0 and clock.now_ns() < until_ns)


@pytest.mark.parametrize("drivers", [1, 4])
def test_lanes_do_every_job_once_with_a_driver_at_a_time(drivers):
    busy = {number: threading.Lock() for number in range(drivers)}

    def work(driver: int, job: int) -> int:
        assert busy[driver].acquire(blocking=False), "a driver is used by one thread"
        busy[driver].release()
        return job * 10

    lanes: Lanes[int, int, int] = Lanes(range(drivers), work)
    done: list[int] = []
    for job in range(50):
        while not lanes.free:
            done += lanes.take()
        lanes.begin(job)
    while lanes.under_way:
        done += lanes.take()
    assert sorted(done) == [job * 10 for job in range(50)]
    assert lanes.take() == []
    lanes.close()


class Together:
    """An ERP in memory that waits until so many calls are under way at once, and keeps the order they came in."""

    barrier: threading.Barrier | None = None

    def __init__(self, taken: list[str]) -> None:
        self.taken = taken

    def find(self, key: str) -> ExternalRecord | None:
        return ExternalRecord(key, key) if key in self.taken else None

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        if self.barrier is not None:
            self.barrier.wait(30)
        self.taken.append(key)
        return ExternalRecord(key, key)

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        raise AssertionError("nothing was revised")


def test_orders_of_several_assets_are_under_way_at_once_and_those_of_one_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(Together, "barrier", threading.Barrier(4))
    taken: list[str] = []
    records = filled(tmp_path, 40, assets=4)
    sender = Sender(records, Together(taken), records.clock, beside=[Together(taken) for _ in range(3)])
    assert sender.step() == 40
    rows = list(reversed(records.orders()))
    for asset in {one.asset for one in rows}:
        mine = [one.order_key for one in rows if one.asset == asset]
        assert [key for key in taken if key in mine] == mine
    assert records.order_counts()["delivered"] == 40


class Choosy(Together):
    """Never answers one order in time."""

    def __init__(self, taken: list[str], poisoned: str, failure: Exception) -> None:
        super().__init__(taken)
        self.poisoned, self.failure = poisoned, failure

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        if key == self.poisoned:
            raise self.failure
        return super().open(kind, key, body)


def of_one_that_fails(tmp_path, failure):
    records = filled(tmp_path, 14, ManualClock(START_NS))
    poisoned = records.orders()[-1].order_key  # the oldest: it is what an open breaker would try first
    sender = Sender(records, Choosy([], poisoned, failure), records.clock, rng=NoJitter())
    return records, sender, poisoned


def test_an_order_that_meets_an_outage_alone_holds_up_its_asset_only_and_is_parked_at_last(tmp_path):
    records, sender, poisoned = of_one_that_fails(tmp_path, UnavailableError(None, "ReadTimeout"))
    for _ in range(4):
        sender.step()
        records.clock.advance(1)
    assert records.order_counts() == {"pending": 2, "leased": 0, "delivered": 12, "parked": 0}, "all but its asset's"
    more = orders(1000)
    for number in range(40):
        records.apply_conditions([more[302 + 7 * number]], SYSTEM_FLOW)
        sender.step()
        records.clock.advance(301)
    assert [one.order_key for one in records.orders(state="parked")] == [poisoned]
    sender.step()
    assert records.order_counts()["pending"] == 0, "and then its asset goes on"


def test_an_erp_that_asks_to_wait_blames_nothing(tmp_path):
    records, sender, _ = of_one_that_fails(tmp_path, BusyError(429, "slow down", 5.0))
    for minute in range(60):
        records.apply_conditions([orders(1000)[300 + 7 * minute + 1]], SYSTEM_FLOW)
        sender.step()
        records.clock.advance(301)
    assert records.order_counts()["parked"] == 0


def test_who_wants_to_know_hears_of_every_change(tmp_path):
    heard: list[str] = []
    records = filled(tmp_path, 1, ManualClock(START_NS))
    key = records.orders()[0].order_key
    erp = Choosy([], key, UnavailableError(None, "ConnectError"))
    sender = Sender(records, erp, records.clock, rng=NoJitter(), told=lambda one: heard.append(one.state))
    sender.step()
    records.clock.advance(GAPS_S[0])
    erp.poisoned = ""
    sender.step()
    assert heard == ["closed", "open", "half_open", "closed"]


class Slow:
    """An ERP without unique keys; a call for one asset takes longer than the lease."""

    def __init__(self, made: list[str]) -> None:
        self.made = made

    def find(self, key: str) -> ExternalRecord | None:
        return ExternalRecord(key, key) if key in self.made else None

    def open(self, kind: str, key: str, body: bytes) -> ExternalRecord:
        time.sleep(1.2 if b"slow/press" in body else 0.05)
        self.made.append(key)
        return ExternalRecord(key, key)

    def update(self, kind: str, key: str, body: bytes, found: ExternalRecord) -> ExternalRecord:
        raise AssertionError("nothing was revised")


def test_an_order_whose_call_outlasts_its_lease_is_sent_once(tmp_path):
    records = fresh(tmp_path, SystemClock())
    others = [raised(number, asset=f"line/m{number}") for number in range(1, 30)]
    records.apply_conditions([raised(asset="slow/press"), *others], SYSTEM_FLOW)
    made: list[str] = []
    sender = Sender(records, Slow(made), records.clock, beside=[Slow(made) for _ in range(3)], lease_s=0.2)
    while records.order_counts()["delivered"] < 30:
        sender.step()
    assert sorted(made) == sorted(one.order_key for one in records.orders())


def test_a_lease_is_held_as_long_as_it_is_renewed_and_no_longer(tmp_path):
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 1, clock)
    ours = records.claim_order("a", 10.0, SYSTEM_SENDER)
    for _ in range(5):
        clock.advance(9.0)
        assert records.claim_order("b", 10.0, SYSTEM_SENDER) is None
        records.renew_leases([ours], 10.0, SYSTEM_SENDER)
    clock.advance(11.0)
    theirs = records.claim_order("b", 10.0, SYSTEM_SENDER)
    assert theirs.fence > ours.fence
    records.renew_leases([ours], 1000.0, SYSTEM_SENDER)
    clock.advance(11.0)
    assert records.claim_order("c", 10.0, SYSTEM_SENDER) is not None, "what has passed to another is not renewed"

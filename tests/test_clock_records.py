"""Leases, waits, sessions and watchdogs when the machine's clock is set by an hour either way."""

from __future__ import annotations

import threading

import pytest
import structlog

from andon.clock import ManualClock
from andon.errors import AccessError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, verify_audit
from service.clock_gate import RELEASED_NS, await_clock
from service.deadman import SILENT_S, DeadMan
from sinks.erp.port import UnavailableError
from sinks.outbox import Sender
from tests.records_world import ADMIN, START_NS, filled, fresh, orders, raised
from tests.test_outbox import NoJitter, Scripted

HOUR_S = 3600.0
PASSWORD = "correct horse battery"
both_ways = pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])


@both_ways
@pytest.mark.usefixtures("database")
def test_new_orders_are_due_at_once(tmp_path, step_s):
    """Decided before the step and after it."""
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 3, clock)
    clock.advance(step_s)
    records.apply_conditions([raised(50, asset="line/other")], SYSTEM_FLOW)
    claimed = [records.claim_order("a", 60.0, SYSTEM_SENDER) for _ in range(4)]
    assert len({item.order_key for item in claimed}) == 4


@both_ways
@pytest.mark.usefixtures("database")
def test_an_order_that_waits_for_its_next_try_does_not_wait_an_hour_longer(tmp_path, step_s):
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 1, clock)
    item = records.claim_order("a", 60.0, SYSTEM_SENDER)
    records.finish_order(item, DeliveryResult("retry", None, "x", retry_after_s=300.0), SYSTEM_SENDER)
    assert records.claim_order("a", 60.0, SYSTEM_SENDER) is None
    clock.advance(step_s)
    clock.advance(301)
    assert records.claim_order("a", 60.0, SYSTEM_SENDER).attempt == 2


@both_ways
@pytest.mark.usefixtures("database")
def test_a_lease_of_a_sender_that_died_is_taken_over(tmp_path, step_s):
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 1, clock)
    first = records.claim_order("dead", 60.0, SYSTEM_SENDER)
    clock.advance(step_s)
    clock.advance(61)
    second = records.claim_order("b", 60.0, SYSTEM_SENDER)
    assert (second.fence, second.attempt) == (first.fence + 1, 2)
    assert not records.finish_order(first, DeliveryResult("delivered"), SYSTEM_SENDER)


@pytest.mark.usefixtures("database")
def test_clocks_of_two_nodes_that_differ_a_little_do_not_make_a_failing_order_urgent(tmp_path):
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 1, clock)
    item = records.claim_order("ahead", 60.0, SYSTEM_SENDER)
    records.finish_order(item, DeliveryResult("retry", None, "x", retry_after_s=20.0), SYSTEM_SENDER)
    clock.advance(-2.0)  # the other node's
    assert records.claim_order("behind", 60.0, SYSTEM_SENDER) is None


@both_ways
def test_a_sender_that_pauses_goes_on(tmp_path, step_s):
    clock = ManualClock(START_NS)
    records = filled(tmp_path, 2, clock)
    erp = Scripted([UnavailableError(None, "ConnectError")])
    sender = Sender(records, erp, clock, rng=NoJitter(), owner="test", gaps_s=(300.0,))
    assert sender.step() == 1
    assert sender.step() == 0  # it pauses
    clock.advance(step_s)
    clock.advance(301.0)
    assert sender.step() == 2
    assert len(erp.taken) == 2


@pytest.mark.usefixtures("database")
def test_steps_in_every_direction_leave_the_audit_trail_whole(tmp_path):
    clock = ManualClock(START_NS)
    records = fresh(tmp_path, clock)
    for number, step_s in enumerate((0.0, -HOUR_S, 10 * 365 * 24 * HOUR_S, -26 * 365 * 24 * HOUR_S, HOUR_S)):
        clock.advance(step_s)
        records.apply_conditions([raised(number)], SYSTEM_FLOW)
    found = verify_audit(records)
    assert (found.ok, found.records) == (True, 10)
    assert [one.seq for one in records.audit_trail()] == list(range(1, 11))
    records.close()
    assert verify_audit(records).ok


SESSIONS = {
    "an-hour-forward": (HOUR_S, "access.session_ended"),
    "an-hour-back": (-HOUR_S, "access.session_ended"),
    "a-minute-back": (-60.0, None),
    "ten-minutes-forward": (600.0, None),
}


@pytest.mark.parametrize(("step_s", "code"), SESSIONS.values(), ids=SESSIONS.keys())
@pytest.mark.usefixtures("database")
def test_a_session_ends_when_nobody_knows_how_long_it_was_idle(tmp_path, step_s, code):
    clock = ManualClock(START_NS)
    records = fresh(tmp_path, clock)
    records.create_user("li.wei", "Li Wei", "operator", PASSWORD, ADMIN, "new")
    token, _ = records.login("li.wei", PASSWORD, "t")
    clock.advance(step_s)
    if code is None:
        assert records.session(token).actor.id == "li.wei"
        return
    with pytest.raises(AccessError) as caught:
        records.session(token)
    assert caught.value.code == code
    again, _ = records.login("li.wei", PASSWORD, "t")
    assert records.session(again).actor.id == "li.wei"


@both_ways
def test_the_dead_man_goes_by_ages_and_tells_no_negative_time(step_s):
    """Signs of life are by the monotonic clock; only the stamps of its alarms are the wall's."""
    man, now_ns = DeadMan(["flow-0"]), START_NS
    assert man.look({"flow-0": 1.0}, now_ns) == []
    now_ns += round(step_s * NS_PER_S)
    assert man.look({"flow-0": 2.0}, now_ns) == []
    (raised_change,) = man.look({"flow-0": SILENT_S + 1}, now_ns)
    now_ns -= round(step_s * NS_PER_S)
    (cleared,) = man.look({"flow-0": 0.1}, now_ns)
    assert raised_change.out_s >= 0
    assert cleared.out_s >= 0
    assert cleared.cleared_ns >= cleared.start_ns


@both_ways
def test_the_records_take_conditions_of_any_time(tmp_path, step_s):
    clock = ManualClock(START_NS)
    records = fresh(tmp_path, clock)
    records.apply_conditions(orders(3), SYSTEM_FLOW)
    clock.advance(step_s)
    assert records.apply_conditions(orders(3), SYSTEM_FLOW) == 0
    assert len(records.alarms()) == 3


class Clockwork(threading.Event):
    """A stop that is never set; each wait moves the clock on, and in the end puts it right."""

    def __init__(self, clock: ManualClock, right_after: int, right_ns: int) -> None:
        super().__init__()
        self.clock, self.right_after, self.right_ns, self.waits = clock, right_after, right_ns, 0

    def wait(self, timeout: float | None = None) -> bool:
        self.clock.advance(timeout or 0.0)
        self.waits += 1
        if self.waits == self.right_after:
            self.clock.time_ns = self.right_ns
        return False


GATES = {
    # id:                    shown at the start,          newest seen,  put right after, waits, in the end
    "right": (START_NS, START_NS - 5 * NS_PER_S, 0, 0, True),
    "an-hour-behind-the-log": (START_NS, START_NS + 3600 * NS_PER_S, 0, 0, True),
    "year-2000": (946_684_800 * NS_PER_S, START_NS, 30, 30, True),
    "year-2000-first-start": (946_684_800 * NS_PER_S, 0, 7, 7, True),
    "two-days-behind-the-log": (START_NS, START_NS + 48 * 3600 * NS_PER_S, 3, 3, True),
    "never-put-right": (946_684_800 * NS_PER_S, START_NS, 10**9, 600, False),
}


@pytest.mark.parametrize(("shown", "newest", "right_after", "waits", "right"), GATES.values(), ids=GATES.keys())
def test_a_service_waits_for_a_clock_that_cannot_be_right(shown, newest, right_after, waits, right):
    clock = ManualClock(shown)
    stop, told = Clockwork(clock, right_after, max(START_NS, newest)), []
    with structlog.testing.capture_logs() as logs:
        assert await_clock(clock, newest, stop, lambda **words: told.append(words)) is right
    assert stop.waits == waits
    assert len(told) == (1 if waits else 0)
    assert [one["event"] for one in logs] == ["clock.behind", "clock.still_behind"][: len(told) + (not right)]
    if told:
        assert told[0]["least"] >= "2026-01-01"
    assert RELEASED_NS == 1_767_225_600 * NS_PER_S

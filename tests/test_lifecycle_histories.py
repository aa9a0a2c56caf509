"""Whole lives of alarm points against `tests/naive_lifecycle.py`: 10,000 of the pure state, some in the records."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.clock import ManualClock
from andon.errors import RecordsError
from andon.lifecycle import Move, Refused, State
from andon.occurrence import Occurrence, act, fact, let_in, set_aside, withheld
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SUPERVISOR, Records, alarm_key
from tests.naive_lifecycle import NaiveAlarm, NaivePoint
from tests.records_world import QUALITY, START_NS, cleared, fresh, opened, raised

FACTS = ("raised", "raised", "latching", "hushed", "cleared", "cleared", "reopened", "hush", "unhush")
ACTS = ("acknowledge", "acknowledge", "reset", "wait", "shelve", "unshelve", "remove", "restore", "night")
STEPS = st.lists(st.tuples(st.sampled_from(FACTS + ACTS), st.integers(0, 2)), max_size=14)
MOST = 4  # alarms of a point
POINTS = count()
CLOCK = ManualClock(START_NS)  # one for all lives: it only goes on
MOVE = {
    "acknowledge": Move.ACKNOWLEDGE, "reset": Move.RESET, "shelve": Move.SHELVE, "unshelve": Move.UNSHELVE,
    "remove": Move.REMOVE, "restore": Move.RESTORE,
}  # fmt: skip


def possible(twin: NaivePoint, what: str, number: int) -> NaiveAlarm | None:
    """The alarm that a step is about, None where the log cannot say that or there is none."""
    if number >= len(twin.alarms):
        return None
    alarm = twin.alarms[number]
    fits = {
        "cleared": alarm.true_now, "reopened": not alarm.true_now, "hush": alarm.true_now and not alarm.hushed,
        "unhush": alarm.true_now and alarm.hushed,
    }  # fmt: skip
    return alarm if fits.get(what, True) else None


def told_to_twin(twin: NaivePoint, what: str, alarm: NaiveAlarm) -> bool:
    """The step done by the twin; False when it refuses."""
    if what in ("wait", "night"):
        if what == "night":
            twin.let_in("shelved")
        for one in twin.alarms:
            twin.announce_again(one)
        return True
    acts = {
        "acknowledge": lambda: twin.acknowledge(alarm), "reset": lambda: twin.reset(alarm),
        "shelve": lambda: twin.set_aside(alarm, "shelved"), "unshelve": lambda: twin.let_in("shelved"),
        "remove": lambda: twin.set_aside(alarm, "out_of_service"), "restore": lambda: twin.let_in("out_of_service"),
    }  # fmt: skip
    if what in acts:
        return acts[what]()
    facts = {"cleared": twin.cleared, "reopened": twin.reopened, "hush": twin.hush, "unhush": twin.unhush}
    facts[what](alarm)
    return True


class Pure:
    """A point made of `andon.occurrence` alone."""

    def __init__(self) -> None:
        self.alarms: list[Occurrence] = []
        self.announced: list[int] = []
        self.ordered: list[bool] = []
        self.aside: State | None = None

    def put(self, number: int, after: Occurrence) -> None:
        before = self.alarms[number].state
        self.announced[number] += after.state is State.UNACKNOWLEDGED and before is not after.state
        self.ordered[number] |= after.active and not withheld(after)
        self.alarms[number] = after

    def raised(self, *, latching: bool, hushed: bool) -> None:
        self.alarms.append(Occurrence(latching=latching, suppressed=hushed, aside=self.aside))
        self.announced.append(0)
        self.ordered.append(False)
        self.put(len(self.alarms) - 1, fact(self.alarms[-1], Move.RAISE))

    def step(self, what: str, number: int) -> bool:
        facts = {
            "cleared": Move.CLEAR, "reopened": Move.RAISE, "hush": Move.SUPPRESS, "unhush": Move.UNSUPPRESS,
        }  # fmt: skip
        if what in facts:
            self.put(number, fact(self.alarms[number], facts[what]))
            return True
        if what in ("wait", "night"):
            if what == "night" and self.aside is State.SHELVED:
                self.all_of_the_point(None)
            for other, one in enumerate(self.alarms):
                again = act(one, Move.REALARM)
                if not isinstance(again, Refused):
                    self.put(other, again)
            return True
        after = act(self.alarms[number], MOVE[what])
        if isinstance(after, Refused):
            return False
        if what in ("acknowledge", "reset"):
            self.put(number, after)
        else:
            self.all_of_the_point(after.aside)
        return True

    def all_of_the_point(self, aside: State | None) -> None:
        self.aside = aside
        for number, one in enumerate(self.alarms):
            self.put(number, let_in(one) if aside is None else set_aside(one, aside))

    def shown(self) -> list[tuple[str, int, bool]]:
        states = [one.state.value for one in self.alarms]
        return list(zip(states, self.announced, self.ordered, strict=True))


def shown_by(twin: NaivePoint) -> list[tuple[str, int, bool]]:
    return [(one.shown(twin), one.announced, one.ordered) for one in twin.alarms]


@settings(max_examples=10_000)
@given(STEPS)
def test_ten_thousand_lives_equal_their_twins(steps):
    twin, pure = NaivePoint(), Pure()
    for what, number in steps:
        if what in ("raised", "latching", "hushed"):
            if len(twin.alarms) < MOST:
                kinds = {"latching": what == "latching", "hushed": what == "hushed"}
                twin.raised(**kinds)
                pure.raised(**kinds)
        elif (alarm := possible(twin, what, number)) is not None:
            assert pure.step(what, number) == told_to_twin(twin, what, alarm)
        assert pure.shown() == shown_by(twin), (what, number)


class Kept:
    """A point in the records; opened again, as after a kill, before any step that says so."""

    def __init__(self, records: Records, point: int) -> None:
        self.records, self.clock, self.tag = records, records.clock, f"t{point}"
        self.told: list = []
        self.offset = 0

    def tell(self, change) -> None:
        self.offset += 1
        change = replace(change, offset=self.offset)
        assert self.records.apply_conditions([change], SYSTEM_FLOW) == 1
        assert self.records.apply_conditions([change], SYSTEM_FLOW) == 0  # the log read again after a crash

    def raised(self, *, latching: bool, hushed: bool) -> None:
        change = raised(
            len(self.told), tag=self.tag, latching=latching, suppressed_by="schedule" if hushed else ""
        )  # fmt: skip
        self.tell(change)
        self.told.append(change)

    def key(self, number: int) -> str:
        one = self.told[number]
        return alarm_key("szh1", one.asset, one.tag, one.rule_id, one.start_ns)

    def step(self, what: str, number: int) -> bool:
        change, by = self.told[number], self.records
        if what in ("cleared", "reopened", "hush", "unhush"):
            self.told[number] = change = {
                "cleared": lambda: cleared(change, suppressed_by=""),
                "reopened": lambda: replace(change, kind="revised", cleared_ns=None, peak=change.peak + 1),
                "hush": lambda: replace(change, kind="suppressed", suppressed_by="mode"),
                "unhush": lambda: replace(change, kind="unsuppressed", suppressed_by=""),
            }[what]()
            self.tell(change)
            return True
        if what in ("wait", "night"):
            self.clock.advance(61 if what == "wait" else 8 * 3600)
            by.pass_time(SYSTEM_SUPERVISOR)
            assert by.pass_time(SYSTEM_SUPERVISOR) == 0
            return True
        key, acts = self.key(number), {
            "acknowledge": lambda key: by.acknowledge(key, QUALITY), "reset": lambda key: by.reset(key, QUALITY),
            "shelve": lambda key: by.shelve(key, QUALITY, "noise", self.clock.now_ns() + 8 * 3600 * NS_PER_S),
            "unshelve": lambda key: by.unshelve(key, QUALITY, "mended"),
            "remove": lambda key: by.take_out_of_service(key, QUALITY, "sensor away"),
            "restore": lambda key: by.restore_service(key, QUALITY, "sensor back"),
        }  # fmt: skip
        try:
            acts[what](key)
        except RecordsError as error:
            assert error.code in ("records.move_refused", "records.nothing_to_shelve")  # noqa: PT017 - other errors fail the test by themselves
            assert by.audit_trail(newest=True, limit=1)[0].action == "alarm.move_refused"
            return False
        return True

    def shown(self) -> list[tuple[str, int, bool]]:
        found = []
        for number in range(len(self.told)):
            alarm, steps = self.records.alarm(self.key(number)), self.records.transitions(self.key(number))
            states = ["normal", *(one.state for one in steps)]
            ups = sum(
                after == "unacknowledged" and (before != after or one.kind == "reopened")
                for before, after, one in zip(states, states[1:], steps, strict=False)
            )
            assert states[-1] == alarm.state
            found.append((alarm.state, ups, alarm.erp_state is not None))
        return found


@pytest.fixture(scope="module")
def folder(databases, tmp_path_factory) -> Path:
    """One database for all lives: each has a point of its own."""
    made = tmp_path_factory.mktemp("lives")
    with fresh(made) as records:
        records.register_rule("cold-room-high", "v1", {"above": 8.0, "realarm_s": 60.0}, SYSTEM_FLOW)
    return made


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(FACTS + ACTS), st.integers(0, 2), st.booleans()), max_size=14))
def test_the_records_live_the_same_lives_through_restarts(folder, steps):
    twin, kept = NaivePoint(), Kept(opened(folder, CLOCK), next(POINTS))
    for what, number, again in steps:
        if again:  # nothing is in memory that a kill would lose
            kept.records.engine.dispose()
            kept.records = opened(folder, CLOCK)
        if what in ("raised", "latching", "hushed"):
            if len(twin.alarms) < MOST:
                kinds = {"latching": what == "latching", "hushed": what == "hushed"}
                twin.raised(**kinds)
                kept.raised(**kinds)
        elif (alarm := possible(twin, what, number)) is not None:
            assert kept.step(what, number) == told_to_twin(twin, what, alarm)
    assert kept.shown() == shown_by(twin)
    kept.records.close()

"""The dead-man: one alarm for each silent part, cleared when it is back, whoever restarts meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.clock import ManualClock
from andon.datafolder import DataFolder
from andon.errors import RecordsError
from andon.heartbeat import Heartbeat, folder
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, Actor, Records, verify_audit
from service import deadman
from service.deadman import SILENT_S, DeadMan, expected_parts, watch
from service.parts import PartState, write_parts
from tests.engine_world import plant

NOW_NS = 1_767_225_600 * NS_PER_S
PARTS = ("flow-0", "flow-1", "sender")


class World:
    """A data folder, its records, a clock, and signs of life of any age."""

    def __init__(self, path: Path) -> None:
        self.data = DataFolder(path / "data")
        self.data.create("s1", 2)
        self.clock = ManualClock(NOW_NS)
        self.records = Records(self.data.records_db, "s1", self.clock).open()
        self.now = 1000.0  # of the machine's monotonic clock
        self.man = DeadMan(PARTS)

    def sign(self, *parts: str) -> None:
        for part in parts:
            Heartbeat(self.data, part)
            (folder(self.data) / part).write_text(repr(self.now))

    def go(self, seconds: float) -> None:
        self.now += seconds
        self.clock.time_ns += round(seconds * NS_PER_S)
        watch(self.data, self.records, self.man, self.clock)

    def restart(self) -> None:
        """A new dead-man over the same records."""
        self.man = DeadMan(PARTS)
        self.man.take_over(self.records.alarms(open_only=True))

    def alarms(self) -> list[tuple[str, bool]]:
        """(asset, still open), the oldest first."""
        found = sorted(self.records.alarms(), key=lambda one: (one.start_ns, one.asset))
        return [(one.asset, one.cleared_ns is None) for one in found]


@pytest.fixture
def world(tmp_path, monkeypatch):
    one = World(tmp_path)
    monkeypatch.setattr(deadman.heartbeat.time, "monotonic", lambda: one.now)
    yield one
    monkeypatch.undo()
    one.records.close()


def test_a_silent_part_raises_one_alarm_and_clears_it(world):
    world.sign(*PARTS)
    world.go(SILENT_S)
    assert world.alarms() == []
    world.sign("flow-0", "sender")
    for _ in range(5):
        world.go(1)
    assert world.alarms() == [("andon/flow-1", True)]
    (alarm,) = world.records.alarms()
    assert (alarm.raises, alarm.priority, alarm.condition) == ("none", "critical", "stale")
    assert alarm.start_ns == NOW_NS, "since the last sign"
    world.sign(*PARTS)
    world.go(1)
    assert world.alarms() == [("andon/flow-1", False)]
    world.go(1)
    assert len(world.records.transitions(alarm.key)) == 2
    assert verify_audit(world.records).ok


def test_the_next_silence_is_another_alarm(world):
    for _ in range(2):
        world.sign(*PARTS)
        world.go(1)
        world.sign("flow-0", "flow-1")
        world.go(SILENT_S)
        world.go(1)
        world.sign(*PARTS)
        world.go(1)
    assert [asset for asset, _ in world.alarms() if asset == "andon/sender"] == ["andon/sender"] * 2


def test_a_restart_of_its_own_raises_no_second_alarm_and_clears_the_first(world):
    world.sign(*PARTS)
    world.go(1)
    world.sign("flow-0", "sender")
    world.go(SILENT_S)
    for _ in range(3):
        world.restart()
        world.sign("flow-0", "sender")
        world.go(5)
    assert world.alarms() == [("andon/flow-1", True)]
    world.restart()
    world.sign(*PARTS)
    world.go(1)
    assert world.alarms() == [("andon/flow-1", False)]
    world.restart()
    world.sign(*PARTS)
    world.go(1)
    assert len(world.records.transitions(world.records.alarms()[0].key)) == 2


def test_an_acknowledged_alarm_is_taken_over_too(world):
    world.sign("flow-0", "sender")
    world.go(1)
    (alarm,) = world.records.alarms()
    world.records.acknowledge(alarm.key, Actor("li", "Li Wei", "operator", "room"), "looking")
    world.restart()
    world.sign("flow-0", "sender")
    world.go(1)
    assert world.alarms() == [("andon/flow-1", True)]


def test_parts_stopped_on_purpose_are_not_missed(world):
    world.sign(*PARTS)
    write_parts(world.data, {name: PartState(None, 0, wanted=name != "flow-1") for name in PARTS})
    world.go(SILENT_S + 1)
    assert world.alarms() == [("andon/flow-0", True), ("andon/sender", True)]
    write_parts(world.data, {name: PartState(1, 0, wanted=True) for name in PARTS})
    world.go(1)
    assert ("andon/flow-1", True) in world.alarms()


def test_a_part_that_the_configuration_no_longer_has_is_cleared(world):
    world.sign("flow-0", "sender")
    world.go(1)
    world.man = DeadMan(["flow-0", "sender"])
    world.man.take_over(world.records.alarms(open_only=True))
    world.go(1)
    assert world.alarms() == [("andon/flow-1", False)]


def test_a_database_that_refuses_is_tried_again(world, monkeypatch):
    world.sign("flow-0", "sender")
    apply, refusals = world.records.apply_conditions, iter([True, True, False])

    def refusing(*arguments: object) -> int:
        if next(refusals):
            raise RecordsError("records.busy")
        return apply(*arguments)

    monkeypatch.setattr(world.records, "apply_conditions", refusing)
    for _ in range(3):
        world.go(1)
    assert world.alarms() == [("andon/flow-1", True)]


def test_never_seen_is_silent():
    (change,) = DeadMan(["flow-0"]).look({}, NOW_NS)
    assert (change.kind, change.asset, change.start_ns) == (
        "raised",
        "andon/flow-0",
        NOW_NS - round(SILENT_S * NS_PER_S),
    )


@given(
    st.lists(st.dictionaries(st.sampled_from(PARTS), st.sampled_from([0.0, SILENT_S, SILENT_S + 1, None])), max_size=30)
)
def test_raised_and_cleared_take_turns(looks):
    """For any history of ages: each part's changes alternate, and each clearing names the start that was raised."""
    man, told = DeadMan(PARTS), {part: [] for part in PARTS}
    for at, ages in enumerate(looks):
        for change in man.look(ages, NOW_NS + at * NS_PER_S, stopped=["sender"] if at % 7 == 3 else []):
            told[change.asset.removeprefix("andon/")].append((change.kind, change.start_ns))
    for changes in told.values():
        assert [kind for kind, _ in changes] == ["raised", "cleared"] * (len(changes) // 2) + ["raised"] * (
            len(changes) % 2
        )
        for (_, raised), (_, cleared) in zip(changes[::2], changes[1::2], strict=False):
            assert raised == cleared


def test_the_watched_parts_of_a_site():
    assert expected_parts(plant().config, 1) == ["flow-0"]
    with_targets = plant(erp={"url": "http://127.0.0.1:1"}, influx={"url": "http://127.0.0.1:2"}).config
    assert expected_parts(with_targets, 2) == ["flow-0", "flow-1", "sender", "influx-sender"]


def test_the_real_records_name_the_supervisor_as_the_actor(world):
    world.sign("flow-0", "sender")
    world.go(1)
    row = next(one for one in world.records.audit_trail() if one.action == "alarm.raised")
    assert row.actor_id == SYSTEM_SUPERVISOR.id

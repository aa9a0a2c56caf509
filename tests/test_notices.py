"""What people are told of incidents: to whom, when, how often; and that it is told once whatever is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.errors import AccessError
from andon.readings import NS_PER_S
from andon.records import verify_audit
from andon.records.actors import SYSTEM_NOTIFIER
from tests.people_world import PLANT, PeopleWorld
from tests.records_world import OPERATOR, START_NS

LATE_EVENING_NS = START_NS + 22 * 3600 * NS_PER_S  # 23:00 in Berlin


@pytest.fixture
def world(tmp_path: Path) -> PeopleWorld:
    return PeopleWorld(tmp_path)


def test_an_incident_is_one_message_to_each_of_its_people(world: PeopleWorld) -> None:
    world.alarm()
    for _ in range(30):
        world.alarm(priority="medium")
    world.run(seconds=120)
    assert sorted(world.box.people()) == ["ana", "li"]
    titles = {who: (title, body) for who, title, body in world.box.sent}
    assert titles["li"][0].startswith("高级报警")
    assert titles["ana"][0] == "High: cold/room1 (Suzhou)"
    assert "Close the door." in titles["ana"][1]
    assert "https://andon.example.com/ack/" in titles["ana"][1]
    assert world.records.notice_counts()["sent"] == 2
    assert all(one.proof == '{"status":"SUCCESS"}' for one in world.records.notices())


def test_what_comes_later_is_one_update_in_ten_minutes(world: PeopleWorld) -> None:
    key = world.alarm()
    world.run()
    world.set(key, state="unacknowledged")
    for _ in range(5):
        world.clock.advance(30)
        world.alarm(priority="low")
        world.run()
    world.run(seconds=900, every_s=5)
    assert world.box.to("ana") == ["High: cold/room1 (Suzhou)", "News of cold/room1 (Suzhou)"]


def test_a_worse_alarm_is_told_at_once(world: PeopleWorld) -> None:
    world.alarm(priority="low")
    world.run()
    world.clock.advance(10)
    world.alarm(priority="critical")
    world.run(seconds=2)
    assert world.box.to("ana") == ["Low: cold/room1 (Suzhou)", "Critical: cold/room1 (Suzhou)"]


def test_nobody_answers_so_the_next_is_called_from_stored_time(world: PeopleWorld) -> None:
    world.alarm("filling/line1/filler", priority="critical")
    world.run(seconds=30)
    assert world.box.people() == ["li"]
    world.another()  # killed, and started again half a minute later
    world.clock.advance(30)
    world.run()
    assert world.box.people() == ["li", "ana"]
    world.another()
    world.run(seconds=59)
    assert world.box.people() == ["li", "ana"]
    world.run(seconds=1)
    assert world.box.people() == ["li", "ana", "boss"]


def test_who_acknowledges_ends_the_calls(world: PeopleWorld) -> None:
    key = world.alarm()
    world.run(seconds=10)
    world.records.acknowledge(key, OPERATOR, "seen")
    world.run(seconds=600, every_s=10)
    assert sorted(world.box.people()) == ["ana", "li"]


def test_what_was_answered_before_it_went_out_is_not_told(world: PeopleWorld) -> None:
    key = world.alarm()
    world.notifier.look()
    world.records.acknowledge(key, OPERATOR, "seen")
    world.run(seconds=5)
    assert world.box.sent == []
    assert world.records.notice_counts()["dropped"] == 2


def test_it_is_told_that_it_is_over_only_to_who_was_told(world: PeopleWorld) -> None:
    key = world.alarm("filling/line1/filler", priority="high")
    world.run(seconds=70)
    world.normal(key)
    world.run(seconds=120)
    assert sorted(world.box.people()) == ["ana", "ana", "li", "li"]
    assert world.box.to("ana")[-1] == "Back to normal: filling/line1 (Suzhou)"
    assert world.records.incidents(open_only=True) == []


def test_at_night_what_is_not_critical_waits_and_comes_as_one_digest(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path, start_ns=LATE_EVENING_NS)
    first = world.alarm()
    world.run(seconds=5)
    assert world.box.people() == ["li"]
    world.clock.advance(3 * 3600)
    world.alarm("cold/room2/unit", priority="medium")
    world.run(seconds=5)
    world.clock.advance(4 * 3600 - 10)  # 06:00
    world.run()
    digests = [(title, body) for who, title, body in world.box.sent if who == "ana"]
    assert [title for title, _ in digests] == ["2 incidents (Suzhou)"]
    assert "cold/room1" in digests[0][1]
    assert "cold/room2" in digests[0][1]
    world.set(first, state="acknowledged")


def test_the_critical_one_wakes_everybody(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path, start_ns=LATE_EVENING_NS)
    world.alarm(priority="critical")
    world.run(seconds=5)
    assert sorted(world.box.people()) == ["ana", "li"]


def test_a_broken_address_is_followed_by_the_next_one(world: PeopleWorld) -> None:
    world.box.broken = {"li"}
    world.alarm()
    world.run(seconds=60)
    assert sorted(world.box.people()) == ["ana", "li2"]


def test_who_cannot_be_reached_is_escalated_and_alarmed(world: PeopleWorld) -> None:
    world.box.broken = {"li", "li2"}
    world.alarm("filling/line1/filler", priority="critical")
    world.run(seconds=45)
    world.box.sent.clear()
    world.another()
    world.run(seconds=75)
    assert world.box.people()[0] == "ana", "without waiting for the next step's time"
    failed = world.records.notices(state="failed")
    assert [one.receiver for one in failed] == ["li"]
    assert "secret-of" not in str(failed)
    rules = [one.rule_id for one in world.records.alarms()]
    assert "andon-not-reached" in rules


def test_after_an_outage_of_the_way_out_each_person_gets_one_message(world: PeopleWorld) -> None:
    world.box.broken = {"all"}
    for number in range(12):
        world.alarm(f"cold/room{number}/unit", priority="critical" if number == 5 else "high")
        world.clock.advance(700)
        world.run()
    assert world.box.sent == []
    world.clock.advance(400)
    world.run()
    world.box.broken = set()
    world.clock.advance(400)
    world.run(seconds=30)
    assert sorted(who[:2] for who in world.box.people()) == ["an", "bo", "li"]
    assert world.box.to("boss")[0].endswith("incidents (Suzhou)")
    open_rules = {one.rule_id for one in world.records.alarms(open_only=True) if one.cleared_ns is None}
    assert "andon-not-reached" not in open_rules


def test_after_a_night_without_a_notifier_each_person_gets_one_message(world: PeopleWorld) -> None:
    for number in range(12):
        world.alarm(f"cold/room{number}/unit")
        world.clock.advance(900)
    world.run(seconds=30)
    assert {who: len(world.box.to(who)) for who in ("li", "ana", "boss")} == {"li": 1, "ana": 1, "boss": 1}


def test_what_a_dependency_hid_is_announced_when_its_cause_is_gone(world: PeopleWorld) -> None:
    line = world.alarm("cold/room1")
    cell = world.alarm("cold/room1/unit")
    assert world.records.alarm(cell).quiet == "dependency"
    world.run(seconds=3)
    world.records.acknowledge(line, OPERATOR, "x")
    world.set(line, state="normal", cleared_ns=world.clock.now_ns())
    world.clock.advance(100)
    world.run(seconds=65)
    assert world.records.alarm(cell).quiet == "incident"
    assert len(world.box.to("ana")) == 2
    assert "announced" in [one.kind for one in world.records.transitions(cell)]


def test_two_notifiers_tell_once_and_the_late_one_is_fenced(world: PeopleWorld) -> None:
    world.alarm("filling/line1/filler", priority="critical")
    world.notifier.look()
    told = world.plant.config.notify
    first = world.records.claim_notices("a", 10.0, told, SYSTEM_NOTIFIER)
    assert first is not None
    assert world.records.claim_notices("b", 10.0, told, SYSTEM_NOTIFIER) is None
    world.clock.advance(11)
    second = world.records.claim_notices("b", 10.0, told, SYSTEM_NOTIFIER)
    assert second is not None
    assert not world.records.finish_notices(first, SYSTEM_NOTIFIER, proof="{}", told=told)
    assert world.records.finish_notices(second, SYSTEM_NOTIFIER, proof="{}", told=told)
    assert world.records.notice_counts()["sent"] == 1


def test_only_the_notifier_tells_people(world: PeopleWorld) -> None:
    world.alarm()
    with pytest.raises(AccessError):
        world.records.plan_notices(world.notifier.roster, world.plant.config.notify, OPERATOR)
    with pytest.raises(AccessError):
        world.records.claim_notices("x", 10.0, world.plant.config.notify, OPERATOR)
    with pytest.raises(AccessError):
        world.records.announce_held(world.policy, OPERATOR)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("alarm"), st.sampled_from(["cold/room1/unit", "cold/room2", "filling/line1/filler"]),
                  st.sampled_from(["low", "high", "critical"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 70, 400, 4000]), st.just("")),
        st.tuples(st.just("ack"), st.integers(0, 5), st.just("")),
        st.tuples(st.just("kill"), st.just(0), st.just("")),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_kills_change_nothing_of_what_is_told(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    """One world whose notifier is killed at each look, one whose is not: the same messages at the same times."""
    told = []
    for kills in (False, True):
        world = PeopleWorld(tmp_path_factory.mktemp("w"))
        keys: list[str] = []
        log: list[tuple[int, str, str]] = []
        for kind, what, how in steps:
            if kind == "alarm":
                keys.append(world.alarm(what, priority=how))
            elif kind == "ack" and keys:
                world.set(keys[what % len(keys)], state="acknowledged")
            elif kind == "wait":
                world.clock.advance(what)
            elif kind == "kill" and kills:
                world.another()
            before = len(world.box.sent)
            world.run()
            log += [(world.clock.now_ns(), who, title) for who, title, _ in world.box.sent[before:]]
        told.append(log)
    assert verify_audit(world.records).ok
    assert told[0] == told[1]


def test_the_plant_without_people_tells_nobody(tmp_path: Path) -> None:
    text = PLANT[: PLANT.index("[[person]]")]
    world = PeopleWorld(tmp_path, text)
    world.alarm(priority="critical")
    world.run(seconds=5)
    assert world.records.notices() == []


def test_an_upset_of_200_assets_is_few_messages_to_a_person(
    world: PeopleWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """200 assets of 40 lines within 5 min, with a notifier that looks every 30 s; half an hour is counted."""
    sent: list[int] = []
    for step in range(60):
        if step < 10:
            lines = [(step * 20 + number) % 40 for number in range(20)]
            urgent = ["critical" if number % 20 == 3 else "medium" for number in range(20)]
            world.alarms([(f"cold/line{line}/m{step}", how) for line, how in zip(lines, urgent, strict=True)])
        world.run()
        sent.append(len(world.box.to("ana")))
        world.clock.advance(30)
    worst = max(after - before for before, after in zip([0] * 20 + sent, sent, strict=False))
    with capsys.disabled():
        print(f"\nupset of 200 assets: {sent[19]} messages to one person in 10 min, {sent[-1]} in half an hour")
    assert 1 <= sent[19] <= 10
    assert worst <= 10

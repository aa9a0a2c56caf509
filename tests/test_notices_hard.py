"""Messages when things go wrong: nobody on duty, a clock set back, people who cannot be reached, quiet hours."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from andon.readings import NS_PER_S
from tests.people_world import PLANT, PeopleWorld
from tests.records_world import OPERATOR

ZONE = ZoneInfo("Europe/Berlin")
BACK_NS = 6 * 3600 * NS_PER_S
EARLY = 'people = ["li", "ana", "boss"]\ndays = ["mon"]\nbegins = "05:00"\nends = "06:00"'
GAP = PLANT.replace('people = ["li", "ana", "boss"]', EARLY)
STEPS = 'step = [{ after_s = 60, to = ["duty"] }, { after_s = 120, to = ["duty"] }]'
FILLER = "filling/line1/filler"


def open_rules(world: PeopleWorld) -> list[tuple[str, str]]:
    """Andon's own alarms that last: rule, and the person or route."""
    found = world.records.alarms(open_only=True, asset="andon/notifier")
    return sorted((one.rule_id, one.tag) for one in found if one.cleared_ns is None)


def test_a_route_with_nobody_on_duty_is_an_alarm_until_somebody_is(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path, GAP, start_ns=local("2026-03-02T04:30"))  # a Monday
    world.run(seconds=2)
    assert open_rules(world) == [], "no alarm waits, so nobody is missed"
    world.alarm(FILLER, priority="critical")
    world.run(seconds=2)
    world.another()
    world.run(seconds=20)
    assert (world.box.sent, open_rules(world)) == ([], [("andon-nobody-on-duty", "2")])
    [own] = world.records.alarms(asset="andon/notifier")
    assert FILLER in world.notifier.wording.why(own, "en")
    world.clock.advance(1800)
    world.run(seconds=2)
    assert (world.box.people()[0], open_rules(world)) == ("li", [])


def test_where_nobody_has_the_first_step_the_next_is_called_at_once(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path, GAP.replace(STEPS, 'step = [{ after_s = 600, to = ["boss"] }]'))
    world.alarm(FILLER, priority="critical")
    world.run(seconds=2)
    assert world.box.people() == ["boss"]
    assert open_rules(world) == []


def test_a_clock_set_back_holds_up_no_call(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path)
    world.alarm(priority="critical")
    world.notifier.look()
    world.clock.time_ns -= BACK_NS
    world.run(seconds=5)
    assert sorted(world.box.people()) == ["ana", "li"]


def test_a_clock_set_back_holds_up_no_retry(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path)
    world.box.broken = {"all"}
    world.alarm(FILLER, priority="critical")
    world.run(seconds=2)
    assert world.records.notices()[0].attempts == 1
    world.clock.time_ns -= BACK_NS
    world.run(seconds=50)
    [notice] = world.records.notices(state="pending")
    assert (notice.channel, notice.attempts) == ("sms", 2), "tried with the usual waits: neither held up nor a storm"
    world.clock.time_ns -= BACK_NS
    world.box.broken = set()
    world.run(seconds=5)
    assert world.box.people() == ["li2"]


def test_a_clock_set_back_holds_up_no_escalation(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path)
    world.alarm(priority="critical")
    world.run(seconds=5)
    world.clock.time_ns -= BACK_NS
    world.run(seconds=290, every_s=5)
    assert "boss" not in world.box.people(), "it waits since now, and not for nothing"
    world.another()
    world.run(seconds=30, every_s=5)
    assert world.box.people().count("boss") == 1


def test_a_clock_set_back_holds_up_no_news_and_repeats_none(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path)
    world.alarm()
    world.run(seconds=5)
    world.clock.time_ns -= BACK_NS
    at_ns = world.clock.now_ns() + BACK_NS  # what the plant's clock says has not been set back
    world.alarm(priority="low", start_ns=at_ns, confirmed_ns=at_ns)
    world.run(seconds=700, every_s=5)
    assert world.box.to("ana").count("News of cold/room1 (Suzhou)") == 1


def test_who_cannot_be_reached_is_one_alarm_until_a_message_reaches_them(tmp_path: Path) -> None:
    """A route for everything: the alarm itself is told to the one who can be reached, and that does not clear it."""
    world = PeopleWorld(tmp_path, PLANT.replace('area = "cold/*"\nto', 'area = "*"\nto', 1))
    world.box.broken = {"li", "li2"}
    key = world.alarm()
    world.run(seconds=3600, every_s=5)
    own = world.records.alarms(asset="andon/notifier")
    assert [(one.rule_id, one.tag) for one in own] == [("andon-not-reached", "li")]
    assert "li: no route" in world.notifier.wording.why(own[0], "en")
    assert len(world.box.to("boss")) <= 4
    world.records.acknowledge(own[0].key, OPERATOR, "seen")
    world.box.broken = set()
    world.another()
    world.run(seconds=400, every_s=5)
    assert open_rules(world) == []
    world.normal(key)


def test_each_person_who_cannot_be_reached_has_an_alarm_and_who_left_has_none(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path)
    world.box.broken = {"all"}
    world.alarm()
    world.run(seconds=200, every_s=5)
    assert open_rules(world) == [("andon-not-reached", who) for who in ("ana", "boss", "li")]
    world.box.broken = {"li", "li2"}
    del world.notifier.roster.people["ana"]  # type: ignore[attr-defined]  # a dict here
    world.run(seconds=900, every_s=5)
    assert open_rules(world) == [("andon-not-reached", "li")]


def test_a_message_with_nothing_to_tell_reaches_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = PeopleWorld(tmp_path)
    world.box.broken = {"li", "li2"}
    world.alarm(FILLER)
    world.run(seconds=110, every_s=5)
    assert open_rules(world) == [("andon-not-reached", "li")]
    monkeypatch.setattr(world.records, "incident", lambda key: None)
    world.run(seconds=600, every_s=5)
    assert open_rules(world) == [("andon-not-reached", "li")]


def test_news_to_somebody_unreachable_are_one_row_that_is_tried_again(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path)
    world.alarm()
    world.run(seconds=5)
    world.box.broken = {"all"}
    world.alarm(priority="low")
    world.run(seconds=3600, every_s=5)
    rows = Counter((one.kind, one.receiver) for one in world.records.notices(limit=5000))
    assert (rows["update", "ana"], rows["update", "li"]) == (1, 1)
    world.box.broken = set()
    world.run(seconds=700, every_s=5)
    assert world.box.to("ana").count("News of cold/room1 (Suzhou)") == 1


@pytest.mark.parametrize("away_h", [0.0, 4.0])
def test_quiet_hours_hold_what_is_late_too(tmp_path: Path, away_h: float) -> None:
    """A low alarm before the quiet hours, the mail server away into them: it waits for their end all the same."""
    world = PeopleWorld(tmp_path, start_ns=local("2026-03-03T21:50"))
    world.box.broken = {"all"}
    world.alarm(priority="low")
    world.run(seconds=580, every_s=10)
    world.run(seconds=away_h * 3600 + 30, every_s=60)
    world.box.broken = set()
    world.run(seconds=600, every_s=30)
    assert "ana" not in world.box.people()
    world.clock.time_ns = local("2026-03-04T05:59:59")
    world.run()
    assert "ana" not in world.box.people()
    world.clock.advance(1)
    world.run(seconds=330, every_s=10)
    assert world.box.to("ana") == ["Low: cold/room1 (Suzhou)"]


def test_the_critical_one_does_not_wait_behind_what_the_quiet_hours_hold(tmp_path: Path) -> None:
    world = PeopleWorld(tmp_path, start_ns=local("2026-03-03T23:00"))
    world.alarm(priority="low")
    world.run(seconds=600, every_s=30)
    world.alarm("cold/room2/unit", priority="critical")
    world.run(seconds=2)
    assert world.box.to("ana") == ["Critical: cold/room2 (Suzhou)"]


def local(text: str) -> int:
    """A local time in Berlin as ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * NS_PER_S

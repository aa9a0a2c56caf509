"""Who is on duty when: shifts, rotas, quiet hours, over midnight and over the change of the clocks."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.people import DAYS, Duty, Person, Route, Step
from andon.errors import ConfigError
from andon.readings import NS_PER_S
from andon.roster import Roster, week_gaps
from tests.people_world import PLANT, small_plant

ZONE = ZoneInfo("Europe/Berlin")
HOUR_NS = 3600 * NS_PER_S


def at(text: str) -> int:
    """A local time in Berlin as ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) * NS_PER_S


def roster(**given: object) -> Roster:
    empty = {"people": {}, "teams": {}, "rotas": {}, "routes": (), "shifts": ()}
    return Roster(ZONE, "en", **{**empty, **given})  # type: ignore[arg-type]  # the parts of a test


NIGHT = Duty(people=("li", "ana"), days=("fri",), begins="22:00", ends="06:00")
CASES = {
    "friday evening": ("2026-01-02T22:00", ("li", "ana")),
    "before it": ("2026-01-02T21:59:59", ()),
    "saturday before six": ("2026-01-03T05:59:59", ("li", "ana")),
    "saturday at six": ("2026-01-03T06:00", ()),
    "saturday evening": ("2026-01-03T23:00", ()),
}


@pytest.mark.parametrize(("time", "people"), CASES.values(), ids=CASES.keys())
def test_a_duty_over_midnight(time: str, people: tuple[str, ...]) -> None:
    assert roster(rotas={"night": (NIGHT,)}).on_duty("night", at(time)) == people


def test_somebody_is_on_duty_at_every_instant_of_the_nights_the_clocks_change() -> None:
    """Two duties that share the day: never nobody, and one after the other."""
    day = Duty(people=("day",), begins="02:30", ends="14:00")
    night = Duty(people=("night",), begins="14:00", ends="02:30")
    both = roster(rotas={"r": (day, night)})
    for first in ("2026-03-28T12:00", "2026-10-24T12:00"):
        seen = [both.on_duty("r", at(first) + minute * 60 * NS_PER_S) for minute in range(26 * 60)]
        assert () not in seen
        assert sum(one != other for one, other in pairwise(seen)) <= 4


def test_shifts_are_local_and_go_on_over_midnight(tmp_path: Path) -> None:
    plant = Roster.of(small_plant(tmp_path).config)
    told = {text: plant.shift_at(at(f"2026-06-0{text}")) for text in ("2T05:59", "2T06:00", "2T21:59", "2T22:00")}
    assert list(told.values()) == ["night", "day", "day", "night"]
    assert roster().shift_at(at("2026-06-02T12:00")) is None


@given(minute=st.integers(0, 60 * 24 * 400))
def test_quiet_hours_end_at_their_local_end(minute: int) -> None:
    one = Person(id="ana", name="Ana", quiet=("22:00", "06:00"))
    now_ns = at("2026-01-01T00:00") + minute * 60 * NS_PER_S
    local = datetime.fromtimestamp(now_ns // NS_PER_S, ZONE)
    until_ns = roster(people={"ana": one}).quiet_until("ana", now_ns)
    assert (until_ns is not None) == (local.hour >= 22 or local.hour < 6)
    if until_ns is not None:
        assert now_ns < until_ns <= now_ns + 9 * HOUR_NS
        assert datetime.fromtimestamp(until_ns // NS_PER_S, ZONE).strftime("%H:%M") == "06:00"


def test_each_step_that_names_the_rota_again_calls_the_next_of_the_duty() -> None:
    route = Route(to=("night",), step=(Step(after_s=60, to=("night",)), Step(after_s=120, to=("night",))))
    calls = roster(rotas={"night": (NIGHT,)}, routes=(route,)).calls("a", "high", "none", at("2026-01-02T23:00"))
    assert [(one.step, one.people) for one in calls] == [(0, ("li",)), (1, ("ana",)), (2, ("ana",))]
    nobody = roster(rotas={"night": (NIGHT,)}, routes=(route,)).calls("a", "high", "none", at("2026-01-01T12:00"))
    assert [one.people for one in nobody] == [(), (), ()], "the first step too, so that the next is called at once"
    erp = Route(to=("erp",), step=(Step(after_s=60, to=("night",)),))
    only = roster(rotas={"night": (NIGHT,)}, routes=(erp,)).calls("a", "high", "none", at("2026-01-01T12:00"))
    assert [one.step for one in only] == [1], "the order goes to the ERP by itself: that is no step to wait for"


def test_a_route_fits_by_area_priority_shift_and_kind() -> None:
    person = Person(id="li", name="Li")

    def fits(**more: object) -> bool:
        one = roster(people={"li": person}, routes=(Route(to=("li", "li", "erp"), **more),), shifts=SHIFTS)  # type: ignore[arg-type]  # the fields of a route
        calls = one.calls("cold/room1", "high", "quality_event", at("2026-06-02T12:00"))
        assert all(call.people == ("li",) for call in calls)
        return bool(calls)

    assert fits()
    assert fits(area="cold/*", priority=("high",), shift=("day",), raises="quality_event")
    assert not fits(area="filling/*")
    assert not fits(priority=("low",))
    assert not fits(shift=("night",))
    assert not fits(raises="none")


SHIFTS = [("day", datetime(2026, 1, 1, 6).time()), ("night", datetime(2026, 1, 1, 22).time())]  # noqa: DTZ001 - a time of day

FAULTS = {
    "member unknown": ('members = ["li", "ana"]', 'members = ["li", "anna"]', "team[0].members[1]", "ana"),
    "duty unknown": ('people = ["li", "ana", "boss"]', 'people = ["li", "x"]', "rota[0].duty[0].people[1]", "boss"),
    "receiver unknown": ('to = ["cold"]', 'to = ["colt"]', "route[0].to[0]", "cold"),
    "step unknown": ('step = [{ after_s = 300, to = ["boss"] }]', 'step = [{ after_s = 300, to = ["bos"] }]',
                     "route[0].step[0].to[0]", "boss"),
    "step not later": ('{ after_s = 120, to = ["duty"] }', '{ after_s = 60, to = ["duty"] }',
                       "route[1].step[1].after_s", "60"),
    "no such area": ('area = "filling/*"', 'area = "fillling/*"', "route[1].area", "no asset"),
    "a name twice": ('name = "duty"', 'name = "cold"', "rota[0].name", "cold"),
    "hides nothing": ('hides = ["cold/room1/*"]', 'hides = ["cold/room9/*"]', "dependency[0].hides[0]", "no asset"),
    "cause unknown": ('"cold/room1"\nhides', '"cold/room7"\nhides', "dependency[0].asset", "cold/room1"),
    "time of day": ('quiet = ["22:00", "06:00"]', 'quiet = ["22:00", "6"]', "person[1].quiet[1]", "HH:MM"),
    "plain address": ("https://andon.example.com", "http://andon.example.com", "notify.public_url", "https"),
    "no day of the week": ('people = ["li", "ana", "boss"]',
                           'people = ["li"]\ndays = []', "rota[0].duty[0].days", "days"),
    **{f"longer than a week: {key}": ("[notify]", f"[incidents]\n{key} = 1e11\n[notify]", f"incidents.{key}", "604800")
       for key in ("window_s", "longest_s", "flood_s", "chatter_s", "calm_s")},
    **{f"too long: {key}": ("[notify]", f"[notify]\n{key} = 1e10", f"notify.{key}", most)
       for key, most in (("retry_s", "3600"), ("timeout_s", "600"), ("update_s", "604800"), ("stale_s", "604800"))},
    "step in a year": ("after_s = 300", "after_s = 1e10", "route[0].step[0].after_s", "604800"),
    "flood as narrow as a line": ("[notify]", "[incidents]\nflood_level = 2\n[notify]", "incidents.flood_level", "2"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "path", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_faults_are_told_with_their_place(tmp_path: Path, old: str, new: str, path: str, said: str) -> None:
    assert PLANT.count(old) == 1
    with pytest.raises(ConfigError) as error:
        small_plant(tmp_path, PLANT.replace(old, new))
    text = error.value.text("en")
    assert path in text
    assert said in text
    assert error.value.text("zh-CN") != text


def test_files_of_addresses_are_beside_plant_toml(tmp_path: Path) -> None:
    plant = small_plant(tmp_path)
    assert plant.config.person[0].address[0].url_file == str(tmp_path / "li.url")


def naive_gaps(duties):
    """Minute by minute, from what a duty says of the day it begins on."""
    order = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    free = []
    for minute in range(7 * 1440):
        held = False
        for duty in duties:
            begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in (duty.begins, duty.ends))
            length = end - begin if end > begin else end - begin + 1440
            for day in duty.days:
                held |= (minute - order.index(day) * 1440 - begin) % (7 * 1440) < length
        free.append(not held)
    return free


@given(
    st.lists(
        st.builds(
            Duty,
            people=st.just(("li.wei",)),
            days=st.sets(st.sampled_from(DAYS), min_size=1).map(tuple),
            begins=st.sampled_from(["00:00", "06:00", "14:00", "22:30"]),
            ends=st.sampled_from(["00:00", "06:00", "14:00", "22:30"]),
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=40, deadline=None)
def test_gaps_of_a_week_are_those_minute_by_minute(duties):
    free = [False] * (7 * 1440)
    for begin, end in week_gaps(duties):
        assert begin < end
        for minute in range(begin, end):
            free[minute % len(free)] = True
    assert free == naive_gaps(duties)

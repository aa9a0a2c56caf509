"""How alike two anomalies are, and which earlier alarms an anomaly is told to be like: fixed when it is raised."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.dialects import sqlite

from andon.clock import ManualClock
from andon.config.models import Plant
from andon.i18n import LANGUAGES, catalogue
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SENDER, DeliveryResult, schema
from andon.records.policy import Policy
from andon.records.similar import MOST_CANDIDATES, MOST_LOOKED_AT, _candidates, _earlier, _own
from andon.similar import MOST, NEAR, WORDS, Candidate, Episode, distance, episode_of, nearest, nearness
from service.notify_words import Wording
from sinks.erp.sentences import sentence
from tests.records_world import QUALITY, START_NS, cleared, fresh, raised

DAY = 86_400
NUMBERS = st.none() | st.floats(-1e6, 1e6, allow_nan=False)
EPISODES = st.builds(
    Episode, st.sampled_from(["step", "noise", "range"]), NUMBERS,
    st.none() | st.floats(0, 1e6, allow_nan=False), st.tuples(*[st.sampled_from(["", "a", "b"])] * 3),
)  # fmt: skip


@given(EPISODES, EPISODES, EPISODES)
def test_the_distance_is_a_bounded_metric(one, other, third):
    apart = distance(one, other)
    assert 0.0 <= apart <= 1.0
    assert apart == distance(other, one)
    assert distance(one, one) == 0.0
    assert apart <= distance(one, third) + distance(third, other) + 1e-9


@given(EPISODES, st.lists(EPISODES, max_size=12), st.data())
def test_identical_episodes_are_nearest_and_the_order_given_does_not_matter(one, others, data):
    candidates = [Candidate(f"k{n:02}", n, "series", each) for n, each in enumerate([*others, one])]
    found = nearest(one, candidates)
    assert found[0][1] == 0.0
    assert found[0][0].episode == one or distance(one, found[0][0].episode) == 0.0
    assert len(found) <= MOST
    assert all(apart <= NEAR for _, apart in found)
    assert [apart for _, apart in found] == sorted(apart for _, apart in found)
    assert found == nearest(one, data.draw(st.permutations(candidates)))


USUAL = Episode("step", 6.0, 120.0, ("VIAL-10", "production", ""))
CASES = {
    # id:                  (other,                                                        nearness or None)
    "the-same":            (USUAL, "alike"),
    "a-little-further":    (replace(USUAL, deviation=8.0), "alike"),
    "twice-as-far":        (replace(USUAL, deviation=12.0), "near"),
    "twice-and-other-mode": (replace(USUAL, deviation=12.0, made=("VIAL-10", "cleaning", "")), "near"),
    "four-times-as-far":   (replace(USUAL, deviation=25.0), "loosely"),
    "ten-times-as-far":    (replace(USUAL, deviation=60.0), None),
    "the-other-way":       (replace(USUAL, deviation=-6.0), None),
    "another-component":   (replace(USUAL, component="noise"), None),
    "all-else-another":    (replace(USUAL, run_s=1e9, made=("B", "x", "y")), "loosely"),
    "not-known-how-far":   (replace(USUAL, deviation=None), None),
}  # fmt: skip


@pytest.mark.parametrize(("other", "word"), CASES.values(), ids=CASES.keys())
def test_what_is_near(other, word):
    apart = distance(USUAL, other)
    assert (nearness(apart) if apart <= NEAR else None) == word


def test_sisters_are_the_second_choice_and_the_newest_of_equals_comes_first():
    far = replace(USUAL, deviation=10.0)
    told = [
        Candidate("sister", 9, "sister", USUAL), Candidate("old", 1, "series", far), Candidate("new", 2, "rule", far),
    ]  # fmt: skip
    for order in permutations(told):
        assert [one.key for one, _ in nearest(USUAL, order)] == ["new", "old", "sister"]
        assert [one.key for one, _ in nearest(USUAL, order, most=1)] == ["new"]
    assert nearest(replace(USUAL, component="noise"), told) == []


@pytest.mark.parametrize("odd", [
    {}, {"component": 3}, {"component": ""}, {"component": None, "value": 1.0},
])  # fmt: skip
def test_evidence_that_names_no_component_is_no_episode(odd):
    assert episode_of(odd, START_NS) is None


@pytest.mark.parametrize("odd", [
    {"spread": 0.0}, {"spread": "NaN"}, {"spread": math.nan}, {"expected": None}, {"value": True}, {"value": math.inf},
    {"spread": 5e-324},
])  # fmt: skip
def test_a_deviation_that_cannot_be_said_is_not_known(odd):
    told = {"component": "step", "value": 3.0, "expected": 2.0, "spread": 0.1, "since_ns": "many", "context": 3, **odd}
    assert episode_of(told, START_NS) == Episode("step", None, None)


def anomaly(at_s, value=3.0, *, component="step", made=None, **changes):
    """An anomaly that began at_s after the start of the world, 30 s before its alarm."""
    start_ns = START_NS + round(at_s * NS_PER_S)
    reason = {
        "detector": "robust", "component": component, "value": value, "value_unit": "mm/s", "expected": 2.0,
        "spread": 0.1, "since_ns": start_ns - 30 * NS_PER_S, "at_ns": start_ns, "context": made or {},
    }  # fmt: skip
    told = {
        "asset": "util/pump1", "tag": "vibration", "rule_id": "odd", "condition": "anomaly", "limit": 5.0, "unit": "1",
        "peak": 7.0, "start_ns": start_ns, "confirmed_ns": start_ns + 10 * NS_PER_S, "offset": round(at_s),
        "evidence": reason,
    }  # fmt: skip
    return raised(**{**told, **changes})


@pytest.fixture
def clock():
    return ManualClock(START_NS)


@pytest.fixture
def records(tmp_path, clock):
    made = fresh(tmp_path, clock)
    made.policy = Policy(templates={"util/pump1": "pump", "util/pump2": "pump", "util/fan": "fan"})
    return made


def tell(records, *changes):
    """Take changes in; the key of the first one's alarm."""
    records.apply_conditions(changes, SYSTEM_FLOW)
    first = changes[0]
    return next(
        one.key for one in records.alarms()
        if (one.asset, one.tag, one.rule_id, one.start_ns) == (first.asset, first.tag, first.rule_id, first.start_ns)
    )  # fmt: skip


def told_by(records, key):
    return [one["key"] for one in records.alarm(key).evidence.get("similar", [])]


def test_the_alarm_names_its_like_with_label_comment_and_number(records, clock):
    first = anomaly(0)
    earlier = tell(records, first, cleared(first, evidence={}))
    order = records.claim_order("test", 60.0, SYSTEM_SENDER)
    records.finish_order(order, DeliveryResult("delivered", 201, external_number="MO-17"), SYSTEM_SENDER)
    records.label(earlier, QUALITY, "false", "looked fine")
    clock.advance(10.0)
    records.label(earlier, QUALITY, "true", "bearing")
    other = tell(records, anomaly(5, component="noise"))
    key = tell(records, anomaly(DAY, 3.2))
    assert told_by(records, other) == []
    [told] = records.alarm(key).evidence["similar"]
    assert told == {
        "key": earlier, "asset": "util/pump1", "tag": "vibration", "day": "2026-01-01", "start_ns": str(START_NS),
        "relation": "series", "distance": told["distance"], "near": "alike", "label": "true", "source": "person",
        "comment": "bearing", "erp_number": "MO-17",
    }  # fmt: skip
    assert 0.0 < told["distance"] < WORDS[0][0]
    records.label(earlier, QUALITY, "known", "changed our mind")
    [now] = records.similar(key)
    assert (now.label, now.comment, now.by, now.erp_number) == ("known", "changed our mind", "Chen Jing", "MO-17")
    assert now.deviation == pytest.approx(10.0)
    assert now.run_s == 40.0
    assert records.alarm(key).evidence["similar"] == [told], "what was told stays"


def test_what_an_order_says_is_fixed_with_it_and_replays_change_nothing(records, clock):
    first = anomaly(0)
    earlier = tell(records, first)
    records.label(earlier, QUALITY, "true", "bearing {0}")
    second = anomaly(DAY)
    key = tell(records, second)
    body = records.order_event(key)[1]
    said = {language: sentence(json.loads(body)["data"], language) for language in LANGUAGES}
    assert "Similar to the alarm of 2026-01-01, confirmed: bearing {0}." in said["en"]
    assert "与 2026-01-01 的报警相似" in said["zh-CN"]
    assert "bearing {0}" in said["zh-CN"]
    records.label(earlier, QUALITY, "false", "no, the belt")
    assert records.apply_conditions([first, second], SYSTEM_FLOW) == 0
    assert records.order_event(key)[1] == body
    records.apply_conditions([cleared(second, evidence={"journal": "b"})], SYSTEM_FLOW)
    revised = cleared(second, kind="revised", evidence={"journal": "c"})
    records.apply_conditions([revised], SYSTEM_FLOW)
    data = json.loads(records.order_event(key)[1])["data"]
    assert data["revision"] == 2
    assert sentence(data, "en").partition("Similar")[2] == said["en"].partition("Similar")[2] != ""
    assert data["evidence"]["similar"] == json.loads(body)["data"]["evidence"]["similar"]


def test_a_reason_that_is_told_again_keeps_the_like(records):
    tell(records, anomaly(0))
    second = anomaly(DAY)
    key = tell(records, second)
    assert len(told_by(records, key)) == 1
    records.apply_conditions([replace(second, peak=9.0, offset=second.offset + 9)], SYSTEM_FLOW)
    assert records.alarm(key).revision == 2
    assert len(told_by(records, key)) == 1


def test_only_what_was_there_before_is_earlier(records, clock):
    later = tell(records, anomaly(2 * DAY))
    clock.advance(5.0)
    key = tell(records, anomaly(DAY))
    clock.advance(5.0)
    late = tell(records, anomaly(0, found_late=True))  # began before it, but was told after it
    assert told_by(records, key) == []
    assert records.similar(key) == []
    assert told_by(records, late) == []
    assert [one.key for one in records.similar(tell(records, anomaly(3 * DAY)))] == [later, key, late]


def test_rule_and_sister_and_stranger(records):
    same_rule = tell(records, anomaly(0, asset="util/fan", tag="current"))
    sister = tell(records, anomaly(1, asset="util/pump2", rule_id="other"))
    tell(records, anomaly(2, asset="util/fan", rule_id="other"))  # the same tag, but no sister
    tell(records, anomaly(3, asset="util/pump2", tag="pressure", rule_id="other"))
    tell(records, anomaly(4, condition="above"))
    key = tell(records, anomaly(DAY))
    assert told_by(records, key) == [same_rule, sister]
    assert [one["relation"] for one in records.alarm(key).evidence["similar"]] == ["rule", "sister"]
    records.policy = None  # nobody says what sisters are
    assert told_by(records, tell(records, anomaly(DAY + 1, asset="util/pump2", rule_id="third"))) == [sister]


def test_what_late_data_took_back_is_nobodys_like(records):
    first = anomaly(0)
    tell(records, first)
    records.apply_conditions([cleared(first, kind="revised", voided=True, evidence={})], SYSTEM_FLOW)
    assert told_by(records, tell(records, anomaly(DAY))) == []


def test_the_same_however_the_changes_are_cut(tmp_path):
    changes = [anomaly(at * 100, 3.0 + (at * 7 % 5) / 5) for at in range(12)]
    seen = []
    for size in (1, 5, 12):
        records = fresh(tmp_path / str(size))
        for cut in range(0, 12, size):
            records.apply_conditions(changes[cut : cut + size], SYSTEM_FLOW)
        seen.append({one.key: one.evidence.get("similar") for one in records.alarms()})
    assert seen[0] == seen[1] == seen[2]
    assert sum(bool(one) for one in seen[0].values()) > 6


def test_it_is_bounded_and_walks_no_table(records):
    """Both queries go by an index, and no more than the newest are looked at."""
    changes = [anomaly(at, offset=at) for at in range(MOST_CANDIDATES + 20)]
    records.apply_conditions(changes, SYSTEM_FLOW)
    key = tell(records, anomaly(DAY))
    statements = []
    with records.reading() as connection:
        row = connection.execute(text("select * from alarm where key = :key"), {"key": key}).mappings().one()
        found = _candidates(connection, row, records.policy)
        assert len(found) == MOST_CANDIDATES
        assert found[0]["start_ns"] == changes[-1].start_ns
        for query in statements_of(row):
            plan = connection.execute(text("explain query plan " + query)).all()
            statements.append(" ".join(one[3] for one in plan))
    assert len(told_by(records, key)) == MOST
    assert "ix_alarm_site_asset_tag_rule_id_start_ns" in statements[0]
    assert "ix_alarm_site_start_ns" in statements[1]
    for plan in statements:
        assert "SCAN alarm" not in plan, plan


def statements_of(row):
    """The two queries as text."""
    alarm = schema.alarm.c
    newest = _earlier(row).order_by(alarm.start_ns.desc()).limit(MOST_LOOKED_AT)
    return [
        str(one.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))
        for one in (_own(row), newest)
    ]


def test_of_an_alarm_of_a_release_before_it_is_found_when_asked(records, clock):
    first, second = anomaly(0), anomaly(DAY)
    earlier = tell(records, first)
    key = tell(records, second)
    bare = {name: one for name, one in records.alarm(key).evidence.items() if name != "similar"}
    with records.writing() as tx:
        tx.connection.execute(update(schema.alarm).where(schema.alarm.c.key == key).values(evidence=json.dumps(bare)))
    assert [one.key for one in records.similar(key)] == [earlier]
    assert records.similar("nothing") == []


def test_messages_name_the_like_as_people_do(records):
    """By the name of the other machine; what a message says does not follow what is said of the like afterwards."""
    plant = PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "e"}, "site": {"id": "szh1"},
        "template": [{"name": "pump", "series": [{"tag": "vibration", "unit": "mm/s", "detect": True}]}],
        "asset": [{"path": f"util/pump{n}", "template": "pump", "name": f"Pump {n}"} for n in (1, 2)],
        "rule": [{"id": "odd", "on": "util/*/vibration", "anomaly": 5.0, "raises": "none"}],
    }))  # fmt: skip
    records.policy = Policy.of(plant.config)
    sister = tell(records, anomaly(0, asset="util/pump2", rule_id="other"))
    records.label(sister, QUALITY, "false", "x" * 500)
    key = tell(records, anomaly(DAY))
    wording = Wording(plant)
    english, chinese = (wording.why(records.alarm(key), language) for language in ("en", "zh-CN"))
    assert "Similar to the alarm of 2026-01-01 at Pump 2 Vibration, a false alarm: xxx" in english
    assert f"{'x' * 79}…." in english
    assert "在 Pump 2 振动 的报警相似" in chinese
    records.label(sister, QUALITY, "true", "it was the bearing")
    assert wording.why(records.alarm(key), "en") == english


def test_every_word_is_there():
    for language in LANGUAGES:
        for label in ("true", "false", "known", "none"):
            assert f"alarms.similar.{label}" in catalogue(language)
        for _, word in WORDS:
            assert f"page.similar.near.{word}" in catalogue(language)

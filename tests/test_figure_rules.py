"""Rules on figures: runs of windows, corrections, and a twin that judges all windows at once."""

from __future__ import annotations

import pickle
import random
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.figure_rules import FigureRules
from alarms.rules import why
from andon.config.models import Rule
from andon.outputs import Figure
from flows.rule_stages import figure_values

S = 1_000_000_000
HOUR = 3600 * S
WARM = Rule(id="warm", on="cold/*/air", figure="cold_chain.mkt", above=8.0, deadband=0.5)
OEE_PARTS = {
    "calendar_s": 3600.0, "pbt_s": 3600.0, "apt_s": 1800.0, "unknown_s": 0.0, "pq": 100.0, "gq": 90.0,
    "pri_pq_s": 900.0, "pri_gq_s": 810.0,
}  # fmt: skip


def figure(hour, value, revision=1, **more):
    fields = {
        "asset": "cold/room1", "tag": "air", "kind": "cold_chain", "start_ns": hour * HOUR, "end_ns": (hour + 1) * HOUR,
        "revision": revision, "final": True, "parts": {"mkt": value},
    }  # fmt: skip
    return Figure(**(fields | more))


def rules_of(*rules):
    return FigureRules(rules, figure_values)


def restarted(engine, *rules):
    fresh = rules_of(*rules)
    fresh.restore(pickle.loads(pickle.dumps(engine.snapshot())))
    return fresh


def told(engine, *figures):
    """(kind, start, confirmed, cleared, peak), hours, in the order told; one figure a tick."""
    changes = [change for at, one in enumerate(figures) for change in engine.take([one], at)]
    return [
        (
            one.kind + (" late" if one.found_late else "") + (" void" if one.voided else ""),
            *(None if at is None else at / HOUR for at in (one.start_ns, one.confirmed_ns, one.cleared_ns)), one.peak,
        )
        for one in changes
    ]  # fmt: skip


CASES = {
    # id: (more of the rule, values of hours 0.., what is told)
    "inside is silent": ({}, [5.0, 8.0], []),
    "one window": ({}, [9.0, 7.0], [("raised", 0, 1, None, 9.0), ("cleared", 0, 1, 1, 9.0)]),
    "one condition, its furthest value": (
        {}, [7.0, 9.0, 11.0, 7.0], [("raised", 1, 2, None, 9.0), ("cleared", 1, 2, 3, 11.0)],
    ),
    "deadband": ({}, [9.0, 7.6, 7.4], [("raised", 0, 1, None, 9.0), ("cleared", 0, 1, 2, 9.0)]),
    "delay": ({"delay_s": 7200.0}, [9.0, 7.0, 9.0, 9.0], [("raised", 2, 4, None, 9.0)]),
    "off delay": (
        {"off_delay_s": 7200.0}, [9.0, 7.0, 9.0, 7.0, 7.0],
        [("raised", 0, 1, None, 9.0), ("cleared", 0, 1, 5, 9.0)],
    ),
    "unknown changes nothing": ({}, [9.0, None, 9.0], [("raised", 0, 1, None, 9.0)]),
}  # fmt: skip


@pytest.mark.parametrize(("more", "values", "expected"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("restart", [False, True])
def test_windows(more, values, expected, restart):
    rule = WARM.model_copy(update=more)
    engine, found = rules_of(rule), []
    for hour, value in enumerate(values):
        found += told(engine, figure(hour, value))
        engine = restarted(engine, rule) if restart else engine
    assert found == expected


CORRECTIONS = {
    # id: (figures, what the last one makes)
    "the newest is beyond after all": ([(0, 5.0), (0, 9.0)], [("raised", 0, 1, None, 9.0)]),
    "the newest is not": ([(0, 9.0), (0, 5.0)], [("revised void", 0, 1, 1, 9.0)]),
    "the newest did not end it": (
        [(0, 9.0), (1, 5.0), (1, 9.0)], [("raised", 0, 1, None, 9.0)],
    ),
    "the newest did end it": ([(0, 9.0), (1, 9.0), (1, 5.0)], [("cleared", 0, 1, 1, 9.0)]),
    "an older one is beyond": (
        [(0, 5.0), (1, 5.0), (2, 5.0), (0, 9.0)], [("raised late", 0, 1, None, 9.0), ("cleared late", 0, 1, 1, 9.0)],
    ),
    "an older one, told so, is not": (
        [(0, 5.0), (1, 5.0), (2, 5.0), (0, 9.0), (0, 5.0)], [("revised late void", 0, 1, 1, 5.0)],
    ),
    "an older one of a condition that is known": ([(0, 9.0), (1, 9.0), (2, 5.0), (0, 10.0)], []),
    "an older one of one that is open": ([(0, 9.0), (1, 9.0), (2, 9.0), (0, 10.0)], []),
    "an older one of one that a correction ended": ([(0, 9.0), (1, 9.0), (2, 9.0), (2, 7.0), (3, 7.0), (1, 9.1)], []),
    "the first one of one that two corrections ended and reopened": (
        [(0, 9.0), (1, 9.0), (1, 7.0), (1, 9.0), (2, 9.0), (0, 7.0)], [],
    ),
    "the first one of one that a correction reopened": ([(0, 9.0), (1, 7.0), (1, 9.0), (2, 9.0), (0, 7.0)], []),
}  # fmt: skip


@pytest.mark.parametrize(("figures", "expected"), CORRECTIONS.values(), ids=CORRECTIONS.keys())
def test_corrections(figures, expected):
    engine = rules_of(WARM)
    told(engine, *(figure(*one) for one in figures[:-1]))
    assert told(engine, figure(*figures[-1], revision=2)) == expected


def test_a_figure_that_late_data_took_away_takes_its_alarm_away():
    engine = rules_of(WARM)
    told(engine, figure(0, 5.0), figure(1, 9.0))
    gone = {"about": {"void": "late"}, "revision": 2}
    assert told(engine, figure(1, None, **gone)) == [("revised void", 1, 2, 2, 9.0)]
    assert told(engine, figure(1, None, **gone), figure(0, None, **gone), figure(7, None, **gone)) == []
    assert told(engine, figure(1, 9.5, revision=3)) == [("raised", 1, 2, None, 9.5)]
    told(engine, figure(2, 5.0), figure(3, 5.0), figure(4, 9.0), figure(5, 5.0))
    (older,) = engine.take([figure(4, None, **gone)], 9)
    assert (older.kind, older.start_ns, older.voided, older.condition) == ("revised", 4 * HOUR, True, "figure")


VERDICT = Rule(id="load", on="steam/*", figure="steam_cycle.verdict", below=1.0, undecided=True)


def verdict(hour, value, **more):
    return figure(hour, value, asset="steam/1", tag="phase", kind="steam_cycle", parts={"verdict": value}, **more)


UNDECIDED = {
    # id: (verdicts of loads 0.., what is told: kind, condition, limit, peak)
    "passed": ([1.0, 1.0], []),
    "cannot be decided": ([None], [("raised", "undecided", None, None)]),
    "failed": ([0.0], [("raised", "figure", 1.0, 0.0)]),
    "ends": ([None, 1.0], [("raised", "undecided", None, None), ("cleared", "undecided", None, None)]),
    "and then failed": ([None, 0.0], [("raised", "undecided", None, None), ("revised", "figure", 1.0, 0.0)]),
    "failed and then not decided": ([0.0, None], [("raised", "figure", 1.0, 0.0)]),
}  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), UNDECIDED.values(), ids=UNDECIDED.keys())
@pytest.mark.parametrize("restart", [False, True])
def test_what_cannot_be_decided_is_beyond_where_the_rule_says_so(values, expected, restart):
    engine, found = rules_of(VERDICT), []
    for hour, value in enumerate(values):
        found += engine.take([verdict(hour, value)], hour)
        engine = restarted(engine, VERDICT) if restart else engine
    assert [(one.kind, one.condition, one.limit, one.peak) for one in found] == expected


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        (None, 1.0, [("revised", "undecided", True)]), (None, 0.0, [("revised", "figure", False)]),
        (0.0, None, [("revised", "undecided", False)]), (1.0, None, [("raised", "undecided", False)]),
        (None, None, []),
    ],
)  # fmt: skip
def test_a_late_decision_sets_right_what_was_told(first, then, expected):
    engine = rules_of(VERDICT)
    engine.take([verdict(0, first)], 0)
    found = restarted(engine, VERDICT).take([verdict(0, then, revision=2)], 1)
    assert [(one.kind, one.condition, one.voided) for one in found] == expected
    assert all(one.start_ns == 0 for one in found)


def test_only_a_part_that_the_figure_has_can_be_undecided():
    engine = rules_of(VERDICT)
    probe = verdict(0, None)
    assert engine.take([Figure(**{**asdict(probe), "parts": {"probe_ok": 1.0}})], 0) == []
    assert engine.take([verdict(0, None, about={"void": "late"})], 0) == []
    assert rules_of(VERDICT.model_copy(update={"undecided": False})).take([probe], 0) == []


LOADS = VERDICT.model_copy(update={"each": True})


@pytest.mark.parametrize("restart", [False, True])
def test_each_window_by_itself_is_an_alarm_of_its_own(restart):
    """Corrections change the alarm of their load only, whatever came after it."""
    engine, found = rules_of(LOADS), []
    steps = [
        (0, 0.0, 1), (1, None, 1), (2, 1.0, 1),  # failed, not decided, passed
        (1, 0.0, 2), (0, 1.0, 2), (2, None, 2), (0, 0.0, 3), (5, 1.0, 1), (5, 1.0, 2),
    ]  # fmt: skip
    for hour, value, revision in steps:
        told_now = engine.take([verdict(hour, value, revision=revision)], 9)
        found.append([(one.kind, one.start_ns // HOUR, one.condition, one.voided, one.found_late) for one in told_now])
        engine = restarted(engine, LOADS) if restart else engine

    def both(hour, condition, late=False):
        return [(kind, hour, condition, False, late) for kind in ("raised", "cleared")]

    assert found == [
        both(0, "figure"), both(1, "undecided"), [], [("revised", 1, "figure", False, False)],
        [("revised", 0, "figure", True, False)], both(2, "undecided"), both(0, "figure", late=True), [], [],
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.0, 1.0, None])), max_size=30))
def test_in_the_end_each_window_beyond_has_its_alarm_and_no_other(given_in):
    engine, state = rules_of(LOADS), {}
    for hour, value in given_in:
        for change in engine.take([verdict(hour, value)], 0):
            ended = change.cleared_ns // HOUR if change.cleared_ns else 0
            state[change.start_ns // HOUR] = None if change.voided else ended
    wanted = {hour for hour, value in dict(given_in).items() if value != 1.0}
    assert {hour for hour, cleared in state.items() if cleared is not None} == wanted
    assert all(cleared in (None, hour + 1) for hour, cleared in state.items())


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_sentence_says_that_nothing_was_decided(language):
    (change,) = rules_of(VERDICT).take([verdict(0, None)], 1)
    assert "steam_cycle.verdict" in why(change, language)
    assert "?" not in why(change, language)


def test_a_removed_rule_goes_with_the_first_of_several_figures():
    engine = rules_of(WARM)
    engine.take([figure(0, 5.0)], 0)
    engine = restarted(engine)
    assert engine.take([figure(1, 9.0), figure(2, 9.0)], 1) == []
    assert engine.snapshot()[1] == ()


def test_the_cost_of_a_figure_does_not_grow_with_their_number():
    """Counted, not timed: how often all points that are known, or all rules, are gone through for a tick's figures."""

    class Counted(dict):
        runs = 0

        def __iter__(self):
            self.runs += 1
            return super().__iter__()

        def values(self):
            self.runs += 1
            return super().values()

    engine = rules_of(WARM)
    engine.take([figure(0, 5.0, asset=f"cold/room{at}") for at in range(50)], 0)
    engine._state = counted = Counted(engine._state)
    engine._rules = rules = Counted(engine._rules)
    engine.take([figure(1, 9.0, asset=f"cold/room{at}") for at in range(50)], 1)
    assert (counted.runs, rules.runs) == (0, 0)


@pytest.mark.parametrize("today", [WARM, WARM.model_copy(update={"above": 8.5})], ids=["same", "changed"])
def test_points_that_come_back_share_their_rule(today):
    engine = rules_of(WARM)
    engine.take([figure(0, 9.0, asset=f"cold/room{at}") for at in range(50)], 0)
    again = restarted(engine, today)
    assert {one.rule.above for one in again._state.values()} == {8.0}, "open ones go on under theirs"
    assert len({id(one.rule) for one in again._state.values()}) == 1
    assert again.snapshot() == engine.snapshot()


def test_figures_that_still_run_are_not_judged():
    assert told(rules_of(WARM), figure(0, 9.0, revision=0, final=False)) == []


def test_other_assets_kinds_and_rules_are_left_alone():
    plain = Rule(id="plain", on="*", above=8.0)
    others = [figure(0, 9.0, asset="hot/room"), figure(0, 9.0, tag="door"), figure(0, 9.0, kind="oee", parts=OEE_PARTS)]
    assert told(rules_of(WARM, plain), *others) == []


@pytest.mark.parametrize(
    ("name", "value"), [("availability", 0.5), ("performance", 0.5), ("quality", 0.9), ("oee", 0.225), ("down_s", None)]
)
def test_an_oee_is_judged_by_its_ratios(name, value):
    one = figure(0, None, kind="oee", tag="state", parts=OEE_PARTS)
    low = Rule(id="low", on="*", figure=f"oee.{name}", below=1.0)
    assert [row[-1] for row in told(rules_of(low), one)] == ([] if value is None else [pytest.approx(value)])


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_sentence_names_the_figure(language):
    (change,) = rules_of(WARM).take([figure(0, 9.25)], 1)
    text = why(change, language)
    for part in ("cold/room1", "cold_chain.mkt", "9.25", "60"):
        assert part in text
    assert "?" not in text


def test_an_open_condition_keeps_its_version():
    engine = rules_of(WARM)
    (raised,) = engine.take([figure(0, 9.0)], 1)
    engine = restarted(engine, WARM.model_copy(update={"above": 8.5}))
    (cleared,) = engine.take([figure(1, 5.0)], 2)
    (again,) = engine.take([figure(2, 9.0)], 3)
    assert cleared.rule_version == raised.rule_version != again.rule_version


def test_an_open_condition_keeps_its_limit_and_a_removed_rule_its_condition():
    engine = rules_of(WARM)
    told(engine, figure(0, 9.0))
    for rules in ((WARM.model_copy(update={"above": 80.0}),), ()):
        other = restarted(restarted(engine, *rules), *rules)
        assert told(other, figure(1, 9.0)) == []
        assert told(other, figure(2, 7.0), figure(3, 9.0)) == [("cleared", 0, 1, 2, 9.0)]
        assert told(restarted(other, WARM), figure(4, 9.0)) == [("raised", 4, 5, None, 9.0)]


def test_what_was_not_confirmed_is_forgotten_with_its_rule():
    slow = WARM.model_copy(update={"delay_s": 7200.0})
    engine = rules_of(slow)
    told(engine, figure(0, 9.0))
    changed = restarted(engine, slow.model_copy(update={"above": 8.5}))
    assert told(changed, figure(1, 9.0), figure(2, 9.0)) == [("raised", 1, 3, None, 9.0)]
    assert told(restarted(engine, slow), figure(1, 9.0)) == [("raised", 0, 2, None, 9.0)]


def twin(rule, values):
    """Every run of windows beyond the limit, looked at as a whole: (start, cleared or None), hours."""
    runs, start = [], None
    for hour, value in enumerate(values):
        if start is None and value > rule.above:
            start = hour
        elif start is not None and value < rule.above - rule.deadband:
            runs.append((start, hour))
            start = None
    return runs + ([(start, None)] if start is not None else [])


@given(st.lists(st.sampled_from([7.0, 7.5, 7.7, 8.0, 8.1, 9.0]), max_size=40), st.sets(st.integers(0, 40)))
def test_the_twin_sees_the_same_runs(values, restarts):
    engine, changes = rules_of(WARM), []
    for hour, value in enumerate(values):
        engine = restarted(engine, WARM) if hour in restarts else engine
        changes += engine.take([figure(hour, value)], hour)
    found = {one.start_ns // HOUR: one.cleared_ns and one.cleared_ns // HOUR for one in changes}
    assert sorted(found.items()) == twin(WARM, values)


@pytest.mark.parametrize("seed", range(10))
def test_corrections_of_the_newest_end_where_the_right_values_would_have(seed):
    """What is open in the end is the same as if no figure had been wrong first."""
    rng = random.Random(seed)
    values = [rng.choice((5.0, 9.0)) for _ in range(30)]
    wrong, right = rules_of(WARM), rules_of(WARM)
    states = ({}, {})
    for hour, value in enumerate(values):
        tries = [rng.choice((5.0, 9.0)) for _ in range(rng.randint(0, 2))]
        for engine, state, series in ((wrong, states[0], [*tries, value]), (right, states[1], [value])):
            for one in series:
                for change in engine.take([figure(hour, one)], hour):
                    state[change.start_ns] = change
    last = [{start: (one.cleared_ns, one.voided) for start, one in state.items()} for state in states]
    gone = {start for start, (_, voided) in last[0].items() if voided}
    assert {start: one for start, one in last[0].items() if start not in gone} == last[1]

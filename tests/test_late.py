"""Late rows: whatever order the rows came in, the conditions are in the end those of the rows in order."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms import stretches
from alarms.conditions import ConditionEngine
from alarms.kernels import LANE, OPEN_END, SERIES
from alarms.late_rows import FORGET_TICKS
from alarms.snapshots_2 import LANE_2, SERIES_2
from andon.config.models import Rule
from andon.plant import rule_version
from andon.readings import NS_PER_S
from tests.condition_logs import SPECS, START_NS, VALUES, Row, Tick, batch
from tests.late_logs import MemoryJournal, conditions, final, in_order, renamed, run_late, settled, some_log, some_rules
from tests.naive_late import JudgesAll

ROOMS = renamed(SPECS, 2)
HOT = Rule(id="hot", on="*", above=8.0)
SLOW = Rule(id="hot", on="*", above=8.0, delay_s=30.0)
ODD = Rule(id="odd", on="*", anomaly=3.0)
SILENT = Rule(id="silent", on="*", stale_s=60.0)
LINGERS = Rule(id="hot", on="*", above=8.0, off_delay_s=10.0)
CALM = (*[5.0, 6.0, 7.0, 7.9] * 10, *VALUES)  # hardly ever beyond a limit
TWO = ((0, 5.0), (10, 9.0), (20, 5.0), (31, 5.0), (40, 11.0))  # time s, value; under LINGERS the start of two


@pytest.fixture(scope="module")
def seen():
    """What the random logs made happen, over all seeds of this file."""
    return Counter()


@pytest.mark.parametrize("seed", range(60))
def test_long_random_logs_end_as_if_all_had_come_in_time(seed, seen):
    rng = random.Random(seed)
    rules, log = some_rules(rng), settled(some_log(rng, 600))
    changes = run_late(rules, log, ROOMS)
    assert conditions(changes) == conditions(in_order(rules, log, ROOMS))
    for one in changes:
        how = "merged" if one.merged_into_ns is not None else "voided" if one.voided else one.kind
        seen[one.condition, "late" if one.found_late else how] += 1


def test_the_random_logs_reach_everything(seen):
    """Not one of these may be missing, else the comparison above proves less than it says."""
    happened = {how for _, how in seen}
    assert happened == {"raised", "cleared", "revised", "voided", "merged", "late"}
    for condition in ("above", "below", "outside", "stuck"):
        assert {seen[condition, how] > 0 for how in ("revised", "late", "voided")} == {True}


@given(st.randoms(use_true_random=False), st.integers(1, 80), st.data())
@settings(max_examples=60, deadline=None)
def test_any_cut_and_any_restart_give_the_same_changes(rng, length, data):
    rules, log = some_rules(rng), settled(some_log(rng, length))
    cuts = data.draw(st.sets(st.integers(0, len(log))))
    restarts = data.draw(st.sets(st.integers(0, len(log)), max_size=4))
    whole = run_late(rules, log, ROOMS)
    assert run_late(rules, log, ROOMS, cuts=cuts, restarts=restarts) == whole
    assert conditions(whole) == conditions(in_order(rules, log, ROOMS))


@given(st.randoms(use_true_random=False), st.integers(1, 120), st.data())
@settings(max_examples=40, deadline=None)
def test_rules_edited_at_any_place_leave_no_alarm_twice(rng, length, data):
    """Alarms of one rule that stand do not overlap, whatever versions of it they are of; none is left open for ever."""
    log = settled(some_log(rng, length))
    edits = {at: some_rules(rng) for at in data.draw(st.sets(st.integers(0, length), max_size=4))}
    changes = run_late(some_rules(rng), log, ROOMS, edits=edits)
    by_rule: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for one in final(changes).values():
        if not one.voided:
            begun = one.start_ns if one.begun_ns is None else one.begun_ns
            end = float("inf") if one.cleared_ns is None else one.cleared_ns
            by_rule.setdefault((one.asset, one.rule_id), []).append((begun, end))
    for spans in by_rule.values():
        spans.sort()
        assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans


@given(st.randoms(use_true_random=False), st.integers(1, 150), st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_left_out_would_have_changed_nothing(rng, length, data):
    """The same changes at the same ticks as when every stretch is judged, whole: also under edits and restarts."""
    rules = [*some_rules(rng), *rng.choice(([], [ODD], [SILENT]))]
    log = settled(some_log(rng, length, values=rng.choice((VALUES, CALM, CALM))))
    edits = {at: some_rules(rng) for at in data.draw(st.sets(st.integers(0, length), max_size=2))}
    cuts, restarts = (data.draw(st.sets(st.integers(0, len(log)), max_size=4)) for _ in range(2))
    every = run_late(rules, log, ROOMS, edits=edits, engine_of=JudgesAll)
    assert run_late(rules, log, ROOMS, edits=edits, cuts=cuts, restarts=restarts) == every


def test_late_rows_inside_the_limits_are_not_looked_up():
    """Nothing near them was told, so their stretch ends unread."""
    journal, read = MemoryJournal(), []
    engine = ConditionEngine(lambda _: [SLOW, ODD], lambda *asked: read.append(asked) or journal.points(*asked))
    engine.bind(0, ROOMS[0])

    def step(*parts, ticks):
        log = log_of(*parts, ticks=ticks)
        rows = [one for one in log if isinstance(one, Row)]
        journal.append(rows)
        return [*engine.step(*batch(rows, 0)), *(one for tick in log[len(rows) :] for one in engine.tick(tick.time, 1))]

    live = [(at, 5.0) for at in range(300)]
    assert step(*live, *((at, 7.9) for at in range(0, 290, 7)), ticks=700) == []
    assert not read
    assert not engine._late._spans
    changes = step((300, 5.0), *((at, 9.0) for at in range(100, 190, 7)), (301, 5.0), ticks=20)
    assert read
    assert [one.kind for one in changes if one.rule_id == "hot"] == []  # each is over with the next row
    read.clear()
    assert step((302, 5.0), (250, 5.0), ticks=20) == []
    assert not read
    step((303, 5.0), (200, 5.0), ticks=20)  # within a delay of one that was beyond
    assert read


@pytest.mark.parametrize("seed", range(120))
def test_what_ended_before_late_rows_need_not_be_read_again(seed):
    """The same changes from its end on as from its begin on, whatever comes behind it, late or on its way."""
    rng = random.Random(seed)
    now, parts, held = 0, [], []
    for value in rng.choices((9.0, 7.7, 5.0), (3, 1, 3), k=rng.randint(2, 8)):
        over = now  # what begins behind here may come late
        for _ in range(rng.randint(1, 15)):
            now += rng.choice((0, 1, 1, 2))
            if now <= over + 4 and value < 9.0 and rng.random() < 0.5:
                held.append((now, rng.choice((value, 9.0, 9.0))))
            else:
                parts.append((now, value))
        if rng.random() < 0.6:
            parts += rng.sample(held, len(held))
            held.clear()
    log = []
    for one in log_of(*parts, *held, (now + 4, 5.0), ticks=90):
        log.append(one)
        if isinstance(one, Row) and rng.random() < 0.3:
            log += [Tick(one.received + at * NS_PER_S) for at in range(rng.choice((1, 6, 70)))]
    rule = Rule(
        id="hot", on="*", above=8.0, deadband=rng.choice((0.0, 0.5)), delay_s=rng.choice((0.0, 2.0)),
        off_delay_s=rng.choice((0.0, 0.0, 3.0)),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "LONG_NS", OPEN_END)
        every = run_late([rule], log, ROOMS[:1], engine_of=JudgesAll)
        patch.setattr(stretches, "LONG_NS", 0)
        assert run_late([rule], log, ROOMS[:1]) == every


def test_days_that_are_over_are_not_read_again():
    journal, read = MemoryJournal(), []
    engine, end = long_open(journal, 2)
    parts = [*((end + at, 5.0) for at in range(0, 100, 2)), (end + 1, 9.0)]
    rows = [one for one in log_of(*parts) if isinstance(one, Row)]
    journal.append(rows)
    assert [one.kind for one in engine.step(*batch(rows, 10**5))] == ["cleared"]
    engine._points = lambda *asked: read.append(journal.points(*asked)) or read[-1]
    changes = [one for at in range(20) for one in engine.tick(rows[-1].time + at * NS_PER_S, 10**6)]
    assert told(changes) == [("raised", end + 1, None, None, ""), ("cleared", end + 1, None, end + 2, "")]
    assert 0 < sum(len(rows) for rows in read) < 100


def test_state_of_the_layout_before_is_taken_over():
    """It does not say where a series was quiet: late rows are judged until that is known again."""
    journal = MemoryJournal()
    engine = ConditionEngine(lambda _: [HOT], journal.points)
    engine.bind(0, ROOMS[0])
    log = log_of((0, 5.0), (10, 9.0), (20, 5.0), (30, 5.0), ticks=0)
    journal.append(log)
    engine.step(*batch(log, 0))
    layout, clock, slots, series, lanes, *rest = engine.snapshot()
    before = (
        layout - 1, clock, slots, _packed(series, SERIES, SERIES_2), _packed(lanes, LANE, LANE_2), *rest,
    )  # fmt: skip
    again = ConditionEngine(lambda _: [HOT], journal.points)
    again.restore(before, ROOMS[:1])
    assert again._lanes["quiet"][0] == OPEN_END
    late = log_of((30, 5.0), (18, 9.5), (31, 5.0), ticks=0)[1:]
    journal.append(late)
    changes = again.step(*batch(late, 10))
    changes += [one for at in range(40) for one in again.tick(START_NS + (31 + at) * NS_PER_S, 20)]
    assert [(one.kind, one.peak) for one in changes] == [("revised", 9.5)]
    assert again._lanes["quiet"][0] < OPEN_END


def _packed(records, now, before):
    new = np.frombuffer(records, now)
    old = np.zeros(len(new), before)
    for name in before.names:
        old[name] = new[name]
    return old.tobytes()


# One by one


def log_of(*parts, ticks=70):
    """Parts in log order: (event time s, value), received at the newest time so far; and ticks behind."""
    now, log = 0, []
    for time_s, value in parts:
        now = max(now, time_s)
        log.append(Row(0, START_NS + time_s * NS_PER_S, value, float("nan"), 0, START_NS + now * NS_PER_S))
    return [*log, *(Tick(START_NS + (now + at) * NS_PER_S) for at in range(ticks))]


def told(changes):
    """(kind, start, where the crossing is now, end, what else) in s."""
    return [
        (
            one.kind, (one.start_ns - START_NS) // NS_PER_S,
            None if one.begun_ns is None else (one.begun_ns - START_NS) // NS_PER_S,
            None if one.cleared_ns is None else (one.cleared_ns - START_NS) // NS_PER_S,
            "merged" if one.merged_into_ns is not None else "voided" if one.voided else "",
        )
        for one in changes
    ]  # fmt: skip


def run(*parts, rules=(HOT,), **more):
    return run_late(rules, log_of(*parts, **more), ROOMS[:1])


def test_a_late_row_moves_the_start_of_an_open_condition():
    changes = run((0, 5.0), (10, 5.0), (30, 9.0), (40, 9.5), (20, 12.0), (50, 9.0))
    assert told(changes) == [("raised", 30, None, None, ""), ("revised", 30, 20, None, "")]
    assert changes[-1].peak == 12.0
    assert changes[-1].confirmed_ns == START_NS + 20 * NS_PER_S


def test_the_clear_that_follows_has_the_true_start_peak_and_time():
    log = log_of((0, 5.0), (30, 9.0), (40, 9.5), (20, 12.0), (50, 9.0))
    log.append(Row(0, START_NS + 200 * NS_PER_S, 5.0, float("nan"), 0, START_NS + 200 * NS_PER_S))
    changes = run_late([HOT], log, ROOMS[:1])
    assert told(changes)[-1] == ("cleared", 30, 20, 200, "")
    assert (changes[-1].peak, changes[-1].out_s) == (12.0, 180.0)


def test_a_late_row_moves_the_end():
    changes = run((0, 5.0), (10, 9.0), (40, 5.0), (60, 5.0), (30, 5.0))
    assert told(changes)[2:] == [("revised", 10, None, 30, "")]
    assert changes[-1].out_s == 20.0


def test_two_excursions_that_a_late_row_makes_one_stay_one_record():
    changes = run(*TWO, (50, 5.0), (65, 5.0), (25, 9.0), (70, 5.0), rules=(LINGERS,))
    assert told(changes)[:4] == [
        ("raised", 10, None, None, ""), ("cleared", 10, None, 30, ""), ("raised", 40, None, None, ""),
        ("cleared", 40, None, 60, ""),
    ]  # fmt: skip
    assert told(changes)[4:] == [("revised", 10, None, 60, ""), ("revised", 40, None, 60, "merged")]
    one, gone = changes[4:]
    assert (one.peak, one.out_s) == (11.0, 26.0)
    assert (gone.merged_into_ns, gone.voided, gone.out_s) == (START_NS + 10 * NS_PER_S, True, 0.0)


def test_the_last_of_two_that_are_one_is_still_open():
    log = log_of(*TWO, (25, 9.0), (50, 9.0))
    changes = run_late([LINGERS], log, ROOMS[:1])
    assert told(final(changes).values()) == [("revised", 10, None, None, ""), ("revised", 40, None, 40, "merged")]
    log += [Row(0, START_NS + at * NS_PER_S, 5.0, float("nan"), 0, log[-1].time) for at in (200, 210)]
    assert told(run_late([LINGERS], log, ROOMS[:1]))[-1] == ("cleared", 10, None, 210, "")


def test_a_late_row_voids_what_never_lasted_long_enough():
    changes = run((0, 5.0), (10, 9.0), (45, 9.0), (25, 5.0), (50, 5.0), rules=(SLOW,))
    assert told(changes) == [
        ("raised", 10, None, None, ""), ("cleared", 10, None, 50, ""), ("revised", 10, None, 50, "voided"),
    ]  # fmt: skip
    assert changes[-1].out_s == 0.0


def test_what_was_voided_comes_back_under_its_identity():
    parts = [(0, 5.0), (10, 9.0), (45, 9.0), (25, 5.0), (50, 5.0)]
    log = log_of(*parts)
    log.append(Row(0, START_NS + 25 * NS_PER_S, 9.0, float("nan"), 0, log[-1].time))  # the later of two with one stamp
    log.append(Row(0, START_NS + 200 * NS_PER_S, 5.0, float("nan"), 0, log[-2].time))
    changes = run_late([Rule(id="hot", on="*", above=8.0, delay_s=20.0)], settled(log), ROOMS[:1])
    assert told(changes)[-1] == ("revised", 10, 25, 50, "")


def test_a_late_row_makes_two_of_one():
    changes = run((0, 5.0), (10, 9.0), (60, 9.0), (70, 5.0), (30, 5.0), (40, 9.0))
    assert told(changes)[2:] == [
        ("revised", 10, None, 30, ""), ("raised", 40, None, None, ""), ("cleared", 40, None, 70, ""),
    ]  # fmt: skip
    assert [one.found_late for one in changes] == [False, False, False, True, True]


def test_a_backlog_of_days_is_found_with_its_true_times_and_once():
    day = 86_400
    backlog = [(at, 9.0 if 2000 <= at < 4000 else 5.0) for at in range(910, 6000, 10)]
    parts = [(0, 5.0), (900, 5.0), (3 * day, 5.0), (3 * day + 10, 5.0)]
    rule = Rule(id="hot", on="*", above=8.0, delay_s=600.0)
    changes = run(*parts, *backlog, rules=(rule,))
    assert told(changes) == [("raised", 2000, None, None, ""), ("cleared", 2000, None, 4000, "")]
    assert told(run(*parts, *backlog, *backlog, rules=(rule,))) == told(changes)


def test_a_backlog_on_its_way_is_not_judged_by_where_it_stands():
    """The last value so far is beyond, and the next row known is days ahead: nothing is told before it is quiet."""
    day, rule = 86_400, Rule(id="hot", on="*", above=8.0, delay_s=600.0)
    log = log_of((0, 5.0), (3 * day, 5.0), ticks=1)
    for at in range(100):
        received = START_NS + (3 * day + at) * NS_PER_S
        log.append(Row(0, START_NS + (1000 + at * 10) * NS_PER_S, 9.0 if at < 50 else 5.0, float("nan"), 0, received))
        log.append(Tick(received))
    assert run_late([rule], log, ROOMS[:1]) == []


def test_an_excursion_whose_rule_is_edited_stays_one_record_under_its_version():
    before, edited = [HOT], [Rule(id="hot", on="*", above=7.0)]
    log = log_of((0, 5.0), (30, 9.0), (40, 9.5), ticks=1)
    at = len(log)
    log += log_of((20, 9.0), (50, 9.0), (60, 6.0), (70, 5.0))
    changes = run_late(before, log, ROOMS[:1], edits={at: edited})
    (alarm,) = final(changes).values()
    assert told([alarm]) == [("revised", 30, 20, 60, "")]
    assert {one.rule_version for one in changes} == {rule_version(HOT)}


def test_a_rule_that_is_removed_from_the_newest_series_leaves_nothing_behind():
    """What it told is remembered as long as late rows may come, should the rule return, and no longer."""
    specs, journal = renamed(SPECS, 3), MemoryJournal()

    def rows(series, *pairs):
        return [Row(series, START_NS + at * NS_PER_S, x, float("nan"), 0, START_NS + at * NS_PER_S) for at, x in pairs]

    def step(engine, log):
        journal.append(log)
        return engine.step(*batch(log, 0))

    def under(rules_of, state=None):
        engine = ConditionEngine(rules_of, journal.points, keep_s=100.0)
        if state is not None:
            engine.restore(state, specs)
        return engine

    engine = under(lambda _: [HOT])
    for place, spec in enumerate(specs):
        engine.bind(place, spec)
    assert len(step(engine, rows(2, (0, 5.0), (30, 9.0), (60, 5.0)))) == 2
    engine = under(lambda spec: [HOT] if spec == specs[0] else [], engine.snapshot())
    step(engine, rows(0, (150, 5.0)))
    ticks = iter(range(200, 10_000))
    assert not any(engine.tick(START_NS + next(ticks) * NS_PER_S, 1) for _ in range(FORGET_TICKS))
    again = under(lambda _: [HOT], engine.snapshot())
    changes = step(again, rows(2, (120, 5.0), (50, 5.0)))
    changes += [change for at in range(5000, 5100) for change in again.tick(START_NS + at * NS_PER_S, 1)]
    assert told(changes) == [("revised", 30, None, 50, "")], "one record"
    step(engine, rows(0, (161, 5.0)))
    assert not any(engine.tick(START_NS + next(ticks) * NS_PER_S, 1) for _ in range(FORGET_TICKS))
    assert engine.snapshot()[-1][:2] == (b"", ((2, "hot", START_NS + 60 * NS_PER_S),))


def test_scores_and_silence_are_left_as_they_were_told():
    rules = (Rule(id="odd", on="*", anomaly=3.0), Rule(id="silent", on="*", stale_s=20.0))
    without = run((0, 5.0), (10, 9.0), (60, 5.0), rules=rules)
    assert told(run((0, 5.0), (10, 9.0), (60, 5.0), (20, 5.0), (30, 99.0), rules=rules)) == told(without) != []


@pytest.mark.parametrize("steady", [9.0, 9.5])
def test_what_a_tick_confirmed_stays_when_a_row_on_its_way_says_the_same(steady):
    """The row is behind what the tick held up to, and becomes the newest one: time does not begin anew with it."""
    rule = Rule(id="hot", on="*", above=8.0, delay_s=600.0)
    log = [*log_of((0, 9.0), ticks=650), *(log_of((300, steady), (310, steady), ticks=1)[:2])]
    log[-2:] = [one._replace(received=START_NS + 650 * NS_PER_S) for one in log[-2:]]
    log += [Tick(START_NS + at * NS_PER_S) for at in range(650, 1100)]
    assert told(run_late([rule], log, ROOMS[:1])) == [("raised", 0, None, None, "")]


def test_what_a_tick_cleared_stays_when_a_row_on_its_way_says_the_same():
    rule = Rule(id="hot", on="*", above=8.0, off_delay_s=600.0)
    log = [*log_of((0, 9.0), (1, 5.0), ticks=650), Row(0, START_NS + 300 * NS_PER_S, 5.0, float("nan"), 0, 0)]
    log[-1] = log[-1]._replace(received=START_NS + 650 * NS_PER_S)
    log += [Tick(START_NS + at * NS_PER_S) for at in range(650, 1300)]
    assert told(run_late([rule], log, ROOMS[:1])) == [("raised", 0, None, None, ""), ("cleared", 0, None, 601, "")]


def long_open(journal, days, keep_s=360_000.0):
    """An engine over a journal with one condition that is open for so many days."""
    engine = ConditionEngine(lambda _: [HOT], journal.points, keep_s=keep_s)
    engine.bind(0, ROOMS[0])
    log = [Row(0, START_NS + at * NS_PER_S, 9.0, float("nan"), 0, 0) for at in range(0, days * 86_400, 60)]
    journal.append(log)
    assert len(engine.step(*batch(log, 0))) == 1
    return engine, days * 86_400


def judged_at(engine, journal, at, ticks):
    """A late row at a time (s), ticks behind it; after how many of them rows were read for it."""
    late = [Row(0, START_NS + at * NS_PER_S, 9.5, float("nan"), 0, 0)]
    journal.append(late)
    engine.step(*batch(late, 10**6))
    read, points = [], journal.points
    for tick in range(ticks):
        engine._points = lambda *asked, tick=tick: read.append((tick, asked[1])) or points(*asked)
        engine.tick(START_NS + tick * NS_PER_S, 10**6)
    return [tick for tick, start_ns in read if start_ns < START_NS + NS_PER_S]


def test_late_rows_of_what_is_open_for_long_are_judged_less_often():
    """All its rows are read for each: 2 days are 288 times 10 minutes."""
    journal = MemoryJournal()
    engine, end = long_open(journal, 2)
    (first,) = judged_at(engine, journal, end - 61, 620)
    assert 280 < first < 300


def test_what_is_open_for_longer_than_late_rows_count_is_left_alone():
    journal = MemoryJournal()
    engine, end = long_open(journal, 2, keep_s=86_400.0)
    assert judged_at(engine, journal, end - 61, 620) == []


def test_a_tick_that_decided_too_early_is_set_right():
    """Confirmed by a tick under the held value; a row on its way shows that the value had returned before."""
    log = [*log_of((0, 5.0), (10, 9.0), ticks=1), *(Tick(START_NS + at * NS_PER_S) for at in (20, 40))]
    log += log_of((30, 5.0), (80, 5.0))
    changes = run_late([SLOW], log, ROOMS[:1])
    assert told(changes)[-1] == ("revised", 10, None, 30, "voided")

"""Suppression by design: hours, states, maintenance, changes; by hand, and against a twin that remembers everything."""

from __future__ import annotations

import pickle
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alarms.gates import LONGEST_MAINTENANCE_NS, PAST_MAINTENANCES, Gates
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.config.rules import DAYS, Schedule, When
from andon.hours import Hours
from andon.plant import PACKML_STATES, SeriesSpec
from andon.readings import Event
from tests.condition_logs import Row, batch

S = 1_000_000_000
ZONE = "Europe/Berlin"
SPECS = [
    SeriesSpec("line1/filler", "state", "state", "1", 0, 17, 1.0, PACKML_STATES, None, "", True),
    SeriesSpec("line1/filler", "temp", "number", "Cel", -50, 50, 1.0, (), None, "", True),
]
EXECUTE, STOPPED = 6.0, 2.0
RUNNING = When(tag="state", states=("Execute",))


def local(text: str) -> int:
    """A local time of the site in ns: 2026-03-28 22:00."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).timestamp()) * S


NOON = local("2026-03-25 12:00")


def rule(**more):
    return Rule(id="hot", on="*", above=8.0, **more)


def gates_of(*rules):
    gates = Gates(rules, ZONE)
    for place, spec in enumerate(SPECS):
        gates.bind(place, spec)
    return gates


def restarted(gates, *rules):
    fresh = Gates(rules, ZONE)
    fresh.restore(pickle.loads(pickle.dumps(gates.snapshot())))
    for place, spec in enumerate(SPECS):
        fresh.bind(place, spec)
    return fresh


def change(start, kind="raised", *, at=0, rule_id="hot", **more):
    fields = {
        "kind": kind, "asset": "line1/filler", "tag": "temp", "rule_id": rule_id, "rule_version": "0" * 12,
        "raises": "none", "priority": "low", "condition": "above", "limit": 8.0, "unit": "Cel", "start_ns": start,
        "confirmed_ns": start, "cleared_ns": start + S if kind == "cleared" else None, "peak": 9.5, "out_s": 1.0,
        "offset": at,
    }  # fmt: skip
    return ConditionChange(**(fields | more))


def said(time, value, series=0):
    return Row(series, time, value, 0.0, 0, time)


def step(gates, rows=(), changes=(), at=0):
    return gates.step(batch(list(rows), at)[0], list(changes))


def event(name, time, asset="line1/filler"):
    return Event(time, asset, name, {}, 0, time, 0)


def short(changes):
    return [(one.kind, one.suppressed_by) for one in changes]


# Hours

HOURS = {
    # id: (days, begins, ends), {local time: counts}
    "day shift": ((DAYS[:5], "06:00", "14:00"), {
        "2026-03-25 05:59": False, "2026-03-25 06:00": True, "2026-03-25 13:59": True, "2026-03-25 14:00": False,
        "2026-03-28 08:00": False,
    }),
    "night to Saturday": ((("fri",), "22:00", "06:00"), {
        "2026-03-27 21:59": False, "2026-03-27 22:00": True, "2026-03-28 05:59": True, "2026-03-28 06:00": False,
        "2026-03-28 23:00": False, "2026-03-27 03:00": False,
    }),
    "whole Sunday": ((("sun",), "00:00", "00:00"), {
        "2026-03-28 23:59": False, "2026-03-29 00:00": True, "2026-03-29 23:59": True, "2026-03-30 00:00": False,
    }),
    "clocks go forward": ((DAYS, "01:00", "04:00"), {
        "2026-03-29 00:59": False, "2026-03-29 01:59": True, "2026-03-29 03:00": True, "2026-03-29 04:00": False,
    }),
}  # fmt: skip


@pytest.mark.parametrize(("hours", "expected"), HOURS.values(), ids=HOURS.keys())
def test_hours(hours, expected):
    days, begins, ends = hours
    one = Hours([DAYS.index(day) for day in days], begins, ends, ZONE)
    assert {text: one.hold(local(text)) for text in expected} == expected


def test_the_night_of_a_clock_change_is_an_hour_longer_or_shorter():
    night = Hours(range(7), "22:00", "06:00", ZONE)
    for begins, hours in (("2026-03-27 22:00", 8), ("2026-03-28 22:00", 7), ("2026-10-24 22:00", 9)):
        at = local(begins)
        held = [night.hold(at + minute * 60 * S) for minute in range(12 * 60)]
        assert held == [True] * 60 * hours + [False] * 60 * (12 - hours)


# By hand


def test_a_rule_without_gates_passes():
    gates = gates_of(rule())
    assert short(step(gates, changes=[change(NOON), change(NOON, "cleared")])) == [("raised", ""), ("cleared", "")]
    assert gates.tick(NOON, 1, []) == []


def test_a_schedule_that_opens_on_bad_data_lets_it_out():
    gates = gates_of(rule(schedule=Schedule(begins="06:00", ends="14:00")))
    bad = local("2026-03-25 05:00")
    assert short(step(gates, changes=[change(bad)])) == [("raised", "schedule")]
    assert gates.tick(local("2026-03-25 05:59"), 1, []) == []
    (out,) = gates.tick(local("2026-03-25 06:00"), 2, [])
    assert (out.kind, out.suppressed_by, out.start_ns, out.confirmed_ns, out.offset) == (
        "unsuppressed",
        "",
        bad,
        bad,
        2,
    )
    assert short(gates.tick(local("2026-03-25 14:00"), 3, [])) == [("suppressed", "schedule")]
    assert short(step(gates, changes=[change(bad, "cleared")])) == [("cleared", "schedule")]
    assert gates.tick(local("2026-03-26 07:00"), 4, []) == []


def test_a_machine_that_is_off_is_silent():
    gates = gates_of(rule(when=RUNNING))
    assert short(step(gates, changes=[change(NOON)])) == [("raised", "")], "nothing is known of the state yet"
    assert step(gates, [said(NOON, STOPPED)]) == []
    assert short(gates.tick(NOON + S, 1, [])) == [("suppressed", "state")]
    assert step(gates, [said(NOON + 5 * S, EXECUTE)]) == []
    assert short(gates.tick(NOON + 6 * S, 2, [])) == [("unsuppressed", "")]


def test_a_grace_follows_the_start():
    gates = gates_of(rule(when=RUNNING.model_copy(update={"grace_s": 60.0})))
    step(gates, [said(NOON, STOPPED), said(NOON + 10 * S, EXECUTE)])
    assert short(step(gates, changes=[change(NOON + 20 * S)])) == [("raised", "state")]
    assert gates.tick(NOON + 69 * S, 1, []) == []
    assert short(gates.tick(NOON + 70 * S, 2, [])) == [("unsuppressed", "")]


def test_a_state_counts_from_its_own_message_on():
    rows = [said(NOON, EXECUTE), said(NOON + S, STOPPED), said(NOON + 2 * S, EXECUTE)]
    told = step(gates_of(rule(when=RUNNING)), rows, [change(NOON + k * S, at=k) for k in range(3)])
    assert [one.suppressed_by for one in told] == ["", "state", ""]


def test_a_late_state_changes_nothing():
    gates = gates_of(rule(when=RUNNING))
    step(gates, [said(NOON, EXECUTE), said(NOON - S, STOPPED)])
    assert short(step(gates, changes=[change(NOON + S)])) == [("raised", "")]


def test_maintenance_silences_all_but_the_rules_that_say_otherwise():
    gates = gates_of(rule(), rule(in_maintenance=True).model_copy(update={"id": "gas"}))
    gates.event(event("maintenance.started", NOON, "line1"))  # of the line, so of its machines too
    told = step(gates, changes=[change(NOON), change(NOON, rule_id="gas"), change(NOON, rule_id="andon-conflict")])
    assert [one.suppressed_by for one in told] == ["mode", "", ""]
    gates.event(event("maintenance.ended", NOON + 5 * S, "line1"))
    assert short(gates.tick(NOON + 6 * S, 1, [])) == [("unsuppressed", "")]


@pytest.mark.parametrize("end", ["maintenance.ended", "maintenance.started"])
def test_what_is_told_after_a_maintenance_counts_as_it_was_then(end):
    gates = gates_of(rule())
    gates.event(event("maintenance.started", NOON))
    gates.event(event(end, NOON + 60 * S))
    gates.event(event("maintenance.ended", NOON + 70 * S))
    gates = restarted(gates, rule())
    told = step(gates, changes=[change(NOON - S), change(NOON), change(NOON + 59 * S), change(NOON + 70 * S)])
    assert [one.suppressed_by for one in told] == ["", "mode", "mode", ""]
    over = step(gates, changes=[change(NOON, "cleared")])
    assert short(over) == [("cleared", "mode")]
    assert short(gates.tick(NOON + 80 * S, 1, [])) == [("unsuppressed", "")]  # the other one is still true


def test_only_the_last_maintenances_are_known():
    gates = gates_of(rule())
    for number in range(PAST_MAINTENANCES + 1):
        gates.event(event("maintenance.started", NOON + 10 * number * S))
        gates.event(event("maintenance.ended", NOON + (10 * number + 5) * S))
    told = step(gates, changes=[change(NOON + S), change(NOON + 11 * S)])
    assert [one.suppressed_by for one in told] == ["", "mode"]


def test_what_is_let_out_still_says_why():
    gates = gates_of(rule())
    gates.event(event("maintenance.started", NOON))
    step(gates, changes=[change(NOON + S, evidence={"reference": "line1/filler/target"})])
    gates.event(event("maintenance.ended", NOON + 5 * S))
    (let_out,) = restarted(gates, rule()).tick(NOON + 6 * S, 1, [])
    assert (let_out.kind, let_out.evidence) == ("unsuppressed", {"reference": "line1/filler/target"})


def test_a_snapshot_without_past_maintenances_and_evidence_is_read():
    gates = gates_of(rule())
    gates.event(event("maintenance.started", NOON))
    step(gates, changes=[change(NOON + S)])
    *before, opened, ended, _ = gates.snapshot()
    bare = tuple(tuple(pair for pair in one if pair[0] != "evidence") for one in opened)
    older = gates_of(rule())
    older.restore((*before, bare, ended))
    older.event(event("maintenance.ended", NOON + 5 * S))
    assert short(older.tick(NOON + 6 * S, 1, [])) == [("unsuppressed", "")]


def test_the_condition_of_a_rule_that_was_removed_is_forgotten():
    gates = gates_of(rule())
    step(gates, changes=[change(NOON)])
    gates = restarted(gates)
    step(gates, changes=[change(NOON, "cleared")])
    assert gates.snapshot() == Gates((), ZONE).snapshot()


def test_a_maintenance_that_nobody_ends_ends():
    gates = gates_of(rule())
    gates.event(event("maintenance.started", NOON))
    step(gates, changes=[change(NOON + S)])
    assert gates.tick(NOON + LONGEST_MAINTENANCE_NS - 1, 1, []) == []
    assert short(gates.tick(NOON + LONGEST_MAINTENANCE_NS, 2, [])) == [("unsuppressed", "")]


@pytest.mark.parametrize("subject", ["product", "order", "lot"])
def test_a_change_of_product_has_its_grace(subject):
    gates = gates_of(rule(change_grace_s=300.0))
    gates.event(event(f"{subject}.started", NOON))
    assert short(step(gates, changes=[change(NOON + 299 * S)])) == [("raised", "change")]
    assert short(gates.tick(NOON + 300 * S, 1, [])) == [("unsuppressed", "")]


def test_what_is_revised_keeps_what_silences_it():
    gates = gates_of(rule(schedule=Schedule(begins="06:00", ends="07:00")))
    step(gates, changes=[change(NOON)])
    assert short(step(gates, changes=[change(NOON, "revised", peak=12.0)])) == [("revised", "schedule")]
    (out,) = gates.tick(local("2026-03-26 06:00"), 1, [])
    assert (out.kind, out.peak) == ("unsuppressed", 12.0)


def test_what_is_revised_after_its_end_stays_as_silent_as_it_was():
    gates = gates_of(rule(when=RUNNING))
    loud, silent = NOON + S, NOON + 5 * S
    step(gates, [said(NOON, EXECUTE)], [change(loud), change(loud, "cleared")])
    step(gates, [said(NOON + 3 * S, STOPPED)])
    step(gates, changes=[change(silent), change(silent, "cleared")])
    gates = restarted(gates, rule(when=RUNNING))
    step(gates, [said(NOON + 30 * S, EXECUTE), said(NOON + 31 * S, STOPPED), said(NOON + 32 * S, EXECUTE)])
    revised = [change(at, "revised", cleared_ns=at + 2 * S) for at in (loud, silent)]
    assert short(step(gates, changes=revised)) == [("revised", ""), ("revised", "state")]


def test_what_is_voided_is_not_let_out():
    gates = gates_of(rule(when=RUNNING))
    step(gates, [said(NOON, STOPPED)], [change(NOON)])
    step(gates, [said(NOON + S, EXECUTE)], [change(NOON, "revised", voided=True)])
    assert gates.tick(NOON + 2 * S, 9, []) == []


def test_a_gate_that_was_changed_is_that_of_now():
    gates = gates_of(rule(when=RUNNING))
    step(gates, [said(NOON, STOPPED)], [change(NOON)])
    stopped = When(tag="state", states=("Stopped",))
    assert short(restarted(gates, rule(when=stopped)).tick(NOON + S, 1, [])) == [("unsuppressed", "")]
    assert short(restarted(gates, rule()).tick(NOON + S, 1, [])) == [("unsuppressed", "")]
    assert restarted(gates, rule(when=RUNNING)).tick(NOON + S, 1, []) == []


def test_state_of_another_layout_is_refused():
    with pytest.raises(ValueError, match="layout 99"):
        gates_of().restore((99, *gates_of().snapshot()[1:]))


# Against a twin

RULES = [
    Rule(id="a", on="*", above=8.0, when=RUNNING),
    Rule(id="b", on="*", above=8.0, when=RUNNING.model_copy(update={"grace_s": 20.0}), in_maintenance=True),
    Rule(id="c", on="*", above=8.0, schedule=Schedule(days=("wed",), begins="11:59", ends="12:02")),
    Rule(id="d", on="*", above=8.0, change_grace_s=15.0),
]


class Twin:
    """Remembers every state, event and condition, and looks through all of them each time."""

    def __init__(self):
        self.states, self.events, self.open, self.told = [], [], {}, {}

    def silenced(self, one, at, *, now):
        rule = next((one_rule for one_rule in RULES if one_rule.id == one.rule_id), None)
        events = [known for known in self.events if known.time_ns <= at]
        mode = [known for known in self.events if known.event.startswith("maintenance")]
        begun, past = None, []
        for known in mode:
            if begun is not None and begun < known.time_ns:
                past.append((begun, known.time_ns))
            begun = known.time_ns if known.event.endswith("started") else None
        was = not now and any(start <= at < end for start, end in past[-PAST_MAINTENANCES:])
        if not rule.in_maintenance and (was or (begun is not None and begun <= at)):
            return "mode"
        if rule.schedule is not None:
            clock = datetime.fromtimestamp(at // S, ZoneInfo(ZONE))
            if not (clock.weekday() == 2 and "11:59" <= clock.strftime("%H:%M") < "12:02"):
                return "schedule"
        if rule.when is not None and self.states:
            runs = [value == EXECUTE for _, value in self.states]
            begun = max((k for k in range(1, len(runs)) if runs[k] != runs[k - 1]), default=None)
            since = None if begun is None else self.states[begun][0]
            counts = runs[-1]
            if since is not None and not now and at < since:
                return "state" if counts else ""
            if not counts or (since is not None and max(at, since) - since < rule.when.grace_s * S):
                return "state"
        started = max((known.time_ns for known in self.events if known.event == "lot.started"), default=None)
        fresh = started is not None and any(known.time_ns == started for known in events)
        return "change" if rule.change_grace_s and fresh and at - started < rule.change_grace_s * S else ""

    def say(self, time, value):
        if not self.states or time >= self.states[-1][0]:
            self.states.append((time, value))

    def take(self, one):
        key = (one.rule_id, one.start_ns)
        by = self.silenced(one, one.confirmed_ns, now=False) if one.kind == "raised" else self.told[key]
        by = self.open[key].suppressed_by if key in self.open else by
        one, self.told[key] = replace(one, suppressed_by=by), by
        if one.cleared_ns is None:
            self.open[key] = one
        else:
            self.open.pop(key, None)
        return one

    def tick(self, time, offset):
        told = []
        for key, known in self.open.items():
            by = self.silenced(known, time, now=True)
            if bool(by) != bool(known.suppressed_by):
                told.append(
                    replace(known, kind="suppressed" if by else "unsuppressed", suppressed_by=by, offset=offset)
                )
                self.open[key], self.told[key] = told[-1], by
        return told


def some_story(rng, length):
    """States, conditions, events and ticks; times go on, now and then back."""
    now, story, opened, ended = NOON, [], [], []
    for at in range(length):
        now += rng.choice((0, 1, 1, 5, 20)) * S
        time = now - rng.choice((0, 0, 0, 3, 30)) * S
        what = rng.random()
        if what < 0.3:
            story.append(("row", said(time, rng.choice((EXECUTE, STOPPED)))))
        elif what < 0.5:
            opened.append((rng.choice("abcd"), time + at))
            story.append(("change", change(opened[-1][1], rule_id=opened[-1][0], at=at)))
        elif what < 0.6 and opened:
            rule_id, start = opened.pop(rng.randrange(len(opened)))
            ended.append((rule_id, start))
            story.append(("change", change(start, "cleared", rule_id=rule_id, at=at)))
        elif what < 0.65 and ended:
            rule_id, start = rng.choice(ended)
            story.append(("change", change(start, "revised", rule_id=rule_id, at=at, cleared_ns=start + 2 * S)))
        elif what < 0.75:
            name = rng.choice(("maintenance.started", "maintenance.ended", "lot.started", "shift.started"))
            story.append(("event", event(name, time)))
        else:
            story.append(("tick", now))
    return story


def run(story, cuts, restarts):
    gates, told, rows, changes = gates_of(*RULES), [], [], []

    def flush():
        told.extend(gates.step(_rows(rows), changes))
        rows.clear()
        changes.clear()

    for at, (kind, one) in enumerate(story):
        if kind in ("event", "tick") or at in cuts or at in restarts:
            flush()
        if at in restarts:
            gates = restarted(gates, *RULES)
        if kind == "row":
            rows.append((at, one))
        elif kind == "change":
            changes.append(one)
        elif kind == "event":
            gates.event(one)
        else:
            told.extend(gates.tick(one, at, []))
    flush()
    return told


def _rows(rows):
    readings, _ = batch([row for _, row in rows], 0)
    readings.offset[:] = [at for at, _ in rows]
    return readings


def run_twin(story):
    twin, told = Twin(), []
    for at, (kind, one) in enumerate(story):
        if kind == "row":
            twin.say(one.time, one.value)
        elif kind == "event":
            twin.events.append(one)
        elif kind == "change":
            told.append(twin.take(one))
        else:
            told += twin.tick(one, at)
    return told


@given(st.randoms(use_true_random=False), st.integers(1, 80), st.data())
@settings(max_examples=200)
def test_any_cut_and_any_restart_give_what_the_twin_gives(rng, length, data):
    story = some_story(rng, length)
    cuts, restarts = data.draw(st.sets(st.integers(0, length))), data.draw(st.sets(st.integers(0, length), max_size=4))
    assert run(story, cuts, restarts) == run_twin(story)


def test_the_stories_reach_everything():
    seen = Counter()
    for seed in range(20):
        story = some_story(random.Random(seed), 400)
        told = run(story, set(), set())
        assert told == run_twin(story)
        seen += Counter((one.kind, one.suppressed_by) for one in told)
    reasons = ("mode", "schedule", "state", "change")
    wanted = {(kind, by) for kind in ("raised", "cleared", "revised", "suppressed") for by in reasons}
    assert seen.keys() == wanted | {("raised", ""), ("cleared", ""), ("revised", ""), ("unsuppressed", "")}

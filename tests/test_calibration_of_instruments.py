"""Calibration: guard bands, false acceptance, the four outcomes, validity, and what a failed as-found puts in doubt."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from operators.calibration import (
    EVER_NS,
    OPEN_END_NS,
    Calibration,
    Doubt,
    Outcome,
    State,
    doubts,
    false_accept,
    guard_band,
    in_force,
    measured_with,
    outcome,
    state_at,
    told_once,
)

GOOD = Calibration("C1", 100, 200, error=0.1, expanded=0.2, mpe=0.5)
BAD = Calibration("C2", 180, 400, error=0.6, left=0.0, expanded=0.2, mpe=0.5)
NUMBERS = st.floats(-100, 100)


@given(NUMBERS, NUMBERS, st.floats(0, 10), st.floats(0, 3))
def test_a_guard_band_moves_both_limits_inwards_by_as_much(low, high, expanded, factor):
    inner_low, inner_high = guard_band(low, high, expanded, factor)
    assert inner_low - low == pytest.approx(factor * expanded, abs=1e-9)
    assert high - inner_high == pytest.approx(factor * expanded, abs=1e-9)


@pytest.mark.parametrize(("expanded", "factor"), [(-0.1, 1.0), (0.1, -1.0), (math.nan, 1.0), (math.inf, 1.0)])
def test_an_uncertainty_that_is_none_is_refused(expanded, factor):
    with pytest.raises(ValueError, match="must be finite and >= 0"):
        guard_band(2.0, 8.0, expanded, factor)


@pytest.mark.parametrize("measured", [5.0, 7.6, 8.0, 8.3])
def test_false_acceptance_agrees_with_a_simulation(measured):
    true = measured + np.random.default_rng(7).normal(0.0, 0.25, 400_000)
    assert false_accept(measured, 8.0, 0.25, 4.8) == pytest.approx(np.mean((true > 8.0) | (true < 4.8)), abs=0.003)


def test_false_acceptance_keeps_the_digits_of_the_improbable_and_knows_no_uncertainty():
    assert false_accept(5.0, 8.0, 0.25) == pytest.approx(1.7764821120776747e-33, rel=1e-6)
    assert [false_accept(one, 8.0, 0.0) for one in (7.9, 8.0, 8.1)] == [0.0, 0.0, 1.0]
    assert false_accept(math.nan, 8.0, 0.1) is None
    with pytest.raises(ValueError, match="standard uncertainty"):
        false_accept(7.0, 8.0, -0.1)


@given(NUMBERS, st.floats(-50, 0), st.floats(0, 50), st.floats(0.01, 5))
def test_a_pass_is_wrong_in_one_of_forty_at_most(measured, low, high, expanded):
    assume(high - low > 2 * expanded)
    found, wrong = outcome(measured, low, high, expanded), false_accept(measured, high, expanded / 2, low)
    if found == Outcome.PASSED:
        assert wrong < 0.025
    if found in (Outcome.FAILED_IN_BAND, Outcome.FAILED):
        assert wrong > 0.5 - 1e-9


def test_outcomes_at_their_bounds():
    at = {one: outcome(one, 2.0, 8.0, 0.5) for one in (2.5, 2.4, 2.0, 1.9, 1.5, 1.4)}
    good, doubtful, bad = Outcome.PASSED, Outcome.PASSED_IN_BAND, Outcome.FAILED_IN_BAND
    assert at == {2.5: good, 2.4: doubtful, 2.0: doubtful, 1.9: bad, 1.5: bad, 1.4: Outcome.FAILED}
    assert outcome(math.nan, 2.0, 8.0, 0.5) is None
    assert outcome(5.0, 4.9, 5.1, 0.5) == Outcome.PASSED_IN_BAND  # no room between the guard bands


def test_state_follows_the_calibration_in_force():
    assert [state_at([GOOD], at) for at in (99, 100, 199, 200)] == ["none", "valid", "valid", "overdue"]
    assert state_at([GOOD, BAD], 200) == State.VALID  # adjusted: as left counts from then on
    assert state_at([Calibration("C", 0, 10, error=0.4, expanded=0.2, mpe=0.5)], 5) == State.FAILED
    assert state_at([Calibration("C", 0, 10, error=0.1)], 5) == State.DOUBTFUL
    assert in_force([BAD, GOOD], 150) is GOOD


def test_error_and_uncertainty_that_just_fill_the_permitted_error_are_good():
    assert Calibration("C", 0, 1, error=-0.3, expanded=0.2, mpe=0.5).found_good
    assert Calibration("C", 0, 1, error=0.1, expanded=0.2, mpe=0.3).found_good  # 0.30000000000000004 in floats


def test_a_failed_as_found_reaches_back_to_the_last_good_one():
    unknown = Calibration("C1b", 150, 300, error=0.1)
    assert doubts([BAD, unknown, GOOD]) == [Doubt(100, 180, "C2", "C1")]
    assert doubts([BAD]) == [Doubt(EVER_NS, 180, "C2", "")]
    again = Calibration("C3", 300, 500, error=0.6, expanded=0.2, mpe=0.5)
    assert doubts([GOOD, BAD, again]) == [Doubt(100, 180, "C2", "C1"), Doubt(180, OPEN_END_NS, "C3", "C2")]
    assert doubts([GOOD]) == []


def naive_doubted(calibrations, at):
    """Each moment by itself: is there a failed one after it, or one before that left it failed; no good one between."""
    later = sorted((one for one in calibrations if one.at_ns > at), key=lambda one: (one.at_ns, one.certificate))
    for one in later:
        if one.found_good is False:
            return True
        if one.left_good:
            break
    earlier = sorted((one for one in calibrations if one.at_ns <= at), key=lambda one: (one.at_ns, one.certificate))
    for one in reversed(earlier):
        if one.left_good:
            return False
        if one.found_good is False:
            return True
    return False


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([0.1, 0.6, None]), st.sampled_from([0.0, 0.6, None]))))
def test_doubt_at_each_moment(told):
    many = [
        Calibration(str(place), at, at + 10, error=error, left=left, expanded=0.2, mpe=0.5)
        for place, (at, error, left) in enumerate(told)
    ]
    found = doubts(many)
    for at in range(-2, 52):
        assert any(one.from_ns <= at < one.to_ns for one in found) == naive_doubted(many, at)


def test_doubts_do_not_overlap_and_go_on_while_the_instrument_is_left_failed():
    kept = Calibration("C2", 180, 400, error=0.6, expanded=0.2, mpe=0.5)  # failed, and nothing adjusted
    again = replace(kept, certificate="C3", at_ns=250)
    assert doubts([GOOD, kept]) == [Doubt(100, OPEN_END_NS, "C2", "C1")]
    assert doubts([GOOD, kept, again]) == [Doubt(100, OPEN_END_NS, "C2", "C1")]
    assert doubts([GOOD, kept, again, replace(again, certificate="C4", at_ns=300, left=0.0)]) == [
        Doubt(100, 300, "C2", "C1")
    ]


def test_of_a_failed_one_with_a_day_only_the_whole_day_is_in_doubt():
    assert doubts([GOOD, replace(BAD, by_ns=200)]) == [Doubt(100, 200, "C2", "C1")]


def test_a_calibration_that_is_declared_and_told_by_an_event_counts_once():
    hour = 3600 * 10**9
    day = replace(BAD, at_ns=0, by_ns=24 * hour)
    event = replace(BAD, at_ns=9 * hour, error=6.0)
    assert told_once([day], [event]) == (replace(day, at_ns=9 * hour, by_ns=None),)  # its numbers, the event's hour
    exact = replace(BAD, at_ns=8 * hour)
    assert told_once([exact], [event]) == (exact,)
    assert told_once([], [event, replace(event, error=0.1)]) == (event, replace(event, error=0.1))
    other = replace(event, at_ns=9 * 24 * hour)
    assert told_once([day], [other]) == (day, other)  # a number that was used again
    assert len(told_once([replace(day, certificate="")], [replace(event, certificate="")])) == 2


def test_a_figure_tells_what_it_was_measured_with():
    told = measured_with({"air": [GOOD, BAD]}, ["air", "door", "air"], 150, 190)
    assert [(one.tag, one.certificate, str(one.state), one.in_doubt) for one in told] == [
        ("air", "C1", "valid", True), ("air", "C2", "valid", False), ("door", "", "none", False),
    ]  # fmt: skip
    (late,) = measured_with({"air": [GOOD]}, ["air"], 190, 210)
    assert late.state == State.OVERDUE  # it was valid when the window began

"""OEE: published examples, the twin second by second, parts that add up, counters that wrap and reset."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.plant import PACKML_STATES
from operators.oee import ELEMENTS, PARTS, STATE_ELEMENT, oee_ratios, ratio, roll_up
from tests import naive
from tests.naive import NS
from tests.naive_oee_parts import counted, counter_deltas, oee_parts

EXECUTE, HELD, SUSPENDED, ABORTED, IDLE = (
    float(PACKML_STATES.index(name)) for name in ("Execute", "Held", "Suspended", "Aborted", "Idle")
)
START, END = 0, 120
seconds_st = st.integers(-40, 130)
states_st = st.lists(st.tuples(seconds_st, st.integers(-1, 19).map(float)), max_size=30).map(sorted)
modes_st = st.lists(st.tuples(seconds_st, st.integers(1, 3).map(float)), max_size=5).map(sorted)
counter_st = st.lists(st.tuples(seconds_st, st.integers(0, 99).map(float)), max_size=30).map(sorted)


def series(points):
    time_ns = np.array([time for time, _ in points], np.int64) * NS
    return time_ns, np.array([value for _, value in points], np.float64)


def parts(states=(), total=(), good=(), start=START, end=END, **kwargs):
    options = {"ideal_cycle_s": 0.5, "gap_ns": 30 * NS, "modulus": 100.0, **kwargs}
    if "mode" in options:
        options["mode"] = series(options["mode"])
    return oee_parts(series(states), series(total), series(good), start * NS, end * NS, **options)


def element_of(code):
    known = 0 <= code < len(PACKML_STATES)
    return STATE_ELEMENT.get(PACKML_STATES[code], "unknown_s") if known else "unknown_s"


@given(states_st, modes_st, st.integers(1, 60))
def test_time_elements_equal_the_twin_second_by_second(states, modes, gap_s):
    found = parts(states, mode=modes, gap_ns=gap_s * NS)
    expected = naive.oee_seconds(states, modes, START, END, gap_s, element_of)
    assert {name: found[name] for name in ELEMENTS} == {name: float(expected.get(name, 0)) for name in ELEMENTS}
    assert sum(found[name] for name in ELEMENTS) == found["calendar_s"] == END - START
    assert found["pbt_s"] == found["calendar_s"] - found["planned_down_s"] - found["unknown_s"]


@given(counter_st, st.sampled_from([None, 100.0]))
def test_counts_equal_the_twin(samples, modulus):
    time_ns, value = series(samples)
    found = counted(time_ns, value, START * NS, END * NS, modulus)
    assert found == naive.counted(samples, START, END, modulus)
    assert found >= 0.0


@given(states_st, counter_st, counter_st, st.lists(st.integers(1, 119), max_size=4, unique=True))
def test_windows_roll_up_to_the_whole(states, total, good, cuts):
    edges = [START, *sorted(cuts), END]
    pieces = [parts(states, total, good, a, b) for a, b in pairwise(edges)]
    assert roll_up(pieces) == pytest.approx(parts(states, total, good), abs=1e-9)


@given(states_st, counter_st, counter_st, st.randoms(use_true_random=False))
def test_late_rows_change_nothing_once_sorted_in(states, total, good, random):
    shuffled = [random.sample(points, len(points)) for points in (states, total, good)]
    assert repr(parts(*(sorted(points) for points in shuffled))) == repr(parts(states, total, good))


@given(states_st, counter_st)
def test_older_history_does_not_change_a_bit(states, total):
    def kept(points):
        return [point for point in points if point[0] < START][-1:] + [point for point in points if point[0] >= START]

    assert repr(parts(kept(states), kept(total))) == repr(parts(states, total))


def test_a_shift_of_one_machine():
    """90 s running, 10 s held by itself, 5 s starved, 15 s aborted; 150 items, 141 of them good, 0.5 s each."""
    states = [(0, EXECUTE), (50, HELD), (60, EXECUTE), (100, SUSPENDED), (105, ABORTED)]
    found = parts(states, [(-1, 10.0), (119, 160.0)], [(-1, 10.0), (119, 151.0)], gap_ns=60 * NS, modulus=None)
    assert (found["apt_s"], found["internal_stop_s"]) == (90.0, 10.0)
    assert (found["external_stop_s"], found["down_s"], found["pbt_s"]) == (5.0, 15.0, 120.0)
    ratios = oee_ratios(found)
    assert ratios["A"] == 90 / 120
    assert ratios["P"] == 150 * 0.5 / 90
    assert ratios["Q"] == 141 / 150
    assert ratios["OEE"] == pytest.approx(ratios["A"] * ratios["P"] * ratios["Q"])
    assert (ratios["coverage"], ratios["speed_flag"], ratios["count_flag"]) == (1.0, False, False)


def test_no_state_before_the_first_one_nor_in_a_gap():
    found = parts([(30, EXECUTE)], gap_ns=30 * NS)
    assert (found["unknown_s"], found["apt_s"], found["pbt_s"]) == (90.0, 30.0, 30.0)
    assert oee_ratios(found)["coverage"] == 0.25


def test_nothing_known_is_null_everywhere_never_zero():
    ratios = oee_ratios(parts())
    assert [ratios[name] for name in ("A", "P", "Q", "OEE", "TEEP")] == [None] * 5
    assert ratios["coverage"] == 0.0


def test_an_hour_without_a_piece_is_null_but_counts_in_the_day():
    """A breakdown: no quality to judge in its window, yet the lost time weighs in the roll-up."""
    down = parts([(0, ABORTED)], gap_ns=200 * NS)
    assert (oee_ratios(down)["A"], oee_ratios(down)["Q"], oee_ratios(down)["OEE"]) == (0.0, None, None)
    running = parts([(120, EXECUTE)], [(120, 0.0), (239, 90.0)], [(120, 0.0), (239, 90.0)], 120, 240, gap_ns=200 * NS)
    assert oee_ratios(roll_up([down, running]))["OEE"] == pytest.approx(90 * 0.5 / 240)


def test_planned_down_time_is_no_loss():
    found = parts([(0, EXECUTE)], mode=[(60, 2.0)], gap_ns=200 * NS)
    assert (found["apt_s"], found["planned_down_s"], found["pbt_s"]) == (60.0, 60.0, 60.0)
    assert oee_ratios(found)["A"] == 1.0


def test_too_fast_is_flagged_and_kept():
    ratios = oee_ratios(parts([(0, EXECUTE)], [(0, 0.0), (9, 99.0)], [(0, 0.0), (9, 99.0)], 0, 10))
    assert ratios["P"] == pytest.approx(4.95)
    assert ratios["speed_flag"] is True


def test_more_good_items_than_items_is_flagged_and_kept():
    ratios = oee_ratios(parts([(0, EXECUTE)], [(0, 0.0), (9, 10.0)], [(0, 0.0), (9, 12.0)], 0, 10))
    assert ratios["Q"] == pytest.approx(1.2)
    assert ratios["count_flag"] is True


def test_without_a_cycle_time_only_availability_and_quality():
    found = parts([(0, EXECUTE)], [(0, 0.0), (9, 10.0)], [(0, 0.0), (9, 9.0)], 0, 10, ideal_cycle_s=None)
    ratios = oee_ratios(roll_up([found, parts([(0, EXECUTE)], start=0, end=10)]))
    assert (ratios["A"], ratios["P"], ratios["OEE"], ratios["Q"]) == (1.0, None, None, 0.9)


def test_a_wrap_needs_a_modulus_for_each_counter():
    counts = [(0, 98.0), (5, 3.0)]
    assert parts(total=counts, good=counts)["pq"] == 5.0
    both = parts(total=counts, good=counts, modulus=(100.0, None))
    assert (both["pq"], both["gq"]) == (5.0, 3.0)


def test_the_first_sample_ever_counts_nothing():
    assert parts(total=[(5, 50.0)])["pq"] == 0.0


def test_a_delta_belongs_to_the_window_of_its_later_sample():
    counts = [(-10, 0.0), (119, 30.0), (120, 37.0)]
    assert parts(total=counts)["pq"] == 30.0
    assert parts(total=counts, start=120, end=240)["pq"] == 7.0


def test_names_decide_not_numbers():
    """A machine that numbers its states otherwise; a name that is not PackML's is unknown time."""
    names = ("Idle", "Execute", "Dancing")
    found = parts([(0, 0.0), (10, 1.0), (40, 2.0)], names=names, gap_ns=200 * NS)
    assert (found["idle_s"], found["apt_s"], found["unknown_s"]) == (10.0, 30.0, 80.0)


def test_every_packml_state_has_an_element_but_undefined():
    assert set(PACKML_STATES) - set(STATE_ELEMENT) == {"Undefined"}
    assert set(STATE_ELEMENT) <= set(PACKML_STATES)
    assert set(STATE_ELEMENT.values()) < set(ELEMENTS)


def test_parts_are_the_listed_ones():
    assert set(parts()) == set(PARTS)


def test_counter_resets_count_from_zero():
    assert counter_deltas(np.array([100.0, 120.0, 5.0, 9.0])).tolist() == [20.0, 5.0, 4.0]
    assert counter_deltas(np.array([7.0])).tolist() == []


def test_ratio_of_nothing_is_nothing():
    assert [ratio(1.0, 0.0), ratio(None, 1.0), ratio(1.0, None), ratio(1.0, 2.0)] == [None, None, None, 0.5]


def test_a_roll_up_keeps_every_additive_part():
    rows = [
        {**parts([(0, EXECUTE)], start=0, end=10), "setup_s": 2.0, "sq": 1.0, "availability": 0.5} for _ in range(2)
    ]
    found = roll_up(rows)
    assert (found["setup_s"], found["sq"], "availability" in found) == (4.0, 2.0, False)
    assert roll_up([*rows, parts([(0, EXECUTE)], start=0, end=10)])["setup_s"] is None  # not known of every window

"""Figures of the alarm system: the field's vectors, and slow obvious twins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.kpis import (
    Announcement,
    chatters,
    figures,
    floods,
    most_within,
    priority_mix,
    slots,
    stale,
)  # fmt: skip
from service.qualify.alarm import BINDINGS
from tests.vector_files import check, vectors

TIMES = st.lists(st.integers(0, 3000), max_size=60).map(sorted)
CRITICAL = ["low"] * 16 + ["medium"] * 3 + ["critical"]


@pytest.mark.parametrize("vector", vectors("alarm", "flood", "chatter", "rates"))
def test_vector(vector):
    check(BINDINGS, vector)


def naive_floods(at_s):
    """Second by second: how many in the 10 min before and with it."""
    found, begun = [], None
    for now in range(4000):
        count = sum(now - 600 < one <= now for one in at_s)
        # more than one may come up in the same second: the flood begins with the tenth of them
        if begun is None and count >= 10:
            begun = now
        elif begun is not None and count < 5:
            found.append((begun, now))
            begun = None
    return found


@given(TIMES)
def test_floods_equal_the_twin(at_s):
    assert floods(at_s) == naive_floods(at_s)


@given(TIMES)
def test_most_and_chatter_equal_their_twins(at_s):
    assert most_within(at_s) == max((sum(one <= other < one + 600 for other in at_s) for one in at_s), default=0)
    assert chatters(at_s) == any(sum(one <= other <= one + 60 for other in at_s) >= 3 for one in at_s)


@given(TIMES, st.integers(1, 4))
def test_slots_hold_every_whole_span(at_s, operators):
    told = [one for one in at_s if one < 1800]
    found = slots(told, 0.0, 1900.0, operators)
    assert sum(found.values()) == 3
    loads = [sum(600 * k <= one < 600 * (k + 1) for one in told) / operators for k in range(3)]
    assert found["beyond"] == sum(load > 2 for load in loads)
    assert found["acceptable"] == sum(load <= 1 for load in loads)


def test_a_flood_that_lasts_is_cut_at_the_end():
    assert floods(range(20), 100.0) == [(9, 100.0)]
    assert floods(range(20), 5.0) == []


def test_the_figures_of_a_day():
    noisy = [Announcement(at, "cold/room1/air:high", "low") for at in (0.0, 20.0, 40.0)]
    quiet = [Announcement(100.0 + at, "line/m1/temp:hot", "high", quiet=True) for at in range(12)]
    other = [Announcement(3600.0 * hour, f"line/m{hour}/temp:hot", "medium") for hour in range(1, 12)]
    outside = [Announcement(86_400.0, "late", "low"), Announcement(-1.0, "early", "low")]
    found = figures([*other, *quiet, *outside, *noisy], 0.0, 86_400.0, operators=2)
    assert (found.raised, found.announced) == (26, 14)
    assert found.rates["per_day"] == 7.0
    assert found.floods == []  # nobody heard the twelve
    assert found.most_in_10min == 3
    assert found.slots == {"acceptable": 143, "manageable": 1, "beyond": 0}
    assert found.chattering == ["line/m1/temp:hot", "cold/room1/air:high"]
    assert [one.count for one in found.top[:2]] == [13, 3]  # m1's own hour too
    assert found.top_share == pytest.approx(24 / 26)
    assert found.priorities == pytest.approx({"critical": 0.0, "high": 0.0, "medium": 11 / 14, "low": 3 / 14})


def test_an_empty_day_has_figures_too():
    found = figures([], 0.0, 86_400.0)
    assert (found.raised, found.top, found.floods, found.most_in_10min) == (0, [], [], 0)
    assert sum(found.priorities.values()) == 0


@pytest.mark.parametrize(("span", "operators"), [((5.0, 5.0), 1), ((0.0, 1.0), 0)])
def test_no_figures_of_nothing(span, operators):
    with pytest.raises(ValueError, match="operators"):
        figures([], *span, operators)


def test_mix_and_stale():
    assert priority_mix(CRITICAL) == {"critical": 0.05, "high": 0.0, "medium": 0.15, "low": 0.8}
    assert stale([0.0, 1.0, 90_000.0], 86_401.0) == 1

"""Vectors that more than one part of the project answers; and that the comparison with vectors can fail."""

from __future__ import annotations

import pytest

from andon.readings import NS_PER_S
from service.qualify.alarm import decided
from service.qualify.binding import Binding
from tests.vector_files import agrees, answer, check, needs_file, vectors

MINUTE_NS = 60 * NS_PER_S


def excursion(given, rows):
    """An excursion of a cold room as an alarm rule judges it: a limit with deadband and delay."""
    changes = decided(
        [60.0 * minute for minute in given["t_min"]], given["T"], rows,
        above=given["hi"], deadband=given["hyst"], delay_s=60.0 * given["hold_off"],
    )  # fmt: skip
    raised, last = [one for one in changes if one.kind == "raised"], changes[-1]
    return {
        "n": len(raised), "start": raised[0].start_ns / MINUTE_NS, "confirmed": raised[0].confirmed_ns / MINUTE_NS,
        "cleared": last.cleared_ns and last.cleared_ns / MINUTE_NS, "peak": last.peak,
        "minutes_above": last.out_s / 60,
    }  # fmt: skip


@pytest.mark.parametrize("vector", vectors("coldchain", "excursion"))
def test_excursions_are_those_of_an_alarm_rule(vector):
    check({"excursion": Binding("alarms.conditions.ConditionEngine.step", batches=excursion)}, vector)


def test_the_comparison_can_fail():
    assert agrees(1.0, 1.005, {"abs": 0.01})
    assert not agrees(1.0, 1.1, {"abs": 0.01})
    assert not agrees(1.0, None, {"abs": 1.0})
    assert not agrees(float("nan"), float("nan"), {"abs": 1.0})
    assert not agrees(2, 3, {"exact": True})
    assert not agrees({"a": 1}, {"a": 1, "b": 2}, {"exact": True})
    assert not agrees([1, 2], [1], {"exact": True})


def test_what_depends_on_the_batch_is_no_answer():
    with pytest.raises(AssertionError, match="here"):
        answer(Binding("here", batches=lambda _, rows: min(rows, 2)), {})
    assert answer(Binding("here", batches=lambda given, _: given["x"]), {"x": 1}) == 1


@needs_file
@pytest.mark.parametrize("unknown", [("oe",), ("oee", "window_avail", "unheard of")])
def test_a_file_without_the_wanted_vectors_is_no_pass(unknown):
    with pytest.raises(ValueError, match="no vectors of oe"):
        vectors(*unknown)

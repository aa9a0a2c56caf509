"""Edge cases of every bound function: expected values were computed apart from Andon, by its definitions alone."""

from __future__ import annotations

from collections import Counter

import pytest

from service.qualify import alarm_words
from service.qualify.binding import defined
from service.qualify.bindings import bindings
from service.qualify.vectors import parse
from tests.tree import ROOT
from tests.vector_files import check

FILE = ROOT / "tests" / "fixtures" / "further_vectors.json"
VECTORS = parse(FILE.read_bytes(), FILE.name).vectors
KNOWN = bindings()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one.id)
def test_vector(vector):
    check({vector.fn: KNOWN[vector.area, vector.fn]}, vector)


def test_every_function_that_the_release_has_vectors_of_is_asked_further():
    asked = Counter((one.area, one.fn) for one in VECTORS)
    beside = {("spc", "xbar_s"), ("spc", "arl_nelson")}  # their tests are in test_qualify_spc.py, test_run_length.py
    assert set(KNOWN) - set(asked) <= beside


def test_a_formula_has_no_answer_where_an_input_is_missing_or_outside():
    assert defined(lambda x: 1.0 / x, 0) is None
    assert defined(lambda x: x, None) is None
    assert defined(lambda x: 1.0, float("nan")) is None
    assert defined(lambda x: 2.0 * x, 3.0) == 6.0
    with pytest.raises(TypeError):  # an error of the code is none of these
        defined(lambda: 1.0, 1.0)


def test_no_word_means_two_states_or_two_moves():
    for table in (alarm_words.STATES, alarm_words.MOVES):
        words = [word.lower() for known, names in table.items() for word in {known.value, *names.split()}]
        assert sorted(words) == sorted(set(words))
    assert set(alarm_words.STATES) == set(alarm_words.State)
    assert set(alarm_words.MOVES) == set(alarm_words.Move)

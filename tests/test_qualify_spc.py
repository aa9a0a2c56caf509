"""Vectors of statistical process control against the bound code; what streams, in batches of 1 and all."""

from __future__ import annotations

import pytest

from service.qualify.spc import BINDINGS
from tests.vector_files import check, vectors


@pytest.mark.parametrize("vector", vectors("spc"))
def test_vector(vector):
    check(BINDINGS, vector)


def test_what_has_no_answer_is_none():
    run = BINDINGS["capability"].call
    assert run({"usl": 1, "lsl": 0, "mean": 0.5, "s": 0})["Cpk"] is None
    one_sided = run({"usl": 10, "mean": 4, "s": 1})
    assert (one_sided["Cp"], one_sided["Cpl"], one_sided["Cpk"], one_sided["Cpm"]) == (None, None, 2.0, None)
    assert BINDINGS["boxcox"].call({"x": [0, -1, 1], "lam": 0}) == [None, None, 0.0]
    assert BINDINGS["cp_ci"].call({"cp": 1.0, "n": 1}) is None
    quiet = {"x": [10.0] * 5, "mu": 10, "k": 0.5, "h": 5}
    assert BINDINGS["cusum"].batches(quiet, 2)["first_alarm"] is None
    assert BINDINGS["imr"].batches({"x": [1.0]}, 1)["UCL"] is None


@pytest.mark.parametrize("fn", sorted(BINDINGS))
def test_each_binding_names_code_that_exists(fn):
    module, _, name = BINDINGS[fn].where.rpartition(".")
    found = __import__(module, fromlist=[name])
    assert callable(getattr(found, name))
    assert (BINDINGS[fn].call is None) != (BINDINGS[fn].batches is None)


def test_means_with_deviations_have_the_tables_factors():
    got = BINDINGS["xbar_s"].call({"xbb": 74.001, "sbar": 0.0094, "n": 5})
    assert got["UCL"] == pytest.approx(74.001 + 1.427 * 0.0094, abs=1e-5)
    assert got["S_UCL"] == pytest.approx(2.089 * 0.0094, abs=1e-5)
    assert got["S_LCL"] == 0.0

"""Vectors of overall equipment effectiveness against the bound code; what streams, in batches of 1 and all."""

from __future__ import annotations

import pytest

from service.qualify.oee import BINDINGS
from tests.vector_files import answer, check, vectors


@pytest.mark.parametrize("vector", vectors("oee"))
def test_vector(vector):
    check(BINDINGS, vector)


def test_what_is_not_defined_is_null():
    nothing = {"planned": 0, "run": 0, "ict": 1, "total": 0, "good": 0, "all_time": None}
    found = BINDINGS["oee"].call(nothing)
    assert [found[name] for name in ("A", "P", "Q", "OEE", "TEEP")] == [None] * 5
    window = BINDINGS["window_avail"].batches({"win": [0, 60], "states": []}, 1)
    assert (window["run"], window["A"], window["coverage"], window["unknown"]) == (0.0, None, 0.0, 60.0)
    late = BINDINGS["window_avail"].batches({"win": [0, 60], "states": [[30, "run"]]}, 1)
    assert (late["run"], late["A"], late["coverage"]) == (30.0, 1.0, 0.5)
    assert BINDINGS["mtbf"].call({"operating": 10, "failures": 0, "repair": 0})["MTBF"] is None


@pytest.mark.parametrize(
    ("x", "mod", "made"), [([250, 5], 256, 11), ([7], None, 0), ([], None, 0), ([1, None, 4], None, 3)]
)
def test_counters(x, mod, made):
    assert answer(BINDINGS["counter"], {"x": x, "mod": mod}) == made

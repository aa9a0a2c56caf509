"""Every vector of machine health through its binding."""

from __future__ import annotations

import pytest

from service.qualify.pdm import BINDINGS
from tests.vector_files import agrees, answer, check, vectors


@pytest.mark.parametrize("vector", vectors("pdm"))
def test_vector(vector):
    check(BINDINGS, vector)


#: Derived otherwise than by the code under test.
MORE = {
    "groups of the standard": (
        "iso_zone",
        {"group": 2, "support": "flexible", "v": [2.3, 4.5, 7.1, 7.2]},
        list("ABCD"),
    ),
    "class III": ("iso_class", {"cls": "III", "v": 11.2}, "C"),
    "triangle": ("sigstats", {"kind": "triangle", "A": 3.0}, {"rms": 3**0.5, "crest": 3**0.5, "kurtosis": 1.8}),
    "square": ("sigstats", {"kind": "square", "A": 3.0}, {"rms": 3.0, "crest": 1.0, "kurtosis": 1.0}),
    "rising by 0.5": ("rul_linear", {"t": [0, 1, 2], "y": [1.0, 1.5, 2.0], "limit": 4.5}, 5.0),
    "beyond the limit": ("rul_linear", {"t": [0, 1], "y": [4.0, 5.0], "limit": 4.5}, 0.0),
    "falling": ("rul_exp", {"t": [0, 1], "y": [2.0, 1.0], "limit": 4.5}, None),
    # by a grid search over the likelihood
    "censored": ("weibull_mle", {"x": [2.0, 4.0, 7.0], "censored": [10.0, 10.0]}, {"beta": 1.3522, "eta": 10.0505}),
}


@pytest.mark.parametrize(("fn", "inputs", "want"), MORE.values(), ids=MORE.keys())
def test_more(fn, inputs, want):
    got = answer(BINDINGS[fn], inputs)
    assert agrees(got, want, {"abs": 1e-3}), got

"""Vectors of sterilisation against the bound code; what streams, a stamp at a time and all at once."""

from __future__ import annotations

import pytest

from operators import steam
from service.qualify.sterilisation import BINDINGS
from tests import vector_files
from tests.vector_files import check, vectors


def answer(fn, given):
    """The one answer of a binding, however the rows come."""
    return vector_files.answer(BINDINGS[fn], given)


@pytest.mark.parametrize("vector", vectors("sterilisation"))
def test_vector(vector):
    check(BINDINGS, vector)


GOOD = {"dt": 5, "T": 134, "band": 3, "hold_s": 20, "equil_s": 15}


@pytest.mark.parametrize(
    ("chamber", "load", "expected"),
    [
        ([120, 134.5, *[135] * 7], [110, 133, 134, *[134.5] * 6], {"equil_s": 5, "hold_s": 30, "ok": True}),
        ([120, 134.5, *[135] * 7], [110, 133, 134, *[134.5] * 3, 133.9, 134, 134], {"hold_s": 15, "ok": False}),
        ([120, 134.5, *[135] * 4, 137.1, 135, 135], [134.5] * 9, {"equil_s": 0, "hold_s": 20, "ok": True}),
        ([120, 130, 133], [110, 120, 125], {"equil_s": None, "hold_s": 0, "ok": False}),
        ([120, 134.5, *[135] * 7], [[110, *[134.5] * 8], [110, 120, *[134] * 7]], {"equil_s": 5, "ok": True}),
    ],
)
def test_plateaus(chamber, load, expected):
    got = answer("plateau", GOOD | {"chamber": chamber, "load": load})
    assert {name: got[name] for name in expected} == expected


def test_f0_by_trapezoids_is_not_f0_by_rectangles():
    log = [100, 110, 118, 121.5, 121.8, 121.6, 121.7, 115, 100]
    trapezoids = answer("f0", {"t": [60 * n for n in range(9)], "T": log, "Tref": 121.11, "z": 10})
    rectangles = answer("f0_rect", {"dt": 60, "T": log, "Tref": 121.11, "z": 10})
    assert (round(trapezoids, 3), round(rectangles, 3)) == (5.35, 5.358)


def test_a_ramp_of_small_steps_comes_near_its_closed_form():
    ramp = {"T0": 100.0, "T1": 121.11, "minutes": 10.0, "Tref": 121.11, "z": 10}
    log = {
        "t": list(range(601)),
        "T": [100.0 + 21.11 * n / 600 for n in range(601)],
        "Tref": 121.11,
        "z": 10,
        "Tmin": 0,
    }
    assert answer("f0", log) == pytest.approx(answer("f0_exact_ramp", ramp), abs=1e-4)


def test_the_steam_curve_goes_both_ways():
    for kelvin in (280.0, 394.15, 407.15, 640.0):
        assert answer("tsat", {"p_MPa": answer("psat", {"T_K": kelvin})}) == pytest.approx(kelvin, abs=1e-6)
    assert answer("psat", {"T_K": 121.0}) is None  # degrees Celsius taken for kelvin
    with pytest.raises(ValueError, match="Cel"):
        steam.saturation_pressure(121.0)
    assert answer("tp_match", {"T_C": 121.0, "p_bar": 2.05, "tol": 2.0}) is True
    assert answer("tp_match", {"T_C": 121.0, "p_bar": 1.05, "tol": 2.0}) is False  # gauge taken for absolute
    assert answer("tp_match", {"T_C": 121.0, "p_bar": 300.0, "tol": 2.0}) is None

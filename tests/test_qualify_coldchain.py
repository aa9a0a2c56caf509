"""Every vector of the cold chain through its binding, what streams in batches of 1 and all."""

from __future__ import annotations

import pytest

from service.qualify.coldchain import BINDINGS
from tests.vector_files import agrees, answer, check, vectors


@pytest.mark.parametrize("vector", vectors("coldchain"))
def test_vector(vector):
    check(BINDINGS, vector)


MINUTES = list(range(0, 60, 5))
#: Derived by hand or by another formula.
MORE = {
    "below the lower limit": (
        "excursion",
        {"t_min": MINUTES, "T": [5, 1.9, 1.5, 1, 2.2, 2.4, 2.6, 5, 5, 5, 5, 5], "lo": 2, "hyst": 0.5, "hold_off": 15},
        {"n": 1, "start": 5, "confirmed": 20, "cleared": 30, "peak": 1, "minutes_above": 15},
    ),
    "open at the end": (
        "excursion", {"t_min": [0, 10, 40], "T": [5, 9, 9], "hi": 8, "hyst": 0, "hold_off": 30},
        {"n": 1, "start": 10, "confirmed": 40, "cleared": None, "minutes_above": 30},
    ),
    "none": ("excursion", {"t_min": [0, 10], "T": [5, 8], "hi": 8, "hyst": 0, "hold_off": 0}, {"n": 0, "start": None}),
    "two": (
        "excursion", {"t_min": [0, 10, 20, 30], "T": [9, 5, 9, 5], "hi": 8, "hyst": 0.5, "hold_off": 5}, {"n": 2},
    ),
    "trapezoid": ("mkt_timed", {"t": [0, 10], "T": [5, 5], "method": "trapz"}, 5.0),
    "held, fractions": ("mkt_timed", {"t": [0, 0.5, 2], "T": [7, 7, 90], "method": "locf"}, 7.0),
    "heat in one go": ("who", {"rule": "heat8", "seg": [[600, 8.1]]}, True),
    "heat at the threshold": ("who", {"rule": "heat8", "seg": [[6000, 8.0]]}, False),
    "45 in two goes": ("who", {"rule": "single45_1h", "seg": [[59, 45.0], [1, 44.0], [59, 50.0]]}, False),
    "named by its numbers": ("who", {"rule": "cum25_2h", "seg": [[60, 25.0], [1, 24.0], [60, 26.0]]}, True),
    "cold in minutes": ("who", {"rule": "freeze-2_30min", "seg": [[30, -2.0]]}, True),
    "overdrawn": ("tor", {"budget_h": 10, "legs": [[9, 8], [20, 4]], "hi": 8.0}, {"used_h": 12, "left_h": -2}),
    "shelf life by Q10": (
        "shelf", {"life_h": 100, "t_label": 20, "legs": [[30, 10], [20, 5]], "q10": 3.0},
        {"consumed_h": 35, "left_h": 65},
    ),
    "dry": ("dewpoint", {"T": 20, "RH": 0}, None),
    "too wet": ("abshum", {"T": 20, "RH": 100.1}, None),
    "never inside": ("geofence", {"dist": [900, 480, 520], "r_in": 500, "r_out": 550, "n": 2}, {"enter": None}),
    "one sided": ("guard", {"hi": 8, "U": 0.5, "w_factor": 1}, [None, 7.5]),
    "small van": ("gsp_vehicle", {"m3": 5}, 2),
    "beyond the rule": ("gsp_mpe", {"T": -40}, None),
    "pole to pole": ("haversine", {"a": [90, 0], "b": [-90, 0], "R": 1000.0}, 3141.592653589793),
}  # fmt: skip


@pytest.mark.parametrize(("fn", "given", "expected"), MORE.values(), ids=MORE)
def test_more(fn, given, expected):
    got = answer(BINDINGS[fn], given)
    assert agrees(got, expected, {"abs": 1e-9}), got


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="warm"):
        BINDINGS["who"].batches({"rule": "warm", "seg": [[1, 1.0]]}, 1)

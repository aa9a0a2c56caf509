"""Units: what converts, exactly, and what does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.units import ANNOTATION, REC_20, USUAL, Conversion, _parses, conversion, is_ucum, rec_20

EXACT = {
    ("[degF]", "Cel", 104.0): 40.0,
    ("K", "Cel", 298.15): 25.0,
    ("Cel", "[degF]", 100.0): 212.0,
    ("bar", "kPa", 3.04): 304.0,
    ("[g]", "m/s2", 1.0): 9.80665,
    ("{rev}/min", "Hz", 1500.0): 25.0,
    ("mg/L", "g/m3", 655.0): 655.0,
    ("%", "1", 50.0): 0.5,
    ("{items}", "1", 3.0): 3.0,
    ("%{RH}", "%", 40.0): 40.0,
    ("km/h", "m/s", 36.0): 10.0,
    ("Cel.min", "K.s", 1.0): 60.0,
    ("[degF]/min", "Cel/min", 1.8): 1.0,
    ("kW.h", "J", 1.0): 3.6e6,
    ("[degF]", "Cel", 46.4): 8.0,
    ("[degF]", "Cel", 35.6): 2.0,
    ("[degF]", "Cel", 32.18): 0.1,
    ("[degF]", "Cel", 32.0): 0.0,
    ("K", "Cel", 183.15): -90.0,
    ("K", "Cel", 272.65): -0.5,
    ("Cel", "K", -89.9): 183.25,
    ("bar", "kPa", 1.001): 100.1,
}


@pytest.mark.parametrize(("case", "wanted"), EXACT.items())
def test_to_the_bit(case, wanted):
    given, other, value = case
    assert conversion(given, other)(value) == wanted


@pytest.mark.parametrize(
    ("given", "wanted", "factor"), [("[psi]", "Pa", 6894.757293168361), ("[lb_av]", "kg", 0.45359237)]
)
def test_what_is_no_simple_fraction(given, wanted, factor):
    assert conversion(given, wanted)(1.0) == pytest.approx(factor, rel=1e-14)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("Cel", "kPa"), ("g", "[g]"), ("dB", "1"), ("[pH]", "1"), ("celsius", "Cel"), ("", "Cel"), ("Cel", "m\x00")],
)
def test_what_does_not_convert(given, wanted):
    assert conversion(given, wanted) is None


def test_a_unit_is_itself_even_where_nothing_is_known_of_it():
    assert conversion("furlongs", "furlongs").nothing
    assert conversion("mg/L", "g/m3").nothing
    assert not conversion("bar", "kPa").nothing


CODES = st.sampled_from(sorted({one for one in REC_20 if one != "dB"} | {"[degF]", "[psi]", "{rev}/min", "Cel"}))


@given(CODES, CODES, st.floats(-1e6, 1e6))
def test_there_and_back(given, wanted, value):
    there, back = conversion(given, wanted), conversion(wanted, given)
    assert (there is None) == (back is None)
    if there is not None:
        assert back(there(value)) == pytest.approx(value, rel=1e-12, abs=1e-9)


@given(st.integers(-2_000, 2_000))
def test_a_decimal_in_one_unit_is_its_decimal_in_the_other(tenths):
    """A limit is a decimal: a reading on it must lie on it in every unit, never a bit beside it."""
    cel = tenths / 10
    assert conversion("[degF]", "Cel")(round(cel * 1.8 + 32.0, 2)) == cel
    assert conversion("K", "Cel")(round(cel + 273.15, 2)) == cel
    assert conversion("Cel", "K")(cel) == round(cel + 273.15, 2)
    assert conversion("bar", "kPa")(tenths / 1000) == cel


@given(CODES, CODES, st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_rounding_takes_no_digit_that_an_instrument_gives(given, wanted, value):
    there = conversion(given, wanted)
    if there is not None:
        plain = (value + there.before) * there.times / there.by + there.after
        far = max(abs(plain), abs(there.before * there.times / there.by + there.after))
        assert abs(there(value) - plain) <= 1e-13 * far


def test_an_array_converts_as_its_numbers_do():
    to_cel = conversion("[degF]", "Cel")
    values = np.array([32.0, math.nan, 104.0, -40.0, 46.4, 31.9999, math.inf, 1e-12, 5e17, -0.0, 32.0000001])
    one_by_one = [to_cel(value) for value in values.tolist()]
    np.testing.assert_array_equal(to_cel(values), one_by_one)


@pytest.mark.parametrize("code", ["deg C", "celsius", "°C", "Kpa", "", "{", "{a{b}}", "m" * 65, "rpm", "\n"])
def test_no_code(code):
    assert not is_ucum(code)


def test_codes_that_are_taken_without_parsing_would_parse():
    assert [code for code in (*USUAL, *REC_20) if not _parses(code)] == []
    assert is_ucum("[pH]")  # nothing to compute with, and yet a code
    assert [bool(ANNOTATION.fullmatch(one)) for one in ("{items_made}", "{items made}")] == [True, False]


def test_rec_20_codes_are_each_for_one_unit():
    assert len(set(REC_20.values())) == len(REC_20)
    assert rec_20("Cel") == "CEL"
    assert rec_20("Cel.min") is None


def test_a_conversion_by_hand():
    assert Conversion(5.0, 9.0, before=-32.0)(104.0) == 40.0

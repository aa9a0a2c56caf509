"""A journal's columns: every number back to the bit, in the fewest bytes; each kernel against its obvious twin."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sinks.journal_columns import (
    BLOCK,
    NAN_BITS,
    SCALES,
    UNITS,
    _coarsest,
    _codes,
    _decimals,
    _numbers,
    bounds,
    decode_column,
    encode_column,
)

whole = st.one_of(st.integers(-50, 50), st.integers(-(2**62), 2**62), st.integers(0, 9).map(lambda k: k * 10**6))
OTHER_NAN = float(np.array(NAN_BITS + 1).view(np.float64))
value = st.one_of(
    st.floats(),
    st.floats(width=32),
    st.integers(-(10**6), 10**6).map(lambda k: k / 100),
    st.sampled_from([0.0, -0.0, math.nan, -math.nan, OTHER_NAN, math.inf, 2.0**53, 2.0**63, -(2.0**63), 1e300]),
    st.integers(-(2**54), 2**54).map(lambda k: k / 8),  # fractions where doubles count in halves and quarters
)


def back(column):
    field, array = encode_column("value", column)
    out = np.empty_like(column)
    decode_column(field, array, out)
    return field, out


def width(column):
    """Bytes a number, None: as it was given."""
    field, out = back(column)
    assert out.tobytes() == column.tobytes()
    return 0 if pa.types.is_null(field.type) else field.type.bit_width // 8


@given(st.lists(whole, min_size=1, max_size=200))
def test_whole_numbers_come_back(numbers):
    width(np.array(numbers, np.int64))


@given(st.one_of(st.lists(value, min_size=1, max_size=200), st.lists(st.integers(0, 9).map(lambda k: k / 8))))
@example([-2817527154278695.5])  # adding and taking away does not round it
@example([2251799813685248.5, -443007662254258.75])
def test_values_come_back_to_the_bit(values):
    if values:
        width(np.array(values, np.float64))


@given(st.lists(whole, min_size=1, max_size=150), st.sampled_from(UNITS))
def test_kernels_of_whole_numbers_equal_their_twins(numbers, unit):
    column = np.array(numbers, np.int64)
    assert bounds(column) == (min(numbers), max(numbers))
    few = [
        (number - numbers[0]) % 2**24 * unit + at for number, at in zip(numbers, [0, unit // 7, 0] * 50, strict=False)
    ]
    low, out = min(few), np.zeros(len(few), np.int64)
    divides = all((number - low) % unit == 0 for number in few)
    assert bool(_codes(np.array(few), low, unit, out)) == divides
    if divides:
        assert out.tolist() == [(number - low) // unit for number in few]
        _numbers(out, low, unit, out)
        assert out.tolist() == few


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=150), st.sampled_from(UNITS))
def test_the_unit_guessed_is_never_too_fine(numbers, unit):
    column = np.array(numbers, np.int64) * (unit if max(numbers) * unit < 2**62 else 1)
    exact = next(place for place, one in enumerate(UNITS) if all((column - column[0]) % one == 0))
    assert _coarsest(column, column[0]) <= exact
    if len(numbers) < 64:
        assert _coarsest(column, column[0]) == exact


@given(st.lists(value, min_size=1, max_size=80), st.sampled_from(SCALES), st.booleans())
def test_the_kernel_of_decimals_equals_its_twin(values, scale, few):
    if few:
        values = [round(one * scale) / scale if math.isfinite(one) and abs(one) < 1e9 else 0.5 for one in values]
    column, out = np.array(values), np.zeros(len(values), np.int64)
    found = _decimals(column, column.view(np.int64), scale, out)
    nans = [at for at, one in enumerate(column.view(np.int64).tolist()) if one == NAN_BITS]
    others = [at for at in range(len(values)) if at not in nans]
    fits = all(gives_back(values[at], scale) for at in others)
    assert found == (len(nans) if fits else -1)
    if fits:
        assert out[others].tolist() == [round(values[at] * scale) for at in others]


def gives_back(one, scale):
    if not math.isfinite(one) or abs(one * scale) > 2**53:
        return False
    again = round(one * scale) / scale
    return again == one and math.copysign(1, again) == math.copysign(1, one)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([20.05, 19.74, -3.2], 2),
        ([20.05, math.nan, 20.06], 1),
        ([math.nan] * 3, 0),
        ([7.0] * 3, 0),
        ([1e6, 2e6, 70e6], 1),
        ([0.1 + 0.2, 1 / 3], 8),
        ([float(np.float32(1 / 3)), float(np.float32(0.1))], 4),
        ([1.5, -0.0], 4),  # float32 has one
        ([20.05, -0.0], 8),
        ([20.05, OTHER_NAN], 8),
        ([1e300, 0.5], 8),
    ],
)
def test_values_take_the_fewest_bytes(values, expected):
    assert width(np.array(values)) == expected


def test_what_the_sample_did_not_show_is_found_later():
    values = np.round(np.random.default_rng(1).normal(20, 1, 3 * BLOCK), 1)
    assert width(values) == 1
    values[2 * BLOCK + 1] = 20.123
    assert width(values) == 2
    values[2 * BLOCK + 1] = 1 / 3
    assert width(values) == 8
    stamps = np.arange(3 * BLOCK) * 1_000_000_000
    stamps[2 * BLOCK + 1] += 1_000
    assert width(stamps) == 8  # in microseconds they do not fit into four bytes
    stamps = np.arange(3 * BLOCK) % 4_000 * 1_000_000
    stamps[2 * BLOCK + 1] += 1_000
    assert width(stamps) == 4


def test_a_version_without_scales_does_not_take_scaled_values_as_they_are():
    field, _ = encode_column("value", np.array([20.05, 19.74]))
    assert field.metadata == {b"scale": b"100", b"scaled_base": b"1974", b"unit": b"1"}

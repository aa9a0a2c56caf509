"""Fences, areas, times of arrival, shocks, GSP."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.geo import Area, Fence, distance_km, hours_to_go, on_time
from operators.gsp import permissible_error, record_interval_s, vehicle_sensors
from operators.humidity import absolute_humidities, absolute_humidity, dew_point, dew_points
from operators.shock import Shock, half_sine_change, shocks

SQUARE = Area(((31.30, 120.70), (31.30, 120.74), (31.34, 120.74), (31.34, 120.70)))


def test_a_fence_needs_fixes_in_a_row_and_its_ring():
    fence = Fence(500, 550, 2)
    found = [fence.step(distance) for distance in (900, 480, 510, 470, math.nan, 460, 530, 560, 620, 700)]
    assert found == [None, None, None, None, None, True, None, None, False, None]


@pytest.mark.parametrize("terms", [(0, 5, 1), (6, 5, 1), (5, 6, 0)])
def test_an_impossible_fence_is_refused(terms):
    with pytest.raises(ValueError, match="r_in"):
        Fence(*terms)


def test_distance_to_an_area():
    assert SQUARE.distance_km((31.32, 120.72)) == 0.0
    north = SQUARE.distance_km((31.35, 120.72))
    assert north == pytest.approx(distance_km((31.35, 120.72), (31.34, 120.72)), rel=1e-3)
    corner = SQUARE.distance_km((31.35, 120.75))
    assert corner == pytest.approx(distance_km((31.35, 120.75), (31.34, 120.74)), rel=1e-3)


def test_time_to_go():
    assert hours_to_go(30.0, 60.0, 1.0) == 0.5
    assert hours_to_go(30.0, 4.0, 1.0) is None  # it stands
    assert hours_to_go(30.0, 0.0, 0.0) is None
    assert [on_time(at, 5, 9) for at in (4, 5, 9, 10)] == [False, True, True, False]


def test_shocks_are_runs_of_one_sign():
    record = [(0.0, 0.0, 0.0), (6.0, 0.0, 0.0), (9.0, 0.0, -7.0), (-8.0, 0.0, -7.0), (1.0, 0.0, 0.0), (0.0, 5.0, 0.0)]
    assert shocks(record, 1000.0, 5.0) == [
        Shock(0, 9.0, 2.0), Shock(2, -7.0, 2.0), Shock(0, -8.0, 1.0), Shock(1, 5.0, 1.0),
    ]  # fmt: skip
    assert Shock(2, -7.0, 2.0).change_m_s == half_sine_change(7.0, 2.0)


def test_humidity_of_columns_is_that_of_numbers():
    pairs = [(20.0, 80.0), (7.3, 100.0), (30.0, 0.0), (5.0, 101.0), (-15.0, 40.0)]
    values, humid = (np.array(column) for column in zip(*pairs, strict=True))
    for number, column in ((dew_point, dew_points), (absolute_humidity, absolute_humidities)):
        for (value_c, pct), found in zip(pairs, column(values, humid), strict=True):
            expected = number(value_c, pct)
            assert (math.isnan(found) and expected is None) or found == pytest.approx(expected, rel=1e-12)


def test_saturated_air_holds_the_published_amounts():
    for value_c, grams in ((20.0, 17.3), (25.0, 23.0), (30.0, 30.4), (37.0, 43.9)):
        assert absolute_humidity(value_c, 100.0) == pytest.approx(grams, abs=0.15)


def test_gsp():
    assert [vehicle_sensors(volume) for volume in (1, 20, 20.1, 40, 40.1)] == [2, 2, 3, 3, 4]
    assert record_interval_s("transport", out_of_range=False) == 300
    assert [permissible_error(one) for one in (40.0, 40.1, -25.0, -25.1)] == [0.5, None, 1.0, None]

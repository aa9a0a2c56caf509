"""Velocity, envelope and bearing lines of a block against tones, twins in the time domain and scipy."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.config.health import Bearing, Vibration, WaveAnalysis
from operators.bearings import bearing_rates
from operators.spectrum import amplitudes, detrended, envelope, strongest
from operators.vibration import Band, displacement_of, velocity_of, velocity_rms, wave_figures
from tests import naive_health

RATE = 25_600.0
AT = np.arange(25_600) / RATE
BAND = Band(10.0, 1000.0)
BEARING = Bearing(name="6205", balls=9, ball_diameter=7.94, pitch_diameter=38.5, contact_deg=0.0)


def tone(hz, peak=1.0, phase=0.3):
    return peak * np.sin(2 * np.pi * hz * AT + phase)


@pytest.mark.parametrize("hz", [12.0, 24.7, 100.0, 333.33, 990.0])
def test_a_tone_has_the_velocity_of_its_formula(hz):
    got = velocity_rms(tone(hz, 9.80665 * math.sqrt(2)), RATE, BAND) * 1000.0
    assert got == pytest.approx(velocity_of(1.0, hz), rel=0.012)


def test_what_is_slower_than_the_band_stays_outside():
    x = tone(100.0) + 50.0 + 3.0 * AT + tone(4.0, 5.0) + tone(3_000.0, 10.0)
    assert velocity_rms(x, RATE, BAND) == pytest.approx(velocity_rms(tone(100.0), RATE, BAND), rel=0.01)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.floats(25.0, 700.0), st.floats(0.01, 100.0), st.floats(0.0, 6.28)), min_size=1, max_size=4),
    st.floats(-200.0, 200.0),
)
def test_the_time_domain_agrees(tones, offset):
    hz = sorted(one[0] for one in tones)
    if any(b - a < 10.0 for a, b in pairwise(hz)):
        return  # beats shorter than the block are its length's, not the method's
    x = sum(tone(*one) for one in tones) + offset
    assert velocity_rms(x, RATE, BAND) == pytest.approx(naive_health.velocity_rms(x, RATE, 10.0, 1000.0), rel=0.08)


@pytest.mark.parametrize(
    ("n", "rate", "known"),
    [(10_240, RATE, True), (10_239, RATE, False), (4_000, 2_000.0, True), (4_000, 1_999.0, False)],
)
def test_a_block_too_short_or_too_slow_has_no_velocity(n, rate, known):
    assert math.isnan(velocity_rms(np.sin(np.arange(n) * 0.3), rate, BAND)) is not known


def test_a_velocity_is_not_integrated():
    x = tone(50.0, 3.0)
    assert velocity_rms(x, RATE, BAND, integrate=False) == pytest.approx(3.0 / math.sqrt(2), rel=1e-6)


def test_displacement():
    assert displacement_of(velocity_of(1.0, 100.0), 100.0) == pytest.approx(
        2e6 * math.sqrt(2) * 9.80665 / (2 * math.pi * 100.0) ** 2
    )


def test_the_envelope_is_that_of_scipy():
    x = np.random.default_rng(1).standard_normal(5_000) + 101_325.0
    got = envelope(x, RATE, 2_000.0, 4_000.0)
    assert got == pytest.approx(naive_health.envelope(x, RATE, 2_000.0, 4_000.0), abs=1e-9)


def test_a_band_beyond_half_the_rate_is_refused():
    with pytest.raises(ValueError, match="no band"):
        envelope(AT, RATE, 2_000.0, 12_801.0)


def test_lines_of_a_spectrum():
    hz, lines = amplitudes(detrended(tone(100.0, 2.0) + tone(333.4, 1.0) + 7.0), RATE)
    assert strongest(hz, lines, 50.0, 200.0) == pytest.approx((100.0, 2.0), rel=1e-3)
    assert strongest(hz, lines, 300.0, 400.0)[0] == pytest.approx(333.4, abs=0.1)
    assert strongest(hz, lines, 333.4, 333.4)[1] == pytest.approx(1.0, rel=0.15)  # a line between two bins
    assert all(math.isnan(one) for one in strongest(hz, lines, 20_000.0, 21_000.0))


def defect(hz, rng):
    """A ringing at 4 kHz each time a ball passes, over noise, on a shaft with unbalance."""
    hits = np.zeros(len(AT))
    hits[(np.arange(0.0, 1.0, 1.0 / hz) * RATE).astype(int)] = 1.0
    ringing = np.exp(-AT[:256] * 1_500.0) * np.sin(2 * np.pi * 4_000.0 * AT[:256])
    return 20.0 * np.convolve(hits, ringing)[: len(AT)] + rng.standard_normal(len(AT)) + tone(24.5, 5.0)


@pytest.mark.parametrize("which", ["bpfo", "bpfi", "bsf"])
def test_the_line_of_the_defect_stands_out(which):
    wave = WaveAnalysis(
        Vibration(tag="v", envelope_hz=(2_500.0, 6_000.0), rpm=(1_400.0, 1_500.0), bearing="6205", slip=0.02), BEARING
    )
    rates = bearing_rates(9, 7.94, 38.5, 0.0, 1_470.0)
    rng = np.random.default_rng(5)
    found = wave_figures(defect(getattr(rates, which) * 0.99, rng).astype(np.float32), RATE, "m/s2", wave)
    healthy = wave_figures((rng.standard_normal(len(AT)) + tone(24.5, 5.0)).astype(np.float32), RATE, "m/s2", wave)
    assert found[".speed"] == pytest.approx(1_470.0, abs=5.0)
    lines = {name: found[name] / healthy[name] for name in (".bpfo", ".bpfi", ".bsf")}
    assert max(lines, key=lines.__getitem__) == f".{which}"
    assert found[f".{which}"] > 10.0 * healthy[f".{which}"]


def test_units():
    x = tone(100.0)
    wave = WaveAnalysis(Vibration(tag="v"), None)

    def velocity(unit, scale=1.0):
        return wave_figures((x * scale).astype(np.float32), RATE, unit, wave)[".velocity"]

    want = velocity_of(1.0 / math.sqrt(2), 100.0)
    assert velocity("[g]") == pytest.approx(want, rel=1e-3)
    assert velocity("m/s2", 9.80665) == pytest.approx(want, rel=1e-3)
    assert velocity("mm/s2", 9806.65) == pytest.approx(want, rel=1e-3)
    assert velocity("m/s") == pytest.approx(1000.0 / math.sqrt(2), rel=1e-3)
    assert math.isnan(velocity("Pa"))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=64), st.floats(0.1, 1e5))
def test_any_block_gives_numbers_or_none(samples, rate):
    wave = WaveAnalysis(Vibration(tag="v", envelope_hz=(1.0, 20.0), rpm=1_500.0, bearing="6205"), BEARING)
    for value in wave_figures(np.array(samples, np.float32), rate, "m/s2", wave).values():
        assert math.isnan(value) or value >= 0.0


def test_no_such_bearing():
    with pytest.raises(ValueError, match="no bearing"):
        bearing_rates(9, 40.0, 38.5, 0.0, 1_500.0)

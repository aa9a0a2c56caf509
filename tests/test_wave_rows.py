"""Velocity and bearing lines of a waveform's block as readings: at their place in the log, bad where not known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import Status
from andon.series import SeriesDictionary
from flows.waveforms import with_figures
from operators.vibration import velocity_of
from sources.decode import LogDecoder
from tests.test_blocks import Messages, messages_of, wave

FIGURES = (".rms", ".velocity", ".speed", ".envelope", ".ftf", ".bpfo", ".bpfi", ".bsf")
RATE = 4_000


def plant(vibration, *tags):
    series = [{"tag": "vib", "kind": "waveform", "unit": "m/s2"}, *({"tag": f"vib{one}"} for one in tags)]
    return PlantModel(Plant.model_validate({
        "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"},
        "bearing": [{"name": "small", "balls": 8, "ball_diameter": 10, "pitch_diameter": 50}],
        "template": [{"name": "t", "series": series, "vibration": vibration}],
        "asset": [{"path": "m", "template": "t"}],
    }))  # fmt: skip


def rows(world, *blocks):
    decoder = LogDecoder(SeriesDictionary(world, 0), world, 0)
    decoded = decoder.decode(Messages.of(messages_of(*blocks)))
    got = with_figures(decoded, decoder.json.dictionary)
    paths, readings = decoder.json.dictionary.paths(), got.readings
    assert got.rows_in == decoded.rows_in + len(readings) - len(decoded.readings)
    return [
        (paths[series].removeprefix("m/vib"), value, status)
        for series, value, status in zip(
            readings.series.tolist(), readings.value.tolist(), readings.status.tolist(), strict=True
        )
    ]


def tone(hz, n=4_000):
    return (9.80665 * np.sqrt(2) * np.sin(2 * np.pi * hz * np.arange(n) / RATE)).tolist()


VIBRATION = {"tag": "vib", "envelope_hz": (1_000.0, 1_800.0), "rpm": (5_700.0, 6_300.0), "bearing": "small"}


def test_every_figure_is_a_reading_in_its_order():
    found = rows(plant([VIBRATION], *FIGURES), wave(rate_hz=RATE, samples=tone(100.0)))
    assert [name for name, _, _ in found] == list(FIGURES)
    assert {status for _, _, status in found} == {Status.GOOD}
    values = {name: value for name, value, _ in found}
    assert values[".velocity"] == pytest.approx(velocity_of(1.0, 100.0), rel=1e-3)
    assert values[".speed"] == pytest.approx(6_000.0, abs=1.0)


def test_a_block_that_is_too_short_gives_a_bad_velocity_and_a_good_rms():
    found = rows(plant([VIBRATION], ".rms", ".velocity"), wave(rate_hz=RATE, samples=tone(100.0, 1_000)))
    assert [(name, status) for name, _, status in found] == [(".rms", Status.GOOD), (".velocity", Status.BAD)]
    assert math.isnan(found[1][1])


def test_a_rate_too_low_for_the_envelope_gives_bad_lines():
    found = rows(plant([VIBRATION], ".envelope", ".bpfo"), wave(rate_hz=3_000, samples=tone(100.0)))
    assert [(name, status) for name, _, status in found] == [(".envelope", Status.BAD), (".bpfo", Status.BAD)]


@pytest.mark.parametrize(
    ("vibration", "want"),
    [
        ([], [".rms"]),
        ([{"tag": "vib"}], [".rms", ".velocity"]),
        ([{"tag": "vib", "rpm": 1_500.0}], [".rms", ".velocity", ".speed"]),
        ([{"tag": "vib", "envelope_hz": (1_000.0, 1_800.0)}], [".rms", ".velocity", ".envelope"]),
    ],
)  # fmt: skip
def test_what_the_plant_does_not_ask_for_is_the_devices_own_series(vibration, want):
    found = rows(plant(vibration, *FIGURES), wave(rate_hz=RATE, samples=tone(100.0)))
    assert [name for name, _, _ in found] == want

"""Figures of the simulated compressor against what it truly did: its velocity, its bearing, its repair."""

from __future__ import annotations

import numpy as np
import pytest

from operators.vibration import wave_figures
from simulators import wave
from simulators.compressor import HEALTHY_HIT, RPM, Compressor
from simulators.feed import Feed
from simulators.schedule import Plan
from simulators.truth import demo_plant

CASING = demo_plant().series[Compressor.asset, "casing"]


def figures(block):
    return wave_figures(
        np.array(block.samples(), np.float32), wave.RATE_HZ, CASING.unit, CASING.wave,
        [f".{name}" for name in wave.MADE_OF_IT],
    )  # fmt: skip


def blocks(seed, seconds):
    device = Compressor(seed, Plan(seed))
    samples = [(second, sample) for second in range(seconds) for sample in device.step()]
    return [(second, sample.value) for second, sample in samples if sample.tag == "casing"]


def test_velocity_speed_and_bearing_are_what_the_machine_did():
    cause = Plan(4)(Compressor.asset, 0)
    assert cause.name == "bearing_wear"
    told = blocks(4, cause.end_s + 120)
    assert len(told) == (cause.end_s + 120 + 59) // 60
    for _, block in told:
        found = figures(block)
        assert found[".velocity"] == pytest.approx(block.velocity, rel=0.02)
        assert found[".speed"] == pytest.approx(RPM, abs=3.0)
    lines = {second: figures(block)[".bpfo"] for second, block in told}
    worn = [line for second, line in lines.items() if cause.start_s + 300 < second < cause.end_s]
    healthy = [line for second, line in lines.items() if second < cause.start_s or second >= cause.end_s]
    assert min(worn) > 10 * max(healthy)
    sick = next(block for second, block in told if cause.start_s + 300 < second)
    assert figures(sick)[".bpfo"] > 3 * figures(sick)[".bpfi"]
    assert figures(sick)[".kurtosis"] > figures(told[0][1])[".kurtosis"]
    assert sick.hit > 30 * HEALTHY_HIT


def test_blocks_are_of_their_seed_and_second():
    (_, one), *_ = blocks(4, 1)
    assert one.samples() == one.samples()
    assert one.samples() != wave.Block(5, *[getattr(one, name) for name in list(one.__slots__)[1:]]).samples()
    rate = wave.BALLS * RPM / 60 / 2 * (1 - wave.BALL / wave.PITCH)
    assert one.bpfo_hz == pytest.approx(rate * (1 - wave.SLIP))
    assert (CASING.wave.bearing.balls, CASING.wave.bearing.ball_diameter) == (wave.BALLS, wave.BALL)


def test_the_series_of_a_block_are_those_of_the_plant():
    declared = {tag.partition(".")[2] for asset, tag in demo_plant().series if tag.startswith("casing.")}
    assert declared == set(wave.MADE_OF_IT)


def test_the_repair_is_told():
    cause = Plan(4)(Compressor.asset, 0)
    feed = Feed(4, 0, [Compressor.asset])
    told = [(feed.second, parcel.raw) for _ in range(cause.end_s + 5) for parcel in feed.advance()]
    repairs = [second for second, raw in told if b"maintenance.ended" in raw]
    assert repairs == [cause.end_s + 1]  # sent in the second of that number, which `advance` has counted

"""Simulated faults: labels bound the change exactly, severity counts, seeds repeat, noise is as stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators import fault_plants as plants
from simulators.faults import FAULTS, inject

DAYS = 6.0
MAKE = {
    "machine": plants.machine, "water_loop": plants.water_loop, "cold_room": plants.cold_room,
    "steriliser": plants.steriliser,
}  # fmt: skip


def differs(one, other):
    return np.any([one.values[tag] != other.values[tag] for tag in one.values], axis=0)


@pytest.mark.parametrize("name", FAULTS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.floats(0.1, 0.4), step=st.integers(0, 2))
def test_a_label_bounds_the_change_exactly(name, seed, share, step):
    told = FAULTS[name]
    clean = MAKE[told.kind](seed, DAYS)
    kept = {tag: value.copy() for tag, value in clean.values.items()}
    faulty, label = inject(clean, name, told.severities[step], int(share * len(clean.context)))
    changed = np.flatnonzero(differs(clean, faulty))
    assert (label.start, label.end) == (changed[0], changed[-1] + 1)
    assert label.start >= int(share * len(clean.context))
    assert (label.severity, label.unit) == (told.severities[step], told.unit)
    for tag, value in clean.values.items():
        np.testing.assert_array_equal(value, kept[tag])
        np.testing.assert_array_equal(value[: label.start], faulty.values[tag][: label.start])
        np.testing.assert_array_equal(value[label.end :], faulty.values[tag][label.end :])


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "stuck"])
def test_worse_is_further_from_the_clean_record(name):
    told = FAULTS[name]
    clean = MAKE[told.kind](3, DAYS)
    off = []
    for severity in (*told.severities, 2.0 * told.severities[2]):
        faulty, _ = inject(clean, name, severity, len(clean.context) // 3)
        off.append(sum(np.abs(faulty.values[tag] - value).sum() for tag, value in clean.values.items()))
    assert off == sorted(off)
    if told.minutes:
        assert len(set(off)) == len(off)


def test_a_longer_standstill_is_longer():
    clean = plants.machine(1, 2.0)
    lengths = [np.ptp([label.start, label.end]) for label in (inject(clean, "stuck", m, 900)[1] for m in (10, 30, 120))]
    assert lengths == [9, 29, 119]  # the first of the rows is the one that is repeated


@pytest.mark.parametrize("name", [name for name, told in FAULTS.items() if told.unit.startswith("sigma")])
def test_no_severity_is_no_change(name):
    clean = plants.machine(1, 3.0)
    faulty, _ = inject(clean, name, 0.0, 900)
    assert not differs(clean, faulty).any()


@pytest.mark.parametrize("kind", MAKE)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_seed_is_repeated_to_the_bit_and_another_is_another(kind, seed):
    first, again, other = MAKE[kind](seed, 1.0), MAKE[kind](seed, 1.0), MAKE[kind](seed + 1, 1.0)
    assert not differs(first, again).any()
    np.testing.assert_array_equal(first.context, again.context)
    assert differs(first, other).mean() > 0.99
    assert set(first.values) <= set(plants.UNITS)
    assert all(np.isfinite(value).all() for value in first.values.values())


@pytest.mark.parametrize("rho", [0.0, 0.34, 0.9])
def test_noise_remembers_as_stated(rho):
    noise = plants.remembering(np.random.default_rng(5), rho, 0.5, 400_000)
    assert noise.std() == pytest.approx(0.5, rel=0.02)
    for lag in (1, 2, 3):
        assert np.corrcoef(noise[lag:], noise[:-lag])[0, 1] == pytest.approx(rho**lag, abs=0.02)


def test_blocks_keep_the_memory_and_only_recorded_values():
    recorded = plants.remembering(np.random.default_rng(1), 0.8, 1.0, 5000)[:, None]
    drawn = plants.blocks(np.random.default_rng(2), recorded, 100_000)[:, 0]
    assert np.isin(drawn, recorded).all()
    assert np.corrcoef(drawn[1:], drawn[:-1])[0, 1] == pytest.approx(0.8, abs=0.03)


def test_a_product_moves_the_level_and_lasts_hours():
    clean = plants.machine(7, 20.0)
    changes = np.flatnonzero(np.diff(clean.context))
    assert np.diff(changes).min() >= 360
    means = [clean.values["current"][clean.context == product].mean() for product in range(3)]
    assert means[0] > means[1] + 8.0 > means[2] + 16.0


def test_the_cold_room_keeps_its_band_defrosts_and_works_harder_with_less_power():
    clean = plants.cold_room(4, 10.0)
    assert 3.0 < np.quantile(clean.values["air"], 0.01) < np.quantile(clean.values["air"], 0.99) < 8.0
    peaks = clean.values["coil"].reshape(-1, plants.DEFROST_EVERY_MIN)[:, : plants.DEFROST_MIN + 1].max(axis=1)
    assert (peaks[1:] > 9.0).all()
    failed, _ = inject(clean, "defrost_failure", 2.0, 5 * 1440)
    assert failed.values["coil"][6 * 1440 :].max() < 9.0
    weak, _ = inject(clean, "cooling_loss", 20.0, 5 * 1440)
    share = [np.mean(one.values["unit"][8 * 1440 :] > 8.0) for one in (clean, weak)]
    assert 1.1 < share[1] / share[0] < 1.5


def test_an_air_pocket_is_one_plateau_of_the_load_probe():
    clean = plants.steriliser(1, 1.0)
    faulty, label = inject(clean, "air_pocket", 1.0, 450)
    assert (label.start, label.end) == (700, 790)
    colder = clean.values["load"] - faulty.values["load"]
    assert colder[label.start : label.end] == pytest.approx(1.0)
    np.testing.assert_array_equal(clean.values["drain"], faulty.values["drain"])


def test_what_cannot_be_injected_is_refused():
    clean = plants.machine(1, 1.0)
    with pytest.raises(ValueError, match="wanted water_loop"):
        inject(clean, "leak", 5.0, 10)
    with pytest.raises(ValueError, match="start 1440 of 1440"):
        inject(clean, "spike", 5.0, 1440)
    with pytest.raises(ValueError, match="severity -1"):
        inject(clean, "spike", -1.0, 10)
    with pytest.raises(ValueError, match="no plateau begins"):
        inject(plants.steriliser(1, 0.1), "air_pocket", 1.0, 800)
    with pytest.raises(KeyError):
        inject(clean, "gremlin", 1.0, 10)

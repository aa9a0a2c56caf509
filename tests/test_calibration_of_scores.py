"""The tail of a nonconformity, learned from the stream: see detectors/calibration.py."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.calibration import learn_tail, tail_score


def test_tail_score_is_one_at_the_decile_and_exact_for_an_exponential_tail():
    for p in (1e-1, 1e-2, 1e-4):
        z, decile = -np.log(p), np.log(10.0)
        assert tail_score(np.log(z), np.log(decile), 0.31) == pytest.approx(-np.log10(p))


def test_tail_parameters_are_learned_from_the_stream():
    """Deciles and mean excesses of exponential and Gaussian noise."""
    rng = np.random.default_rng(3)
    for z, decile, mean_excess in (
        (rng.exponential(1.0, 100_000), 2.303, 0.31),
        (np.abs(rng.normal(size=100_000)), 1.645, 0.21),
    ):
        q, excess, run = 1.0, 0.31, 0.0
        for row, one in enumerate(np.log(z).tolist()):
            q, excess, run = learn_tail(one, q, excess, run, row, max(0.001, 3.0 / (row + 10)), 3.5)
        assert np.exp(q) == pytest.approx(decile, rel=0.05)
        assert excess == pytest.approx(mean_excess, rel=0.1)

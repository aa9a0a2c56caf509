"""The hash of a frozen setting: it names every constant, and changes with each."""

from __future__ import annotations

import pytest

from detectors import ensemble_kernel, mewma_kernel
from detectors.settings import MODULES, constants, fingerprint


@pytest.mark.parametrize("name", MODULES)
def test_any_other_constant_gives_another_hash(name, monkeypatch):
    before = fingerprint(name)
    assert before == fingerprint(name)
    module, key = {"ensemble": (ensemble_kernel, "SLOW_RATE"), "mewma": (mewma_kernel, "SLOW")}[name]
    monkeypatch.setattr(module, key, 2.0 * getattr(module, key))
    assert fingerprint(name) != before


def test_what_decides_is_in_it():
    found = constants("ensemble")
    assert found["alarms"]["false_alarm_days"] == 7.0
    assert found["ensemble_state.PARTS"][0] == "from_fast"
    assert {"calibration.TAIL", "season.VISIT_RATE", "shapes.NOVEL", "ensemble_kernel.WARM_UP"} <= set(found)
    assert "mewma_reference.ALLOWED" in constants("mewma")


def test_a_detector_without_a_frozen_setting_has_none():
    with pytest.raises(KeyError):
        fingerprint("river:LODA")

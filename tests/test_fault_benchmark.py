"""The measure of detectors on simulated faults: what is judged, what counts, and the committed result."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import fault_panels, faults
from detectors.settings import MODULES, fingerprint
from simulators import fault_plants as plants
from simulators.faults import FAULTS, inject
from tests.test_results import faults as misfits
from tests.tree import ROOT

RESULTS = ROOT / "docs" / "results"


def test_nothing_is_judged_just_after_a_change_nor_where_the_asset_stands():
    record = plants.machine(1, 4.0)
    judged = fault_panels.judged(record)
    change = int(np.flatnonzero(np.diff(record.context))[0]) + 1
    assert (judged[change : change + 60] == plants.NOT_JUDGED).all()
    assert judged[change + 60] == record.context[change]
    assert judged[0] == record.context[0]
    cycle = plants.steriliser(1, 0.2)
    assert (fault_panels.judged(cycle)[:100] == plants.NOT_JUDGED).all()


def test_a_rule_speaks_once_when_it_has_lasted():
    broken = np.zeros(40, bool)
    broken[5:20] = broken[30:33] = True
    assert fault_panels.lasting(broken, 10).tolist() == [14]
    assert fault_panels.lasting(np.ones(4, bool), 3).tolist() == [2]


def test_windows_end_at_their_last_row():
    ends, means = fault_panels.windows(np.arange(7.0), np.arange(100, 107), 3)
    assert (ends.tolist(), means.tolist()) == ([102, 105], [1.0, 4.0])


@pytest.mark.parametrize("kind", faults.LEARN_D)
def test_the_panel_says_the_same_in_one_piece_and_in_two(kind):
    """What was learned before a fault may be copied, and no alarm knows what comes after it."""
    whole = faults.record(kind, 3, 4.0, None)
    cut = len(whole.context) // 2
    panel = fault_panels.Panel(7.0)
    first = panel.judge(faults._until(whole, cut))
    second = panel.judge(whole, cut)
    at_once = fault_panels.Panel(7.0).judge(whole)
    for channel, rows in at_once.items():
        assert set(first[channel]) == {row for row in rows if row < cut}
        if channel != "rule":
            assert {row for row in rows if row >= cut} == set(second[channel])


def test_rows_of_a_quick_measurement_are_judged_sooner_after_a_change():
    record = plants.machine(1, 9.0)
    change = int(np.flatnonzero(np.diff(record.context))[-1]) + 1
    first = {
        number: int(rows[rows >= change][0])
        for channel, number, rows, _ in fault_panels.streams(record) if channel == "spectral"
    }  # fmt: skip
    assert first == {0: change + 15, 1: change + 60, 2: change + 15}


def test_the_level_of_a_product_is_that_of_its_first_rows_which_only_teach():
    value, context = np.repeat([10.0, 50.0], 500), np.repeat([0, 1], 500)
    context[600:610] = plants.NOT_JUDGED
    value[450] = 11.0
    rows, left = fault_panels.levelled(value, context)
    assert rows.tolist() == [*range(400, 500), *range(910, 1000)]
    assert left.nonzero()[0].tolist() == [50]


def test_a_weak_unit_cools_longer_and_rests_as_long():
    on, rest, defrost = [9.0] * 12, [0.6] * 20, [5.0] * 16
    ends, features = fault_panels.starts(np.array((rest + on) * 3 + defrost), np.arange(100, 212), 112)
    assert ends.tolist() == [211]
    np.testing.assert_allclose(features, np.log([[12.0, 20.0]]))
    nothing = fault_panels.starts(np.full(112, 0.6), np.arange(112), 112)[1]
    np.testing.assert_allclose(nothing, np.log([[1.0, 112.0]]))


def test_a_budget_of_an_asset_is_shared_by_its_streams():
    record = plants.machine(1, 2.0)
    assert fault_panels.budget_days(record, 30.0, per_asset=False) == 30.0
    assert fault_panels.budget_days(record, 30.0, per_asset=True) == 30.0 * len(list(fault_panels.streams(record)))


def test_a_stuck_sensor_breaks_the_rule():
    clean = plants.machine(2, 2.0)
    faulty, label = inject(clean, "stuck", 30.0, 2000)
    assert fault_panels.rules(clean).tolist() == []
    assert fault_panels.rules(faulty).tolist() == [label.start + fault_panels.STUCK_ROWS - 1]


def test_seeds_reported_are_not_those_of_development():
    assert faults.REPORTED > faults.DEVELOPED + 20_000
    assert sum(faults.ASSET_DAYS.values()) >= 1500.0


def test_committed_faults():
    told = json.loads((RESULTS / "faults.json").read_text())
    schema = json.loads((RESULTS / "faults.schema.json").read_text())
    assert misfits(told, schema, defs=schema["$defs"]) == []
    assert told["settings"] == {name: fingerprint(name) for name in MODULES}, "a setting was changed: measure anew"
    assert told["first_seed"] == faults.REPORTED
    for setting in told["settings_tried"]:
        assert setting["false"]["all"]["asset_days"] >= 1500.0
        rows = {(row["fault"], row["severity"]) for row in setting["faults"]}
        assert rows == {(name, one) for name, fault in FAULTS.items() for one in fault.severities}
        assert min(row["runs"] for row in setting["faults"]) >= 20
    text = "\n".join(faults.lines(told))
    assert text in faults.PAGE.read_text()

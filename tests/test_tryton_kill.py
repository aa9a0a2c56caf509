"""Signal 9 to a real Tryton, answers lost after its commit, eight senders at once: exactly one record each."""

from __future__ import annotations

import pytest

from tests.chaos.erp import run_erp
from tests.servers.fixtures import left_out

pytestmark = [pytest.mark.real, pytest.mark.crash, pytest.mark.timeout(900)]


def test_300_alarms_leave_exactly_one_record_each(tmp_path):
    with left_out():
        outcome = run_erp(tmp_path, count=300, kills=20, senders=8, seed=1, say=print)
    print(outcome)
    assert outcome.faults == []
    assert outcome.compared == {"orders": 300, "ERP records": 300}
    assert (outcome.kills, outcome.doubled) == (20, 0)
    # The faults met work in progress.
    assert outcome.lost > 20
    assert outcome.attempts > 360, "300 orders and 60 revisions, none of them tried twice"


def test_the_same_without_the_key_makes_doubles(tmp_path):
    """The control: the module's UNIQUE keys and the look-ups are off."""
    with left_out():
        outcome = run_erp(tmp_path, count=40, kills=2, senders=8, seed=2, keyed=False)
    assert outcome.doubled > 0
    assert any(fault.startswith("reconcile") for fault in outcome.faults)

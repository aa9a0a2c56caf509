"""The embedded shape under kill -9 at random and at chosen instants, and its controls.

`make chaos` makes 1,000 of these kills; the committed result is docs/results/chaos-embedded.json.
"""

from __future__ import annotations

import pytest

from tests.chaos.suite import Plan, Progress, TimeIsUpError, run

pytestmark = [pytest.mark.crash, pytest.mark.timeout(600)]
CONTROLS = ("ledger", "journal")  # the others are in `make chaos`


def test_twenty_kills_leave_what_no_kill_would_have_left(tmp_path):
    lines: list[str] = []
    outcome = run(Plan(tmp_path, kills=20, seed=11), lines.append)
    assert outcome.verdict.faults == []
    assert outcome.killed == 20
    assert {"flow-0", "flow-1", "sender"} <= set(outcome.kills)
    assert outcome.commits >= outcome.kills["flow-0"] + outcome.kills["flow-1"]
    compared = outcome.verdict.compared
    assert compared["windows"] > 500
    assert compared["journal"] > 10_000
    assert compared["dead letters"] > 5
    assert "20 kills" in lines[-1]


@pytest.mark.parametrize("off", CONTROLS)
def test_the_checker_sees_a_protection_that_is_off(tmp_path, off):
    outcome = run(Plan(tmp_path, kills=8, seed=5, off=(off,)), lambda _: None)
    assert not outcome.ok
    assert any(off in fault for fault in outcome.verdict.faults), outcome.verdict.faults


def test_an_interrupted_run_goes_on_where_it_stood(tmp_path):
    for limit_s in (6.0, 12.0, 24.0):  # on a busy machine the first parts start slowly
        with pytest.raises(TimeIsUpError):
            run(Plan(tmp_path, kills=200, seed=12, limit_s=limit_s), lambda _: None)
        made = Progress(Plan(tmp_path, kills=200, seed=12)).open
        if made.kills:
            break
    assert 0 < sum(made.kills.values()) < 200
    with pytest.raises(ValueError, match="seed 12"):
        run(Plan(tmp_path, kills=200, seed=13), lambda _: None)
    outcome = run(Plan(tmp_path, kills=sum(made.kills.values()) + 4, seed=12), lambda _: None)
    assert outcome.verdict.faults == []
    assert (outcome.killed, outcome.rounds) == (sum(made.kills.values()) + 4, 1)
    assert all(outcome.kills[part] >= count for part, count in made.kills.items())

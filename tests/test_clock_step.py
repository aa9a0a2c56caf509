"""The machine's clock is set while a flow runs, and between its runs; real processes, a clock moved under them.

Bytewax wakes its sources and closes its epochs by the wall clock (flows/steady.py tells how that is kept away from us).
The control runs the flow without that: it sleeps for an hour, and the watchdog starts it again.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from andon import heartbeat
from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.records import Records
from flows.steady import ClockSetBackError, Pace
from service import supervisor as module
from service.supervisor import Part, Supervisor
from tests.clock_shim import MovedClock, clock_library, moved_clock
from tests.test_flow import TOML, alarms, contents, fill, folder, log, reached, run_flow

__all__ = ["clock_library", "moved_clock"]  # fixtures
HOUR_S = 3600.0
YEAR_2000_NS = 946_684_800 * 10**9
BARE = """
import sys
import flows.plant
flows.plant.SteadySource = lambda source, pace: source
raise SystemExit(flows.plant.main(sys.argv[1:]))
"""


def flow(config: Path, data: DataFolder, *, bare: bool = False) -> Supervisor:
    """A supervisor of one flow process; bare: without what keeps Bytewax off the wall clock."""
    program = ["-c", BARE] if bare else ["-m", "flows.plant"]
    argv = [sys.executable, *program, "--config", str(config), "--data", str(data.path), "--worker", "0"]
    return Supervisor(data, [Part("flow-0", argv, watched=True)])


def poll(watched: Supervisor, ready, limit_s: float = 90.0) -> None:
    deadline = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < deadline, "not reached in time"
        watched.poll()
        time.sleep(0.05)


def epochs(data: DataFolder) -> int:
    """The newest epoch of the flow's recovery store."""
    newest = 0
    for store in (data.path / "state").rglob("part-0.sqlite3"):
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
            newest = max(newest, db.execute("select coalesce(max(snap_epoch), 0) from snaps").fetchone()[0])
    return newest


@pytest.fixture
def site(
    tmp_path: Path, moved_clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, DataFolder, DataFolder]:
    """plant.toml, a folder for the processes under the moved clock, and one for an undisturbed run."""
    config = tmp_path / "plant.toml"
    config.write_text(TOML.replace("[windows]", "[windows]\nhopping_s = [[20.0, 5.0]]"), encoding="utf-8")  # as plant()
    for name, value in moved_clock.environment.items():
        monkeypatch.setenv(name, value)
    return config, folder(tmp_path / "data"), folder(tmp_path / "whole")


def assert_equal(data: DataFolder, whole: DataFolder) -> None:
    assert contents(data.history_db(0)) == contents(whole.history_db(0))
    with Records(data.records_db, "s1", SystemClock()) as one, Records(whole.records_db, "s1", SystemClock()) as two:
        assert alarms(one) == alarms(two)


STEPS = {
    "back": [-HOUR_S],
    "forward": [HOUR_S],
    "back-and-right-again": [-HOUR_S, 0.0],
    "forward-and-right-again": [HOUR_S, 0.0],
    "back-again-and-again": [-HOUR_S, -2 * HOUR_S, -2 * HOUR_S - 2.0],
    "year-2000-and-right-again": [(YEAR_2000_NS - time.time_ns()) / 1e9, 0.0],
}


@pytest.mark.crash
@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_a_flow_goes_on_when_the_clock_is_set_under_it(site, moved_clock, steps):
    """It reads on and closes epochs, in the same process, and nothing is lost or doubled."""
    config, data, whole = site
    messages = log(400)
    fill(whole, messages)
    run_flow(whole)
    each = 200
    fill(data, messages[:each])
    watched = flow(config, data)
    watched.start()
    try:
        poll(watched, lambda: reached(data.history_db(0)) == each)
        pid = watched.pids()["flow-0"]
        for number, seconds in enumerate(steps, start=1):
            moved_clock.add(seconds)
            closed = epochs(data)
            fill(data, messages[each * number : each * (number + 1)])
            # Every row is with the writers, and in epochs that were closed after the step.
            poll(watched, lambda most=each * (number + 1): reached(data.history_db(0)) == min(most, len(messages)))
            poll(watched, lambda closed=closed: epochs(data) > closed + 1)
        fill(data, messages[each * (len(steps) + 1) :])
        poll(watched, lambda: reached(data.history_db(0)) == len(messages))
        assert watched.restarts() == {"flow-0": 0}
        assert watched.pids()["flow-0"] == pid
    finally:
        watched.stop()
    assert_equal(data, whole)


@pytest.mark.crash
def test_without_it_the_flow_sleeps_and_the_watchdog_starts_it_again(site, moved_clock, monkeypatch):
    """The control, and the second line: what sleeps is killed and goes on from its last epoch."""
    monkeypatch.setattr(module, "STALLED_S", 3.0)
    monkeypatch.setattr(module, "BACKOFF_S", (0.05,))
    config, data, whole = site
    messages = log(200)
    fill(whole, messages)
    run_flow(whole)
    fill(data, messages[:200])
    watched = flow(config, data, bare=True)
    watched.start()
    try:
        poll(watched, lambda: reached(data.history_db(0)) == 200)
        moved_clock.add(-HOUR_S)
        time.sleep(0.5)
        fill(data, messages[200:])  # comes while it sleeps
        poll(watched, lambda: watched.restarts()["flow-0"] == 1)
        assert reached(data.history_db(0)) == 200, "it was asleep"
        poll(watched, lambda: reached(data.history_db(0)) == len(messages))
        assert heartbeat.age_s(heartbeat.folder(data) / "flow-0") is not None
    finally:
        watched.stop()
    assert_equal(data, whole)


@pytest.mark.crash
def test_a_flow_resumes_whatever_the_clock_says(site, moved_clock):
    """Each start shows another time: an hour earlier, the year 2000, ten years later, the right one."""
    config, data, whole = site
    messages = log(300)
    fill(whole, messages)
    run_flow(whole)
    for number, seconds in enumerate((0.0, -HOUR_S, (YEAR_2000_NS - time.time_ns()) / 1e9, 3.2e8, 0.0)):
        moved_clock.add(seconds)
        fill(data, messages[number * 130 : (number + 1) * 130])
        watched = flow(config, data)
        watched.start()
        try:
            poll(watched, lambda most=(number + 1) * 130: reached(data.history_db(0)) == min(most, len(messages)))
            assert watched.restarts() == {"flow-0": 0}
        finally:
            watched.stop()
    assert reached(data.history_db(0)) == len(messages)
    assert_equal(data, whole)


class Stepped:
    """A watch that has seen the clock set back."""

    def set_back_s(self) -> float:
        return 3600.0


def test_one_of_a_cluster_ends_with_an_error_instead():
    """Its source alone at its end would leave its partitions unread, and the others would never know."""
    with pytest.raises(StopIteration):
        Pace(watch=Stepped()).look()
    with pytest.raises(ClockSetBackError):
        Pace(drains=False, watch=Stepped()).look()


def test_partitions_rest_together_and_nobody_rests_while_another_has_work():
    at, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        at[0] += seconds

    pace = Pace(monotonic=lambda: at[0], sleep=sleep)
    for one in "abc":
        pace.join(one)
    pace.rest("a", 0.05)
    pace.rest("b", 0.01)
    assert pace.rests("a")
    assert pace.rests("b")
    assert not pace.rests("c")
    assert slept == []  # c has work
    pace.rest("c", 0.02)
    assert pace.rests("a")
    assert slept == [0.01]  # until the first of them is due
    assert not pace.rests("b")
    assert pace.rests("c")
    pace.leave("b")
    assert not pace.rests("c")
    assert slept == [0.01, 0.01]
    pace.rest("c", 7200.0)  # a clock that was set between two looks at it
    at[0] += 1.1
    assert not pace.rests("c")

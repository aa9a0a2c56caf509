"""The demo on a busy machine: its devices wait for the ticker, and its end for ticks behind the last rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from andon.clock import ManualClock
from andon.readings import NS_PER_S
from service import demo
from service.demo import DRAIN_S, LAST_TICKS, Demo, Settings
from service.supervisor import Part
from sources.ticks import tick_body

ROWS = 3
START_NS = 1_767_225_600 * NS_PER_S


class Parts:
    """In place of the supervisor: its ticker begins so many seconds after the devices were stopped."""

    def __init__(self, run: Demo, clock, comes_up_s: float) -> None:
        self.run, self.clock, self.comes_up_s = run, clock, comes_up_s
        self.started: list[tuple[str, list[int]]] = []  # and the newest message of each shard then
        self.stopped: list[str] = []
        self.behind: list[int] = []  # messages behind the rows when the ticker was stopped, by shard

    def start(self) -> None:
        """Nothing of its own."""

    def add(self, parts: list[Part]) -> None:
        self.started += [(one.name, self.run._last_offsets()) for one in parts]

    def stop(self, names: list[str]) -> None:
        self.stopped += names
        if names == ["ticker"]:
            self.behind = [offset - ROWS for offset in self.run._last_offsets()]

    def poll(self) -> None:
        if self.clock.now_s < self.comes_up_s or "ticker" in self.stopped:
            return
        for shard in range(self.run.shards):
            with self.run.spool(shard) as spool:
                spool.append([tick_body(spool.newest_ns(), None)])


@pytest.fixture
def busy(tmp_path, monkeypatch):
    """A demo on a clock of its own whose ticker comes up after so many seconds, and that clock."""
    clock = SimpleNamespace(now_s=0.0)

    def sleep(seconds):
        clock.now_s += seconds

    run = Demo(Settings(tmp_path / "data", 1, 60.0, 8080, 20.0))
    monkeypatch.setattr(demo, "time", SimpleNamespace(monotonic=lambda: clock.now_s, sleep=sleep))
    monkeypatch.setattr(run, "consumed", lambda: True)
    for shard in range(run.shards):
        with run.spool(shard) as spool:
            spool.append([b"{}"] * ROWS)

    def comes_up(seconds):
        run.supervisor = Parts(run, clock, seconds)
        return run, clock

    yield comes_up
    run.close()


@pytest.mark.parametrize("comes_up_s", [0.0, 20.0])
def test_the_time_of_the_devices_begins_when_time_passes_for_the_flows(busy, monkeypatch, comes_up_s):
    run, clock = busy(comes_up_s)
    monkeypatch.setattr(run, "_plant_clock", ManualClock(START_NS))
    run.start()
    *others, (last, offsets) = run.supervisor.started
    assert last == "devices"
    assert {"ticker", "flow-0", "erp"} <= {name for name, _ in others}
    assert min(offsets) > ROWS
    assert clock.now_s < comes_up_s + 2.0
    argv = run.devices().argv
    assert int(argv[argv.index("--until-ns") + 1]) == START_NS + 20 * 60 * NS_PER_S


@pytest.mark.parametrize("comes_up_s", [0.0, 20.0])
def test_the_last_ticks_are_behind_the_rows_before_the_ticker_is_stopped(busy, comes_up_s):
    run, clock = busy(comes_up_s)
    run.drain()
    parts = run.supervisor
    assert parts.stopped == ["devices", "ticker"]
    assert parts.behind
    assert set(parts.behind) == {LAST_TICKS}
    assert clock.now_s < comes_up_s + 2.0


def test_a_ticker_that_never_comes_up_does_not_hold_the_demo_for_ever(busy):
    run, clock = busy(float("inf"))
    run.drain()
    parts = run.supervisor
    assert parts.stopped == ["devices", "ticker"]
    assert set(parts.behind) == {0}
    assert clock.now_s == pytest.approx(DRAIN_S, abs=1.0)

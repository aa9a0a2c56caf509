from __future__ import annotations

import json
import threading

from andon.clock import ManualClock
from sources.spool import Spool
from sources.ticks import run_ticker, tick_body


class StopAfter(threading.Event):
    """Set after a number of waits, moving the clock at each."""

    def __init__(self, waits, clock):
        super().__init__()
        self.left, self.clock, self.waited = waits, clock, []

    def wait(self, timeout=None):
        self.waited.append(timeout)
        self.clock.advance(1.0)
        self.left -= 1
        if self.left == 0:
            self.set()
        return self.is_set()


def test_a_tick_is_whole_milliseconds():
    assert json.loads(tick_body(1_999_999)) == {"ts": 1, "event": "tick"}


def test_every_spool_gets_a_tick_each_turn_and_a_full_one_does_not_stop_the_others(tmp_path):
    clock = ManualClock(1_767_225_600_000_000_000)
    spools = [Spool(tmp_path / "0", 0, clock), Spool(tmp_path / "1", 1, clock, max_bytes=1)]
    stop = StopAfter(3, clock)
    run_ticker(spools, clock, stop, every_s=0.25)
    ticks = [json.loads(m.body)["ts"] for m in spools[0].reader(0).read(10, 1000)]
    assert ticks == [1_767_225_600_000, 1_767_225_601_000, 1_767_225_602_000]
    assert spools[1].last_offset() == 0
    assert stop.waited == [0.25] * 3
    for spool in spools:
        spool.close()

"""The same promise as in test_one_record.py, of the processes: flow and sender under signal 9, the rule edited."""

from __future__ import annotations

import random
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from andon.clock import ScaledClock, SystemClock
from andon.datafolder import DataFolder
from andon.records import Records, verify_audit
from sinks.erp.stub_store import StubStore
from sources.spool import Spool
from tests import one_record_flow
from tests.chaos.processes import Part, Processes, Setting, answers, free_port, new_secret, wait_until
from tests.one_record_world import KINDS, LIMITS, S, Story, faults_of, held, log_bodies, story
from tests.test_flow import reached

pytestmark = [pytest.mark.crash, pytest.mark.slow, pytest.mark.timeout(500)]
HAPPENS = ("edit", "sender", "flow", "stop and edit", "edit")
LAST = 60  # messages of the log that come when nothing is killed any more
SPEED = 40.0
BACK_S = 7200  # the story begins so long ago: however fast its clock runs, it stays behind the machine's
TOML = """
schema = 1
[enterprise]
id = "e"
[site]
id = "s1"
[windows]
pane_s = 5.0
sizes_s = [60.0]
[[template]]
name = "room"
series = [{{ tag = "air", unit = "Cel", every_s = 1.0 }}]
[[asset]]
path = "cold/room"
template = "room"
[[rule]]
id = "warm"
on = "cold/*/air"
above = {limit}
delay_s = 10.0
off_delay_s = 15.0
raises = "quality_event"
[[route]]
raises = "quality_event"
[erp]
url = "http://127.0.0.1:{port}"
secret_file = "secret"
timeout_s = 0.6
"""


class Living:
    """The processes of a site, a log that grows while they live, and what happens to them."""

    def __init__(self, folder: Path, told: Story, rng: random.Random) -> None:
        self.folder, self.rng, self.port = folder, rng, free_port()
        self.wall_ns = time.time_ns()
        self.origin_ns = (self.wall_ns // S - BACK_S) * S
        self.clock = ScaledClock(self.origin_ns, self.wall_ns, SPEED)
        self.data = DataFolder(folder / "data")
        self.data.create("s1", 1)
        new_secret(folder / "secret")
        self.config = folder / "plant.toml"
        self.write(LIMITS[0])
        self.mark = -1
        self.left = log_bodies(told, self.origin_ns)
        self.spool = Spool(self.data.spool(0), 0, self.clock)
        site = ("--config", str(self.config), "--data", str(self.data.path))
        stub = ("--port", str(self.port), "--db", str(folder / "erp.db"), "--secret-file", str(folder / "secret"))
        environment = {one_record_flow.CLOCK: f"{self.origin_ns},{self.wall_ns},{SPEED}"}
        self.parts = Processes(
            [
                Part("flow", "tests.one_record_flow", (*site, "--worker", "0")),
                Part("sender", "service.sender", site),
                Part("erp", "sinks.erp.stub", (*stub, "--faults", "11", "--slow-s", "0.9")),
            ],
            Setting(folder / "logs", lease_s=2.0, environment=environment),
        )

    def write(self, limit: float) -> None:
        draft = self.config.with_suffix(".draft")
        draft.write_text(TOML.format(limit=limit, port=self.port))
        draft.rename(self.config)

    def feed(self, seconds: float) -> None:
        """Let the log grow as its clock runs, for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            now_ns, came = self.clock.now_ns(), []
            while self.left and self.left[0][0] <= now_ns:
                came.append(self.left.pop(0)[1])
            if came:
                self.spool.append(came)
            time.sleep(0.02)

    def all_read(self) -> bool:
        """The flow has written what came of the whole log."""
        return reached(self.data.history_db(0)) == self.spool.last_offset()

    def happen(self, what: str) -> None:
        """One thing that happens to the site, while the flow is at work."""
        if what == "sender":
            self.parts.kill("sender")
            self.parts.start("sender")
            return
        if what == "stop and edit":
            self.parts.stop("flow")
        else:
            self.parts.kill("flow")
        if "edit" in what:
            self.write(self.rng.choice(LIMITS))
        self.mark = reached(self.data.history_db(0))
        self.parts.start("flow")


def test_killed_processes_and_edited_rules_leave_one_record_each(tmp_path: Path) -> None:
    rng = random.Random(7)
    told = story(rng, [*KINDS, "moved", "plain"])
    one, happened = Living(tmp_path, told, rng), Counter[str]()
    try:
        one.parts.start("erp")
        assert wait_until(lambda: answers(one.port), 30)
        one.parts.start("flow")
        one.parts.start("sender")
        one.left, last = one.left[:-LAST], one.left[-LAST:]
        while one.left:
            one.feed(rng.uniform(0.1, 1.0))
            if reached(one.data.history_db(0)) > one.mark:  # it lives again
                what = HAPPENS[happened.total() % len(HAPPENS)]
                one.happen(what)
                happened[what] += 1
        for what in set(HAPPENS) - set(happened):  # on a busy machine the log is over before everything happened
            one.happen(what)
        one.left = last  # after the last kill, so that who has read it has read again what the kill cost
        while one.left:
            one.feed(0.2)
        with closing(Records(one.data.records_db, "s1", SystemClock()).open()) as records:
            assert wait_until(one.all_read, 120, 0.2), one.parts.last_words("flow")
            assert one.parts.stop("flow") == 0
            assert wait_until(lambda: delivered(records), 120, 0.2), one.parts.last_words("sender")
            assert one.parts.stop("sender") == 0
            one.parts.stop("erp")
            with closing(StubStore(tmp_path / "erp.db")) as store:
                assert faults_of(told.true, store, records, one.origin_ns) == []
                assert len(held(store)) >= len(told.true)
            assert verify_audit(records).ok
    finally:
        one.parts.kill_all()
        one.spool.close()


def delivered(records: Records) -> bool:
    """Nothing is left to deliver."""
    counts = records.order_counts()
    return counts["delivered"] > 0 and counts["pending"] == counts["leased"] == 0

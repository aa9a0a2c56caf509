"""Signal 9 to processes that live alarms' lives: what is left is whole, and time goes on from what was stored."""

from __future__ import annotations

import multiprocessing
import random
import time

import pytest

from andon.clock import SystemClock
from andon.errors import RecordsError
from andon.lifecycle import State
from andon.readings import NS_PER_S
from andon.records import SYSTEM_FLOW, SYSTEM_SUPERVISOR, Records, verify_audit
from tests import records_world
from tests.records_world import QUALITY, cleared, fresh, opened, raised

pytestmark = pytest.mark.usefixtures("database")
KILLS = 12
ALARMS = 24
CHANGES = [raised(n, tag=f"t{n % 6}", latching=n % 3 == 0) for n in range(ALARMS)]
ENDS = [cleared(one) for one in CHANGES if one.offset % 2]
LOG = sorted([*CHANGES, *ENDS], key=lambda one: one.offset)

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.test_lifecycle_kill"])


def live(place, seed, ready):
    """Reads the log from its beginning, does what people do at random, and lets time pass, until it is killed."""
    records, rng = Records(place, "szh1", SystemClock()).open(), random.Random(seed)
    acts = [
        lambda key: records.acknowledge(key, QUALITY), lambda key: records.reset(key, QUALITY),
        lambda key: records.shelve(key, QUALITY, "x", records.clock.now_ns() + NS_PER_S // 20),
        lambda key: records.unshelve(key, QUALITY, "x"), lambda key: records.take_out_of_service(key, QUALITY, "x"),
        lambda key: records.restore_service(key, QUALITY, "x"), lambda key: records.label(key, QUALITY, "known"),
    ]  # fmt: skip
    ready.send(True)
    at = 0
    while True:
        if at < len(LOG):
            records.apply_conditions(LOG[at : at + 3], SYSTEM_FLOW)
            at += 3
        key = rng.choice(records.alarms()).key
        try:
            rng.choice(acts)(key)
        except RecordsError as error:
            if error.code not in ("records.move_refused", "records.nothing_to_shelve"):
                raise
        records.pass_time(SYSTEM_SUPERVISOR)


@pytest.mark.crash
def test_killed_lives_are_whole_and_go_on(tmp_path):
    rng = random.Random(31)
    with fresh(tmp_path) as records:
        records.register_rule("cold-room-high", "v1", {"above": 8.0, "realarm_s": 0.03}, SYSTEM_FLOW)
    for life in range(KILLS):
        told, ready = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=live, args=(records_world.place(tmp_path), life, ready), daemon=True)
        process.start()
        ready.close()
        told.recv()
        time.sleep(rng.uniform(0.05, 0.5))
        process.kill()
        process.join()
        assert process.exitcode == -9  # it did not fail by itself
        process.close()
        told.close()
    with opened(tmp_path, SystemClock()) as records:
        records.apply_conditions(LOG, SYSTEM_FLOW)
        assert records.apply_conditions(LOG, SYSTEM_FLOW) == 0
        time.sleep(0.1)
        records.pass_time(SYSTEM_SUPERVISOR)
        assert [one.mode for one in records.points() if one.mode == "shelved"] == []
        assert_whole(records)


def assert_whole(records: Records) -> None:
    """Each alarm is where its history ends, each step of it is in the audit trail, and no fact is missing."""
    assert verify_audit(records).ok
    trail = [one for one in records.audit_trail(limit=100_000) if one.object_type == "alarm"]
    aside = {(one.tag, one.mode) for one in records.points()}
    assert len(records.alarms()) == ALARMS
    lived = {one.kind for alarm in records.alarms() for one in records.transitions(alarm.key)}
    assert {"acknowledged", "shelved", "unshelved"} <= lived  # the kills met work in progress
    for alarm in records.alarms():
        steps = records.transitions(alarm.key)
        told = [one.action for one in trail if one.object_id == alarm.key and one.action != "alarm.move_refused"]
        assert told == [f"alarm.{one.kind}" for one in steps]
        assert [one.seq for one in steps] == list(range(1, len(steps) + 1))
        assert alarm.state == steps[-1].state
        assert alarm.state != State.ACKNOWLEDGED.value or alarm.cleared_ns is None
        if alarm.state == State.ACKNOWLEDGED.value:  # all of them were due
            assert alarm.realarm_ns is None
        assert (alarm.state == State.OUT_OF_SERVICE.value) <= ((alarm.tag, "out_of_service") in aside)

"""Alarms about the log in Kafka."""

from __future__ import annotations

import pytest

from andon import heartbeat
from andon.clock import ManualClock
from andon.datafolder import DataFolder
from andon.heartbeat import Heartbeat
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, Records
from service.log_watch import AWAY, GONE, GROWN, Level, LogWatch, levels, watch_logs
from sources.kafka.gaps import Gap, GapFiles
from tests.kafka_world import plant_on, settings

FINE = Level(None, 2, 1.0)
GAP = Gap(1, 500, 540, 600, 7)


def told(changes):
    return [(one.kind, one.rule_id, one.asset, one.peak) for one in changes]


@pytest.mark.parametrize(("level", "rule", "asset", "peak"), [
    (Level(GAP, 2, 1.0), GONE, "andon/shard-1", 40.0), (Level(None, 3, 1.0), GROWN, "andon/topic", 3.0),
    (Level(None, 2, 61.0), AWAY, "andon/shard-1", 61.0),
])  # fmt: skip
def test_an_alarm_comes_once_and_ends(level, rule, asset, peak):
    watch = LogWatch(2)
    assert watch.look({0: FINE, 1: FINE}, 1 * NS_PER_S) == []
    (raised,) = watch.look({0: FINE, 1: level}, 2 * NS_PER_S)
    assert told([raised]) == [("raised", rule, asset, peak)]
    assert watch.look({0: FINE, 1: level}, 3 * NS_PER_S) == []
    (cleared,) = watch.look({0: FINE, 1: FINE}, 4 * NS_PER_S)
    assert (cleared.kind, cleared.rule_id, cleared.start_ns, cleared.out_s) == ("cleared", rule, raised.start_ns, 2.0)


def test_what_nobody_can_tell_changes_nothing():
    watch = LogWatch(1)
    watch.look({0: Level(None, 1, 100.0)}, NS_PER_S)
    assert watch.look({0: Level(None, None, None)}, 2 * NS_PER_S) == []
    assert set(watch.since) == {(AWAY, "shard-0")}


def test_the_evidence_names_the_offsets():
    (gone,) = LogWatch(2).look({1: Level(GAP, 2, 1.0)}, NS_PER_S)
    assert gone.evidence == {
        "error": "500 < 540", "partition": 1, "wanted": 500, "oldest": 540, "end": 600, "missing": 40,
    }  # fmt: skip
    (ahead,) = LogWatch(2).look({1: Level(Gap(1, 500, 0, 20, 7), 2, 1.0)}, NS_PER_S)
    assert ahead.evidence["error"] == "500 > 20"


def test_levels_come_from_what_the_flows_wrote_down(tmp_path):
    data = DataFolder(tmp_path / "data")
    data.create("szh1", 2)
    nothing = Level(None, None, None)
    assert levels(data, 2) == {0: nothing, 1: nothing}
    Heartbeat(data, "flow-1")()
    assert levels(data, 2) == {0: nothing, 1: Level(None, None, 61.0)}
    Heartbeat(data, "log-1")()
    GapFiles(data, 1).note(GAP)
    GapFiles(data, 1).note_partitions(3)
    found = levels(data, 2)[1]
    assert (found.gap, found.partitions) == (GAP, 3)
    assert found.silent_s < 60.0
    (heartbeat.folder(data) / "flow-1").unlink()  # the flow is gone: it is not the broker's fault
    assert levels(data, 2)[1].silent_s is None


def test_the_records_get_the_alarm_and_a_new_watch_goes_on_with_it(tmp_path):
    data = DataFolder(tmp_path / "data")
    data.create("szh1", 2)
    plant, clock = plant_on(settings("x:1", "t"), 2).config, ManualClock(10**18)
    GapFiles(data, 1).note(GAP)
    Heartbeat(data, "flow-0")()  # alive, and the broker has never answered it
    with Records(data.records_db, "szh1", clock) as records:
        watch_logs(data, plant, records, LogWatch(2), clock)
        away, alarm = sorted(records.alarms(open_only=True), key=lambda one: one.asset)
        assert (away.rule_id, away.asset, away.peak) == (AWAY, "andon/shard-0", 61.0)
        assert (alarm.rule_id, alarm.asset, alarm.priority) == (GONE, "andon/shard-1", "critical")
        GapFiles(data, 1).close()
        Heartbeat(data, "log-0")()
        again = LogWatch(2)
        again.take_over(records.alarms(open_only=True))
        clock.advance(60.0)
        watch_logs(data, plant, records, again, clock)
        assert all(one.cleared_ns is not None for one in records.alarms())
        assert SYSTEM_SUPERVISOR.name in {one.actor_name for one in records.transitions(alarm.key)}

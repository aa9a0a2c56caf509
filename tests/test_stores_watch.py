"""Alarms about the stores: raised once, cleared once, with a gap between the levels."""

from __future__ import annotations

from types import SimpleNamespace

from andon.config.models import Plant
from andon.datafolder import DataFolder
from service.stores_watch import DEAD_LETTERS, DISK, QUIET_NS, StoresWatch, levels
from tests.engine_world import plant


def kinds(changes):
    return [(change.rule_id, change.asset, change.kind, change.start_ns) for change in changes]


def test_a_filling_disk_is_told_once_and_cleared_below_the_lower_level():
    watch = StoresWatch()
    assert kinds(watch.look(0.5, {}, 1)) == []
    assert kinds(watch.look(0.81, {}, 2)) == [(DISK, "andon/disk", "raised", 2)]
    assert kinds(watch.look(0.79, {}, 3)) == []
    assert kinds(watch.look(0.77, {}, 4)) == [(DISK, "andon/disk", "cleared", 2)]


def test_dropped_dead_letters_are_told_when_the_count_grows():
    watch = StoresWatch()
    assert kinds(watch.look(0.1, {"shard-0": 7}, 10)) == []  # dropped before this process began
    assert kinds(watch.look(0.1, {"shard-0": 8}, 20)) == [(DEAD_LETTERS, "andon/shard-0", "raised", 20)]
    assert kinds(watch.look(0.1, {"shard-0": 9}, 30)) == []
    assert kinds(watch.look(0.1, {"shard-0": 9}, 30 + QUIET_NS)) == [(DEAD_LETTERS, "andon/shard-0", "cleared", 20)]


def test_open_alarms_of_an_earlier_process_are_taken_over():
    watch = StoresWatch()
    watch.take_over([SimpleNamespace(rule_id=DISK, asset="andon/disk", start_ns=5, cleared_ns=None)])
    assert kinds(watch.look(0.9, {}, 6)) == []
    assert kinds(watch.look(0.2, {}, 7)) == [(DISK, "andon/disk", "cleared", 5)]


def test_levels_of_a_real_folder(tmp_path):
    data = DataFolder(tmp_path / "data")
    data.create("s1", 1)
    config: Plant = plant().config
    share, dropped = levels(data, config)
    assert 0.0 < share < 1.0
    assert dropped == {"shard-0": 0}

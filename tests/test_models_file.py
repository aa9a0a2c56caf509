"""The file that flows read: always what the records say, whoever dies in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from andon.clock import ManualClock
from andon.datafolder import DataFolder
from andon.models import read_assignments
from andon.records import Actor, Records
from detectors.settings import fingerprint
from service.models import ModelsWatch, detectors, frozen, parameters_of, publish
from tests.records_world import QUALITY, START_NS

SERIES = ("cold/room1", "air")
PROMOTES_AND_DIES = """
import os, signal, sys
from pathlib import Path
from andon.clock import SystemClock
from andon.records import Actor, Records
records = Records(Path(sys.argv[1]), "szh1", SystemClock()).open()
records.promote_model("cold/room1", "air", Actor("chen", "Chen", "quality", "t"), "better", model="ensemble:1")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create("szh1")
    return folder


@pytest.fixture
def records(data: DataFolder) -> Records:
    one = Records(data.records_db, "szh1", ManualClock(START_NS)).open()
    for days in (7.0, 30.0):
        key = one.register_model(
            "ensemble", "ensemble", parameters_of(days), frozen("ensemble"), QUALITY, "first"
        ).key  # fmt: skip
        one.evaluate_model(key, *SERIES, (0, 1), {}, QUALITY, "measured")
    return one


def test_a_process_that_dies_between_commit_and_file_is_made_good(data: DataFolder, records: Records) -> None:
    done = subprocess.run([sys.executable, "-c", PROMOTES_AND_DIES, str(data.records_db)], check=False)
    assert done.returncode == -9
    assert read_assignments(data.models_json) == []  # it died before the file
    ModelsWatch(records, data).step()
    (one,) = read_assignments(data.models_json)
    assert (one.asset, one.tag, one.challenger) == (*SERIES, None)
    assert one.champion is not None
    assert (one.champion.model, one.champion.detector, one.champion.false_alarm_days) == ("ensemble:1", "ensemble", 7.0)
    assert one.champion.fingerprint == fingerprint("ensemble")
    assert publish(records, data) is False  # nothing to do


@pytest.mark.parametrize("torn", [b"", b'{"layout": 1, "assign', b"[]"], ids=["empty", "half", "other"])
def test_a_file_that_cannot_be_read_is_written_anew(data: DataFolder, records: Records, torn: bytes) -> None:
    records.promote_model(*SERIES, QUALITY, "x", model="ensemble:1")
    publish(records, data)
    good = data.models_json.read_bytes()
    data.models_json.write_bytes(torn)
    data.models_json.with_name("models.json.new").write_bytes(torn)  # a writer died in the middle
    assert publish(records, data)
    assert data.models_json.read_bytes() == good


def test_the_file_holds_all_that_ever_was_so_a_replay_is_judged_as_it_was(data: DataFolder, records: Records) -> None:
    records.promote_model(*SERIES, QUALITY, "x", model="ensemble:1")
    records.promote_model(*SERIES, QUALITY, "x", model="ensemble:2")
    records.roll_back_model(*SERIES, QUALITY, "x")
    records.roll_back_model(*SERIES, QUALITY, "x")
    publish(records, data)
    told = read_assignments(data.models_json)
    assert [one.champion and one.champion.model for one in told] == ["ensemble:1", "ensemble:2", "ensemble:1", None]
    assert [one.since_ns for one in told] == sorted({one.since_ns for one in told})


def test_of_many_that_write_at_once_the_last_commit_stands(data: DataFolder, records: Records) -> None:
    def act(tag: str) -> None:
        person = Actor("chen", "Chen", "quality", "t")
        records.challenge_model("cold/room1", tag, "ensemble:1", person, "x")
        publish(records, data)

    threads = [threading.Thread(target=act, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.tag for one in read_assignments(data.models_json)} == {f"t{number}" for number in range(8)}


def test_only_detectors_with_a_frozen_setting_can_be_models() -> None:
    assert "ensemble" in detectors()
    with pytest.raises(Exception, match=r"river:LODA.*ensemble"):
        frozen("river:LODA")
    with pytest.raises(Exception, match="3650"):
        parameters_of(0.0)

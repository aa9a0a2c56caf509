"""What the supervisor says of its parts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from andon.datafolder import DataFolder
from service.parts import PartState, is_running, read_parts, write_parts


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.create("s1", 1)
    return folder


def test_what_is_written_is_read(data):
    assert read_parts(data) == {}
    parts = {"flow-0": PartState(12, 3, wanted=True), "devices": PartState(None, 0, wanted=False)}
    write_parts(data, parts)
    assert read_parts(data) == parts


@pytest.mark.parametrize("text", ["", "[1]", '{"a": {"pid": 1}}', '{"a": 3}', "\x00"])
def test_a_file_that_is_not_one_of_ours_tells_of_no_parts(data, text):
    (data.path / "state" / "parts.json").write_text(text)
    assert read_parts(data) == {}


def test_a_folder_that_cannot_be_written_stops_nothing(data):
    (data.path / "state" / "parts.draft").mkdir()
    write_parts(data, {"web": PartState(1, 0, wanted=True)})
    assert read_parts(data) == {}


def test_running_is_asked_of_the_kernel():
    assert is_running(os.getpid())
    assert is_running(1)
    assert not is_running(None)
    assert not is_running(2**22 - 1)

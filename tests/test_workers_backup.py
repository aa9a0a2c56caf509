"""Backups of a folder with several shards a worker: made at work, put back, gone on with by any number of workers."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.config.models import Transport
from andon.datafolder import DataFolder
from flows.workers import Layout, arrange, read_layout, resume_points
from service import backup_copy
from service.backups import back_up, put_back, read_backup
from tests.engine_world import IN_MEMORY
from tests.workers_world import (
    SHARDS,
    everything,
    fill,
    forked,
    killed,
    model,
    new_folder,
    run_flow,
    until_worked_off,
    work,
)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Costs no fsync: power cuts are not what is tested here."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        yield Path(name)


@pytest.fixture
def plant(tmp_path):
    return model(tmp_path)


def arranged(data: DataFolder, workers: int) -> Layout:
    with data.lock():
        return arrange(data, workers, Transport(shards=SHARDS))


@pytest.mark.crash
def test_a_backup_made_at_work_goes_on_with_any_number_of_workers(tmp_path, plant, monkeypatch):
    """Three copies while the flows run; each, put back and worked off, gives what an undisturbed folder gives."""
    monkeypatch.setattr("sources.spool_bytewax.MAX_MESSAGES", 8)
    data, whole = new_folder(tmp_path / "data"), new_folder(tmp_path / "whole")
    fill(data)
    shutil.copytree(data.path / "spool", whole.path / "spool", dirs_exist_ok=True)
    work(whole, plant, 1)
    wanted = everything(whole, plant)
    killed(data, plant, 3, 0.05)
    arranged(data, 2)
    children = [
        forked(lambda worker=worker: run_flow(data, plant, worker, 2, threading.Event(), 0.02)) for worker in (0, 1)
    ]
    try:
        for number, share in enumerate((0.1, 0.3, 0.6)):
            until_worked_off(data, share)
            back_up(data, tmp_path / f"b{number}", SystemClock())
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    for number, workers in enumerate((2, 3, 1)):
        backup = tmp_path / f"b{number}"
        again = tmp_path / f"again{number}"
        put_back(backup, read_backup(backup), again, lambda _: None)
        restored = DataFolder(again)
        assert read_layout(restored) == Layout(2, 2, SHARDS, "spool")
        work(restored, plant, workers)
        assert everything(restored, plant) == wanted


def test_workers_that_change_meanwhile_are_copied_anew(tmp_path, monkeypatch):
    data = new_folder(tmp_path / "data")
    arranged(data, 3)
    copy, calls = backup_copy._copy_rest, []

    def changing(*arguments):
        copy(*arguments)
        calls.append(arguments)
        if len(calls) == 1:
            arranged(data, 2)

    monkeypatch.setattr(backup_copy, "_copy_rest", changing)
    back_up(data, tmp_path / "b", SystemClock())
    copied = DataFolder(tmp_path / "b" / "data")
    assert len(calls) == 2
    layout = read_layout(copied)
    assert layout == Layout(2, 2, SHARDS, "spool")
    assert resume_points(copied, layout) == {}
    assert sorted(path.name for path in (copied.path / "state" / "recovery").iterdir()) == ["2"]


def test_what_is_not_delivered_yet_is_copied_too(tmp_path):
    data = new_folder(tmp_path / "data")
    folder = data.segments("influx", 0)
    folder.mkdir(parents=True)
    (folder / "1.seg").write_bytes(b"lines")
    back_up(data, tmp_path / "b", SystemClock())
    assert (tmp_path / "b" / "data" / folder.relative_to(data.path) / "1.seg").read_bytes() == b"lines"

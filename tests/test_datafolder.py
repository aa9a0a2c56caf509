"""The data folder: layout, rights, whose it is, one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from andon.datafolder import LAYOUT, DataFolder, write_durably
from andon.errors import DataFolderError


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def refused(code: str, action: object, *args: object) -> None:
    assert callable(action)
    with pytest.raises(DataFolderError) as caught:
        action(*args)
    assert caught.value.code == code
    for language in ("en", "zh-CN"):
        assert not caught.value.text(language).startswith("datafolder.")


def test_create_makes_the_layout_for_its_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "plants" / "data")
    instance = folder.create("szh1", shards=2)
    assert (instance.site_id, instance.layout, instance.shards) == ("szh1", LAYOUT, 2)
    assert mode(folder.path) == 0o700
    assert mode(folder.instance_json) == 0o600
    assert {entry.name for entry in folder.path.iterdir()} == {
        "instance.json", "records", "dead-letters", "history", "journal", "spool", "out", "state", "logs",
    }  # fmt: skip
    folder.records_db.write_bytes(b"")
    assert mode(folder.records_db) == 0o600  # the umask of the process that opened it
    assert folder.open() == folder.open("szh1", 2) == folder.create("szh1") == instance


def test_paths_of_a_shard_lie_inside_their_parts(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    shown = [
        str(path.relative_to(tmp_path))
        for path in (
            folder.records_db, folder.dead_letters_db(3), folder.history_db(3), folder.journal(3),
            folder.spool(3), folder.recovery(0, 3), folder.recovery(2, 1), folder.slots(3), folder.layout_json,
            folder.segments("kafka", 3),
        )
    ]  # fmt: skip
    assert shown == [
        "records/records.db", "dead-letters/3.db", "history/3.db", "journal/3", "spool/3", "state/3/recovery",
        "state/recovery/2/1", "state/3/slots", "state/layout.json", "out/kafka/3",
    ]  # fmt: skip


def test_histories_of_a_site_are_those_of_its_shards_in_order(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.history_dbs(0) == []
    assert folder.history_dbs(3) == [folder.history_db(0), folder.history_db(1), folder.history_db(2)]


def test_wider_rights_are_narrowed_with_a_warning(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create("szh1")
    folder.path.chmod(0o755)
    (folder.path / "records").chmod(0o770)
    folder.instance_json.chmod(0o644)
    with capture_logs() as logs:
        folder.open()
    assert (mode(folder.path), mode(folder.path / "records"), mode(folder.instance_json)) == (0o700, 0o700, 0o600)
    assert [row["event"] for row in logs] == ["datafolder.rights_narrowed"] * 3
    with capture_logs() as logs:
        folder.open()
    assert logs == []


def test_other_site_other_shards_newer_layout_and_rubbish_are_refused(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    refused("datafolder.missing", folder.open)
    folder.create("szh1", 2)
    refused("datafolder.other_site", folder.open, "szh2")
    refused("datafolder.other_site", folder.create, "szh2")
    refused("datafolder.shards", folder.open, "szh1", 3)
    written = json.loads(folder.instance_json.read_text())
    write_durably(folder.instance_json, json.dumps(written | {"layout": LAYOUT + 1}).encode())
    refused("datafolder.newer", folder.open, "szh1")
    write_durably(folder.instance_json, b"{")
    refused("datafolder.broken", folder.open)


def test_a_folder_with_something_else_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").touch()
    refused("datafolder.not_ours", DataFolder(tmp_path).create, "szh1")
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.docx"]
    refused("datafolder.cannot_make", DataFolder(tmp_path / "thesis.docx").create, "szh1")


HOLD = """
import sys
from pathlib import Path
from andon.datafolder import DataFolder
with DataFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_lock_is_for_one_process_and_ends_with_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create("szh1")
    assert not folder.in_use()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert folder.in_use()
        with pytest.raises(DataFolderError) as caught, folder.lock():
            pass
        assert (caught.value.code, caught.value.params["pid"]) == ("datafolder.locked", str(holder.pid))
        holder.kill()
        holder.wait()
    with folder.lock():
        assert folder.in_use()
    assert not folder.in_use()


def test_write_durably_replaces_whole_files(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"first", b"second, longer", b"3"):
        write_durably(path, content)
        assert path.read_bytes() == content
        assert mode(path) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]

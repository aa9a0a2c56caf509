"""A terminal for tests of the command line, and a site to use it on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.records import Records, verify_audit
from service import cli

PASSWORD = "correct horse battery"


class Terminal:
    """Runs commands in a folder of their own."""

    def __init__(self) -> None:
        self.status = 0
        self.out = ""
        self.err = ""

    def __call__(self, *words: str, status: int = 0, typed: str | None = None) -> str:
        result = CliRunner().invoke(cli.build_app(), list(words), input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.out, self.err = result.stdout, result.stderr
        assert result.exit_code == status, (words, result.exit_code, self.out, self.err)
        assert "Traceback" not in self.out + self.err
        return self.out


@pytest.fixture
def andon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    before = os.umask(0o022)
    yield Terminal()
    os.umask(before)


@pytest.fixture
def site(andon: Terminal) -> DataFolder:
    """A plant with a data folder and records, as `andon run` leaves them."""
    andon("init", "--site", "szh1")
    folder = DataFolder(Path("data"))
    folder.create("szh1", 1)
    with Records(folder.records_db, "szh1", SystemClock()):
        pass
    return folder


def audit_actions(folder: DataFolder) -> list[str]:
    with Records(folder.records_db, "szh1", SystemClock()) as records:
        assert verify_audit(records).ok
        return [record.action for record in records.audit_trail()]

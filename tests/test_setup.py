"""scripts/setup.sh where something is missing: it says what, and leaves nothing half made."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import ROOT

TOOLS = ("bash", "cat", "cut", "dirname", "env", "grep", "pwd", "rm", "sha256sum", "sort")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what setup.sh reads, and a folder `bin` that is its whole PATH."""
    for name in ("requirements.lock", "pyproject.toml", "andon/__init__.py", "scripts/setup.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def python(clone: Path, name: str, script: str) -> None:
    path = clone / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def set_up(clone: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": str(clone / "bin"), "HOME": os.environ.get("HOME", "/")}
    command = [str(clone / "scripts" / "setup.sh")]
    return subprocess.run(command, env=env, capture_output=True, check=False, text=True, cwd="/")


def test_no_python(clone):
    done = set_up(clone)
    assert done.returncode == 1
    assert "Python 3.11 was not found" in done.stderr
    assert "apt-get install python3.11 python3.11-venv" in done.stderr


def test_another_python(clone):
    python(clone, "python3", "exit 1  # not 3.11")
    assert "Python 3.11 was not found" in set_up(clone).stderr


def test_no_venv(clone):
    """As Debian ships Python: the interpreter without ensurepip."""
    python(clone, "python3.11", f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"')
    done = set_up(clone)
    assert done.returncode == 1
    assert "apt-get install python3.11-venv" in done.stderr
    assert not (clone / ".venv").exists()


def test_an_index_that_is_away(clone):
    """The stamp is written last, so the next try begins where this one failed."""
    python(clone, "python3.11", f'exec {sys.executable} "$@"')
    (clone / "requirements.lock").write_text("no-such-package==1 --hash=sha256:" + "0" * 64, encoding="utf-8")
    env = {"PATH": str(clone / "bin"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/nonexistent"}
    done = subprocess.run([str(clone / "scripts" / "setup.sh")], env=env, capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert "could not be installed" in done.stderr
    assert not (clone / ".venv" / "andon-lock.stamp").exists()


def test_every_script_is_executable_and_sound():
    for path in [*sorted((ROOT / "scripts").glob("*.sh")), ROOT / ".ci" / "run"]:
        assert os.access(path, os.X_OK), path
        text = path.read_text(encoding="utf-8")
        assert "set -euo pipefail" in text, path
        subprocess.run(["bash", "-n", str(path)], check=True)

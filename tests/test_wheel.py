"""The wheel holds what the tree holds, and nothing of it belongs to somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from tests.tree import PACKAGES, ROOT, project_files, shown

OURS = "andon-stream"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel. hatchling comes from the lock file, so nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_the_wheel_equals_the_tree(wheel):
    tree = {shown(path) for path in project_files() if path.relative_to(ROOT).parts[0] in PACKAGES}
    packed = {name for name in names_in(wheel) if ".dist-info/" not in name}
    assert packed - tree == set(), "in the wheel only"
    assert tree - packed == set(), "in the tree only"


def test_the_wheel_has_our_folders_and_no_tests(wheel):
    tops = {name.split("/")[0] for name in names_in(wheel)}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_carries_its_licence_and_command(wheel):
    names = names_in(wheel)
    for part in ("licenses/LICENSE", "licenses/NOTICE", "entry_points.txt"):
        assert any(name.endswith(f".dist-info/{part}") for name in names), part


def test_nobody_else_owns_our_names():
    owners = {
        name: {owner for owner in owned if owner.lower().replace("_", "-") != OURS}
        for name, owned in metadata.packages_distributions().items()
    }
    assert {name: owners[name] for name in PACKAGES if owners.get(name)} == {}
    assert not set(PACKAGES) & sys.stdlib_module_names


def test_an_installed_wheel_finds_its_files(wheel, tmp_path):
    """Unpacked elsewhere and imported from another folder: texts and the shipped plant come along."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = (
        "import andon, andon.i18n as i\n"
        "print(andon.__file__)\n"
        "print(all(i.catalogue(language) for language in i.LANGUAGES))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        check=True,
        text=True,
    )
    where, found = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert found == "True"

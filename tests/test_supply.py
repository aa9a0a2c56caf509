"""What Andon is built of: locked by hash, licensed as the third-party page says, audited without pretending."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tree import ROOT

LOCKS = ("requirements.lock", "requirements-runtime.lock", "requirements-build.lock")
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ]+)(?P<marker> ;[^\\]*)?(?P<rest>(?:\s*\\\n    --hash=\S+)*)",
    re.MULTILINE,
)


def script(name: str) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(f"script_{name}", ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pins(lock: str) -> dict[str, dict[str, set[str]]]:
    """Package -> version -> hashes of a lock file."""
    found: dict[str, dict[str, set[str]]] = {}
    for match in PIN.finditer((ROOT / lock).read_text(encoding="utf-8")):
        hashes = set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", match["rest"]))
        found.setdefault(canonicalize_name(match["name"]), {})[match["version"]] = hashes
    return found


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_by_hash_and_from_nowhere_in_particular(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?:|^-|^--|@ ", text, re.MULTILINE), "a lock file names no host and no option"
    assert pins(lock)
    assert [name for name, versions in pins(lock).items() for hashes in versions.values() if not hashes] == []


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_the_smaller_locks_are_parts_of_the_whole(lock):
    whole = pins("requirements.lock")
    for name, versions in pins(lock).items():
        for version, hashes in versions.items():
            assert whole[name][version] == hashes, name


def required() -> list[tuple[str, str]]:
    """(lock file, requirement) for everything pyproject.toml asks for."""
    content = project()
    run_time = content["project"]["dependencies"]
    groups = content["dependency-groups"]
    return [
        *(("requirements-runtime.lock", one) for one in run_time),
        *(("requirements-build.lock", one) for one in groups["build"]),
        *(("requirements.lock", one) for one in groups["dev"] if isinstance(one, str)),
    ]


@pytest.mark.parametrize(("lock", "requirement"), required(), ids=str)
def test_the_lock_answers_what_the_project_asks(lock, requirement):
    """A dependency changed without `make lock` is seen here, without a network."""
    wanted = Requirement(requirement)
    versions = pins(lock).get(canonicalize_name(wanted.name), {})
    assert any(wanted.specifier.contains(version) for version in versions), f"{requirement}: locked {set(versions)}"


def test_what_is_installed_is_what_is_locked():
    for name, versions in pins("requirements-runtime.lock").items():
        assert metadata.version(name) in versions, f"{name} differs; run make setup"


def test_the_third_party_page_is_fresh_and_allowed():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "third_party.py")], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


LICENCES = {
    "permissive": ("MIT", False),
    "choice-with-gpl": ("GPL-2.0-only OR MIT", False),
    "gpl": ("GPL-3.0-or-later", True),
    "gpl-in-words": ("GNU General Public License v3 (GPLv3)", True),
    "agpl": ("AGPL-3.0-only", True),
    "lgpl-not-named": ("LGPL-2.1-or-later", True),
    "none-given": ("UNKNOWN", True),
    "weak-copyleft-of-files": ("MPL-2.0 AND (Apache-2.0 OR MIT)", False),
}


@pytest.mark.parametrize(("licence", "is_refused"), LICENCES.values(), ids=LICENCES.keys())
def test_licences(licence, is_refused):
    third_party = script("third_party")
    assert bool(third_party.refused([third_party.Package("some", "1", licence)])) is is_refused


def test_the_bill_of_materials(tmp_path):
    sbom = script("sbom")
    target = tmp_path / "sbom.json"
    assert sbom.write(target) == len(pins("requirements-runtime.lock"))
    bill = json.loads(target.read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    root = bill["metadata"]["component"]
    (edges,) = [one["dependsOn"] for one in bill["dependencies"] if one["ref"] == root["bom-ref"]]
    assert len(edges) == len(project()["project"]["dependencies"])
    assert root["version"]


def looked_up(*weak: str) -> list[dict[str, object]]:
    return [{"name": name, "version": "1", "vulns": ["x"] if name in weak else []} for name in ("a", "b")]


AUDITS = {
    "all-well": (looked_up(), 0, "2 of 2"),
    "weakness": (looked_up("b"), 1, "1 with a weakness"),
    "no-answer": (None, 3, "NOT AUDITED"),
    "answered-for-none": ([{"name": "a", "skip_reason": "not found"}], 3, "NOT AUDITED"),
    "answered-for-some": ([*looked_up(), {"name": "c", "skip_reason": "not found"}], 1, "c: not looked up"),
}


@pytest.mark.parametrize(("dependencies", "status", "words"), AUDITS.values(), ids=AUDITS.keys())
def test_an_audit_never_pretends(dependencies, status, words):
    found, lines = script("audit").judge(dependencies)
    assert found == status
    assert words in "\n".join(lines)


def test_totals(tmp_path):
    (tmp_path / "a.xml").write_text(
        '<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1"/></testsuites>'
    )
    counted = script("totals").totals([tmp_path / "a.xml", tmp_path / "absent.xml"])
    assert dict(counted) == {"passed": 2, "failed": 2, "skipped": 1}

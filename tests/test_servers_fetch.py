"""scripts/servers/fetch.sh with tools that only pretend: whole or not at all, one at a time, once."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tree import ROOT

FETCH = ROOT / "scripts" / "servers" / "fetch.sh"
# Writes what `go build -o FILE` would have built, and notes that it ran.
GO = """#!/bin/sh
echo built >>"$RUNS"
sleep 0.3
while [ "$1" != -o ]; do shift; done
{end}
"""
# "Downloads" one jar, and not the one that was pinned.
MVN = """#!/bin/sh
for one; do
  case $one in -DoutputDirectory=*) mkdir -p "${one#*=}"; echo bad >"${one#*=}/argparse4j-0.7.0.jar" ;; esac
done
"""
NEEDED = ("bash", "dirname", "sha256sum", "cut", "cat", "mkdir", "rm", "mv", "touch", "flock", "sleep", "mktemp")


@pytest.fixture
def world(tmp_path):
    """Environment for the script: a cache of its own and a `go` that pretends."""
    tools = tmp_path / "tools"
    tools.mkdir()
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}", "ANDON_SERVERS": str(tmp_path / "cache"),
        "RUNS": str(tmp_path / "runs"), "HOME": str(tmp_path),
    }  # fmt: skip
    return tools, environment


def tool(tools: Path, name: str, text: str) -> None:
    (tools / name).write_text(text)
    (tools / name).chmod(0o755)


def fetch(environment, *names):
    return subprocess.run(["bash", FETCH, *names], env=environment, capture_output=True, text=True, check=False)


def builds(environment):
    runs = Path(environment["RUNS"])
    return len(runs.read_text().splitlines()) if runs.exists() else 0


def kept(environment):
    return sorted(path.name for path in Path(environment["ANDON_SERVERS"]).iterdir() if path.is_dir())


def test_it_is_built_once_and_kept(world):
    tools, environment = world
    tool(tools, "go", GO.format(end='echo program >"$2"'))
    first = fetch(environment, "toxiproxy")
    assert first.returncode == 0, first.stderr
    folder = Path(fetch(environment, "--where", "toxiproxy").stdout.strip())
    assert (folder / "toxiproxy-server").read_text() == "program\n"
    assert fetch(environment, "toxiproxy").returncode == 0
    assert builds(environment) == 1
    assert kept(environment) == [folder.name]


def test_two_at_once_build_once(world):
    tools, environment = world
    tool(tools, "go", GO.format(end='echo program >"$2"'))
    running = [
        subprocess.Popen(["bash", FETCH, "toxiproxy"], env=environment, stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    assert [process.wait() for process in running] == [0, 0]
    assert builds(environment) == 1


def test_a_build_that_is_killed_halfway_is_not_taken_for_whole(world):
    tools, environment = world
    tool(tools, "go", GO.format(end='echo half >"$2"; kill -9 $PPID; exit 1'))
    fetch(environment, "toxiproxy")
    assert not (Path(fetch(environment, "--where", "toxiproxy").stdout.strip())).exists()
    tool(tools, "go", GO.format(end='echo whole >"$2"'))
    assert fetch(environment, "toxiproxy").returncode == 0
    folder = Path(fetch(environment, "--where", "toxiproxy").stdout.strip())
    assert (folder / "toxiproxy-server").read_text() == "whole\n"
    assert kept(environment) == [folder.name]


def test_jars_with_another_checksum_are_refused(world):
    tools, environment = world
    tool(tools, "mvn", MVN)
    tool(tools, "java", "#!/bin/sh\n")
    done = fetch(environment, "kafka")
    assert done.returncode == 1
    assert "kafka could not be had" in done.stderr
    assert kept(environment) == []


def test_a_missing_tool_is_named_and_the_others_are_got(world):
    tools, environment = world
    tool(tools, "go", GO.format(end='echo program >"$2"'))
    environment["PATH"] = str(tools)
    for name in NEEDED:
        (tools / name).symlink_to(str(shutil.which(name)))
    done = fetch(environment, "influxd", "toxiproxy")
    assert done.returncode == 1
    assert "influxd needs cargo" in done.stderr
    assert "rustup" in done.stderr
    assert [name.partition("-")[0] for name in kept(environment)] == ["toxiproxy"]


@pytest.mark.parametrize("arguments", [["mongo"], ["--where", "mongo"], ["--where"]])
def test_an_unknown_name_is_refused_with_those_there_are(world, arguments):
    done = fetch(world[1], *arguments)
    assert done.returncode == 2
    assert "there are: kafka" in done.stderr

"""A whole site as `andon run -w N` starts it: another number at each start, the same state."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from flows.workers import Layout, read_layout
from service.parts import is_running, read_parts
from sources.spool import Spool
from tests.command_line import Terminal, andon
from tests.engine_world import plant
from tests.test_site import Site
from tests.workers_world import reached, write_plant

__all__ = ["andon"]  # fixture


class Workers(Site):
    """A site of six shards."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        config = path / "plant.toml"
        port = config.read_text(encoding="utf-8").rpartition("[web]")[2]
        text = write_plant(path, shards=6).read_text(encoding="utf-8")
        config.write_text(f"{text}\n[web]{port}", encoding="utf-8")
        self.data = DataFolder(path / "six")
        self.data.create("s1", 6)
        self.workers = 1

    @property
    def command(self) -> list[str]:
        return [*super().command, "-w", str(self.workers)]

    def flows(self) -> list[str]:
        parts = read_parts(self.data)
        return sorted(name for name, part in parts.items() if name.startswith("flow-") and is_running(part.pid))


@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(400)
def test_another_number_of_workers_at_each_start(tmp_path: Path) -> None:
    site = Workers(tmp_path)
    for generation, workers in ((1, 2), (2, 1), (3, 3)):  # ticks alone move every shard
        site.workers = workers
        before = {shard: reached(site.data, shard) for shard in range(6)}
        with site.running() as (process, address):
            assert address.startswith("http://"), process.stderr
            site.wait(lambda n=workers: site.flows() == [f"flow-{worker}" for worker in range(n)], 90)
            site.wait(lambda old=before: all(reached(site.data, one) > at + 2 for one, at in old.items()), 90)
            if workers == 3:
                second = subprocess.run(site.command, capture_output=True, text=True, timeout=60, check=False)
                assert second.returncode == 1
                assert "in use by another Andon" in second.stderr
                third = subprocess.run(
                    [sys.executable, "-m", "flows.plant", "--config", site.path / "plant.toml", "--data",
                     site.data.path, "--worker", "1", "--workers", "3"],
                    capture_output=True, text=True, timeout=60, check=False,
                )  # fmt: skip
                assert third.returncode == 1
                assert "held by another process" in third.stderr
                process.kill()  # its flows drain by themselves
                process.wait()
        assert read_layout(site.data) == Layout(generation, workers, 6, "spool")
        assert generation == 1 or min(before.values()) > 2
    site.wait(lambda: site.flows() == [])
    for shard in range(6):
        with Spool(site.data.spool(shard), shard, SystemClock()) as spool:
            assert reached(site.data, shard) <= spool.last_offset()


def test_more_workers_than_shards_are_refused(andon: Terminal) -> None:
    write_plant(Path())
    andon("run", "-w", "7", status=2)
    assert "7 workers for 6 shards" in andon.err
    with Path("plant.toml").open("a") as file:
        file.write("workers = 7\n")  # the file ends with [transport]
    told = json.loads(andon("check", "plant.toml", "--json", status=2))
    assert "transport.workers" in json.dumps(told)
    assert plant().config.transport.workers is None

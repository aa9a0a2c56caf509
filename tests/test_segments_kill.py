"""kill -9 of writer and reader at random instants: every line that a snapshot stands for arrives, in order, whole."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOTAL = 20_000
WRITER = """
import json, sys
from pathlib import Path
from andon.datafolder import write_durably
from sinks.segments import SegmentWriter
folder, state, total = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
at, position = json.loads(state.read_bytes()) if state.exists() else (0, None)
writer = SegmentWriter(folder, segment_bytes=20_000)
writer.restore(position and tuple(position))
while at < total:
    for _ in range(1 + at % 7):
        n = min(1 + at % 5, total - at)
        writer.write(b"".join(b"%d %s.\\n" % (at + k, b"x" * ((at + k) % 90)) for k in range(n)), n)
        at += n
    write_durably(state, json.dumps((at, writer.flush())).encode())
"""
READER = """
import os, sys, time
from pathlib import Path
from sinks.segments import SegmentReader
with open(sys.argv[2], "ab") as log, SegmentReader(Path(sys.argv[1])) as reader:
    while True:
        lines, position = reader.read(3_000, 40)
        if lines:
            os.write(log.fileno(), lines)
            reader.done(position)
        else:
            time.sleep(0.002)
"""


def start(code: object, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", str(code), *map(str, arguments)])


@pytest.mark.crash
def test_kill_9_of_writer_and_reader(tmp_path: Path) -> None:
    rng = random.Random(11)
    folder, state, out = tmp_path / "queue", tmp_path / "state", tmp_path / "out"
    commands = {"writer": (WRITER, folder, state, TOTAL), "reader": (READER, folder, out)}
    running = {name: start(*command) for name, command in commands.items()}
    kills = 0
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end and running["writer"].poll() != 0:
            time.sleep(rng.uniform(0.15, 0.5))
            victim = rng.choice(sorted(running))
            if running[victim].poll() is None and kills < 20:
                running[victim].kill()
                kills += 1
                running[victim].wait()
            if running[victim].poll() not in {None, 0}:
                running[victim] = start(*commands[victim])
        while time.monotonic() < end and (not out.exists() or b"\n%d " % (TOTAL - 1) not in out.read_bytes()):
            time.sleep(0.05)
            if running["reader"].poll() is not None:
                running["reader"] = start(*commands["reader"])
        time.sleep(0.2)
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    delivered = out.read_bytes().splitlines()
    numbers = [int(line.split()[0]) for line in delivered]
    whole = [b"%d %s." % (number, b"x" * (number % 90)) for number in numbers]
    assert delivered == whole
    rest = iter(numbers)
    assert [number for number in range(TOTAL) if number not in rest] == []  # all of them, in order
    assert kills >= 5
    assert len(list(folder.glob("*.seg"))) == 1

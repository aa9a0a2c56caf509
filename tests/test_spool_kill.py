"""kill -9 of writers (and the reader) at random instants: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

from andon.clock import SystemClock
from sources.spool import Spool

WRITER = """
import sys
from pathlib import Path
from andon.clock import SystemClock
from sources.spool import Spool
folder, name, total = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Spool(folder, 0, SystemClock(), segment_bytes=40_000) as spool:
    at = int(spool.checkpoint(name) or b"0")
    while at < total:
        n = min(1 + at % 5, total - at)
        bodies = [b'{"w": "%s", "i": %d, "pad": "%s"}' % (name.encode(), at + k, b"x" * 300) for k in range(n)]
        spool.append(bodies, name, b"%d" % (at + n))
        at += n
"""

READER = """
import json, os, sys, time
from pathlib import Path
from andon.clock import SystemClock
from sources.spool import Spool
folder, out = Path(sys.argv[1]), sys.argv[2]
with open(out, "ab+") as log, Spool(folder, 0, SystemClock()) as spool:
    log.seek(0)
    text = log.read()
    done = text[: text.rfind(b"\\n") + 1]
    log.truncate(len(done))
    position = json.loads(done.splitlines()[-1])[-1][0] if done else 0
    with spool.reader(position) as reader:
        while True:
            messages = reader.read(50, 1_000_000)
            if messages:
                line = json.dumps([(m.offset, m.received_ns, json.loads(m.body)["w"], json.loads(m.body)["i"])
                                   for m in messages])
                log.write(line.encode() + b"\\n")
                log.flush()
                os.fsync(log.fileno())
                reader.release(messages[-1].offset)
            else:
                time.sleep(0.01)
"""


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


def test_kill_9_of_writers_and_the_reader(tmp_path):
    rng = random.Random(5)
    folder, out, total = tmp_path / "q", tmp_path / "out", 2000
    names = ("a", "b")
    Spool(folder, 0, SystemClock()).close()
    running = {name: start(WRITER, folder, name, total) for name in names}
    running["reader"] = start(READER, folder, out)
    kills, rolled = 0, 0
    end = time.monotonic() + 40
    try:
        while time.monotonic() < end and any(running[name].poll() != 0 for name in names):
            time.sleep(rng.uniform(0.05, 0.35))
            victim = rng.choice(sorted(running))
            process = running[victim]
            if process.poll() is None and kills < 14:
                process.kill()
                process.wait()
                kills += 1
            if process.poll() not in {None, 0}:
                arguments = (READER, folder, out) if victim == "reader" else (WRITER, folder, victim, total)
                running[victim] = start(*arguments)
            rolled = max(rolled, len(list(folder.glob("*.db"))))
        while time.monotonic() < end:
            rows = [tuple(row) for line in read_lines(out) for row in line]
            if len(rows) >= total * len(names):
                break
            time.sleep(0.1)
            if running["reader"].poll() is not None:
                running["reader"] = start(READER, folder, out)
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    rows = [tuple(row) for line in read_lines(out) for row in line]
    assert [row[0] for row in rows] == list(range(1, total * len(names) + 1))  # contiguous, none twice
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    for name in names:
        assert [row[3] for row in rows if row[2] == name] == list(range(total))
    assert kills >= 5
    with Spool(folder, 0, SystemClock()) as spool:
        assert spool.last_offset() == total * len(names)
        assert spool.first_offset() > 1000  # the reader has let segments go


def read_lines(out):
    if not out.exists():
        return []
    text = out.read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

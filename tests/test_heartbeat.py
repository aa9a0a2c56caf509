"""Signs of life: from the process itself, and from beside while it compiles."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from andon import heartbeat
from andon.datafolder import DataFolder
from andon.heartbeat import Heartbeat, age_s, folder, kept
from flows.stage import EngineStage
from sources.batch import Batch


def test_signs_come_from_beside_until_the_end_and_not_beyond_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.05)
    beat = Heartbeat(DataFolder(tmp_path), "flow-0")
    path = folder(DataFolder(tmp_path)) / "flow-0"
    with kept(beat, 60.0):
        time.sleep(0.5)
        assert age_s(path) < 0.4
    last = path.read_text()
    time.sleep(0.3)
    assert path.read_text() == last
    with kept(beat, 0.1):
        time.sleep(1.0)
        assert age_s(path) > 0.5


def test_a_watchdog_never_finds_a_sign_half_written(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.0)
    beat = Heartbeat(DataFolder(tmp_path), "flow-0")
    beat()
    done = threading.Event()

    def write():
        while not done.is_set():
            beat()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        assert None not in [age_s(beat.path) for _ in range(5_000)]
    finally:
        done.set()
        for writer in writers:
            writer.join()


BEATS = """
import sys
from pathlib import Path
from andon import heartbeat
from andon.datafolder import DataFolder
heartbeat.EVERY_S = 0.0
beat = heartbeat.Heartbeat(DataFolder(Path(sys.argv[1])), "flow-cluster")
for _ in range(5_000):
    beat()
"""


def test_processes_may_share_a_sign_of_life(tmp_path):
    both = [subprocess.Popen([sys.executable, "-c", BEATS, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]


def test_the_first_batch_alone_is_inside():
    seen, inside = [], []

    class Compiling:
        def __enter__(self):
            inside.append(True)

        def __exit__(self, *exc):
            inside.clear()

    class Engine:
        def restore(self, state):
            assert state is None

        def step(self, messages):
            seen.append(bool(inside))
            raise MemoryError if len(seen) == 1 else OSError

    class Nothing:
        def portions(self, messages):
            return [messages]

        def is_poison(self, messages):
            return False

    stage = EngineStage(None, lambda _: (Engine(), Nothing()), compiling=Compiling)
    for _ in range(2):  # a batch that failed was not the first one through
        try:
            stage.on_batch([Batch(0, [])])
        except (MemoryError, OSError):
            assert not inside
    stage._opened[0].step = lambda _messages: seen.append(bool(inside))
    stage._step = lambda engine, _quarantine, messages: engine.step(messages)
    for _ in range(2):
        stage.on_batch([Batch(0, [])])
    assert seen == [True, True, True, False]

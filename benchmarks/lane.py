"""A contender in a process of its own, so that memory, garbage collection and compiled code of one disturb no other.

`serve` is the contender's side; it needs the standard library alone, since the peers run in environments of their own.
`Lane` is the side of the benchmark. For each line on its standard input a contender makes one run and answers with a
line `=> {...}`; everything else it prints goes into its log.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

MARK = "=> "


class Sample(NamedTuple):
    """One run. cpu_s: user and system, all threads of the process, starting up left out. rss_mb: most it ever held."""

    events: int
    cpu_s: float
    wall_s: float
    rss_mb: float = 0.0


class LaneError(Exception):
    """The contender cannot be measured; the text says why, in a line."""


class Stretch:
    """The middle of a run: from a tenth of the messages to 85 %.

    So neither what opening and closing cost is in it, nor does it matter that a client fetches ahead: the queues are
    as full at the end of the stretch as at its beginning.
    """

    BEGIN, END = 0.10, 0.85

    def __init__(self, messages: int) -> None:
        self._messages = messages
        self._marks: list[tuple[int, float, float]] = []

    def note(self, read: int) -> None:
        """So many have been read by now; call it often."""
        share = read / self._messages
        if (not self._marks and share >= self.BEGIN) or (len(self._marks) == 1 and share >= self.END):
            self._marks.append((read, time.process_time(), time.perf_counter()))

    def sample(self, events: int) -> Sample:
        """What the stretch took; `events`: of all messages."""
        if len(self._marks) != 2:
            raise RuntimeError("the run was over before it could be measured: more events, please")
        begin, end = self._marks
        done = (end[0] - begin[0]) * events // self._messages
        return Sample(done, end[1] - begin[1], end[2] - begin[2])


def serve(run: Callable[[], int | Sample]) -> None:
    """Make a run for each line asked. `run` gives the events it handled, or a whole `Sample` where it timed itself."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is for the log
    answers.write(MARK + json.dumps({"start_cpu_s": time.process_time()}) + "\n")
    gc.collect()
    gc.freeze()  # as a service does once it has started
    for _ in sys.stdin:
        gc.collect()
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        done = run()
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        sample = done if isinstance(done, Sample) else Sample(done, cpu_s, wall_s)
        answers.write(MARK + json.dumps(sample._replace(rss_mb=held_mb())._asdict()) + "\n")


def held_mb() -> float:
    """The most memory that this process has held, MB. getrusage tells that of the process that started it, if more."""
    told = Path("/proc/self/status").read_text()
    return int(told.partition("VmHWM:")[2].split()[0]) / 1024


class Lane:
    """One contender.

    argv, environment : how it is started.
    fresh   : a new process for each run, for a library that can run once in a process.
    warm    : runs that are not counted, in each process.
    limit_s : no run may take longer.
    """

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None,
        fresh: bool = False, warm: int = 1, limit_s: float = 300.0,
    ) -> None:  # fmt: skip
        self.name, self.fresh = name, fresh
        self.start_cpu_s = 0.0
        self._argv, self._log, self._environment = list(argv), log, {**os.environ, **(environment or {})}
        self._warm, self._limit_s = warm, limit_s
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._listener: threading.Thread | None = None

    def run(self) -> Sample:
        """One run that counts. LaneError: it ended or took too long; it is started anew by the next run."""
        try:
            if self._process is None:
                self._start()
            told = self._ask()
        except LaneError:
            self.close(0.0)
            raise
        if self.fresh:
            self.close()
        return Sample(told["events"], told["cpu_s"], told["wall_s"], told.get("rss_mb", 0.0))

    def _start(self) -> None:
        self._answers = queue.Queue()
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env=self._environment, start_new_session=True,
            )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout, self._answers), daemon=True)
        self._listener.start()
        self.start_cpu_s = self._answer()["start_cpu_s"]
        for _ in range(self._warm):
            self._ask()

    @staticmethod
    def _listen(printed: IO[str] | None, answers: queue.Queue[dict[str, Any] | None]) -> None:
        with printed or nullcontext(()) as lines:
            for line in lines:
                if line.startswith(MARK):
                    answers.put(json.loads(line.removeprefix(MARK)))
        answers.put(None)

    def _ask(self) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None:
            raise LaneError("not started")
        try:
            process.stdin.write("run\n")
            process.stdin.flush()
        except OSError:
            raise LaneError(self._last_words()) from None
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        try:
            told = self._answers.get(timeout=self._limit_s)
        except queue.Empty:
            raise LaneError(f"no answer within {self._limit_s:.0f} s") from None
        if told is None:
            raise LaneError(self._last_words())
        return told

    def _last_words(self) -> str:
        lines = [line.strip() for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1][:300] if lines else "it ended without a word"

    def close(self, patience_s: float = 5.0) -> None:
        """End it; first by closing its input."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._listener is not None:
            self._listener.join()


def per_million_s(samples: Sequence[Sample]) -> float:
    """CPU seconds per million events, the best of the runs."""
    return min(one.cpu_s / one.events for one in samples) * 1e6

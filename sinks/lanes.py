"""Several calls to a receiver under way at once, each lane with a driver of its own."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Driver = TypeVar("Driver")
Job = TypeVar("Job")
Done = TypeVar("Done")


class Lanes(Generic[Driver, Job, Done]):
    """Runs `work(driver, job)`, which must not raise, on whichever driver is free. A driver is used by one thread only.

    One driver: each job is done inside `begin`, without threads.
    """

    def __init__(self, drivers: Sequence[Driver], work: Callable[[Driver, Job], Done]) -> None:
        self._drivers: queue.SimpleQueue[Driver] = queue.SimpleQueue()
        for driver in drivers:
            self._drivers.put(driver)
        self._work, self.count = work, len(drivers)
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._pool = ThreadPoolExecutor(self.count, "lane") if self.count > 1 else None
        self.under_way = 0  # begun and not yet taken

    @property
    def free(self) -> int:
        """How many jobs may be begun now."""
        return self.count - self.under_way

    def begin(self, job: Job) -> None:
        """Start a job; there must be a free lane."""
        self.under_way += 1
        if self._pool is None:
            self._run(job)
        else:
            self._pool.submit(self._run, job)

    def take(self, timeout_s: float | None = None) -> list[Done]:
        """Wait for the next job to be done; returns it with whatever else is done. Empty when none is in that time."""
        done: list[Done] = []
        while self.under_way and (not done or not self._done.empty()):
            try:
                done.append(self._done.get(timeout=timeout_s))
            except queue.Empty:
                break
            self.under_way -= 1
        return done

    def close(self) -> None:
        """Wait for what is under way, and let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()

    def _run(self, job: Job) -> None:
        driver = self._drivers.get()
        done = self._work(driver, job)
        self._drivers.put(driver)
        self._done.put(done)

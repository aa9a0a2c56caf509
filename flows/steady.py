"""Keeps Bytewax off the wall clock, which may be set back while a flow runs.

Bytewax wakes a source at a time of the wall clock, and closes an epoch when that clock has passed the epoch's start by
its length. After the clock was set back by an hour it does neither for an hour (measured: polls and epochs stop at
once). So a source here never names a time to be woken at: it is polled without end, and rests by the monotonic clock
where there is nothing to do. And a step back ends the source as SIGTERM does: the epoch closes, everything is kept,
and the flow begins anew in the same process, with the clock as it then is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import structlog
from bytewax.inputs import StatefulSourcePartition

from andon.clock import StepWatch
from flows.seeds import Source
from sources.batch import Batch

LONG_AGO = datetime(1971, 1, 1, tzinfo=UTC)
LONGEST_REST_S = 1.0
log = structlog.get_logger()
Partition = StatefulSourcePartition[tuple[str, Batch], Any]


class ClockSetBackError(RuntimeError):
    """The clock was set back under a flow that cannot begin anew by itself."""


class Pace:
    """When the partitions of a flow rest, and whether the clock was set back. Make one for each run of a flow.

    drains: a step back ends the source; else it raises, for a process that is one of several in a cluster.
    """

    def __init__(
        self, *, drains: bool = True, watch: StepWatch | None = None, monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self.stepped = False
        self._drains, self._watch = drains, watch or StepWatch()
        self._monotonic, self._sleep = monotonic, sleep
        self._due: dict[object, float] = {}

    def join(self, partition: object) -> None:
        """One more partition of the flow."""
        self._due[partition] = 0.0

    def leave(self, partition: object) -> None:
        """It has ended."""
        self._due.pop(partition, None)

    def look(self) -> None:
        """Look at the clock. StopIteration, for this and every later call, after a step back."""
        if not self.stepped and (back_s := self._watch.set_back_s()):
            log.warning("flow.clock_set_back", seconds=round(back_s, 1))
            self.stepped = True
        if self.stepped:
            if self._drains:
                raise StopIteration
            raise ClockSetBackError("the clock was set back; restart every process of the cluster")

    def rests(self, partition: object) -> bool:
        """Whether it is too early for this partition. Where that is so of all, sleeps until the first is due."""
        now = self._monotonic()
        if self._due[partition] <= now:
            return False
        first = min(self._due.values())
        if first > now:
            self._sleep(first - now)
        return self._due[partition] > self._monotonic()

    def rest(self, partition: object, seconds: float) -> None:
        """It had nothing, and wants to be left alone for so long."""
        self._due[partition] = self._monotonic() + min(max(0.0, seconds), LONGEST_REST_S)

    def go_on(self, partition: object) -> None:
        """It had something: come again at once."""
        self._due[partition] = 0.0


class SteadyPartition(Partition):
    """A source's partition at the flow's pace. State and items are the partition's own."""

    def __init__(self, inner: Partition, pace: Pace) -> None:
        self._inner, self._pace = inner, pace
        pace.join(self)

    def next_batch(self) -> Iterable[tuple[str, Batch]]:
        """The partition's next batch; none while it rests, StopIteration after a step back of the clock."""
        self._pace.look()
        if self._pace.rests(self):
            return []
        items = list(self._inner.next_batch())
        awake = None if items else self._inner.next_awake()
        if awake is None:
            self._pace.go_on(self)
        else:
            self._pace.rest(self, (awake - datetime.now(UTC)).total_seconds())
        return items

    def next_awake(self) -> datetime:
        """Always past, so that it is due whatever the clock says."""
        return LONG_AGO

    def snapshot(self) -> Any:
        """The partition's."""
        return self._inner.snapshot()

    def close(self) -> None:
        """The partition's."""
        self._pace.leave(self)
        self._inner.close()


class SteadySource(Source):
    """A source whose partitions run at the flow's pace."""

    def __init__(self, source: Source, pace: Pace) -> None:
        self._source, self._pace = source, pace

    def list_parts(self) -> list[str]:
        """Those of the source."""
        return self._source.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> SteadyPartition:
        """The source's partition, resumed by itself."""
        return SteadyPartition(self._source.build_part(step_id, for_part, resume_state), self._pace)

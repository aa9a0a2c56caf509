"""When old rows may go: driven by the log's own time, at most once an hour of it.

The journal is what late rows are corrected from, so what may still be corrected and what may be removed are decided
together, at ticks, and belong to the engine's state: a replay decides the same. Files go later than rows, because
Bytewax may resume a few snapshots back.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from andon.readings import I64, NS_PER_S
from sinks.journal import Journal

HOUR_NS = 3600 * NS_PER_S
KEPT_SNAPSHOTS = 6  # as many as the spool keeps rows for
NEVER = np.iinfo(np.int64).min


class Horizon:
    """The stamp before which rows may go: `keep_s` behind the newest time seen.

    It moves once an hour and by two hours at most, so a clock that shows the wrong year for a minute does not cost
    the rows of a year.

    >>> horizon = Horizon(10.0)
    >>> [horizon.advance(hours * HOUR_NS) for hours in (5, 5, 6, 9000)]
    [17990000000000, None, 21590000000000, 28790000000000]
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_ns = round(keep_s * NS_PER_S)
        self.before_ns: int | None = None
        self.looked_ns: int | None = None

    def advance(self, now_ns: int) -> int | None:
        """The new horizon, ns; None when it has not moved."""
        if self.looked_ns is not None and now_ns < self.looked_ns + HOUR_NS:
            return None
        self.looked_ns = now_ns
        target_ns = now_ns - self._keep_ns
        if self.before_ns is None:
            self.before_ns = target_ns
        elif target_ns <= self.before_ns:
            return None  # a longer retention than before: nothing to remove for a while
        else:
            self.before_ns = min(target_ns, self.before_ns + 2 * HOUR_NS)
        return self.before_ns


class JournalRetention:
    """Rows received before the horizon are gone for every reader, whether their file is still there or not.

    longest_s: the longest window. A row behind its series can be corrected only where its windows are still whole:
    a series silent for longer than the journal is kept starts anew behind its last row.
    """

    def __init__(self, journal: Journal, keep_s: float, future_s: float, longest_s: float) -> None:
        self._journal = journal
        self._horizon = Horizon(keep_s)
        self._future_ns, self._longest_ns = round(future_s * NS_PER_S), round(longest_s * NS_PER_S)
        #: int64[series]: a row behind its series and before it is too old, as windows there may have lost rows
        self.whole_from_ns: I64 = np.full(0, NEVER, np.int64)
        self._snapshots: deque[int] = deque(maxlen=KEPT_SNAPSHOTS)

    def bind(self, count: int) -> None:
        """The next series ids, `count` of them."""
        self.whole_from_ns = np.concatenate([self.whole_from_ns, np.full(count, NEVER, np.int64)])

    def tick(self, time_ns: int, newest_ns: I64, seen: I64) -> None:
        """Plant time passed. newest_ns, seen int64[series]: the series' own clocks."""
        before_ns = self._horizon.advance(time_ns)
        if before_ns is None:
            return
        self._journal.kept_from_ns = before_ns
        # A row received before the horizon has a time below both: the decoder refuses stamps further in the future.
        last_gone = np.minimum(before_ns + self._future_ns, newest_ns)
        whole = np.where(seen > 0, last_gone + self._longest_ns, NEVER)
        self.whole_from_ns = np.maximum(self.whole_from_ns, whole)

    def remove(self) -> int:
        """Once a snapshot: remove the files that no snapshot that counts can ask for; returns how many went."""
        if self._horizon.before_ns is None:
            return 0
        self._snapshots.append(self._horizon.before_ns)
        return self._journal.prune(self._snapshots[0]) if len(self._snapshots) == KEPT_SNAPSHOTS else 0

    def snapshot(self) -> tuple[object, ...]:
        """Plain tuple."""
        return (self._horizon.before_ns, self._horizon.looked_ns, self.whole_from_ns.tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot."""
        self._horizon.before_ns, self._horizon.looked_ns, whole = snapshot
        self.whole_from_ns = np.frombuffer(whole, np.int64).copy()
        if self._horizon.before_ns is not None:
            self._journal.kept_from_ns = self._horizon.before_ns

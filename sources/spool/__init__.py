"""The spool: a durable queue in SQLite segment files, the log of one shard where no broker is.

Several processes append, one reads. Promises (tests/test_spool*.py):
- `append` returns after its rows are on disk (WAL, synchronous FULL); a row is never lost, doubled or reordered by
  kill -9 of any writer or of the reader. Offsets are contiguous from 1 and never used again.
- A producer's checkpoint is stored in the transaction of its rows, so a producer that starts again goes on exactly
  where its rows end.
- Space comes back by unlinking whole segments, which needs no free space itself.
"""

from __future__ import annotations

from sources.spool.reader import SpoolReader
from sources.spool.segments import SEGMENT_BYTES
from sources.spool.writer import Spool

__all__ = ["SEGMENT_BYTES", "Spool", "SpoolReader"]

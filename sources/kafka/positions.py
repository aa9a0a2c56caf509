"""Where a shard stands in its partition.

An Andon log counts from 1, so that 0 is "nothing yet" everywhere; Kafka counts from 0. People are shown Kafka's number.
After transactions a partition has gaps (their markers take an offset each): positions order messages, they do not
count them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

FIRST: Final = 1  # offset in Andon's log of what Kafka numbers 0


class Position(NamedTuple):
    """The recovery state of a shard's source.

    offset   : log offset of the last message given out, 0 for none. It is also the Kafka offset of the next one.
    stamp_ns : receive time of that message; the next one's is not before it.
    """

    offset: int = 0
    stamp_ns: int = 0


def log_offset(kafka_offset: int) -> int:
    """The offset in Andon's log of the message at an offset of the partition.

    >>> log_offset(0)
    1
    """
    return kafka_offset + FIRST


def kafka_offset(log_offset: int) -> int:
    """The offset in the partition of a message of Andon's log.

    >>> kafka_offset(1)
    0
    """
    return log_offset - FIRST

"""The item that every source of a shard's log gives to the flow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from andon.readings import Message

MAX_MESSAGES = 8_192
MAX_BYTES = 4_000_000


class Batch(NamedTuple):
    """Messages of one shard in log order, never empty: a Bytewax item."""

    shard: int
    messages: Sequence[Message]


def shard_key(shard: int) -> str:
    """Name of a shard as Bytewax key; zero-padded, so that text order is number order."""
    return f"{shard:04}"

"""A message on its way out, what gives them, and how far they were taken, kept on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from andon.datafolder import write_durably

log = structlog.get_logger()


class Outgoing(NamedTuple):
    """One message. The first header is `id`: equal for every copy of it, different for everything else."""

    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Feed(Protocol):
    """Where messages come from, in order. One thread uses a feed."""

    @property
    def name(self) -> str:
        """For the log: shard-0, alarms."""
        ...

    @property
    def lost(self) -> int:
        """How much can no longer be sent."""
        ...

    def read(self, most: int) -> Sequence[Outgoing]:
        """What comes after everything confirmed, at most `most`; the same again until `confirm` is called."""
        ...

    def confirm(self, count: int) -> None:
        """The first `count` messages of the last `read` are with the broker; remembered for good on return."""
        ...

    def backlog_bytes(self) -> int:
        """What waits on disk for this feed alone; 0 where the store is kept for others anyway."""
        ...


class Mark:
    """A place in a store as a few whole numbers, in a small file that is replaced durably.

    A file that cannot be read counts as none: everything that is still there is sent again, under the same ids.
    """

    def __init__(self, path: Path, start: Sequence[int]) -> None:
        self.path = path
        self._start = tuple(start)

    def read(self) -> tuple[int, ...]:
        """The place, or the start where none is kept."""
        try:
            place = json.loads(self.path.read_bytes())["place"]
            if len(place) == len(self._start):
                return tuple(int(number) for number in place)
            problem = f"{len(place)} numbers"
        except FileNotFoundError:
            return self._start
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = repr(error)
        log.warning("kafka_out.mark_unreadable", path=str(self.path), problem=problem)
        return self._start

    def write(self, place: Sequence[int]) -> None:
        """Keep the place. On disk when it returns."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self.path, json.dumps({"place": list(place)}).encode() + b"\n")

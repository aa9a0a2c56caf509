"""Messages that the broker removed before the flow read them: noted, alarmed, and passed only on a person's word.

state/<shard>/log-gap.json is the gap at which the shard stands now (the dead-man raises `andon-log-gone` from it);
log-gap-skip.json says which one may be passed (`andon topics skip-gap`); log-gaps.jsonl keeps all that were.
log-partitions.json is how many partitions the topic has, for the same watch (`andon-log-grown`).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from andon.datafolder import DataFolder, write_durably


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets of Kafka. wanted: the next to read; oldest: the first that the broker has; end: the next to come."""

    shard: int
    wanted: int
    oldest: int
    end: int
    noticed_ns: int

    @property
    def missing(self) -> int:
        """How many messages are gone at most (markers of transactions count)."""
        return max(0, self.oldest - self.wanted)

    @property
    def ahead(self) -> bool:
        """The topic ends before the position: it was made anew or put back, and state and topic do not go together."""
        return self.wanted > self.end


class GapFiles:
    """The gap files of one shard."""

    def __init__(self, data: DataFolder, shard: int) -> None:
        self.shard = shard
        folder = data.slots(shard).parent
        self._open, self._skip, self._passed, self._partitions = (
            folder / f"log-{name}" for name in ("gap.json", "gap-skip.json", "gaps.jsonl", "partitions.json")
        )

    def current(self) -> Gap | None:
        """The gap at which the shard stands."""
        found = _read(self._open)
        return None if found is None else Gap(**found)

    def note(self, gap: Gap) -> None:
        """The shard stands at this gap from now on."""
        self._write(self._open, asdict(gap))

    def allow(self, gap: Gap) -> None:
        """A person says: go on behind it. Holds for this wanted offset alone, also after a crash."""
        self._write(self._skip, {"wanted": gap.wanted})

    def is_allowed(self, wanted: int) -> bool:
        """Whether somebody said so of the gap at this offset."""
        return (_read(self._skip) or {}).get("wanted") == wanted

    def passed(self, gap: Gap) -> None:
        """The shard goes on at gap.oldest; the gap is kept in the list."""
        with self._passed.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(gap) | {"missing": gap.missing}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.close()

    def partitions(self) -> int | None:
        """How many partitions the topic had when the flow last looked."""
        return (_read(self._partitions) or {}).get("partitions")

    def note_partitions(self, partitions: int) -> None:
        """The topic has so many."""
        self._write(self._partitions, {"partitions": partitions})

    def close(self) -> None:
        """The shard stands at no gap."""
        self._open.unlink(missing_ok=True)

    def _write(self, path: Path, content: dict[str, int]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, json.dumps(content).encode() + b"\n")


def _read(path: Path) -> dict[str, int] | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None

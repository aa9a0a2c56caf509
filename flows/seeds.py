"""Where a flow goes on whose recovery store is new: the states that its shards had when the workers were changed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from andon.datafolder import write_durably
from andon.errors import DataFolderError
from andon.packed import unpack
from flows.recovery import Key
from sources.batch import Batch

FILE = "seeds.json"
Source = FixedPartitionedSource[tuple[str, Batch], Any]


class Seeds:
    """Pickled state by step and key; each counts until the flow's own store has a snapshot of that step and key."""

    def __init__(self, states: Mapping[Key, bytes]) -> None:
        self.states = dict(states)

    def get(self, step_id: str, key: str) -> Any:
        """The state to begin with; None: from nothing."""
        state = self.states.get((step_id, key))
        return None if state is None else unpack(state)

    def write(self, folder: Path) -> None:
        """Keep them in a folder; on disk when this returns."""
        rows = [(*key, base64.b64encode(state).decode()) for key, state in sorted(self.states.items())]
        write_durably(folder / FILE, json.dumps({"sha256": _digest(rows), "states": rows}).encode() + b"\n")

    @staticmethod
    def made(folder: Path) -> datetime:
        """When those of a folder were written."""
        return datetime.fromtimestamp((folder / FILE).stat().st_mtime, UTC)

    @classmethod
    def read(cls, folder: Path) -> Seeds:
        """Those of a folder; DataFolderError when they are not as they were written."""
        path = folder / FILE
        try:
            content = json.loads(path.read_bytes())
            rows = [tuple(row) for row in content["states"]]
            seeds = cls({(step, key): base64.b64decode(state) for step, key, state in rows})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataFolderError("layout.seeds_unreadable", path=str(path), detail=str(error)) from None
        if content["sha256"] != _digest(rows):
            raise DataFolderError("layout.seeds_unreadable", path=str(path), detail="SHA-256")
        return seeds


def _digest(rows: list[Any]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


class SeededSource(Source):
    """A source whose partitions go on from the seeds where the recovery store has nothing of them yet."""

    def __init__(self, source: Source, seeds: Seeds) -> None:
        self._source = source
        self._seeds = seeds

    def list_parts(self) -> list[str]:
        """Those of the source."""
        return self._source.list_parts()

    def build_part(
        self, step_id: str, for_part: str, resume_state: Any
    ) -> StatefulSourcePartition[tuple[str, Batch], Any]:
        """The source's partition from the recovery store's state, or the seed."""
        state = self._seeds.get(step_id, for_part) if resume_state is None else resume_state
        return self._source.build_part(step_id, for_part, state)

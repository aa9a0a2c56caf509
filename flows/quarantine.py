"""A message that makes the engine fail is tried alone once, then set aside: it never stops the flow for good.

The engine's state is worthless after a failure, so the process ends and resumes from its last snapshot. What was
being worked on is written down first; the resumed flow takes those messages one by one and finds the culprit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from andon.readings import Message


class Quarantine:
    """Which offsets of a shard are suspect (tried one by one) and which are poison (skipped as dead letters)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = json.loads(path.read_text()) if path.exists() else {}
        self._suspect: tuple[int, int] | None = tuple(found["suspect"]) if found.get("suspect") else None
        self._poison: set[int] = set(found.get("poison", ()))

    def portions(self, messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
        """The batch as the engine should take it: whole, or suspects one at a time."""
        if self._suspect is None or not messages:
            yield messages
            return
        first, last = self._suspect
        begin = 0
        for at, message in enumerate(messages):
            if first <= message.offset <= last:
                if begin < at:
                    yield messages[begin:at]
                yield messages[at : at + 1]
                begin = at + 1
        if begin < len(messages):
            yield messages[begin:]

    def is_poison(self, messages: Sequence[Message]) -> bool:
        """True for a single message that failed alone."""
        return len(messages) == 1 and messages[0].offset in self._poison

    def failed(self, messages: Sequence[Message]) -> None:
        """Write down what the engine was working on when it failed."""
        if len(messages) == 1:
            self._poison.add(messages[0].offset)
        first, last = messages[0].offset, messages[-1].offset
        if self._suspect is not None:
            first, last = min(first, self._suspect[0]), max(last, self._suspect[1])
        self._suspect = (first, last)
        draft = self._path.with_suffix(".draft")
        draft.write_text(json.dumps({"suspect": self._suspect, "poison": sorted(self._poison)}))
        draft.rename(self._path)

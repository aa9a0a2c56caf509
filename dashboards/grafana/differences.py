"""What differs between two JSON documents, one line each, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator

LONGEST = 90  # characters of a value that are shown
ABSENT = object()


def differences(theirs: object, ours: object, *, only_ours: bool = False, path: str = "") -> Iterator[str]:
    """`path: theirs -> ours`. only_ours: what they have beside ours is no difference.

    >>> list(differences({"a": 1, "b": [1, 2]}, {"a": 2, "b": [1, 3], "c": "x"}))
    ['a: 1 -> 2', 'b[1]: 2 -> 3', 'c: (none) -> "x"']
    >>> list(differences({"a": 1, "b": 2}, {"a": 1.0}, only_ours=True))
    []
    """
    if isinstance(theirs, dict) and isinstance(ours, dict):
        names = list(ours) if only_ours else [*ours, *(name for name in theirs if name not in ours)]
        for name in names:
            inner = f"{path}.{name}" if path else str(name)
            yield from differences(theirs.get(name, ABSENT), ours.get(name, ABSENT), only_ours=only_ours, path=inner)
    elif isinstance(theirs, list) and isinstance(ours, list):
        for index in range(max(len(theirs), len(ours))):
            left = theirs[index] if index < len(theirs) else ABSENT
            right = ours[index] if index < len(ours) else ABSENT
            yield from differences(left, right, only_ours=only_ours, path=f"{path}[{index}]")
    elif theirs != ours:
        yield f"{path}: {shown(theirs)} -> {shown(ours)}"


def shown(value: object) -> str:
    """A value, cut to one line."""
    if value is ABSENT:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."

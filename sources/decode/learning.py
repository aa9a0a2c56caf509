"""Learns templates from a log's own rows: what stands between the values of a good row is what its producer repeats.

Templates only make rows cheaper to read, never different, so they are no state: a restart learns them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sources.decode import template as t
from sources.decode.memory import address
from sources.decode.quick import NO_MEMO

MOST_TEMPLATES = 4
_MOST_PATIENCE = 1 << 16  # rows
_KEY = re.compile(rb'[ \t]*"([^"\\\x00-\x1f]*)"[ \t]*:[ \t]*')
_TEXT = re.compile(rb'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(rb"-?[0-9][0-9.eE+-]*")
_WORD = re.compile(rb"true|false|null")
_AFTER = re.compile(rb"[ \t]*([,}])")
_TEXT_FIELDS = {b"asset": t.F_ASSET, b"tag": t.F_TAG, b"unit": t.F_UNIT}
_NEEDED = {b"ts", b"asset", b"tag", b"value"}
Step = tuple[bytes, int, int]  # fixed bytes, what is read behind them, into where


def steps_of(row: bytes) -> list[Step] | None:
    r"""The template of a row that is a good reading, or None for one that no template can have.

    >>> steps_of(b'{"ts":1767225600123,"asset":"a","tag":"t","value":2.5}') == [
    ...     (b'{"ts":', t.STAMP_MS, 0),
    ...     (b',"asset":"', t.TEXT, t.F_ASSET),
    ...     (b'","tag":"', t.TEXT, t.F_TAG),
    ...     (b'","value":', t.VALUE, 0),
    ...     (b"}", t.END, 0),
    ... ]
    True
    """
    steps: list[Step] = []
    names: set[bytes] = set()
    fixed, at = row[:1], 1
    if fixed != b"{":
        return None
    while True:
        key = _KEY.match(row, at)
        if key is None or key[1] in names or key[1] == b"event":
            return None
        names.add(key[1])
        fixed, at = fixed + key[0], key.end()
        value = _value(key[1], row, at)
        if value is None:
            return None
        before, reads, into, at, behind = value
        if reads == t.NOTHING:
            fixed += before
        else:
            steps.append((fixed + before, reads, into))
            fixed = behind
        after = _AFTER.match(row, at)
        if after is None:
            return None
        fixed, at = fixed + after[0], after.end()
        if after[1] == b"}":
            steps.append((fixed, t.END, 0))
            return steps if names >= _NEEDED and at == len(row) else None


def _value(name: bytes, row: bytes, at: int) -> tuple[bytes, int, int, int, bytes] | None:
    """(bytes before, what is read, into where, index behind it, bytes behind) of the value at `at`, or None."""
    if row[at : at + 1] == b'"':
        text = _TEXT.match(row, at + 1)
        if text is None or row[text.end() : text.end() + 1] != b'"':
            return None
        end = text.end() + 1
        if name == b"value":
            return b"", t.VALUE, 0, end, b""
        if name == b"q":
            return None
        reads = t.STAMP_TEXT if name == b"ts" else t.TEXT if name in _TEXT_FIELDS else t.OTHER_TEXT
        return b'"', reads, _TEXT_FIELDS.get(name, 0), end, b'"'
    if (number := _NUMBER.match(row, at)) is not None:
        if name in _TEXT_FIELDS:
            return None
        reads = {b"ts": t.STAMP_MS, b"value": t.VALUE, b"q": t.QUALITY}.get(name, t.OTHER_NUMBER)
        return b"", reads, 0, number.end(), b""
    if (word := _WORD.match(row, at)) is None:  # an array or an object
        return None
    if name == b"value":
        return b"", t.VALUE, 0, word.end(), b""
    if name in (b"ts", b"asset", b"tag"):
        return None
    if name in (b"q", b"unit") and word[0] != b"null":
        return None
    return word[0], t.NOTHING, 0, word.end(), b""


def compiled(steps: list[Step]) -> NDArray[np.void] | None:
    """Steps as the kernel reads them; None when they are too many."""
    pieces = list(_pieces(steps))
    if len(pieces) > t.MOST_STEPS:
        return None
    program = np.zeros(t.MOST_STEPS, t.STEP)
    program["memo"] = NO_MEMO
    for number, (fixed, reads, into) in enumerate(pieces):
        program["fixed"][number] = np.frombuffer(fixed.ljust(t.FIXED_BYTES, b"\0"), np.uint64)
        program["mask"][number] = np.frombuffer((b"\xff" * len(fixed)).ljust(t.FIXED_BYTES, b"\0"), np.uint64)
        program["size"][number], program["reads"][number], program["into"][number] = len(fixed), reads, into
    return program


def _pieces(steps: list[Step]) -> Iterator[Step]:
    for fixed, reads, into in steps:
        last = max(0, (len(fixed) - 1) // t.FIXED_BYTES) * t.FIXED_BYTES
        for at in range(0, last, t.FIXED_BYTES):
            yield fixed[at : at + t.FIXED_BYTES], t.NOTHING, 0
        yield fixed[last:], reads, into


class Templates:
    """The templates of one decoder, at most MOST_TEMPLATES, and what `settle.Job` addresses of them.

    A row of no template is looked at in hope of a new one: the first at once, then after twice as many such rows each
    time. A new one takes the place of the one that found the fewest rows since the last was learned.
    """

    def __init__(self) -> None:
        self._programs = np.zeros((MOST_TEMPLATES, t.MOST_STEPS), t.STEP)
        self._hits = np.zeros(MOST_TEMPLATES, np.int64)
        self._known: list[list[Step]] = []
        self._missed, self._patience = 0, 1
        self.programs, self.hits = address(self._programs), address(self._hits)

    def __len__(self) -> int:
        return len(self._known)

    def missed(self, rows: int) -> bool:
        """Whether to `learn` now, after so many more good rows of no template."""
        self._missed += rows
        return self._missed >= self._patience

    def learn(self, row: bytes) -> None:
        """Learn the template of a good row that none of them found."""
        self._missed, self._patience = 0, min(2 * self._patience, _MOST_PATIENCE)
        steps = steps_of(row.strip(b" \t\r\n"))
        program = None if steps is None or steps in self._known else compiled(steps)
        if steps is None or program is None:
            return
        if len(self._known) < MOST_TEMPLATES:
            self._known.append(steps)
            place = len(self._known) - 1
        else:
            place = int(self._hits.argmin())
            self._known[place] = steps
        self._programs[place] = program
        self._hits[:] = 0

"""Small records that outlive many snapshots of a shard, in pages that are written once.

A record is kept in memory and in a cell of the shard's slot file; a page in which nothing is kept any more is used
again. Records that go at about the same time share pages (`stream`), so pages come free as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.readings import I64

PAGE = 65_536  # bytes; at most `andon.slots.CELL`
NONE = -1


class Pages:
    """Records by number. As `Blocks` of flows/state.py only changed pages are written; `index` says what is where."""

    def __init__(self) -> None:
        self._pages: list[bytearray] = []
        self._live: list[int] = []  # bytes in use, by page
        self._free: list[int] = []
        self._open: dict[int, int] = {}  # stream -> the page it fills
        self._parts: I64 = np.full((1024, 4), NONE, np.int64)  # page, begin, end, row of the next part
        self._rows: list[int] = list(range(1023, -1, -1))  # that are free
        self._changed: set[int] = set()

    @property
    def nbytes(self) -> int:
        """Memory of the pages, bytes."""
        return sum(map(len, self._pages)) + self._parts.nbytes

    def put(self, data: bytes, stream: int) -> int:
        """Keep a record that is not empty; returns its number."""
        first = before = NONE
        at = 0
        while at < len(data):
            page = self._open.get(stream, NONE)
            if page == NONE or len(self._pages[page]) >= PAGE:
                page = self._open[stream] = self._fresh_page(page)
            begin = len(self._pages[page])
            piece = data[at : at + PAGE - begin]
            self._pages[page] += piece
            self._live[page] += len(piece)
            self._changed.add(page)
            row = self._fresh_row()
            self._parts[row] = page, begin, begin + len(piece), NONE
            if before == NONE:
                first = row
            else:
                self._parts[before, 3] = row
            before, at = row, at + len(piece)
        return first

    def _of(self, number: int) -> Iterator[tuple[int, int, int, int]]:
        row = number
        while row != NONE:
            page, begin, end, following = self._parts[row].tolist()
            yield row, page, begin, end
            row = following

    def get(self, number: int) -> bytes:
        """A record."""
        return b"".join(bytes(self._pages[page][begin:end]) for _, page, begin, end in self._of(number))

    def drop(self, number: int) -> None:
        """Forget a record."""
        for row, page, begin, end in list(self._of(number)):
            self._parts[row] = NONE
            self._rows.append(row)
            self._live[page] -= end - begin
            if not self._live[page] and page not in self._open.values():
                self._pages[page] = bytearray()
                self._changed.discard(page)
                self._free.append(page)

    def _fresh_row(self) -> int:
        if not self._rows:
            rows = len(self._parts)
            self._parts = np.concatenate([self._parts, np.full_like(self._parts, NONE)])
            self._rows = list(range(2 * rows - 1, rows - 1, -1))
        return self._rows.pop()

    def _fresh_page(self, full: int) -> int:
        if full != NONE and not self._live[full]:
            self._pages[full] = bytearray()
            return full
        if self._free:
            return self._free.pop()
        self._pages.append(bytearray())
        self._live.append(0)
        return len(self._pages) - 1

    def index(self) -> tuple[object, ...]:
        """Where records are: plain numbers and bytes."""
        return (self._parts.tobytes(), tuple(self._open.items()))

    def restore_index(self, index: tuple[Any, ...]) -> None:
        """Take over an index, after the blocks."""
        parts, opened = index
        self._parts = np.frombuffer(parts, np.int64).reshape(-1, 4).copy()
        self._open = dict(opened)
        self._rows = np.flatnonzero(self._parts[:, 0] == NONE)[::-1].tolist()
        self._live = [0] * len(self._pages)
        for page, begin, end, _ in self._parts[self._parts[:, 0] != NONE].tolist():
            self._live[page] += end - begin
        self._free = [page for page, live in enumerate(self._live) if not live and page not in self._open.values()]
        for page in self._free:
            self._pages[page] = bytearray()

    def blocks(self) -> tuple[tuple[object, ...], Iterator[tuple[int, NDArray[Any]]]]:
        """How many pages there are, and each that changed since the last call."""
        return (1, len(self._pages)), self._changed_pages()

    def _changed_pages(self) -> Iterator[tuple[int, NDArray[Any]]]:
        for page in sorted(self._changed):
            yield page, np.frombuffer(bytes(self._pages[page]), np.uint8)
        self._changed.clear()

    def restore_blocks(self, about: tuple[Any, ...], numbers: Sequence[int], read: Callable[[int], bytes]) -> None:
        """Take over pages; ValueError for a layout that this version cannot read."""
        layout, count = about
        if layout != 1:
            raise ValueError(f"records of figures have layout {layout}; expected 1")
        held = set(numbers)
        self._pages = [bytearray(read(page)) if page in held else bytearray() for page in range(count)]
        self._changed = set()

"""The columns of one fetch while they are filled: one block of memory, numbers first, the text behind them."""

from __future__ import annotations

import numpy as np

from andon.readings import I64, TEXT_END, U8
from sources.decode.memory import address
from sources.kafka.blocks import BLOCKS

ROW = 24  # bytes of a row's three numbers
SPARE = 1.25  # messages differ a little in size: so much more room than they lately took


class Page:
    """Room for `rows` messages, and at first for `size` bytes of text.

    counts: int64[3], bytes of text used, messages, and what the last call of the kernel found besides.
    """

    def __init__(self, rows: int, size: int) -> None:
        self.rows = rows
        self.counts = np.zeros(3, np.int64)
        self._block = BLOCKS.take(ROW * rows + size + len(TEXT_END))

    @property
    def used(self) -> int:
        """Bytes of text."""
        return int(self.counts[0])

    @property
    def good(self) -> int:
        """Messages."""
        return int(self.counts[1])

    @property
    def room(self) -> int:
        """Bytes of text that it can hold."""
        return len(self._block) - ROW * self.rows - len(TEXT_END)

    def addresses(self) -> tuple[int, int]:
        """Of the text and of the columns, until it grows."""
        begin = address(self._block)
        return begin + ROW * self.rows, begin

    def grow(self, size: int) -> None:
        """Have room for `size` bytes of text more, and for as many again."""
        before, taken = self._block, ROW * self.rows + self.used
        self._block = BLOCKS.take(taken + 2 * size + len(TEXT_END))
        self._block[:taken] = before[:taken]

    def add(self, text: bytes, sizes: I64, offset: I64, stamp_ms: I64) -> None:
        """Append messages: their bodies, each followed by one byte 0, and a number each."""
        used, good, more = self.used, self.good, len(sizes)
        if used + len(text) > self.room:
            self.grow(len(text))
        begin = ROW * self.rows
        self._block[begin + used : begin + used + len(text)] = np.frombuffer(text, np.uint8)
        columns = self._block[:begin].view(np.int64).reshape(3, self.rows)[:, good : good + more]
        columns[0] = np.cumsum(sizes + 1) + (used - 1)
        columns[1], columns[2] = offset, stamp_ms
        self.counts[:2] = used + len(text), good + more

    def columns(self) -> tuple[U8, I64, I64, I64]:
        """Text with its end, ends, offsets, stamps. They hold the block, which is written by nobody else until then."""
        begin, used, good = ROW * self.rows, self.used, self.good
        text = self._block[begin : begin + used + len(TEXT_END)]
        text[used:] = 0
        ends, offset, stamp_ms = self._block[:begin].view(np.int64).reshape(3, self.rows)[:, :good]
        return text, ends, offset, stamp_ms

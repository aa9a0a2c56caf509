"""The engine's state in cells: what has not changed since the last snapshot is named again, not written again.

Some parts say themselves which of their blocks changed (`Blocks`). Of the others every large run of bytes is cut into
pieces that are compared with what was written last. What is left is small and goes into the root, whose cells are
all that the recovery store holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from andon.packed import pack, unpack
from andon.slots import CELL, Cell, SlotFiles

LARGE = 2_048  # bytes; shorter ones go into the root
MANY = 32  # values in a tuple; in a longer one no large runs of bytes are looked for
PIECES = "\0pieces"  # marks in the root where a large run of bytes was
NOWHERE: Cell = (-1, 0, b"")  # of a piece, until it has been put
Root = tuple[Cell, ...]
Written = dict[tuple[object, ...], tuple[NDArray[np.uint8], list[Cell]]]
Fresh = tuple[NDArray[Any], list[Cell] | dict[int, Cell], int]  # without a cell yet; where that is to be named


class Blocks(Protocol):
    """State that knows what changed."""

    def blocks(self) -> tuple[tuple[object, ...], Iterator[tuple[int, NDArray[Any]]]]:
        """A plain description, and every block that changed since the last call with its number; at most CELL bytes."""

    def restore_blocks(self, about: tuple[Any, ...], numbers: Sequence[int], read: Callable[[int], bytes]) -> None:
        """Take over the blocks with these numbers."""


class StateFiles:
    """Snapshots of one shard's parts over its cells."""

    def __init__(self, slots: SlotFiles) -> None:
        self._slots = slots
        self._blocks: dict[str, dict[int, Cell]] = {}
        self._before: Written = {}
        self._written: Written = {}  # by this snapshot; a run that one snapshot lacks may have lost its cells
        self._fresh: list[Iterable[Fresh]] = []
        self._used: list[Cell] = []

    @property
    def nbytes(self) -> int:
        """Bytes of the last snapshot, written by it or before."""
        return sum(length for _, length, _ in self._used)

    def write(self, plain: Mapping[str, object], blocks: Mapping[str, Blocks]) -> Root:
        """One snapshot, on disk when this returns. plain: tuples, numbers, texts and bytes by the parts' names."""
        self._written, self._fresh = {}, []
        root: dict[str, object] = {name: self._packed((name,), value) for name, value in plain.items()}
        root["blocks"] = {name: self._changed(name, part) for name, part in blocks.items()}
        self._put_fresh()
        cells = self._pieces(("root",), np.frombuffer(pack(root), np.uint8))
        self._put_fresh()
        pieces, parts = [kept for _, kept in self._written.values()], [self._blocks[name].values() for name in blocks]
        self._used = list(chain(*pieces, *parts))
        self._slots.commit(cell[0] for cell in self._used)
        self._before = self._written
        return tuple(cells)

    def read(self, root: Root, blocks: Mapping[str, Blocks]) -> dict[str, Any]:
        """The plain parts of a snapshot, after the others have taken over theirs (DataFolderError: changed on disk)."""
        self._used = list(root)
        data = b"".join(map(self._slots.get, root))
        parts: dict[str, Any] = unpack(data)
        for name, (about, cells) in parts.pop("blocks").items():
            self._blocks[name] = cells
            self._used += cells.values()
            blocks[name].restore_blocks(about, list(cells), self._reader(cells))
        plain = {name: self._unpacked(value) for name, value in parts.items()}
        self._slots.hold(cell[0] for cell in self._used)
        return plain

    def check(self, root: Root) -> None:
        """Read all that a snapshot names, and take over nothing (DataFolderError: changed on disk)."""
        parts: dict[str, Any] = unpack(b"".join(map(self._slots.get, root)))
        for _, cells in parts.pop("blocks").values():
            for cell in cells.values():
                self._slots.get(cell)
        for value in parts.values():
            self._unpacked(value)

    def _reader(self, cells: Mapping[int, Cell]) -> Callable[[int], bytes]:
        return lambda number: self._slots.get(cells[number])

    def read_layout_2(self, reference: Any) -> dict[str, Any]:
        """All parts, plain, as the layout before kept them: one file, pickled."""
        parts: dict[str, Any] = unpack(self._slots.read(reference))
        return parts

    def _changed(self, name: str, part: Blocks) -> tuple[object, dict[int, Cell]]:
        about, changed = part.blocks()
        cells = self._blocks.setdefault(name, {})
        self._fresh.append((block, cells, number) for number, block in changed)
        return about, cells

    def _put_fresh(self) -> None:
        """All that has no cell yet, at once: hashes are made beside the writing."""
        fresh, self._fresh = self._fresh, []
        places = []

        def blocks() -> Iterator[NDArray[Any]]:
            for block, cells, at in chain.from_iterable(fresh):
                places.append((cells, at))
                yield block

        put = self._slots.put_all(blocks())
        for (cells, at), cell in zip(places, put, strict=True):
            cells[at] = cell

    def _packed(self, path: tuple[object, ...], value: object) -> object:
        """The same value with its large runs of bytes in cells."""
        if isinstance(value, bytes) and len(value) > LARGE:
            return (PIECES, self._pieces(path, np.frombuffer(value, np.uint8)))
        if isinstance(value, tuple) and len(value) <= MANY:
            return tuple([self._packed((*path, at), one) for at, one in enumerate(value)])
        return value

    def _unpacked(self, value: Any) -> Any:
        if not isinstance(value, tuple) or len(value) > MANY:
            return value
        if len(value) == 2 and value[0] == PIECES:
            self._used += value[1]
            return b"".join(map(self._slots.get, value[1]))
        return tuple(map(self._unpacked, value))

    def _pieces(self, path: tuple[object, ...], data: NDArray[np.uint8]) -> list[Cell]:
        before, cells = self._before.get(path, (data[:0], []))
        if len(data) == len(before) and data.ctypes.data == before.ctypes.data:  # the very same bytes
            self._written[path] = (before, cells)
            return cells
        begins = range(0, len(data), CELL)
        pieces = [data[begin : begin + CELL] for begin in begins]
        same = [
            np.array_equal(piece, before[begin : begin + CELL]) for begin, piece in zip(begins, pieces, strict=True)
        ]
        kept = [cells[at] if is_same else NOWHERE for at, is_same in enumerate(same)]
        self._fresh.append([(pieces[at], kept, at) for at, is_same in enumerate(same) if not is_same])
        self._written[path] = (data, kept)
        return kept

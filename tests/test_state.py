"""Snapshots of an engine's parts: only what changed is written, and what comes back is the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.errors import DataFolderError
from andon.slots import CELL, KEEP, SlotFiles
from flows.state import StateFiles

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.integers(),
        st.text(max_size=5),
        st.binary(max_size=5),
        st.integers(0, 5).map(lambda n: bytes(n * 40_000)),
    ),
    lambda inner: st.tuples(inner, inner),
    max_leaves=6,
)


class Numbers:
    """Blocks of one number each."""

    def __init__(self) -> None:
        self.kept: dict[int, int] = {}
        self.fresh: set[int] = set()

    def note(self, at: int, number: int) -> None:
        self.kept[at] = number
        self.fresh.add(at)

    def blocks(self):
        def changed():
            for at in sorted(self.fresh):
                yield at, np.frombuffer(np.int64(self.kept[at]).tobytes(), np.uint8)
            self.fresh = set()

        return ("numbers", len(self.kept)), changed()

    def restore_blocks(self, about, numbers, read) -> None:
        assert about == ("numbers", len(numbers))
        self.kept = {at: int(np.frombuffer(read(at), np.int64)[0]) for at in numbers}


@given(
    st.lists(
        st.tuples(st.dictionaries(st.sampled_from("abc"), VALUES), st.lists(st.integers(0, 9))), min_size=1, max_size=8
    )
)
@settings(max_examples=60, deadline=None)
def test_each_of_the_last_snapshots_comes_back(tmp_path_factory, epochs):
    folder = tmp_path_factory.mktemp("state")
    files, part, kept = StateFiles(SlotFiles(folder)), Numbers(), []
    for epoch, (plain, changed) in enumerate(epochs):
        for at in changed:
            part.note(at, epoch)
        kept.append((files.write(plain, {"numbers": part}), plain, dict(part.kept)))
    for root, plain, numbers in kept[-KEEP:]:
        again = Numbers()
        assert StateFiles(SlotFiles(folder)).read(root, {"numbers": again}) == plain
        assert again.kept == numbers


def test_only_what_changed_is_written_and_the_file_stops_growing(tmp_path, monkeypatch):
    written = []
    write = SlotFiles._write
    monkeypatch.setattr(SlotFiles, "_write", lambda self, data: written.append(len(data)) or write(self, data))
    files, part = StateFiles(SlotFiles(tmp_path)), Numbers()
    large = bytearray(3 * CELL + 100)
    for epoch in range(30):
        part.note(epoch % 3, epoch)
        large[CELL + 5] = epoch
        root = files.write({"large": bytes(large), "small": (epoch, "text")}, {"numbers": part})
        sizes, written[:] = list(written), []
        if epoch > 3:
            assert sizes[:2] == [CELL, 8]  # the piece that changed, the block that changed
            assert sum(sizes[2:]) < 1_000  # the root
    cells = -(-(tmp_path / "cells.slot").stat().st_size // CELL)
    assert cells <= 3 + 4 + 1 + 3 * (KEEP + 1)
    assert StateFiles(SlotFiles(tmp_path)).read(root, {"numbers": part}) == {
        "large": bytes(large),
        "small": (29, "text"),
    }


@pytest.mark.parametrize("spoiled", ["root", "piece", "block"])
def test_every_cell_is_checked(tmp_path, spoiled):
    files, part = StateFiles(SlotFiles(tmp_path)), Numbers()
    part.note(0, 7)
    root = files.write({"large": bytes(5_000)}, {"numbers": part})
    number = {"piece": 0, "block": 1, "root": 2}[spoiled]
    with (tmp_path / "cells.slot").open("r+b") as file:
        file.seek(number * CELL)
        file.write(b"\xff")
    with pytest.raises(DataFolderError, match="cells"):
        StateFiles(SlotFiles(tmp_path)).read(root, {"numbers": Numbers()})


def test_a_run_that_some_snapshots_lack_is_written_again(tmp_path):
    files = StateFiles(SlotFiles(tmp_path))
    files.write({"a": bytes(5_000)}, {})
    for epoch in range(2 * KEEP):
        files.write({"b": bytes([epoch]) * 5_000}, {})
    root = files.write({"a": bytes(5_000)}, {})
    assert StateFiles(SlotFiles(tmp_path)).read(root, {}) == {"a": bytes(5_000)}


def test_after_a_disk_that_was_full_the_next_snapshot_is_whole(tmp_path, monkeypatch):
    files, part = StateFiles(SlotFiles(tmp_path)), Numbers()
    part.note(0, 7)
    files.write({"a": bytes(5_000)}, {"numbers": part})
    part.note(1, 8)

    def full(*_args: object) -> int:
        raise OSError(28, "no space left")

    with monkeypatch.context() as patch:
        patch.setattr("andon.slots.os.pwrite", full)
        with pytest.raises(OSError, match="no space"):
            files.write({"a": b"a" * 5_000}, {"numbers": part})
    root = files.write({"a": b"a" * 5_000}, {"numbers": part})
    restored = Numbers()
    assert StateFiles(SlotFiles(tmp_path)).read(root, {"numbers": restored}) == {"a": b"a" * 5_000}
    assert restored.kept == {0: 7, 1: 8}

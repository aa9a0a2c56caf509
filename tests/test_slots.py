"""Cells: what the last snapshots name stays, what was changed is refused, the file stops growing."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from andon.errors import DataFolderError
from andon.slots import AT_ONCE, CELL, KEEP, SlotFiles


def snapshot(slots: SlotFiles, *contents: bytes, also=()):
    """One snapshot of these contents and of cells that were there before."""
    cells = [slots.put(content) for content in contents]
    slots.commit(cell[0] for cell in (*cells, *also))
    return cells


def test_the_last_snapshots_stay_readable(tmp_path):
    slots, written = SlotFiles(tmp_path), []
    for at in range(20):
        contents = [bytes([at, part]) * (50 - at) for part in range(3)]
        written.append((snapshot(slots, *contents), contents))
    for cells, contents in written[-KEEP:]:
        assert [SlotFiles(tmp_path).get(cell) for cell in cells] == contents
    assert (tmp_path / "cells.slot").stat().st_size <= 3 * (KEEP + 1) * CELL


def test_a_cell_that_has_not_changed_is_named_again_and_kept(tmp_path):
    slots = SlotFiles(tmp_path)
    (old,) = snapshot(slots, b"once")
    for at in range(3 * KEEP):
        snapshot(slots, bytes([at]), also=[old])
    assert slots.get(old) == b"once"
    for at in range(KEEP + 1):
        snapshot(slots, bytes([at]))
    with pytest.raises(DataFolderError, match="cells"):
        slots.get(old)


def test_cells_in_use_are_not_written_over_after_a_restart(tmp_path):
    cells = snapshot(SlotFiles(tmp_path), b"state", b"more")
    slots = SlotFiles(tmp_path)
    slots.hold(cell[0] for cell in cells)
    assert [slots.get(cell) for cell in cells] == [b"state", b"more"]
    for at in range(KEEP - 1):
        snapshot(slots, bytes([at]), bytes([at]))
    assert [slots.get(cell) for cell in cells] == [b"state", b"more"]


def test_what_was_put_since_the_last_snapshot_is_not_written_over(tmp_path):
    slots = SlotFiles(tmp_path)
    cells = [slots.put(bytes([at])) for at in range(10)]
    assert len({number for number, _, _ in cells}) == 10
    assert [slots.get(cell) for cell in cells] == [bytes([at]) for at in range(10)]


def test_a_changed_cell_is_refused(tmp_path):
    (cell,) = snapshot(SlotFiles(tmp_path), b"state")
    (tmp_path / "cells.slot").write_bytes(b"stale")
    with pytest.raises(DataFolderError, match="cells"):
        SlotFiles(tmp_path).get(cell)


def test_a_cell_holds_a_pane_of_a_block_and_no_more(tmp_path):
    slots, data = SlotFiles(tmp_path), np.arange(CELL, dtype=np.uint8)
    assert slots.get(slots.put(data)) == data.tobytes()
    with pytest.raises(ValueError, match="73729 bytes for a cell of 73728"):
        slots.put(bytes(CELL + 1))


@pytest.mark.parametrize("begins_early", [True, False], ids=["sync_file_range", "a system without it"])
def test_any_number_of_blocks_comes_back_in_its_order(tmp_path, begins_early):
    slots = SlotFiles(tmp_path)
    if not begins_early:
        slots._sync_file_range = None
    blocks = [bytes([at % 251]) * (at * 97 % CELL) for at in range(2 * AT_ONCE + 3)]
    cells = slots.put_all(iter(blocks))
    slots.commit(cell[0] for cell in cells)
    assert [(length, digest) for _, length, digest in cells] == [
        (len(block), hashlib.sha256(block).digest()) for block in blocks
    ]
    assert [SlotFiles(tmp_path).get(cell) for cell in cells] == blocks
    assert slots.put_all([]) == []


def test_files_of_the_layout_before_are_read_and_go_when_nothing_names_them(tmp_path):
    (tmp_path / "3.slot").write_bytes(b"old state, longer before")
    slots = SlotFiles(tmp_path)
    reference = (3, 9, hashlib.sha256(b"old state").hexdigest())
    assert slots.read(reference) == b"old state"
    with pytest.raises(DataFolderError, match="slot"):
        slots.read((3, 8, reference[2]))
    for at in range(KEEP):
        snapshot(slots, bytes([at]))
    assert slots.read(reference) == b"old state"
    snapshot(slots, b"one more")
    assert not (tmp_path / "3.slot").exists()

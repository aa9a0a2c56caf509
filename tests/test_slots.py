"""Slot files: what the last snapshots name stays, what was changed is refused."""

from __future__ import annotations

import pytest

from andon.errors import DataFolderError
from andon.slots import KEEP, SlotFiles


def test_the_last_snapshots_stay_readable(tmp_path):
    slots = SlotFiles(tmp_path)
    written = [(slots.write(bytes([at]) * (50 - at)), bytes([at]) * (50 - at)) for at in range(20)]
    for reference, data in written[-KEEP:]:
        assert SlotFiles(tmp_path).read(reference) == data
    assert len(list(tmp_path.iterdir())) <= KEEP + 1


def test_a_slot_in_use_is_not_written_over_after_a_restart(tmp_path):
    reference = SlotFiles(tmp_path).write(b"state")
    slots = SlotFiles(tmp_path)
    assert slots.read(reference) == b"state"
    for at in range(KEEP - 1):
        slots.write(bytes([at]))
    assert slots.read(reference) == b"state"


def test_a_changed_slot_is_refused(tmp_path):
    reference = SlotFiles(tmp_path).write(b"state")
    (tmp_path / f"{reference[0]}.slot").write_bytes(b"stale")
    with pytest.raises(DataFolderError, match="slot"):
        SlotFiles(tmp_path).read(reference)

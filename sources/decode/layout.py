"""The record that the kernels fill for each row, and the numbers they use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from andon.readings import Reason


def offsets_of(record: np.dtype[np.void]) -> list[int]:
    """Where the fields of a record begin, in their order, bytes."""
    fields: Mapping[str, tuple[Any, ...]] = record.fields or {}
    return [fields[name][1] for name in record.names or ()]


ROW = np.dtype([
    ("time_ns", "i8"), ("value", "f8"),
    ("start", "i8"), ("end", "i8"),  # its bytes, from the message's first on; all of it when it is the only row
    ("offset", "i8"), ("received_ns", "i8"),  # of its message
    ("message", "i4"), ("line", "i4"),  # index of its message in the call, and its index in there
    ("place", "i4"),  # in the series table, -1 none
    ("at_row", "i4"),  # good rows of the call before it
    ("verdict", "u1"), ("status", "u1"), ("unused", "V6"),
])  # fmt: skip
ROW_BYTES = ROW.itemsize
(
    TIME, VALUE, START, END, OFFSET, RECEIVED, MESSAGE, LINE, PLACE, AT_ROW, VERDICT, STATUS, _,
) = offsets_of(ROW)  # fmt: skip

# what a call has put out so far; a broken array takes its rows back, so slow and unseen only say "maybe"
COUNTS = np.dtype([
    ("good", "i8"), ("other", "i8"), ("slow", "i8"), ("unseen", "i8"), ("template", "i8"),
    ("pending", "i8"), ("current", "i8"),  # rows found by a template and not put out yet; the template of the last one
    ("sample", "i8"), ("sample_start", "i8"), ("sample_end", "i8"),  # message and bytes of a good row of no template
])  # fmt: skip
GOOD, OTHER, SLOW_ROWS, UNSEEN, TEMPLATE_ROWS, PENDING, CURRENT, SAMPLE, SAMPLE_START, SAMPLE_END = offsets_of(COUNTS)

# verdicts beside the Reasons
OK = 0
SLOW = 100  # JSON, but Python must read it
TICK = 101
EVENT = 102  # given after the slow path only
BLOCK = 103  # the same, of a waveform

NOT_JSON, NOT_AN_OBJECT = int(Reason.not_json), int(Reason.not_an_object)
MISSING_FIELD, WRONG_TYPE = int(Reason.missing_field), int(Reason.wrong_type)
UNKNOWN_SERIES, UNIT_MISMATCH = int(Reason.unknown_series), int(Reason.unit_mismatch)
STAMP_UNREADABLE, STAMP_NAIVE = int(Reason.stamp_unreadable), int(Reason.stamp_naive)
STAMP_IN_FUTURE, UNKNOWN_STATE = int(Reason.stamp_in_future), int(Reason.unknown_state)
TOO_LARGE, UNKNOWN_EVENT = int(Reason.too_large), int(Reason.unknown_event)
WRONG_PARTITION = int(Reason.wrong_partition)

# what a field holds
ABSENT, STRING, WHOLE, REAL, TRUE, FALSE, NULL, NESTED = 0, 1, 2, 3, 4, 5, 6, 7

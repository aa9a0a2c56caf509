"""Rows that kernels put out as records to dead letters: their columns, and their bytes one behind the other.

A bad row must not cost much more than a good one, or a producer gone wrong is dear for all the others of its shard.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import I32, I64, U8, DeadLetters, Messages
from sources.decode.block import SAMPLES
from sources.decode.layout import (
    END,
    LINE,
    MESSAGE,
    MISSING_FIELD,
    OFFSET,
    PLACE,
    RECEIVED,
    ROW_BYTES,
    SLOW,
    START,
    VERDICT,
)  # fmt: skip
from sources.decode.memory import address, byte_at, int32_at, int64_at, put_byte, put_int64, word_at

_SAMPLES_WORD, _SAMPLES_LAST = np.uint64(int.from_bytes(SAMPLES[:8], "little")), SAMPLES[8]
_SAMPLES_BYTES = len(SAMPLES)
_SLACK = 8  # a row's bytes are copied as whole words


@njit(nogil=True, cache=True, error_model="numpy")
def survey(records: int, count: int, text: int, ends: I64, seen: bool) -> tuple[int, int, int]:
    """(dead rows, their bytes, rows left to Python) among the `layout.ROW`s at an address.

    Rows that lack a field and have samples somewhere may be waveforms: they become SLOW, which the last number counts.
    text: address of the messages' text. ends: int64[messages], as in `Messages`. seen: Python has read what is SLOW.
    """
    dead, size, left = 0, 0, 0
    for row in range(records, records + count * ROW_BYTES, ROW_BYTES):
        verdict = byte_at(row + VERDICT)
        if verdict >= SLOW:
            continue
        if verdict == MISSING_FIELD and not seen:
            begin = _begin(int32_at(row + MESSAGE), text, ends)
            if _has_samples(begin + int64_at(row + START), begin + int64_at(row + END)):
                put_byte(row + VERDICT, SLOW)
                left += 1
                continue
        dead += 1
        size += int64_at(row + END) - int64_at(row + START)
    return dead, size, left


@njit(nogil=True, cache=True, error_model="numpy")
def _begin(message: int, text: int, ends: I64) -> int:
    """Address of the first byte of a message."""
    return text + ends[message - 1] + 1 if message > 0 else text


@njit(nogil=True, cache=True, error_model="numpy")
def _has_samples(i: int, stop: int) -> bool:
    for k in range(i, stop - _SAMPLES_BYTES + 1):
        if word_at(k) == _SAMPLES_WORD and byte_at(k + 8) == _SAMPLES_LAST:
            return True
    return False


@njit(nogil=True, cache=True, error_model="numpy")
def _gather(
    records: int, count: int, text: int, ends: I64, ids: I32,
    offset: I64, line: I32, received_ns: I64, reason: U8, series: I32, sizes: I64, raw: int,
) -> None:  # fmt: skip
    """Columns of the dead rows among the records, as many as `survey` found; raw: room for their bytes and `_SLACK`."""
    n = 0
    for row in range(records, records + count * ROW_BYTES, ROW_BYTES):
        verdict = byte_at(row + VERDICT)
        if verdict >= SLOW:
            continue
        begin = _begin(int32_at(row + MESSAGE), text, ends)
        size = int64_at(row + END) - int64_at(row + START)
        begin += int64_at(row + START)
        for k in range(0, size, 8):
            put_int64(raw + k, int64_at(begin + k))
        raw += size
        place = int32_at(row + PLACE)
        offset[n], line[n], received_ns[n] = int64_at(row + OFFSET), int32_at(row + LINE), int64_at(row + RECEIVED)
        reason[n], series[n], sizes[n] = verdict, ids[place] if place >= 0 else -1, size
        n += 1


def dead_letters(records: NDArray[np.void], dead: int, size: int, messages: Messages, ids: I32) -> DeadLetters:
    """The dead rows among records of `layout.ROW`, in their order.

    dead, size: as `survey` counts them. ids: int32 by place, the series' dense ids.
    """
    offset, received_ns, sizes = (np.empty(dead, np.int64) for _ in range(3))
    line, series, reason = np.empty(dead, np.int32), np.empty(dead, np.int32), np.empty(dead, np.uint8)
    raw, text = np.empty(size + _SLACK, np.uint8), np.frombuffer(messages.text, np.uint8)
    _gather(
        address(records), len(records), address(text), messages.ends, ids,
        offset, line, received_ns, reason, series, sizes, address(raw),
    )  # fmt: skip
    read = BytesIO(raw.data).read  # a fifth of what slicing a text costs
    return DeadLetters(offset, line, received_ns, reason, series, list(map(read, sizes.tolist())))

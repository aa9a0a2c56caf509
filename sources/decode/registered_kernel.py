"""Messages in the framing of a schema registry: a byte 0, the id of their schema, and bytes that only it explains."""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from andon.readings import I32, I64
from sources.decode.avro_kernel import read_avro
from sources.decode.binary import GARBLED, Rows, put_row, unzigzag, varint
from sources.decode.layout import TOO_LARGE
from sources.decode.memory import byte_at, int64_at, put_int64
from sources.decode.protobuf_kernel import read_protobuf
from sources.decode.table import Addresses

HEADER = 5  # bytes before the value, or before the list of indices of Protobuf
AVRO, PROTOBUF = 0, 1
NO_PROGRAM = -1
_DEEPEST, _LARGEST = 7, 254  # indices on the way to a message type, and each of them


class Work(NamedTuple):
    """Addresses that a call works with: programs (kind, steps, texts: three int64 each), stack, slots."""

    programs: int
    stack: int
    slots: int


@njit(nogil=True, cache=True, error_model="numpy")
def read_headers(text: int, ends: I64, ids: I64, types: I64, begins: I64) -> None:
    """Of each of m messages the id of its schema, -1 without one, and what it is to Protobuf.

    text, ends: address of the text, and ends, of `Messages`. Writes ids, types, begins: int64[m]. types: the indices on
    the way to the message type, plus one each, 8 bits each from the lowest; -1 where they are garbled. begins: index
    in text of the value behind them.
    """
    begin = 0
    for m in range(ends.shape[0]):
        end = ends[m]
        ids[m], types[m], begins[m] = -1, -1, end
        if end - begin >= HEADER:
            at = text + begin
            ids[m] = byte_at(at + 1) << 24 | byte_at(at + 2) << 16 | byte_at(at + 3) << 8 | byte_at(at + 4)
            types[m], behind = _type(at + HEADER, text + end)
            begins[m] = behind - text
        begin = end + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _type(i: int, end: int) -> tuple[int, int]:
    count, i = varint(i, end)
    count = unzigzag(count)
    if i < 0 or not 0 <= count <= _DEEPEST:
        return -1, end
    if count == 0:  # short for the first type
        return 1, i
    packed = 0
    for k in range(count):
        index, i = varint(i, end)
        index = unzigzag(index)
        if i < 0 or not 0 <= index <= _LARGEST:
            return -1, end
        packed |= (index + 1) << (8 * k)
    return packed, i


@njit(nogil=True, cache=True, error_model="numpy")
def read_registered(
    text: int, ends: I64, received_ns: I64, begins: I64, program: I32, missing: int, future_ns: int, max_bytes: int,
    work: Work, rows: Rows, table: Addresses,
) -> None:  # fmt: skip
    """Put out the rows of m messages in their order; a message that its schema does not explain is one row.

    begins: int64[m], index in text where the value begins. program: int32[m], which program reads it, or `NO_PROGRAM`:
    a dead letter for the reason `missing`. rows: with room for sum(lengths) / least bytes of a row + m.
    """
    begin = 0
    for m in range(ends.shape[0]):
        end, latest_ns = ends[m], received_ns[m] + future_ns
        if end - begin > max_bytes:
            put_row(rows, TOO_LARGE, m, 0, 0, end - begin, 0)
        elif program[m] < 0:
            put_row(rows, missing if end - begin >= HEADER else GARBLED, m, 0, 0, end - begin, 0)
        else:
            one, so_far = work.programs + 24 * program[m], int64_at(rows.counter)
            kind, code, texts = int64_at(one), int64_at(one + 8), int64_at(one + 16)
            i, stop = text + begins[m], text + end
            if kind == AVRO:
                i = read_avro(
                    i, stop, code, texts, work.stack, work.slots, rows, latest_ns, table, m, text + begin
                )  # fmt: skip
            else:
                i = read_protobuf(
                    i, stop, code, texts, work.stack, work.slots, rows, latest_ns, table, m, text + begin
                )  # fmt: skip
            if i != stop:
                put_int64(rows.counter, so_far)
                put_row(rows, GARBLED, m, 0, 0, end - begin, 0)
        begin = end + 1

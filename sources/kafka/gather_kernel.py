"""Copies librdkafka's messages into columns, no Python object for each. Works on addresses, as sources/decode does.

The layout is the public one of rd_kafka_message_t (rdkafka.h) on 64-bit machines; `GatherClient` checks it at run time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # it ships no types
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from sources.decode.memory import int32_at, int64_at, put_byte, put_int64

ERROR, PAYLOAD, LENGTH, OFFSET = 0, 24, 32, 56  # bytes from the begin of a message
POINTER = 8
USED, GOOD, BAD = 0, 8, 16  # bytes from the begin of the counts


@intrinsic
def _one_argument(_typing: Any, _function: Any, _argument: Any) -> Any:
    """f(function, argument): calls a C function void(void *) by its address."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


call_1: Any = _one_argument


@intrinsic
def _two_arguments(_typing: Any, _function: Any, _one: Any, _two: Any) -> Any:
    """f(function, one, two): calls a C function int64(void *, void *) by its address."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(64)])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1], args[2]])

    return types.int64(types.int64, types.int64, types.int64), generate


call_2: Any = _two_arguments


@intrinsic
def _copy(_typing: Any, _to: Any, _begin: Any, _size: Any) -> Any:
    """f(to, begin, size): the C library's memcpy."""

    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        to, begin = builder.inttoptr(args[0], byte), builder.inttoptr(args[1], byte)
        cgutils.raw_memcpy(builder, to, begin, args[2], 1)  # type: ignore[no-untyped-call]  # numba has no types
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


copy: Any = _copy


@njit(nogil=True, cache=True)
def measure(messages: int, begin: int, count: int) -> int:
    """Bytes of the good ones of messages begin .. count - 1, a byte 0 behind each. messages: address of pointers."""
    size = 0
    for at in range(begin, count):
        message = int64_at(messages + POINTER * at)
        if int32_at(message + ERROR) == 0:
            size += int64_at(message + LENGTH) + 1
    return size


@njit(nogil=True, cache=True)
def gather(
    messages: int, begin: int, count: int, text: int, room: int, columns: int, capacity: int, counts: int, failed: int,
    timestamp: int, scratch: int, destroy: int,
) -> int:  # fmt: skip
    """Append messages begin .. count - 1 to columns, as far as there is room; the number of the first that has none.

    messages: address of pointers; what has been taken is given back by `destroy` (0: is not). text: address of `room`
    bytes; a byte 0 follows each body. columns: address of int64[3, capacity]: ends, offsets, stamps; there must be
    room in it. counts: of int64[3]: bytes used, good messages so far, and failures of this call. failed: of an int64
    pair (error, offset) for each. timestamp: librdkafka's function; scratch: 8 bytes for what it says besides.
    """
    used, good, bad = int64_at(counts + USED), int64_at(counts + GOOD), 0
    at = begin
    while at < count:
        message = int64_at(messages + POINTER * at)
        error = int32_at(message + ERROR)
        if error == 0:
            length = int64_at(message + LENGTH)
            if used + length + 1 > room:
                break
            copy(text + used, int64_at(message + PAYLOAD), length)
            used += length
            put_byte(text + used, 0)
            row = columns + 8 * good
            put_int64(row, used)
            put_int64(row + 8 * capacity, int64_at(message + OFFSET))
            put_int64(row + 16 * capacity, call_2(timestamp, message, scratch))
            used += 1
            good += 1
        else:
            put_int64(failed + 16 * bad, error)
            put_int64(failed + 16 * bad + 8, int64_at(message + OFFSET))
            bad += 1
        if destroy != 0:
            call_1(destroy, message)
        at += 1
    put_int64(counts + USED, used)
    put_int64(counts + GOOD, good)
    put_int64(counts + BAD, bad)
    return at


@njit(nogil=True, cache=True)
def destroy_all(messages: int, count: int, destroy: int) -> None:
    """Give the messages back to librdkafka. destroy: address of its function."""
    for at in range(count):
        call_1(destroy, int64_at(messages + POINTER * at))

"""Copies librdkafka's messages into columns, no Python object for each. Works on addresses, as sources/decode does.

The layout is the public one of rd_kafka_message_t (rdkafka.h) on 64-bit machines; `GatherClient` checks it at run time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # it ships no types
from numba import njit, types
from numba.extending import intrinsic

from sources.decode.memory import byte_at, int32_at, int64_at, put_byte, put_int64

ERROR, PAYLOAD, LENGTH, OFFSET = 0, 24, 32, 56  # bytes from the begin of a message
POINTER = 8


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


@njit(nogil=True, cache=True)
def measure(messages: int, count: int) -> tuple[int, int]:
    """Bytes of all good messages, and how many are good. messages: address of `count` pointers."""
    size = good = 0
    for at in range(count):
        message = int64_at(messages + POINTER * at)
        if int32_at(message + ERROR) == 0:
            size += int64_at(message + LENGTH)
            good += 1
    return size, good


@njit(nogil=True, cache=True)
def gather(
    messages: int, count: int, text: int, ends: int, offset: int, stamp_ms: int, failed: int, timestamp: int,
    scratch: int,
) -> None:  # fmt: skip
    """Copy good messages to text, each followed by one byte 0, and their columns; of the others (error, offset) pairs.

    All arguments but count are addresses. ends, offset, stamp_ms: int64 for each good message; failed: int64 pairs.
    timestamp: librdkafka's function; scratch: 8 bytes for what it says besides.
    """
    place = text
    good = bad = 0
    for at in range(count):
        message = int64_at(messages + POINTER * at)
        error = int32_at(message + ERROR)
        if error != 0:
            put_int64(failed + 16 * bad, error)
            put_int64(failed + 16 * bad + 8, int64_at(message + OFFSET))
            bad += 1
            continue
        payload, length = int64_at(message + PAYLOAD), int64_at(message + LENGTH)
        words = length & ~7
        for byte in range(0, words, 8):
            put_int64(place + byte, int64_at(payload + byte))
        for byte in range(words, length):  # not one byte further than the message: what is behind may not be ours
            put_byte(place + byte, byte_at(payload + byte))
        place += length
        put_byte(place, 0)
        put_int64(ends + 8 * good, place - text)
        put_int64(offset + 8 * good, int64_at(message + OFFSET))
        put_int64(stamp_ms + 8 * good, call_2(timestamp, message, scratch))
        place += 1
        good += 1


@njit(nogil=True, cache=True)
def destroy_all(messages: int, count: int, destroy: int) -> None:
    """Give the messages back to librdkafka. destroy: address of its function."""
    for at in range(count):
        call_1(destroy, int64_at(messages + POINTER * at))

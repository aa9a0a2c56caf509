"""Loads and stores by address for the parsers' kernels.

The kernels pass addresses (int64) instead of arrays, and a position in a message is an address. Arrays as arguments
were tried: numba counts references of each array at each call, 1.3 of 1.5 us a row. What this costs: nobody checks
bounds. So the arrays are held by the Python wrappers while a kernel runs, messages end in a sentinel that no JSON goes
over, and indices into tables come from the tables themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it ships no types
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray


def _load(number: Any, native: Any) -> Any:
    """An intrinsic f(address) that gives the value of LLVM type `native` there as numba type `number`."""

    @intrinsic
    def load(_typing: Any, _address: Any) -> Any:
        def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            value = builder.load(builder.inttoptr(args[0], native.as_pointer()))
            value.align = 1
            if isinstance(native, ir.IntType) and native.width < number.bitwidth:
                return (builder.sext if native.width == 32 else builder.zext)(value, ir.IntType(number.bitwidth))
            return value

        return number(types.int64), generate

    return load


def _store(number: Any, native: Any) -> Any:
    """An intrinsic f(address, value) that stores a value of numba type `number` as LLVM type `native`."""

    @intrinsic
    def store(_typing: Any, _address: Any, _value: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            value = args[1]
            if isinstance(native, ir.IntType) and native.width < number.bitwidth:
                value = builder.trunc(value, native)
            builder.store(value, builder.inttoptr(args[0], native.as_pointer()), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, number), generate

    return store


byte_at = _load(types.int64, ir.IntType(8))  #: the unsigned byte at an address, as int64
word_at = _load(types.uint64, ir.IntType(64))  #: 8 bytes, little endian, as uint64
int64_at = _load(types.int64, ir.IntType(64))
int32_at = _load(types.int64, ir.IntType(32))
float64_at = _load(types.float64, ir.DoubleType())
put_byte = _store(types.int64, ir.IntType(8))
put_int32 = _store(types.int64, ir.IntType(32))
put_int64 = _store(types.int64, ir.IntType(64))
put_float64 = _store(types.float64, ir.DoubleType())


@intrinsic
def _low_byte(_typing: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        zeros = builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))
        return builder.lshr(zeros, ir.Constant(ir.IntType(64), 3))

    return types.int64(types.uint64), generate


low_byte: Any = _low_byte  #: index (int64) of the lowest byte that is not zero in a word (uint64) that is not zero


def address(array: NDArray[Any]) -> int:
    """Where an array's first element is. The caller keeps the array."""
    if not array.flags.c_contiguous:
        raise ValueError("an array with gaps has no use for its address")
    return int(array.__array_interface__["data"][0])  # half the time of .ctypes.data


def text_buffer(raw: bytes) -> NDArray[np.uint8]:
    """A buffer with the sentinel and the padding that the parsers need behind a text."""
    return np.frombuffer(raw + b"\0" * 16, np.uint8)

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
float32_at = _load(types.float32, ir.FloatType())
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

VECTOR_BYTES = 32  # that `string_end` reads


@intrinsic
def _string_end(_typing: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        vector, bits = ir.VectorType(ir.IntType(8), VECTOR_BYTES), ir.IntType(VECTOR_BYTES)
        text = builder.load(builder.inttoptr(args[0], vector.as_pointer()))
        text.align = 1
        hits = builder.icmp_unsigned("<", text, ir.Constant(vector, [32] * VECTOR_BYTES))
        for mark in (34, 92):
            hits = builder.or_(hits, builder.icmp_unsigned("==", text, ir.Constant(vector, [mark] * VECTOR_BYTES)))
        place = builder.cttz(builder.bitcast(hits, bits), ir.Constant(ir.IntType(1), 0))
        return builder.zext(place, ir.IntType(64))

    return types.int64(types.int64), generate


string_end: Any = _string_end  #: index of the first quote, backslash or control among 32 bytes; 32 when there is none

NUMBER_BYTES = 32  # that `not_digits` reads


@intrinsic
def _not_digits(_typing: Any, _address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), NUMBER_BYTES)
        text = builder.load(builder.inttoptr(args[0], vector.as_pointer()))
        text.align = 1
        places = builder.sub(text, ir.Constant(vector, [48] * NUMBER_BYTES))
        others = builder.icmp_unsigned(">", places, ir.Constant(vector, [9] * NUMBER_BYTES))
        return builder.zext(builder.bitcast(others, ir.IntType(NUMBER_BYTES)), ir.IntType(64))

    return types.uint64(types.int64), generate


not_digits: Any = _not_digits  #: a bit (uint64) for each of 32 bytes that is no digit, the first the lowest


@intrinsic
def _same_16(_typing: Any, _text: Any, _fixed: Any, _mask: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        text, fixed, mask = (builder.load(builder.inttoptr(one, wide.as_pointer())) for one in args)
        text.align = fixed.align = mask.align = 1
        return builder.icmp_unsigned("==", builder.and_(builder.xor(text, fixed), mask), ir.Constant(wide, 0))

    return types.boolean(types.int64, types.int64, types.int64), generate


same_16: Any = _same_16  #: whether 16 bytes at one address are those at a second, where a mask at a third has ones


@intrinsic
def _prefetch(_typing: Any, _address: Any) -> Any:
    def generate(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        number, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", (byte,), kind)
        hints = [ir.Constant(number, hint) for hint in (0, 3, 1)]  # to read, keep, data
        builder.call(function, [builder.inttoptr(args[0], byte), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), generate


prefetch: Any = _prefetch  #: start to fetch the cache line of an address; any address will do


@intrinsic
def _low_bit(_typing: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate


low_bit: Any = _low_bit  #: index (int64) of the lowest bit that is set in a word (uint64); 64 when none is


@intrinsic
def _unseen(_typing: Any, _number: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        return builder.call(ir.InlineAsm(kind, "", "=r,0"), [args[0]])

    return types.int64(types.int64), generate


unseen: Any = _unseen  #: the same int64, of which the compiler then knows nothing


def address(array: NDArray[Any]) -> int:
    """Where an array's first element is. The caller keeps the array."""
    if not array.flags.c_contiguous:
        raise ValueError("an array with gaps has no use for its address")
    if array.dtype.names is not None:  # whose fields the other way would describe one by one
        return int(array.ctypes.data)
    return int(array.__array_interface__["data"][0])  # half the time of .ctypes.data


def text_buffer(raw: bytes) -> NDArray[np.uint8]:
    """A buffer with the sentinel and the padding that the parsers need behind a text."""
    return np.frombuffer(raw + b"\0" * 16, np.uint8)

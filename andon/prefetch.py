"""Ask the processor for memory before it is needed: with 100,000 series every row misses the caches.

The instruction has no result and no fault: an address outside the array costs nothing but the time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # has no types
from numba import types
from numba.extending import intrinsic

WRITE, KEEP, DATA = 1, 3, 1  # arguments of llvm.prefetch: for writing, into all caches, data


def _prefetch(_typing: Any, array: Any, index: Any) -> Any:
    signature = types.void(array, index)

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(function, [address, number(WRITE), number(KEEP), number(DATA)])
        return context.get_dummy_value()

    return signature, generate


#: prefetch(array, index): bring the cache line of array[index] (one dimension, contiguous) near; index int64
prefetch: Any = intrinsic(_prefetch)

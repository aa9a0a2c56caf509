"""Columns of fetched messages: the kernel against its slow twin, memory that is used again once nobody holds it."""

from __future__ import annotations

import ctypes as c
import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.readings import TEXT_END, Messages
from sources.decode.memory import address
from sources.kafka import gather
from sources.kafka.blocks import KEPT, LARGEST, SMALLEST, Blocks
from sources.kafka.gather_kernel import measure
from sources.kafka.native import Head
from sources.kafka.page import Page

MESSAGE = st.one_of(
    st.tuples(st.just(0), st.binary(max_size=40), st.integers(0, 2**40)),
    st.tuples(st.integers(-200, -1), st.just(b""), st.integers(-1, 2**40)),
)


class Memory:
    """Messages as librdkafka lays them out, with a stamp and a mark of being given back behind each."""

    def __init__(self, messages):
        self.bodies = [np.frombuffer(body or b"\0", np.uint8) for _, body, _ in messages]
        self.heads = (Head * len(messages))()
        self.gone = []
        for head, keep, (error, body, offset) in zip(self.heads, self.bodies, messages, strict=True):
            head.error, head.payload, head.length, head.offset = error, address(keep), len(body), offset
        self.pointers = np.array([c.addressof(head) for head in self.heads], np.int64)
        self.scratch = np.zeros(1, np.int64)
        self._stamp = c.CFUNCTYPE(c.c_int64, c.c_void_p, c.c_void_p)(lambda at, _kind: self._index(at) + 1_000)
        self._destroy = c.CFUNCTYPE(None, c.c_void_p)(lambda at: self.gone.append(self._index(at)))
        self.stamp_at = c.cast(self._stamp, c.c_void_p).value
        self.destroy_at = c.cast(self._destroy, c.c_void_p).value

    def _index(self, at):
        return (at - c.addressof(self.heads)) // c.sizeof(Head)


def gathered(memory, page, size):
    """Everything into the page, in calls of `size` messages that grow it where they must; the failures."""
    failed, found = np.zeros((len(memory.pointers) + 1, 2), np.int64), []
    for begin in range(0, len(memory.pointers), size):
        at, end = begin, min(begin + size, len(memory.pointers))
        while at < end:
            text, columns = page.addresses()
            at = gather.gather(
                address(memory.pointers), at, end, text, page.room, columns, page.rows, address(page.counts),
                address(failed), memory.stamp_at, address(memory.scratch), memory.destroy_at,
            )  # fmt: skip
            found += failed[: page.counts[2]].tolist()
            if at < end:
                page.grow(measure(address(memory.pointers), at, end))
    return found


@given(st.lists(MESSAGE, max_size=30), st.integers(1, 31), st.integers(0, 200))
def test_the_kernel_gives_what_its_twin_gives(messages, size, room):
    good = [(body, offset, at + 1_000) for at, (error, body, offset) in enumerate(messages) if not error]
    memory, page = Memory(messages), Page(len(messages) + 1, room)
    page._block = page._block[: 24 * page.rows + room + len(TEXT_END)]  # else there is always room
    failures = gathered(memory, page, size)
    text, ends, offset, stamp_ms = page.columns()
    assert failures == [[error, offset] for error, _, offset in messages if error]
    assert memory.gone == list(range(len(messages)))  # each given back once
    assert (offset.tolist(), stamp_ms.tolist()) == ([one[1] for one in good], [one[2] for one in good])
    want = Messages.of_columns([one[0] for one in good], offset, stamp_ms)
    assert bytes(text) == bytes(want.text)
    assert ends.tolist() == want.ends.tolist()


@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=5), max_size=5))
def test_python_adds_the_same(portions):
    rows = sum(map(len, portions))
    page, at = Page(rows, 0), 0
    for bodies in portions:
        numbers = np.arange(at, at + len(bodies))
        sizes = np.array([len(body) for body in bodies], np.int64)
        page.add(b"\0".join([*bodies, b""]), sizes, numbers, numbers + 5)
        at += len(bodies)
    text, ends, offset, stamp_ms = page.columns()
    want = Messages.of_columns([body for bodies in portions for body in bodies], offset, stamp_ms)
    assert (bytes(text), ends.tolist()) == (bytes(want.text), want.ends.tolist())
    assert (offset.tolist(), stamp_ms.tolist()) == (list(range(rows)), list(range(5, rows + 5)))


VIEWS = {
    "part": lambda array: array[10:20],
    "part-of-a-part": lambda array: array[10:40][5:],
    "numbers": lambda array: array[:80].view(np.int64).reshape(2, 5)[1],
    "buffer": lambda array: memoryview(array[10:20]),
    "from-a-buffer": lambda array: np.frombuffer(array[8:16], np.uint8),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_block_is_used_again_when_the_last_view_of_it_is_gone(view):
    blocks = Blocks()
    array = blocks.take(100)
    array[:] = 7
    held = view(array)
    where = address(array)
    del array
    other = blocks.take(100)
    assert address(other) != where
    other[:] = 9
    assert set(np.asarray(held).view(np.uint8).tolist()) == {7}
    del held
    gc.collect()
    assert len(blocks.free) == 1
    assert address(blocks.take(100)) == where


def test_blocks_are_few_and_none_is_huge():
    blocks = Blocks()
    del (many := [blocks.take(10) for _ in range(KEPT // SMALLEST + 3)])[:]
    assert [len(block) for block in blocks.free] == [SMALLEST] * (KEPT // SMALLEST)
    assert len(blocks.take(LARGEST + 1)) == LARGEST + 1
    assert max(map(len, blocks.free)) <= LARGEST
    assert many == []
    assert len(blocks._given) == 0

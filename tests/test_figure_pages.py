"""Records of figures in pages: kept, dropped, written once, read back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flows.figure_pages import PAGE, Pages

ACT = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 3 * PAGE), st.integers(0, 3)),
    st.tuples(st.just("drop"), st.integers(0, 40), st.just(0)),
    st.tuples(st.just("snapshot"), st.just(0), st.just(0)),
)


@given(acts=st.lists(ACT, max_size=60))
def test_what_is_kept_is_read_back_after_any_acts_and_restarts(acts):
    pages, cells, kept = Pages(), {}, {}
    for place, (what, size, stream) in enumerate(acts):
        if what == "put":
            data = np.full(size, place % 256, np.uint8).tobytes()
            number = pages.put(data, stream)
            assert number not in kept
            kept[number] = data
        elif what == "drop" and kept:
            number = list(kept)[size % len(kept)]
            pages.drop(number)
            del kept[number]
        elif what == "snapshot":
            about, changed = pages.blocks()
            cells |= {page: block.tobytes() for page, block in changed}
            index, pages = pages.index(), Pages()
            pages.restore_blocks(about, list(cells), cells.__getitem__)
            pages.restore_index(index)
    assert {number: pages.get(number) for number in kept} == kept


def test_pages_are_used_again_and_an_unchanged_one_is_not_written():
    pages = Pages()
    for _ in range(50):
        numbers = [pages.put(bytes(1_000), 0) for _ in range(200)]
        for number in numbers:
            pages.drop(number)
    assert pages.nbytes < 10 * PAGE
    pages.put(b"one", 0)
    assert list(pages.blocks()[1])
    assert not list(pages.blocks()[1])

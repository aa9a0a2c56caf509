"""What was told since the newest snapshot: the same as if all that was told were gone through, without doing so."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.packed import pack, unpack
from flows.figure_pages import Pages
from flows.figure_told import Checked, Now, Told, ToldBook
from operators.machines import Machine, MachineSpec

S = 1_000_000_000
TAG = "weight"


def never(*_: object) -> Machine:
    raise AssertionError("what is told needs no machine")


SPEC = MachineSpec("spc", "line1/filler", TAG, (("line1/filler", TAG),), "1", never, 0)


def book_of() -> ToldBook:
    return ToldBook(SPEC, Pages(), Now())


def tell(book: ToldBook, at_s: int, after_s: int, value: float = 1.0) -> None:
    book.tell(Checked((TAG, at_s * S), (at_s + 1) * S, {"value": value}, {}), after_s * S)


def naive_since(book: ToldBook, time_ns: int) -> dict[tuple[str, int], tuple[int, bytes, int, int]]:
    return {
        key: (one.end_ns, one.digest, one.revision, one.after_ns)
        for key, one in book.told.items()
        if one.after_ns >= time_ns
    }


def since(book: ToldBook, time_ns: int) -> dict[tuple[str, int], tuple[int, bytes, int, int]]:
    rows = book.since(time_ns)
    found = {(tag, start_ns): tuple(one) for tag, start_ns, *one in rows}
    assert len(found) == len(rows)
    return found


class Counted(dict):
    """Counts how often all of it is gone through."""

    runs = 0

    def __iter__(self):
        self.runs += 1
        return super().__iter__()

    def items(self):
        self.runs += 1
        return super().items()

    def values(self):
        self.runs += 1
        return super().values()


def test_an_epoch_looks_at_what_came_since_the_checkpoint_alone():
    book = book_of()
    book.told = counted = Counted()
    for at in range(3600):
        tell(book, at, at)
    assert len(book.since(3540 * S)) == 60
    counted.runs = 0
    for at in range(3600, 3640):
        tell(book, at, at)
        assert list(since(book, 3540 * S)) == [(TAG, one * S) for one in range(3540, at + 1)]
    assert list(since(book, 3600 * S)) == [(TAG, one * S) for one in range(3600, 3640)], "a checkpoint between"
    assert counted.runs == 0


def test_what_is_snapshotted_is_the_same_bytes():
    """Told once each, some again by a job: as a walk through all of it gives them."""
    book = book_of()
    for at in range(100):
        tell(book, at, at)
    book.since(90 * S)
    for at in (93, 96):
        book.missing[TAG, at * S] = book.told.pop((TAG, at * S))
        tell(book, at, 92, value=2.0)
    rows = tuple((*key, *one) for key, one in naive_since(book, 90 * S).items())
    assert pack(book.since(90 * S)) == pack(rows)
    assert [row[1] // S for row in rows[-2:]] == [93, 96]


def test_it_goes_through_all_where_it_is_asked_for_more_than_before():
    book = book_of()
    for at in range(100):
        tell(book, at, at)
    assert len(book.since(90 * S)) == 10
    assert len(book.since(50 * S)) == 50
    assert len(book.since(0)) == 100


def test_what_is_put_into_a_record_is_not_kept_beside_it():
    """Also where nobody asks, as without snapshots of the shard."""
    book = book_of()
    for hour in range(5):
        for at in range(60):
            tell(book, hour * 3600 + 60 * at, hour * 3600 + 60 * at)
        book.missing[TAG, hour * 3600 * S] = book.told.pop((TAG, hour * 3600 * S))
        book.gone()
        book.pack((hour + 1) * 3600 * S)
        assert (len(book.told), len(book._lately)) == (0, 0)


STEPS = st.one_of(
    st.tuples(st.just("tell"), st.integers(0, 12), st.integers(0, 20)),
    st.tuples(st.just("late"), st.integers(0, 12), st.integers(0, 20)),
    st.tuples(st.sampled_from(["since", "pack", "unpack", "again", "restore", "instead"]), st.integers(0, 20)),
)


@given(st.lists(STEPS, max_size=60))
@settings(max_examples=300, deadline=None)
def test_the_twin_that_goes_through_all_finds_the_same(steps):
    book = book_of()
    for number, (name, *given_) in enumerate(steps):
        at = given_[-1]
        if name == "tell":
            tell(book, given_[0], at, float(number % 3))
        elif name == "late":
            if told := book.told.pop((TAG, given_[0] * S), None):
                book.missing[TAG, given_[0] * S] = told
        elif name == "pack":
            book.pack(at * S)
        elif name == "unpack":
            book.unpack(at * S)
        elif name == "again":
            book.gone()
        elif name == "restore":
            kept = unpack(pack(book.rows()))
            book.restore(*kept)
        elif name == "instead":
            book.told = book.missing | book.told
            book.take([(TAG, 99 * S, 100 * S, b"x", 1, at * S)], newer=True)
            book.missing = {}
        else:
            assert since(book, at * S) == naive_since(book, at * S)
    for at in np.random.default_rng(len(steps)).permutation(21).tolist():
        assert since(book, at * S) == naive_since(book, at * S)
    assert set(book.told) >= set(book._lately)
    assert all(isinstance(one, Told) for one in book.told.values())

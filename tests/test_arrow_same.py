"""Arrow messages that are read without pyarrow against the same ones read by it, well formed and not."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Decoded, Message, Messages, Reason
from andon.series import SeriesDictionary
from sources.decode import arrow_names
from sources.decode.arrow import ArrowDecoder
from sources.decode.arrow_run import Chunk, Layers
from sources.decode.arrow_same import Forms
from sources.wire_arrow import stream
from tests.decode_world import NOW, NOW_MS, PLANT
from tests.test_arrow import columns_of

NAMES = ["fill/line1/f1", "a", "nix"]
TAGS = ["temp", "door", "state", "nix"]
INDEX = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64()]
TS = [pa.int64(), pa.timestamp("ms", "UTC"), pa.timestamp("us", "Asia/Shanghai")]
QUALITIES = [pa.uint8(), pa.int32()]
VALUES = [pa.float64(), pa.float32(), pa.int8(), pa.int32(), pa.uint64()]


class Case:
    """How a producer writes its batches. types: of codes, stamps, values and qualities; paths: in one column."""

    def __init__(self, types: tuple[pa.DataType, ...], more: tuple[str, ...], paths: bool) -> None:
        self.index, self.ts, self.value, self.q = types
        self.more, self.paths = more, paths

    def batch(self, rows: list[tuple[int, int, int, int, int]]) -> pa.RecordBatch:
        """rows: (asset, tag, value, q, unit), codes and small numbers."""
        asset, tag, value, q, unit = ([row[k] for row in rows] for k in range(5))
        per_ms = 1000 if self.ts == TS[2] else 1
        columns = {"ts": pa.array([(NOW_MS + k) * per_ms for k in value], self.ts)}
        if self.paths:
            paths = [f"{one}/{other}" for one in NAMES for other in TAGS]
            columns["series"] = self._coded([a * len(TAGS) + t for a, t in zip(asset, tag, strict=True)], paths)
        else:
            columns |= {"asset": self._coded(asset, NAMES), "tag": self._coded(tag, TAGS)}
        columns["value"] = pa.array(value, pa.int64()).cast(self.value)
        if "q" in self.more:
            columns["q"] = pa.array(q, pa.int64()).cast(self.q)
        if "unit" in self.more:
            columns["unit"] = self._coded(unit, ["Cel", "K"])
        return pa.record_batch(columns)

    def _coded(self, codes: list[int], names: list[str]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(codes, self.index), pa.array(names))


CASES = st.builds(
    Case,
    st.tuples(st.sampled_from(INDEX), st.sampled_from(TS), st.sampled_from(VALUES), st.sampled_from(QUALITIES)),
    st.sampled_from([(), ("q",), ("unit",), ("q", "unit")]), st.booleans(),
)  # fmt: skip
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 9), st.integers(0, 100), st.integers(0, 1)),
    min_size=1, max_size=9,
)  # fmt: skip


def decode(bodies: list[bytes], by_pyarrow: bool) -> tuple[list[object], int]:
    """What a decoder makes of messages one by one, and how many of them it had a form for."""
    dictionary = SeriesDictionary(PLANT, 0)
    decoder = ArrowDecoder(dictionary, PLANT, 0)
    read, formed = decoder._forms.read, 0

    def counted(*given: object) -> object:
        nonlocal formed
        found = None if by_pyarrow else read(*given)
        formed += found is not None
        return found

    decoder._forms.read = counted
    found: list[object] = []
    for at, body in enumerate(bodies):
        decoded: Decoded = decoder.decode(Messages.of([Message(at, NOW, body)]))
        found.append((columns_of(decoded, dictionary), list(decoded.dead.raw)))
    return found, formed


@settings(max_examples=60)
@given(CASES, st.lists(st.lists(ROWS, min_size=1, max_size=3), min_size=4, max_size=6))
def test_the_same_rows_as_by_pyarrow(case: Case, messages: list[list[list[tuple[int, ...]]]]) -> None:
    bodies = [stream([case.batch(rows) for rows in batches]) for batches in messages]
    expected, _ = decode(bodies, by_pyarrow=True)
    found, formed = decode(bodies, by_pyarrow=False)
    assert found == expected
    assert formed == len(bodies) - 2  # the first is seen, the second is kept


@settings(max_examples=40)
@given(CASES, st.lists(ROWS, min_size=1, max_size=4), st.booleans())
def test_more_names_than_a_table_holds(case: Case, messages: list[list[tuple[int, ...]]], nulls: bool) -> None:
    """Their places are looked up for the rows of a call."""
    batches = [case.batch(rows) for rows in messages]
    if nulls and not case.paths:
        mixed = [one.column(1).indices.to_pylist() for one in batches]
        codes = [pa.array([None, *one[1:]], case.index) for one in mixed]
        names = pa.array(NAMES)
        batches = [
            one.set_column(1, "asset", pa.DictionaryArray.from_arrays(code, names))
            for one, code in zip(batches, codes, strict=True)
        ]
    bodies = [stream([one]) for one in batches]
    expected, _ = decode(bodies, by_pyarrow=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow_names, "_MOST_PAIRS", 0)
        assert decode(bodies, by_pyarrow=False)[0] == expected


@settings(max_examples=200)
@given(CASES, ROWS, st.data())
def test_garbled_after_good_ones(case: Case, rows: list[tuple[int, ...]], draw: st.DataObject) -> None:
    """Counts and codes that are changed after the form is known give what pyarrow makes of them."""
    good = stream([case.batch(rows)])
    raw = bytearray(good)
    head = good.rindex(b"\xff\xff\xff\xff", 0, len(good) - 8)  # its batch
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.one_of(st.integers(head, len(raw) - 1), st.integers(4, len(raw) - 1)))
        what = draw.draw(st.sampled_from(["cut", "byte", "word", "more"]))
        if what == "cut":
            del raw[at:]
        elif what == "more":
            raw += b"\xff"
        elif what == "byte":
            raw[at : at + 1] = [draw.draw(st.integers(0, 255))]
        else:
            at -= at % 4
            raw[at : at + 4] = draw.draw(st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4), b"\x08\0\0\0"]))
        if len(raw) <= head:
            break
    bodies = [good, good, good, bytes(raw), good]
    expected, _ = decode(bodies, by_pyarrow=True)
    found, formed = decode(bodies, by_pyarrow=False)
    assert found == expected
    assert formed >= 2


@pytest.mark.parametrize("index", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32()])
@pytest.mark.parametrize("code", [-1, 3, 100])
def test_a_code_that_is_none(index: pa.DataType, code: int) -> None:
    """It refuses its message, in the middle of good ones."""
    case = Case((index, TS[0], VALUES[0], pa.uint8()), (), paths=False)
    good = case.batch([(1, 0, 1, 0, 0)])
    codes = pa.array([code], pa.int64()).cast(index, safe=False)
    asset = pa.DictionaryArray.from_arrays(codes, pa.array(NAMES), safe=False)
    bad = stream([good.set_column(1, "asset", asset)])
    found, formed = decode([stream([good])] * 3 + [bad, stream([good])], by_pyarrow=False)
    assert formed == 2
    assert found[3][0][1][3] == [Reason.garbled]
    assert found[3][1] == [bad]


def test_what_has_no_form() -> None:
    """Nulls, plain texts and columns that no reading has go to pyarrow, and to nobody else."""
    case = Case((INDEX[0], TS[0], VALUES[0], pa.uint8()), (), paths=False)
    good = case.batch([(1, 0, 1, 0, 0), (0, 0, 2, 0, 0)])
    others = [
        good.set_column(3, "value", pa.array([None, 2.0])),
        good.set_column(1, "asset", pa.array(["a", "nix"])),
        good.append_column("note", pa.array([1, 2])),
        good.slice(0, 0),
    ]
    for other in others:
        bodies = [stream([other])] * 3
        found, formed = decode(bodies, by_pyarrow=False)
        assert formed == 0
        assert found == decode(bodies, by_pyarrow=True)[0]


def test_producers_in_turn_have_a_form_each() -> None:
    cases = [Case((index, TS[0], VALUES[0], pa.uint8()), (), paths=False) for index in INDEX]
    bodies = [stream([case.batch([(1, 0, 1, 0, 0)])]) for case in cases] * 4
    found, formed = decode(bodies, by_pyarrow=False)
    assert formed == 2 * len(cases)
    assert found == decode(bodies, by_pyarrow=True)[0]


def test_stamps_that_do_not_tell_their_byte_order_give_no_form() -> None:
    case = Case((INDEX[0], TS[0], VALUES[0], pa.uint8()), (), paths=False)
    batch = case.batch([(1, 0, 1, 0, 0)]).set_column(0, "ts", pa.array([0]))
    assert decode([stream([batch])] * 4, by_pyarrow=False)[1] == 0


@pytest.mark.parametrize("field", ["ts", "asset", "value"])
def test_a_form_that_finds_something_else_is_not_kept(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """As it would in a message of the other byte order, whose numbers pyarrow turns round."""
    case = Case((INDEX[0], TS[0], VALUES[0], pa.uint8()), (), paths=False)
    body = stream([case.batch([(1, 0, 1, 0, 0), (0, 0, 2, 0, 0)])])
    learn = Forms.learn

    def turned(self: Forms, body: bytes, batch: pa.RecordBatch, layers: Layers, first: Chunk) -> None:
        learn(self, body, batch, layers, first._replace(**{field: getattr(first, field).byteswap()}))

    monkeypatch.setattr(Forms, "learn", turned)
    assert decode([body] * 4, by_pyarrow=False)[1] == (4 - 2 if field == "asset" else 0)  # of a byte there is no order

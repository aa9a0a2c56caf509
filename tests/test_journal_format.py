"""The journal's files: what is encoded comes back to the bit, also what an earlier version wrote, but no torn tail."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.journal_format import ROW, SMALL, decode, encode, encode_parts

SCHEMA = pa.schema([(name, pa.from_numpy_dtype(ROW[name])) for name in ROW.names])  # of earlier versions
NS = st.integers(-(2**62), 2**62)
number = st.one_of(
    st.integers(0, 50),
    NS,
    st.integers(0, 2**33),
    st.sampled_from([1_767_225_600_000_000_000 + k * 10**6 for k in range(9)]),
)
row = st.tuples(
    number, st.integers(0, 2**31 - 1), st.floats(), st.integers(0, 2), number, number, number, st.integers(0, 2**40)
)


def columns(rows):
    return {name: np.array(column, ROW[name]) for name, column in zip(ROW.names, zip(*rows, strict=True), strict=True)}


def same(found, given_columns):
    for name, column in given_columns.items():
        assert found[name].tobytes() == column.tobytes(), name


@given(st.lists(st.lists(row, min_size=1, max_size=20), min_size=1, max_size=3))
def test_streams_one_after_another_come_back_to_the_bit(parts):
    flushes = [columns(rows) for rows in parts]
    data = b"".join(encode(one) for one in flushes)
    same(decode(data), {name: np.concatenate([one[name] for one in flushes]) for name in ROW.names})
    data = b"".join(b"".join(encode_parts(one, SMALL)) for one in flushes)
    same(decode(data), columns([one for rows in parts for one in rows]))


@pytest.mark.parametrize("span", [255, 256, 65_535, 65_536, 2**32 - 1, 2**32])
@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_every_width_of_code_at_its_edges(span, unit):
    time_ns = 5 + np.array([span, 0, span - 1, 1, span // 2]) * unit
    one = {name: np.zeros(5, ROW[name]) for name in ROW.names} | {"time_ns": time_ns}
    same(decode(encode(one)), one)


def test_a_steady_flush_takes_few_bytes():
    rng = np.random.default_rng(1)
    n = 20_000
    stamps = 1_767_225_600_000_000_000 + np.arange(n) // 10 * 1_000_000
    one = {
        "time_ns": stamps, "series": rng.integers(0, 1000, n).astype(np.int32), "value": rng.normal(size=n),
        "status": np.zeros(n, np.uint8), "offset": np.arange(n) + 10**12, "received_ns": stamps,
        "closed_ns": stamps // 5_000_000_000 * 5_000_000_000, "tick": np.full(n, 77),
    }  # fmt: skip
    data = encode(one)
    assert len(data) < 18 * n
    same(decode(data), one)


def test_files_of_the_version_before_are_read():
    """One compressed stream of plain columns without an end, a batch a flush; streams may stand around it."""
    first, second, third = (columns([(k, 1, 0.5, 0, k, k, k, k)] * 3) for k in (7, 8, 9))
    sink = pa.BufferOutputStream()
    writer = pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4"))
    for one in (first, second):
        writer.write_batch(pa.record_batch(list(one.values()), schema=SCHEMA))
    old = sink.getvalue().to_pybytes()
    assert decode(old)["time_ns"].tolist() == [7] * 3 + [8] * 3
    assert decode(encode(third) + old)["time_ns"].tolist() == [9] * 3 + [7] * 3 + [8] * 3


@pytest.mark.parametrize("kept", [0, 1, 7, 100, -9, -1])
def test_a_torn_tail_is_left_out(kept):
    first, second = (columns([(k, 1, 0.5, 0, k, k, k, k)] * 3) for k in (7, 8))
    data = encode(first) + encode(second)[:kept]
    assert decode(data)["time_ns"].tolist() in ([7] * 3, [7] * 3 + [8] * 3 if kept == -1 else [7] * 3)


def test_whole_batches_before_a_torn_one_of_the_same_stream_count():
    sink = pa.BufferOutputStream()
    writer = pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4"))
    ends = []
    for k in (7, 8, 9):
        one = columns([(k, 1, 0.5, 0, k, k, k, k)] * 3)
        writer.write_batch(pa.record_batch(list(one.values()), schema=SCHEMA))
        ends.append(sink.tell())
    data = sink.getvalue().to_pybytes()
    for cut in range(ends[1], ends[2], 8):
        assert decode(data[:cut])["time_ns"].tolist() == [7] * 3 + [8] * 3, cut
    assert len(decode(data)) == 9


def test_whatever_a_power_cut_left_behind_whole_batches_is_left_out():
    """Zeros of pages that were never written, and anything at all; pyarrow has several kinds of errors for them."""
    first, second = (columns([(k, 1, 0.5, 0, k, k, k, k)] * 3) for k in (7, 8))
    whole, tail = encode(first), encode(second)
    rng = np.random.default_rng(2)
    for begin in range(0, len(tail), 8):
        noise = rng.integers(0, 256, 40, np.uint8).tobytes()
        holes = [tail[:begin] + lost + tail[begin + len(lost) :] for lost in (bytes(8), bytes(16), bytes(40), noise)]
        for torn in (tail[:begin] + bytes(len(tail) - begin), bytes(begin) + tail[begin:], *holes):
            assert decode(whole + torn)["time_ns"][:3].tolist() == [7] * 3, begin


def test_no_more_is_read_than_asked_for():
    first, second = (columns([(k, 1, 0.5, 0, k, k, k, k)] * 3) for k in (7, 8))
    assert decode(encode(first) + encode(second), 2)["time_ns"].tolist() == [7] * 2
    assert decode(encode(first) + encode(second), 4)["time_ns"].tolist() == [7] * 3 + [8]


def test_nothing_is_no_rows():
    assert len(decode(b"")) == 0

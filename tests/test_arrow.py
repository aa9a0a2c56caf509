"""Arrow batches against the JSON path: the same rows, the same readings and dead letters. Bad bytes stop nothing."""

from __future__ import annotations

import json
import struct
from itertools import pairwise

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Message, Messages, Reason
from andon.series import SeriesDictionary
from sources.decode import JsonDecoder
from sources.decode.arrow import ArrowDecoder
from sources.decode.formats import joined
from sources.wire_arrow import arrow_message, stream
from tests.decode_world import NOW, NOW_MS, PLANT, reading

NAMES = st.sampled_from(["fill/line1/f1", "fill/line1/f1", "fill/line1/f2", "a", "other", "nix", "", None])
VALUES = {
    "number": st.one_of(st.none(), st.floats(-300, 300), st.sampled_from([0.0, 1.0, 3.0, 4.0, 1e300])),
    "whole": st.one_of(st.none(), st.integers(-5, 5), st.integers(-(2**53), 2**53)),
    "flag": st.one_of(st.none(), st.booleans()),
    "text": st.one_of(st.none(), st.sampled_from(["Idle", "运行", "nix", ""])),
    "nothing": st.none(),
}


@st.composite
def rows_of(draw):
    """Rows of one message; values are all of one type."""
    value = VALUES[draw(st.sampled_from(list(VALUES)))]
    more = draw(st.sampled_from([[], ["q"], ["unit"], ["q", "unit"]]))
    fields = {
        "ts": st.sampled_from([NOW_MS, NOW_MS - 7000, NOW_MS + 400_000, 5, -1, 2**62, None]), "asset": NAMES,
        "tag": st.sampled_from(["temp", "state", "door", "total", "nix", None]), "value": value,
        "q": st.sampled_from([None, 0, 64, 192, 255, 256, 0x40000000, 0xFFFFFFFF]),
        "unit": st.sampled_from([None, "Cel", "K", "kPa", "{items}", "1", ""]),
    }  # fmt: skip
    names = ["ts", "asset", "tag", "value", *more]
    return draw(st.lists(st.fixed_dictionaries({name: fields[name] for name in names}), min_size=1, max_size=12))


def series_column(batch: pa.RecordBatch) -> pa.RecordBatch:
    """asset and tag as one column."""
    paths = [f"{one['asset']}/{one['tag']}" for one in batch.to_pylist()]
    return batch.drop_columns(["asset", "tag"]).append_column("series", pa.array(paths).dictionary_encode())


def variants(draw, rows):
    """The same rows, in one of the ways an edge may write them."""
    batch = pa.ipc.open_stream(arrow_message(rows)).read_all().combine_chunks().to_batches()[0]
    way = draw(st.sampled_from(["plain", "text", "zone", "two", "series"]))
    if way == "text":
        for name in ("asset", "tag"):
            batch = batch.set_column(batch.schema.get_field_index(name), name, batch[name].cast(pa.large_string()))
    elif way == "zone" and all(one["ts"] is None or abs(one["ts"]) < 2**50 for one in rows):
        zone = draw(st.sampled_from([("us", "UTC"), ("ms", "Asia/Shanghai"), ("s", "UTC")]))
        if zone[0] != "s" or all(one["ts"] is None or one["ts"] % 1000 == 0 for one in rows):
            stamps = batch["ts"].cast(pa.timestamp("ms", zone[1])).cast(pa.timestamp(*zone))
            batch = batch.set_column(0, "ts", stamps)
    elif way == "two":
        cut = draw(st.integers(0, len(batch)))
        return stream([batch.slice(0, cut), batch.slice(cut)])
    elif way == "series" and all(one["asset"] and one["tag"] for one in rows):
        batch = series_column(batch)
    return stream([batch])


def columns_of(decoded, dictionary):
    r, d = decoded.readings, decoded.dead
    names = ("offset", "time_ns", "value", "status", "received_ns")
    rows = [getattr(r, name).tolist() for name in names] + [[dictionary.path(one) for one in r.series.tolist()]]
    dead = [getattr(d, name).tolist() for name in ("offset", "line", "received_ns", "reason")]
    return repr(rows), dead, [dictionary.path(one) for one in d.series.tolist()], decoded.rows_in


@settings(max_examples=120)
@given(st.lists(rows_of(), min_size=1, max_size=4), st.data())
def test_the_same_rows_as_json(messages, draw):
    arrow = [Message(7 + at, NOW, variants(draw.draw, rows)) for at, rows in enumerate(messages)]
    plain = [Message(7 + at, NOW, orjson.dumps(rows)) for at, rows in enumerate(messages)]
    json_names, arrow_names = SeriesDictionary(PLANT, 0), SeriesDictionary(PLANT, 0)
    expected = JsonDecoder(json_names, PLANT, 0).decode(plain)
    decoder = ArrowDecoder(arrow_names, PLANT, 0)
    edges = [0, *sorted(set(draw.draw(st.lists(st.integers(0, len(arrow)), max_size=3)))), len(arrow)]
    found = joined([decoder.decode(Messages.of(arrow[a:b])) for a, b in pairwise(edges) if a < b])
    assert columns_of(found, arrow_names) == columns_of(expected, json_names)
    assert arrow_names.paths() == json_names.paths()
    again = JsonDecoder(SeriesDictionary(PLANT, 0), PLANT, 0)  # a dead row put in again is dead for the same reason
    for raw, reason in zip(found.dead.raw, found.dead.reason.tolist(), strict=True):
        told = again.decode([Message(1, NOW, raw)])
        assert told.dead.reason.tolist() == [reason], json.loads(raw)


def decode(*bodies):
    dictionary = SeriesDictionary(PLANT, 0)
    messages = Messages.of([Message(at, NOW, body) for at, body in enumerate(bodies)])
    return ArrowDecoder(dictionary, PLANT, 0).decode(messages)


def batch_of(**columns):
    base = {"ts": pa.array([NOW_MS]), "asset": pa.array(["a"]), "tag": pa.array(["temp"]), "value": pa.array([1.5])}
    return pa.record_batch({name: column for name, column in {**base, **columns}.items() if column is not None})


CASES = {
    "no-value": (batch_of(value=None), Reason.missing_field),
    "no-asset": (batch_of(asset=None), Reason.missing_field),
    "naive-stamp": (batch_of(ts=pa.array([NOW], pa.timestamp("ns"))), Reason.stamp_naive),
    "text-stamp": (batch_of(ts=pa.array(["2026-01-01T00:00:00Z"])), Reason.stamp_unreadable),
    "asset-a-number": (batch_of(asset=pa.array([1])), Reason.wrong_type),
    "value-a-list": (batch_of(value=pa.array([[1.0]])), Reason.wrong_type),
    "q-a-text": (batch_of(q=pa.array(["good"])), Reason.wrong_type),
    "infinite": (batch_of(value=pa.array([np.inf])), Reason.wrong_type),
    "q-negative": (batch_of(q=pa.array([-1])), Reason.wrong_type),
}


@pytest.mark.parametrize(("batch", "reason"), CASES.values(), ids=CASES.keys())
def test_what_is_no_reading(batch, reason):
    decoded = decode(stream([batch]))
    assert [Reason(one) for one in decoded.dead.reason] == [reason]
    assert len(decoded.readings) == 0


def test_units_and_nan():
    good = batch_of().replace_schema_metadata({"unit": "1"})
    other = batch_of().replace_schema_metadata({"unit": "K"})
    decoded = decode(stream([good]), stream([other]), stream([batch_of(value=pa.array([np.nan]))]))
    assert decoded.dead.reason.tolist() == [Reason.unit_mismatch]
    assert decoded.readings.offset.tolist() == [0, 2]
    assert decoded.readings.status.tolist() == [0, 2]


def test_nanoseconds_of_a_dead_row_are_kept():
    stamp = pa.array([NOW + 1], pa.timestamp("ns", "UTC"))
    decoded = decode(stream([batch_of(ts=stamp, tag=pa.array(["nix"]))]))
    assert orjson.loads(decoded.dead.raw[0])["ts"] == "2026-01-01T00:00:00.123000001Z"


@pytest.mark.parametrize("seconds", [2**62, 2**63 - 1, -(2**63)])
def test_a_stamp_beyond_what_json_can_say_is_a_dead_letter(seconds):
    stamp = pa.array([seconds], pa.int64()).cast(pa.timestamp("s", "UTC"))
    dead = decode(stream([batch_of(ts=stamp)])).dead
    assert dead.reason.tolist() == [Reason.stamp_unreadable]
    assert orjson.loads(dead.raw[0])["ts"] == str(seconds * 1000)


def test_what_would_unpack_to_more_is_refused():
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch_of().schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch_of())
    many = pa.RecordBatch.from_struct_array(pa.nulls(1_000_000, pa.struct([("ts", pa.null()), ("value", pa.null())])))
    index = pa.DictionaryArray.from_arrays(pa.array([7], pa.int8()), pa.array(["a"]), safe=False)
    bodies = [bytes(sink.getvalue()), stream([many]), stream([batch_of(asset=index)]), stream([batch_of()])]
    decoded = decode(*bodies)
    assert decoded.dead.reason.tolist() == [Reason.garbled] * 3
    assert list(decoded.dead.raw) == bodies[:3]
    assert decoded.readings.offset.tolist() == [3]


@pytest.mark.parametrize("offsets", [(0, 4, 2, 12), (0, 2_000_000_000, 8, 12), (0, -2_000_000_000, 8, 12)])
@pytest.mark.parametrize("of_dictionary", [False, True])
def test_offsets_of_texts_that_point_outside(offsets, of_dictionary):
    """Of a column and of a dictionary: followed, they would be read from memory that is not the message's."""
    tags = pa.array(["temp", "door", "none"])
    tag = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int8()), tags) if of_dictionary else tags
    others = {"ts": [NOW_MS] * 3, "asset": ["fill/line1/f1"] * 3, "value": [1.0] * 3}
    good = stream([batch_of(tag=tag, **{name: pa.array(column) for name, column in others.items()})])
    assert good.count(struct.pack("<4i", 0, 4, 8, 12)) == 1
    bad = good.replace(struct.pack("<4i", 0, 4, 8, 12), struct.pack("<4i", *offsets))
    decoded = decode(good, bad, good)
    dead = list(zip(decoded.dead.offset.tolist(), decoded.dead.reason.tolist(), decoded.dead.raw, strict=True))
    assert [one[0] for one in dead] == [0, 1, 2]  # the good ones have a tag that is not declared
    assert dead[1] == (1, Reason.garbled, bad)
    assert decoded.readings.offset.tolist() == [0, 0, 2, 2]


GOOD = [arrow_message([reading(), reading(tag="door", value=1.0, unit=...)]), stream([batch_of(), batch_of()])]


@settings(max_examples=150)
@given(st.sampled_from(GOOD), st.data())
def test_garbled_streams(body, draw):
    raw = bytearray(body)
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(4, max(4, len(raw) - 1)))
        what = draw.draw(st.sampled_from(["cut", "byte", "word"]))
        if what == "cut":
            del raw[at:]
        elif what == "byte":
            raw[at : at + 1] = [draw.draw(st.integers(0, 255))]
        else:
            raw[at : at + 4] = draw.draw(st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4)]))
    whole = GOOD[0]
    decoded = decode(whole, bytes(raw), whole)
    assert decoded.rows_in == len(decoded.readings) + len(decoded.dead)
    for at in (0, 2):
        assert (decoded.readings.offset == at).sum() == 2

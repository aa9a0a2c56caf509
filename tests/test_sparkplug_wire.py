"""Sparkplug payloads in the kernel against the protobuf library: whole ones, cut ones, garbled ones."""

from __future__ import annotations

import mmap

import numpy as np
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.decode import sparkplug_wire as wire
from sources.decode.memory import address
from sources.decode.sparkplug_proto import Payload

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
TEXT = st.text(max_size=9)
PROPERTY = st.tuples(
    st.sampled_from(["Quality", "engUnit", "quality", ""]),
    st.fixed_dictionaries({}, optional={"type": U32, "is_null": st.booleans()}),
    st.one_of(
        st.tuples(st.just("int_value"), U32), st.tuples(st.just("long_value"), U64),
        st.tuples(st.just("string_value"), TEXT), st.none(),
    ),
)  # fmt: skip
VALUE = st.one_of(
    st.none(), st.tuples(st.just("int_value"), U32), st.tuples(st.just("long_value"), U64),
    st.tuples(st.just("float_value"), st.floats(width=32)), st.tuples(st.just("double_value"), st.floats()),
    st.tuples(st.just("boolean_value"), st.booleans()), st.tuples(st.just("string_value"), TEXT),
    st.tuples(st.just("bytes_value"), st.binary(max_size=5)),
    st.tuples(st.just("dataset_value"), st.binary(max_size=5)),
)  # fmt: skip
METRIC = st.tuples(
    st.fixed_dictionaries({}, optional={
        "name": TEXT, "alias": st.one_of(st.integers(0, 300), U64), "timestamp": st.one_of(st.just(1767225600123), U64),
        "datatype": st.one_of(st.integers(0, 20), U32), "is_historical": st.booleans(), "is_transient": st.booleans(),
        "is_null": st.booleans(), "metadata": st.binary(max_size=5),
    }),
    st.lists(PROPERTY, max_size=3), VALUE,
)  # fmt: skip
USUAL = st.tuples(
    st.fixed_dictionaries({"alias": st.sampled_from([0, 127, 128, 16383, 16384, 2**21 - 1, 2**21, 2**63]),
                           "timestamp": st.sampled_from([1767225600123, 0, 2**42 - 1, 2**42])},
                          optional={"datatype": st.sampled_from([0, 10, 127, 128])}),
    st.just([]), st.tuples(st.just("double_value"), st.floats()),
)  # fmt: skip
FIELDS = ("int_value", "long_value", "float_value", "double_value", "boolean_value", "string_value", "bytes_value",
          "dataset_value", "template_value", "extension_value")  # fmt: skip


@st.composite
def payloads(draw):
    head = st.fixed_dictionaries({}, optional={"timestamp": U64, "seq": st.integers(0, 255), "uuid": TEXT,
                                               "body": st.binary(max_size=4)})  # fmt: skip
    payload = Payload(**draw(head))
    for fields, properties, value in draw(st.lists(st.one_of(METRIC, USUAL), max_size=6)):
        metric = payload.metrics.add(**fields)
        for key, inside, number in properties:
            metric.properties.keys.append(key)
            one = metric.properties.values.add(**inside)
            if number:
                setattr(one, *number)
        if value:
            setattr(metric, *value)
    return payload


def read(body: bytes):
    """(seq, timestamp, metrics) after the kernel; None for a broken payload. What is read ends at a page's end."""
    pages = -(-max(len(body), 1) // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = np.frombuffer(mmap.mmap(-1, pages), np.uint8)
    begin = pages - len(body)
    memory[begin:] = np.frombuffer(body, np.uint8)
    one, metrics = np.zeros(1, wire.PAYLOAD), np.zeros(len(body) // 2 + 1, wire.METRIC)
    begins, ends = np.array([begin]), np.array([pages])
    count = wire.parse(address(memory), begins, ends, address(one), address(metrics))
    found = one[0]
    assert found["count"] == count
    assert found["first"] == 0
    if not found["ok"]:
        assert count == 0
        return None
    return int(found["seq"]), int(found["time"]), [_metric(body, begin, row) for row in metrics[:count]]


def _metric(body, begin, row):
    start = int(row["start"]) - begin
    has, field = int(row["has"]), int(row["field"])
    text = body[start + row["text"] : start + row["text"] + row["text_size"]] if field >= wire.TEXT_FIELD else b""
    bits = np.int64(row["bits"]) if field and field < wire.TEXT_FIELD else None
    value = (
        None
        if not field
        else text
        if bits is None
        else (float(bits.view(np.float64)) if field in (wire.FLOAT, wire.DOUBLE) else int(bits.view(np.uint64)))
    )
    return (
        int(row["alias"].view(np.uint64)) if has & wire.HAS_ALIAS else None,
        body[start + row["name"] : start + row["name"] + row["name_size"]] if has & wire.HAS_NAME else None,
        int(row["time"].view(np.uint64)) if has & wire.HAS_TIME else None,
        int(row["datatype"]) & 0xFFFFFFFF if has & wire.HAS_TYPE else None,
        bool(row["flags"] & wire.HISTORICAL), bool(row["flags"] & wire.NULL_FLAG),
        int(row["quality"]) & 0xFFFFFFFF if has & wire.HAS_QUALITY else None,
        field, repr(value),
    )  # fmt: skip


def expected(body: bytes):
    """The same after the protobuf library."""
    payload = Payload.FromString(body)
    found = []
    for one in payload.metrics:
        name = one.WhichOneof("value")
        value = getattr(one, name) if name else None
        quality = None
        keys = list(one.properties.keys)
        last = len(keys) - 1 - keys[::-1].index("Quality") if "Quality" in keys else len(keys)
        if last < len(one.properties.values):
            holder = one.properties.values[last]
            kind = holder.WhichOneof("value")
            quality = getattr(holder, kind) & 0xFFFFFFFF if kind in ("int_value", "long_value") else None
        if isinstance(value, bool):
            value = int(value)
        elif isinstance(value, str):
            value = value.encode()
        field = 10 + FIELDS.index(name) if name else 0
        found.append((
            one.alias if one.HasField("alias") else None, _bytes(one.name) if one.HasField("name") else None,
            one.timestamp if one.HasField("timestamp") else None, one.datatype if one.HasField("datatype") else None,
            one.is_historical, one.is_null, quality, field, repr(value),
        ))  # fmt: skip
    signed = np.array([payload.seq, payload.timestamp], np.uint64).view(np.int64).tolist()
    return (signed[0] if payload.HasField("seq") else -1, signed[1] if payload.HasField("timestamp") else -1, found)


def _bytes(text):
    return text.encode() if isinstance(text, str) else text  # the library leaves what is not UTF-8 as bytes


@settings(max_examples=150)
@given(payloads())
def test_the_kernel_reads_what_the_library_wrote(payload):
    body = payload.SerializeToString()
    assert read(body) == expected(body)


@settings(max_examples=250)
@given(payloads(), st.data())
def test_cut_and_garbled_payloads(payload, data):
    body = bytearray(payload.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        what = data.draw(st.sampled_from(["cut", "byte", "insert", "drop"]))
        if what == "cut":
            del body[at:]
        elif what == "insert":
            body[at:at] = data.draw(st.binary(min_size=1, max_size=11))
        elif at < len(body):
            body[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1)) if what == "byte" else b""
    found = read(bytes(body))
    try:
        there = expected(bytes(body))
    except (DecodeError, UnicodeDecodeError):
        return  # the library looks into parts that nobody asked the kernel for
    if found is None:
        assert any(one & 7 in (3, 4) for one in body), "refused, and there is no group in it"
    else:
        assert found[:2] == there[:2]
        assert len(found[2]) == len(there[2])


@settings(max_examples=150)
@given(st.binary(max_size=64))
def test_any_bytes(body):
    read(body)


def test_varints_of_every_length():
    for size in range(1, 11):
        for number in (1 << (7 * size - 7), (1 << min(7 * size, 64)) - 1):
            body = Payload(seq=number % 2**64, timestamp=3).SerializeToString()
            assert read(body) == expected(body)
    assert read(b"\x18" + b"\xff" * 10 + b"\x01") is None
    assert read(b"\x18" + b"\x80" * 9 + b"\x01")[0] == -(2**63)

"""Avro and Protobuf against JSON: the same rows give the same readings and dead letters, however cut."""

from __future__ import annotations

import io
import json
import math

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Message, Messages, Reason
from tests.decode_world import NOW, NOW_MS, decoder
from tests.registered_world import ANY, FIELDS, World, avro, classes, framed, proto_file, record

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
LONG = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.one_of(st.none(), st.booleans(), LONG, FINITE, TEXT, st.lists(TEXT, max_size=2))
STAMPS = st.one_of(
    st.integers(NOW_MS - 10_000, NOW_MS + 400_000), st.floats(NOW_MS - 10.0, NOW_MS + 10.0), SCALAR,
    st.datetimes().map(lambda t: t.isoformat() + "Z"), st.datetimes().map(lambda t: t.isoformat(" ")),
)  # fmt: skip
GOOD_ROW = st.fixed_dictionaries({
    "ts": st.just(NOW_MS), "asset": st.sampled_from(["fill/line1/f1", "fill/line1/f2", "a"]),
    "tag": st.sampled_from(["temp", "state", "door", "total"]),
    "value": st.sampled_from([0, 1, 21.5, 400.0, True, "Idle", "运行", None]) | FINITE,
    "q": st.sampled_from([None, 0, 64, 192, 255.0, 0x40000000, 0x80000000]), "unit": st.sampled_from([None, "Cel"]),
})  # fmt: skip
ODD_ROW = st.fixed_dictionaries({
    "ts": st.just(NOW_MS) | STAMPS, "asset": st.sampled_from(["fill/line1/f1", "a", "other", "nix"]) | SCALAR,
    "tag": st.sampled_from(["temp", "state", "nix"]) | SCALAR, "value": SCALAR, "q": SCALAR,
    "unit": st.sampled_from([None, "Cel", "K", "kPa"]) | SCALAR,
})  # fmt: skip
ROWS = st.lists(GOOD_ROW | ODD_ROW, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("schemas"))


def outcome(decoded):
    """Everything but the raw bytes, comparable."""
    r, d = decoded.readings, decoded.dead
    assert decoded.rows_in == len(r) + len(d)
    readings = list(
        zip(r.time_ns.tolist(), r.series.tolist(), map(repr, r.value.tolist()), r.status.tolist(), r.offset.tolist(),
            r.received_ns.tolist(), strict=True)
    )  # fmt: skip
    dead = list(
        zip(d.offset.tolist(), d.line.tolist(), d.received_ns.tolist(), map(Reason, d.reason.tolist()),
            d.series.tolist(), strict=True)
    )  # fmt: skip
    return readings, dead


def both(decoder_, messages, cut):
    """Decoded at once, after a decoder of its own has checked that a cut changes nothing."""
    subject, again = decoder_(), decoder_()
    whole = outcome(subject.decode(Messages.of(messages)))
    parts = [again.decode(Messages.of(part)) for part in (messages[:cut], messages[cut:]) if part]
    pairs = [outcome(part) for part in parts]
    assert ([row for pair in pairs for row in pair[0]], [row for pair in pairs for row in pair[1]]) == whole
    assert again.dictionary.paths() == subject.dictionary.paths()
    return whole, subject.dictionary.paths()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ROWS, st.sampled_from(["single", "array", "field"]), st.sets(st.sampled_from(FIELDS))),
                min_size=1, max_size=4), st.integers(0, 4))  # fmt: skip
def test_avro_gives_what_json_gives(world, batches, cut):
    binary, texts = [], []
    for offset, (drawn, frame, absent) in enumerate(batches, 1):
        names = [name for name in FIELDS if name not in absent or len(absent) > 2]
        rows = [{name: row[name] for name in names} for row in (drawn[:1] if frame == "single" else drawn)]
        schema = record(names)
        value = rows[0] if frame == "single" else rows
        if frame == "array":
            schema = {"type": "array", "items": schema}
        if frame == "field":
            inner = {"name": "readings", "type": ["null", {"type": "array", "items": schema}]}
            schema = {"type": "record", "name": "Batch", "fields": [{"name": "note", "type": "string"}, inner]}
            value = {"note": "ü", "readings": rows}
        binary.append(Message(offset, NOW + offset, framed(world.avro(schema), avro(schema, value))))
        texts.append(Message(offset, NOW + offset, json.dumps(rows[0] if frame == "single" else rows).encode()))
    assert both(world.decoder, binary, cut) == both(decoder, texts, cut)


def proto_row(kinds, row):
    """A Reading of the rows that Protobuf can say, and what JSON says of it."""
    message = kinds["Reading"](
        ts=row["ts"], asset=row["asset"], tag=row["tag"],
        **{name: row[name] for name in ("q", "unit") if row[name] is not None},
    )  # fmt: skip
    value = row["value"]
    name = {bool: "flag", int: "whole", float: "number", str: "text"}.get(type(value))
    if name is not None:
        setattr(message, name, value)
    return message


PROTO_ROW = st.fixed_dictionaries({
    "ts": st.just(NOW_MS) | st.integers(NOW_MS - 10_000, NOW_MS + 400_000) | LONG,
    "asset": st.sampled_from(["fill/line1/f1", "fill/line1/f2", "a", "other", "nix", ""]) | TEXT,
    "tag": st.sampled_from(["temp", "state", "door", "total", "nix"]) | TEXT,
    "value": st.one_of(st.none(), st.booleans(), LONG, FINITE, TEXT, st.sampled_from(["Idle", "运行", 1, 1.0])),
    "q": st.none() | st.sampled_from([0, 64, 192, 0x40000000]) | st.integers(0, 2**32 - 1),
    "unit": st.none() | st.sampled_from(["Cel", "K", "kPa", ""]),
})  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.lists(PROTO_ROW, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=4),
       st.integers(0, 4))  # fmt: skip
def test_protobuf_gives_what_json_gives(world, batches, cut):
    if not hasattr(world, "file"):
        world.file = proto_file()
        world.kinds, world.number = classes(world.file), world.protobuf(world.file)
    kinds, binary, texts = world.kinds, [], []
    for offset, (drawn, single) in enumerate(batches, 1):
        rows = drawn[:1] if single else drawn
        messages = [proto_row(kinds, row) for row in rows]
        body, indices = messages[0], b"\0"
        if not single:
            body, indices = kinds["Batch"](note="x", readings=messages), b"\2\2"
        binary.append(Message(offset, NOW, framed(world.number, body.SerializeToString(), indices)))
        texts.append(Message(offset, NOW, json.dumps(rows[0] if single else rows).encode()))
    assert both(world.decoder, binary, cut) == both(decoder, texts, cut)


# --- what stands between the fields, and what a broken message does

NAMES = st.integers(0, 10**9)


@st.composite
def skipped(draw, depth=2):
    """(schema, value) of any type that Avro has."""
    kinds = ["null", "boolean", "int", "long", "float", "double", "bytes", "string", "enum", "fixed"]
    kind = draw(st.sampled_from(kinds + (["array", "map", "union", "record"] if depth else [])))
    name = f"{kind}{draw(NAMES)}"
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B", "C"]}, draw(st.sampled_from("ABC"))
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": 3}, draw(st.binary(min_size=3, max_size=3))
    if kind == "array":
        inner, value = draw(skipped(depth - 1))
        return {"type": "array", "items": inner}, [value] * draw(st.integers(0, 3))
    if kind == "map":
        inner, value = draw(skipped(depth - 1))
        return {"type": "map", "values": inner}, dict.fromkeys(draw(st.sets(TEXT, max_size=3)), value)
    if kind == "union":
        inner, value = draw(skipped(0).filter(lambda one: one[0] != "null"))
        return ["null", inner], draw(st.sampled_from([None, value]))
    if kind == "record":
        parts = draw(st.lists(skipped(depth - 1), max_size=3))
        fields = [{"name": f"f{k}", "type": part} for k, (part, _) in enumerate(parts)]
        return {"type": "record", "name": name, "fields": fields}, {f"f{k}": v for k, (_, v) in enumerate(parts)}
    values = {
        "null": st.none(), "boolean": st.booleans(), "int": st.integers(-(2**31), 2**31 - 1), "long": LONG,
        "float": st.floats(width=32), "double": st.floats(), "bytes": st.binary(max_size=9), "string": TEXT,
    }  # fmt: skip
    return kind, draw(values[kind])


def names_twice(schema, seen):
    """Whether a name is defined twice, which Avro forbids."""
    if isinstance(schema, list):
        return any(names_twice(one, seen) for one in schema)
    if not isinstance(schema, dict):
        return False
    if "name" in schema and schema["type"] in ("record", "enum", "fixed"):
        if schema["name"] in seen:
            return True
        seen.add(schema["name"])
    inner = [schema.get("items"), schema.get("values"), *(field["type"] for field in schema.get("fields", []))]
    return any(names_twice(one, seen) for one in inner)


@settings(max_examples=200, deadline=None)
@given(st.lists(skipped(), max_size=4), st.integers(0, 6), GOOD_ROW, st.binary(max_size=4), st.integers(0, 60))
def test_any_other_field_is_skipped_to_the_byte(world, others, at, row, noise, where):
    extra = [(f"other{k}", schema, value) for k, (schema, value) in enumerate(others)]
    fields = [(name, ANY, row[name]) for name in FIELDS]
    fields[at:at] = extra
    schema = {"type": "record", "name": "R", "fields": [{"name": name, "type": one} for name, one, _ in fields]}
    if names_twice(schema, set()):
        return
    body = avro(schema, {name: value for name, _, value in fields})
    number = world.avro(schema)
    good = world.decode(Message(1, NOW, framed(number, body)))
    assert outcome(good) == outcome(decoder().decode([Message(1, NOW, json.dumps(row).encode())]))
    assert outcome(world.decode(Message(1, NOW, framed(number, body + b"\0"))))[1][0][3] == Reason.garbled
    where = min(where, len(body))
    broken = body[:where] + noise + body[where + len(noise) :]
    got = world.decode(Message(1, NOW, framed(number, broken)))
    assert got.rows_in == 1
    if got.dead.reason.tolist() != [Reason.garbled]:  # then the library reads it to the last byte too
        source = io.BytesIO(broken)
        assert fastavro.schemaless_reader(source, schema, None)["asset"] is not ...
        assert source.tell() == len(broken)
    else:
        assert got.dead.raw == [framed(number, broken)]


@settings(max_examples=300, deadline=None)
@given(st.lists(PROTO_ROW, min_size=1, max_size=3), st.binary(max_size=6), st.integers(0, 80), st.booleans(),
       st.integers(0, 3))  # fmt: skip
def test_protobuf_takes_what_the_library_takes(world, rows, noise, where, insert, drop):
    if not hasattr(world, "file"):
        world.file = proto_file()
        world.kinds, world.number = classes(world.file), world.protobuf(world.file)
    batch = world.kinds["Batch"](note="x", readings=[proto_row(world.kinds, row) for row in rows])
    batch.readings[0].more.add(ts=5, asset="in", packed=[1, -1, 300], fixed=7)
    body = batch.SerializeToString()
    where = min(where, len(body))
    broken = body[:where] + noise + body[where + (0 if insert else len(noise) + drop) :]
    got = world.decode(Message(1, NOW, framed(world.number, broken, b"\2\2")))
    try:
        want = world.kinds["Batch"].FromString(broken)
    except Exception:
        assert got.dead.reason.tolist() == [Reason.garbled]
        assert got.dead.raw == [framed(world.number, broken, b"\2\2")]
        return
    texts = []
    for one in want.readings:
        row = {"ts": one.ts, "asset": one.asset, "tag": one.tag}
        row |= {name: getattr(one, name) for name in ("q", "unit") if one.HasField(name)}
        name = one.WhichOneof("value")
        value = None if name is None else getattr(one, name)
        row["value"] = None if isinstance(value, float) and math.isnan(value) else value
        texts.append(row)
    text = json.dumps(texts).replace("Infinity", "1e999").encode()
    assert outcome(got) == outcome(decoder().decode([Message(1, NOW, text)]))


LINE = {"type": "record", "name": "R", "fields": [
    {"name": "ts", "type": "long"}, {"name": "asset", "type": "string"}, {"name": "tag", "type": "string"},
    {"name": "value", "type": "double"}, {"name": "more", "type": {"type": "array", "items": "null"}},
]}  # fmt: skip
TREE = {"type": "record", "name": "Tree", "fields": [
    *LINE["fields"][:4], {"name": "inside", "type": ["null", {"type": "array", "items": "Tree"}]},
]}  # fmt: skip
HEAD = avro(LINE, {"ts": NOW_MS, "asset": "a", "tag": "temp", "value": 5.0, "more": []})[:-1]
OVERLONG = b"\x80" * 10 + b"\0"
HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # 2^63 - 1
LOWEST = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"  # -2^63


@pytest.mark.parametrize(
    ("schema", "body", "good"),
    [
        (LINE, HEAD + b"\0", True), (LINE, HEAD, False), (LINE, HEAD + OVERLONG, False),
        (LINE, HEAD + HUGE + b"\0", True), (LINE, HEAD + LOWEST + b"\2\0", False),
        (LINE, HEAD + b"\x01\2\0", True), (LINE, HUGE + b"\1" + HEAD, False), (LINE, b"", False),
        (LINE, HEAD[:6] + b"\x01" + HEAD[7:], False), (LINE, HEAD[:6] + HUGE + HEAD[7:], False),
        ({"type": "array", "items": LINE}, HUGE + HEAD + b"\0\0", False),
        ({"type": "array", "items": LINE}, LOWEST + HUGE + HEAD + b"\0\0", False),
        ({"type": "array", "items": LINE}, b"\2" + HEAD + b"\0\0", True),
        ({"type": "array", "items": LINE}, b"\2" + HEAD + b"\0", False),
        (TREE, HEAD + b"\2\0", True), (TREE, HEAD + (b"\2\2" + HEAD) * 20 + b"\0" + b"\0" * 20, True),
        (TREE, HEAD + (b"\2\2" + HEAD) * 5_000 + b"\0" + b"\0" * 5_000, False),
        (TREE, HEAD + b"\4", False), (TREE, HEAD + b"\1", False),
    ],
)  # fmt: skip
def test_hostile_avro_is_a_dead_letter(world, schema, body, good):
    got = world.decode(Message(1, NOW, framed(world.avro(schema), body)[:3000]))
    assert (len(got.readings), got.rows_in) == (int(good), 1)
    assert good or got.dead.reason[0] == Reason.garbled


def test_broken_bytes_by_the_thousand(world):
    """No crash, no hang, no row lost, whatever the bytes."""
    rng = np.random.default_rng(20_000)
    number, array = world.avro(record(FIELDS)), world.avro({"type": "array", "items": TREE})
    row = avro(record(FIELDS), {"ts": NOW_MS, "asset": "a", "tag": "temp", "value": 5.0, "q": None, "unit": None})
    valid = [framed(number, row), framed(array, b"\4" + 2 * (HEAD + b"\0") + b"\0"), framed(99, b"x"), b"\0\0", b"\0"]
    messages = []
    for at in range(20_000):
        raw = bytearray(valid[rng.integers(len(valid))])
        for _ in range(rng.integers(4)):
            where = rng.integers(1, len(raw) + 1)
            raw[where : where + rng.integers(3)] = rng.bytes(rng.integers(3))
        messages.append(Message(at + 1, NOW, bytes(raw)))
    subject, readings, dead = world.decoder(), 0, 0
    for at in range(0, len(messages), 1000):
        got = subject.decode(Messages.of(messages[at : at + 1000]))
        readings, dead = readings + len(got.readings), dead + len(got.dead)
        assert all(raw in messages[offset - 1].body for offset, raw in zip(got.dead.offset, got.dead.raw, strict=True))
    assert readings > 3_000
    assert dead > 5_000

"""Which types of Avro and Protobuf a field may have, where it may stand, and what happens without a schema."""

from __future__ import annotations

import decimal
import json
import math

import pytest
from google.protobuf import descriptor_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import Message, Messages, Reason, Status
from andon.series import SeriesDictionary
from sources.decode import LogDecoder
from sources.decode.protobuf_schema import compile_protobuf
from sources.registry_files import Schema
from tests.decode_world import NOW, NOW_MS, PLANT, reading
from tests.registered_world import World, avro, classes, framed, proto_file, serialized

F = descriptor_pb2.FieldDescriptorProto
ROW = {"ts": NOW_MS, "asset": "fill/line1/f1", "tag": "temp", "value": 21.5}
TYPES = {"ts": "long", "asset": "string", "tag": "string", "value": "double"}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def one_avro(world, changes, types):
    """(time_ns, value, status) of a reading, or the reason of its dead letter."""
    fields = [{"name": name, "type": one} for name, one in {**TYPES, **types}.items()]
    schema = {"type": "record", "name": "R", "fields": fields}
    return only(world.decode(Message(1, NOW, framed(world.avro(schema), avro(schema, {**ROW, **changes})))))


def only(decoded):
    assert decoded.rows_in == 1
    if len(decoded.dead):
        return Reason(decoded.dead.reason[0])
    r = decoded.readings
    return r.time_ns[0], r.value[0], Status(r.status[0])


ENUM = {"type": "enum", "name": "E", "symbols": ["temp", "Execute", "Cel", "运行"[:0] + "x"]}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}


@pytest.mark.parametrize(
    ("changes", "types", "want"),
    [
        ({}, {}, (NOW, 21.5, Status.GOOD)),
        ({"ts": NOW_MS}, {"ts": {"type": "long", "logicalType": "timestamp-millis"}}, (NOW, 21.5, Status.GOOD)),
        ({"ts": NOW // 1000 + 7}, {"ts": {"type": "long", "logicalType": "timestamp-micros"}},
         (NOW + 7000, 21.5, Status.GOOD)),
        ({"ts": NOW + 7}, {"ts": {"type": "long", "logicalType": "timestamp-nanos"}}, (NOW + 7, 21.5, Status.GOOD)),
        ({"ts": NOW}, {"ts": {"type": "long", "logicalType": "timestamp-micros"}}, Reason.stamp_unreadable),
        ({"ts": NOW_MS}, {"ts": {"type": "long", "logicalType": "local-timestamp-millis"}}, Reason.stamp_naive),
        ({"ts": 40_000_000_000}, {"ts": {"type": "long", "logicalType": "time-micros"}}, Reason.stamp_unreadable),
        ({"ts": 20_000}, {"ts": {"type": "int", "logicalType": "date"}}, Reason.stamp_unreadable),
        ({"ts": "2026-01-01T00:00:00.123Z"}, {"ts": "string"}, (NOW, 21.5, Status.GOOD)),
        ({"ts": None}, {"ts": ["null", "long"]}, Reason.stamp_unreadable),
        ({"ts": NOW + 400 * 10**9}, {"ts": {"type": "long", "logicalType": "timestamp-nanos"}},
         Reason.stamp_in_future),
        ({"value": 21.5}, {"value": "float"}, (NOW, 21.5, Status.GOOD)),
        ({"value": 3}, {"value": "int"}, (NOW, 3.0, Status.GOOD)),
        ({"value": math.nan}, {}, (NOW, pytest.approx(math.nan, nan_ok=True), Status.BAD)),
        ({"value": math.inf}, {}, Reason.wrong_type),
        ({"value": -math.inf}, {"value": "float"}, Reason.wrong_type),
        ({"value": decimal.Decimal("21.07")}, {"value": DECIMAL}, (NOW, 21.07, Status.GOOD)),
        ({"value": decimal.Decimal("-99999999.99")}, {"value": DECIMAL}, (NOW, -99999999.99, Status.BAD)),
        ({"value": decimal.Decimal("1.50")}, {"value": ["null", {**DECIMAL, "type": "fixed", "size": 6, "name": "D"}]},
         (NOW, 1.5, Status.GOOD)),
        ({"value": b"\1"}, {"value": "bytes"}, Reason.wrong_type),
        ({"value": "Execute", "tag": "state"}, {"value": ENUM}, (NOW, 1.0, Status.GOOD)),
        ({"value": "x", "tag": "state"}, {"value": ENUM}, Reason.unknown_state),
        ({"tag": "temp", "unit": "Cel"}, {"tag": ENUM, "unit": "E"}, (NOW, 21.5, Status.GOOD)),
        ({"unit": "kPa"}, {"unit": ["null", "string"]}, Reason.unit_mismatch),
        ({"unit": "K", "value": 298.15}, {"unit": ["null", "string"]}, (NOW, 25.0, Status.GOOD)),
        ({"unit": "K", "value": 298.15, "q": 64}, {"unit": "string", "q": "int"}, (NOW, 25.0, Status.UNCERTAIN)),
        ({"unit": "K", "value": "x"}, {"unit": "string", "value": "string"}, Reason.wrong_type),
        ({"q": 0x40000000}, {"q": "long"}, (NOW, 21.5, Status.UNCERTAIN)),
        ({"q": decimal.Decimal(192)}, {"q": DECIMAL}, Reason.wrong_type),
        ({"asset": b"a"}, {"asset": "bytes"}, Reason.wrong_type),
        ({"asset": "other"}, {}, Reason.wrong_partition),
        ({"asset": "nix"}, {}, Reason.unknown_series),
    ],
)  # fmt: skip
def test_types_of_avro(world, changes, types, want):
    if isinstance(changes.get("value"), decimal.Decimal) or isinstance(changes.get("q"), decimal.Decimal):
        assert one_avro(world, changes, types) == want
    else:  # written without logical types, so that the library takes numbers for stamps
        plain = json.loads(
            json.dumps(types), object_hook=lambda one: {k: v for k, v in one.items() if k != "logicalType"}
        )
        fields = [{"name": name, "type": one} for name, one in {**TYPES, **types}.items()]
        bare = [{"name": name, "type": one} for name, one in {**TYPES, **plain}.items()]
        schema = {"type": "record", "name": "R", "fields": fields}
        body = avro({**schema, "fields": bare}, {**ROW, **changes})
        assert only(world.decode(Message(1, NOW, framed(world.avro(schema), body)))) == want


def test_a_decimal_is_counted_as_slow(world):
    schema = {"type": "record", "name": "R",
              "fields": [{"name": name, "type": one} for name, one in {**TYPES, "value": DECIMAL}.items()]}  # fmt: skip
    body = framed(world.avro(schema), avro(schema, {**ROW, "value": decimal.Decimal("1.00")}))
    subject = world.decoder()
    subject.decode(Messages.of([Message(1, NOW, body), Message(2, NOW, body)]))
    assert subject.rows_slow == 2


def with_fields(tmp_path, **fields):
    config = PLANT.config.model_dump(by_alias=True, exclude_unset=True)
    config["sources"]["schema_registry"] = {"url": "http://127.0.0.1:1", "fields": fields}
    return World(tmp_path, PlantModel(Plant.model_validate(config)))


def test_fields_are_found_by_other_names_and_inside_records(tmp_path):
    world = with_fields(tmp_path, ts="head.time", asset="head.machine", value="v", readings="data.points")
    head = {"type": "record", "name": "Head", "fields": [
        {"name": "machine", "type": "string"}, {"name": "time", "type": "long"}]}  # fmt: skip
    parts = {"head": ["null", head], "tag": "string", "v": "double"}
    point = {"type": "record", "name": "Point", "fields": [{"name": n, "type": t} for n, t in parts.items()]}
    data = {"type": "record", "name": "Data", "fields": [
        {"name": "k", "type": "int"}, {"name": "points", "type": {"type": "array", "items": point}}]}  # fmt: skip
    top = {"type": "record", "name": "Top", "fields": [{"name": "data", "type": data}, {"name": "z", "type": "string"}]}
    one = {"head": {"machine": "a", "time": NOW_MS}, "tag": "temp", "v": 3.5}
    value = {"data": {"k": 1, "points": [one, {**one, "head": None}]}, "z": "z"}
    got = world.decode(Message(1, NOW, framed(world.avro(top), avro(top, value))))
    assert (got.readings.value.tolist(), got.dead.reason.tolist()) == ([3.5], [Reason.missing_field])
    assert got.dead.line.tolist() == [1]


@pytest.mark.parametrize(
    "text",
    ["", "{", '"nix"', '{"type": "record"}', '{"type": "array", "items": "null"}', "[]", "3", '{"type": "map"}',
     '{"type": "array", "items": {"type": "record", "name": "N", "fields": []}}'],
)  # fmt: skip
def test_a_schema_of_no_use_makes_dead_letters(world, text):
    world.files.keep(Schema(5, "AVRO", text))
    assert only(world.decode(Message(1, NOW, framed(5, b"\0")))) in (Reason.unknown_schema, Reason.garbled)
    world.files.keep(Schema(6, "PROTOBUF", text))
    world.files.keep(Schema(7, "JSON", "{}"))
    assert only(world.decode(Message(1, NOW, framed(6, b"\0\0")))) == Reason.unknown_schema
    assert only(world.decode(Message(1, NOW, framed(7, b"{}")))) == Reason.unknown_schema


def test_a_fixed_type_of_less_than_no_bytes(world):
    fixed = {"type": "fixed", "name": "F", "size": -8}
    assert one_avro_of(world, {"x": fixed}) == Reason.unknown_schema
    assert one_avro_of(world, {"x": {"type": "array", "items": fixed}}) == Reason.unknown_schema


@pytest.mark.timeout(60)  # followed to the end, 2^30 types
@pytest.mark.parametrize("beside", [False, True])
def test_records_that_name_each_other_twice(world, beside):
    inner = {"type": "record", "name": "N0", "fields": []}
    for k in range(1, 30):
        fields = [{"name": "a", "type": inner}, {"name": "b", "type": f"N{k - 1}"}]
        inner = {"type": "record", "name": f"N{k}", "fields": fields}
    if not beside:
        assert one_avro_of(world, {"x": inner}) == Reason.unknown_schema
        return
    row = {"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in TYPES.items()]}
    lists = [{"name": "x", "type": inner}, {"name": "readings", "type": {"type": "array", "items": row}}]
    number = world.avro({"type": "record", "name": "T", "fields": lists})
    assert only(world.decode(Message(1, NOW, framed(number, b"\0")))) == Reason.unknown_schema


def one_avro_of(world, more):
    """What becomes of a message of no bytes: its schema alone is looked at."""
    fields = [{"name": name, "type": one} for name, one in {**TYPES, **more}.items()]
    number = world.avro({"type": "record", "name": "R", "fields": fields})
    return only(world.decode(Message(1, NOW, framed(number, b""))))


def test_beyond_what_is_kept_a_good_type_is_compiled_once(world, monkeypatch):
    asked = []

    def counting(file, indices, fields):
        asked.append(indices)
        return compile_protobuf(file, indices, fields)

    monkeypatch.setattr("sources.decode.programs.MOST_PROGRAMS", 2)
    monkeypatch.setattr("sources.decode.programs.compile_protobuf", counting)
    file = proto_file()
    number, subject = world.protobuf(file), world.decoder()
    for indices in (b"\2\4", b"\2\6", b"\2\x08"):  # types that the file does not have
        assert only(subject.decode(Messages.of([Message(1, NOW, framed(number, b"", indices))]))) is not None
    good = classes(file)["Reading"](ts=NOW_MS, asset="a", tag="temp", number=21.5).SerializeToString()
    for at in range(2, 6):
        message = Message(at, NOW, framed(number, good, b"\0"))
        assert only(subject.decode(Messages.of([message]))) == (NOW, 21.5, Status.GOOD)
    assert asked.count([0]) == 1


def test_a_value_that_is_no_record_is_no_object(world):
    assert only(world.decode(Message(1, NOW, framed(world.avro("double"), b"\0" * 8)))) == Reason.not_an_object
    array = {"type": "array", "items": ["null", "string"]}
    got = world.decode(Message(1, NOW, framed(world.avro(array), avro(array, [None, "x"]))))
    assert got.dead.reason.tolist() == [Reason.not_an_object] * 2


def test_references_are_types_of_other_subjects(world):
    tag = {"type": "enum", "name": "acme.Tag", "symbols": ["temp"]}
    fields = [{"name": name, "type": one} for name, one in {**TYPES, "tag": "acme.Tag"}.items()]
    world.files.keep(Schema(3, "AVRO", json.dumps({"type": "record", "name": "R", "fields": fields}),
                            (("acme.Tag", json.dumps(tag)),)))  # fmt: skip
    body = avro({"type": "record", "name": "R", "fields": [*fields[:2], {"name": "tag", "type": tag}, fields[3]]}, ROW)
    assert only(world.decode(Message(1, NOW, framed(3, body)))) == (NOW, 21.5, Status.GOOD)


def test_ids_that_are_not_kept_and_messages_cut_short(world):
    number = world.avro({"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in TYPES.items()]})
    body = avro({"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in TYPES.items()]}, ROW)
    bodies = [framed(9, body), b"\0", b"\0\0\0\0", framed(number, body), b"\0" * 3001, framed(number, b"")]
    got = world.decode(*[Message(at, NOW, one) for at, one in enumerate(bodies, 1)])
    assert [(o, Reason(r)) for o, r in zip(got.dead.offset.tolist(), got.dead.reason.tolist(), strict=True)] == [
        (1, Reason.unknown_schema), (2, Reason.garbled), (3, Reason.garbled), (5, Reason.too_large),
        (6, Reason.garbled),
    ]  # fmt: skip
    assert got.dead.raw == [bodies[at] for at in (0, 1, 2, 4, 5)]
    assert got.readings.offset.tolist() == [4]


def test_messages_from_before_the_registry_had_the_schema_stay_dead(world):
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in TYPES.items()]}
    body = framed(world.avro(schema), avro(schema, ROW))
    world.files.note_unknown({1: 2})
    got = world.decode(*[Message(at, NOW, body) for at in (1, 2, 3, 4)])
    assert (got.dead.offset.tolist(), got.readings.offset.tolist()) == ([1, 2], [3, 4])


def test_a_log_of_all_formats_keeps_its_order(world):
    schema = {"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in TYPES.items()]}
    body = framed(world.avro(schema), avro(schema, ROW))
    text = json.dumps(reading(tag="door", value=True)).encode()
    subject = LogDecoder(SeriesDictionary(PLANT, 0), PLANT, 0, world.files)
    got = subject.decode([Message(at, NOW, one) for at, one in enumerate([text, body, b"?", body, text], 1)])
    assert (got.readings.offset.tolist(), got.dead.offset.tolist()) == ([1, 2, 4, 5], [3])
    assert got.readings.series.tolist() == [0, 1, 1, 0]
    again = LogDecoder(SeriesDictionary(PLANT, 0), PLANT, 0)  # without schemas, as on the spool
    assert again.decode([Message(1, NOW, body)]).dead.reason.tolist() == [Reason.unknown_schema]


def proto_with(*fields, syntax="proto3", enum=False):
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax=syntax)
    file.dependency.extend(f"google/protobuf/{name}.proto" for name in ("timestamp", "wrappers", "struct"))
    if enum:
        kinds = file.enum_type.add(name="State")
        for number, name in enumerate(("Idle", "Execute", "Nix")):
            kinds.value.add(name=name, number=number)
    one = file.message_type.add(name="R")
    for number, (name, kind, type_name) in enumerate(fields, 1):
        field = one.field.add(name=name, number=number, type=kind, label=1)
        if type_name:
            field.type_name = type_name
    return file


BASE = [("asset", F.TYPE_STRING, ""), ("tag", F.TYPE_STRING, "")]
STAMP = ("ts", F.TYPE_MESSAGE, ".google.protobuf.Timestamp")
PROTO = {
    "wrapper": ([STAMP, *BASE, ("value", F.TYPE_MESSAGE, ".google.protobuf.DoubleValue")],
                {"value": wrappers_pb2.DoubleValue(value=21.5)}, 21.5),
    "empty-wrapper": ([STAMP, *BASE, ("value", F.TYPE_MESSAGE, ".google.protobuf.DoubleValue")],
                      {"value": wrappers_pb2.DoubleValue()}, 0.0),
    "no-wrapper": ([STAMP, *BASE, ("value", F.TYPE_MESSAGE, ".google.protobuf.Int64Value")], {}, math.nan),
    "struct-value": ([STAMP, *BASE, ("value", F.TYPE_MESSAGE, ".google.protobuf.Value")],
                     {"value": struct_pb2.Value(number_value=5.25)}, 5.25),
    "struct-null": ([STAMP, *BASE, ("value", F.TYPE_MESSAGE, ".google.protobuf.Value")],
                    {"value": struct_pb2.Value(null_value=0)}, math.nan),
    "struct-list": ([STAMP, *BASE, ("value", F.TYPE_MESSAGE, ".google.protobuf.Value")],
                    {"value": struct_pb2.Value(list_value=struct_pb2.ListValue())}, Reason.wrong_type),
    "implicit-zero": ([STAMP, *BASE, ("value", F.TYPE_DOUBLE, "")], {}, 0.0),
    "fixed": ([STAMP, *BASE, ("value", F.TYPE_SFIXED32, "")], {"value": -5}, -5.0),
    "fixed64": ([STAMP, *BASE, ("value", F.TYPE_FIXED64, "")], {"value": 2**64 - 1}, Reason),
    "uint64": ([STAMP, *BASE, ("value", F.TYPE_UINT64, "")], {"value": 17}, 17.0),
    "int32": ([STAMP, *BASE, ("value", F.TYPE_INT32, "")], {"value": -7}, -7.0),
    "float": ([STAMP, *BASE, ("value", F.TYPE_FLOAT, "")], {"value": 1.5}, 1.5),
    "nan": ([STAMP, *BASE, ("value", F.TYPE_DOUBLE, "")], {"value": math.nan}, math.nan),
    "bytes": ([STAMP, *BASE, ("value", F.TYPE_BYTES, "")], {"value": b"1"}, Reason.wrong_type),
    "enum-name": ([STAMP, *BASE, ("value", F.TYPE_ENUM, ".t.State")], {"value": 1, "tag": "state"}, 1.0),
    "enum-zero": ([STAMP, *BASE, ("value", F.TYPE_ENUM, ".t.State")], {"tag": "state"}, 0.0),
    "enum-other-name": ([STAMP, *BASE, ("value", F.TYPE_ENUM, ".t.State")], {"value": 2, "tag": "state"},
                        Reason.unknown_state),
    "enum-number": ([STAMP, *BASE, ("value", F.TYPE_ENUM, ".t.State")], {"value": 3, "tag": "state"}, 3.0),
    "no-value": ([STAMP, *BASE], {}, Reason.missing_field),
    "no-stamp": ([STAMP, *BASE, ("value", F.TYPE_DOUBLE, "")], {"ts": None}, Reason.missing_field),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "changes", "want"), PROTO.values(), ids=PROTO.keys())
def test_types_of_protobuf(world, fields, changes, want):
    file = proto_with(*fields, enum=True)
    seconds, nanos = divmod(NOW, 10**9)
    row = {"ts": timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos), "asset": "fill/line1/f1", "tag": "temp"}
    values = {name: value for name, value in {**row, **changes}.items() if value is not None}
    kind = classes(file)["R"]()
    for name, value in values.items():
        if hasattr(value, "DESCRIPTOR"):
            getattr(kind, name).ParseFromString(value.SerializeToString())
            getattr(kind, name).SetInParent()
        else:
            setattr(kind, name, value)
    got = only(world.decode(Message(1, NOW, framed(world.protobuf(file), kind.SerializeToString(), b"\0"))))
    if isinstance(want, float):
        status = Status.BAD if math.isnan(want) else Status.GOOD
        assert got == (NOW, pytest.approx(want, nan_ok=True), status)
    elif want is Reason:
        assert got == (NOW, float(2**64), Status.BAD)
    else:
        assert got == want


@pytest.mark.parametrize(
    ("indices", "reason"),
    [(b"\0", None), (b"\2\0", None), (b"\2\4", Reason.unknown_schema), (b"\4\0\0", Reason.unknown_schema),
     (b"\1", Reason.unknown_schema), (b"\x80" * 11, Reason.unknown_schema), (b"\2\xff\xff\3", Reason.unknown_schema)],
)  # fmt: skip
def test_the_list_of_indices(world, indices, reason):
    file = proto_file()
    one = classes(file)["Reading"](ts=NOW_MS, asset="fill/line1/f1", tag="temp", number=21.5)
    body = framed(world.protobuf(file), one.SerializeToString(), indices)
    assert only(world.decode(Message(1, NOW, body))) == (reason or (NOW, 21.5, Status.GOOD))


def test_imports_of_protobuf(world):
    inner = descriptor_pb2.FileDescriptorProto(name="whatever.proto", package="i", syntax="proto3")
    inner.message_type.add(name="V").field.add(name="x", number=1, type=F.TYPE_DOUBLE, label=1)
    outer = proto_with(("ts", F.TYPE_INT64, ""), *BASE, ("value", F.TYPE_DOUBLE, ""), ("more", F.TYPE_MESSAGE, ".i.V"))
    outer.dependency.append("inner.proto")
    world.files.keep(Schema(4, "PROTOBUF", serialized(outer), (("inner.proto", serialized(inner)),)))
    body = b"\x08" + varint(NOW_MS) + b"\x12\x01a" + b"\x1a\x04temp" + b"\x2a\0"
    assert only(world.decode(Message(1, NOW, framed(4, body, b"\0")))) == (NOW, 0.0, Status.GOOD)
    assert only(world.decode(Message(1, NOW, framed(4, body[:-2] + b"\x2a\1\x09", b"\0")))) == Reason.garbled


def varint(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


@pytest.mark.parametrize(
    ("extra", "good"),
    [
        (b"\xf3\x01\x08\x05\xf4\x01", True),  # group 30 with a number inside
        (b"\xf3\x01\x08\x05", False), (b"\xf3\x01\xf4\x02", False), (b"\xf4\x01", False), (b"\x07", False),
        (b"\xf3\x01" * 60 + b"\xf4\x01" * 60, True), (b"\xf3\x01" * 500 + b"\xf4\x01" * 500, False),
        (b"\x02\x01x", False), (b"\xf2\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", False), (b"\xf0\x01", False),
        (b"\xf0\x01" + b"\xff" * 9 + b"\x01", True), (b"\xf0\x01" + b"\xff" * 10 + b"\x01", False),
        (b"\xf1\x01" + b"x" * 7, False), (b"\xf5\x01" + b"x" * 4, True), (b"\x22\x02ab", True),
    ],
)  # fmt: skip
def test_hostile_protobuf_is_a_dead_letter(world, extra, good):
    file = proto_file()
    kind = classes(file)["Reading"]
    body = kind(ts=NOW_MS, asset="a", tag="temp", number=5.0).SerializeToString() + extra
    got = only(world.decode(Message(1, NOW, framed(world.protobuf(file), body, b"\0"))))
    assert got == ((NOW, 5.0, Status.GOOD) if good else Reason.garbled)
    if good:
        assert kind.FromString(body).number == 5.0
    else:
        with pytest.raises(Exception, match=r"."):
            kind.FromString(body)

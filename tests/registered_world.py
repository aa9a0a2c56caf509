"""Messages in the framing of a schema registry, made by the formats' own libraries."""

from __future__ import annotations

import base64
import io
import json
import struct

import fastavro
from google.protobuf import descriptor_pb2, message_factory

from andon.readings import Messages
from andon.series import SeriesDictionary
from sources.decode.protobuf_schema import file_of
from sources.decode.registered import RegisteredDecoder
from sources.registry_files import Schema, SchemaFiles
from tests.decode_world import PLANT

ANY = ["null", "boolean", "long", "double", "string", {"type": "array", "items": "string"}]
FIELDS = ("ts", "asset", "tag", "value", "q", "unit")
_F = descriptor_pb2.FieldDescriptorProto


def record(fields, name="Reading", kind=ANY):
    return {"type": "record", "name": name, "fields": [{"name": one, "type": kind} for one in fields]}


def framed(number, body, indices=b""):
    return b"\0" + struct.pack(">I", number) + indices + body


def avro(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


class World:
    """Schemas of one shard, and decoders that know them."""

    def __init__(self, folder, plant=PLANT):
        self.files, self.plant, self.last = SchemaFiles(folder), plant, 0
        self.known = {}

    def avro(self, schema):
        """Id of a schema."""
        text = json.dumps(schema)
        if text not in self.known:
            self.last += 1
            self.known[text] = self.last
            self.files.keep(Schema(self.last, "AVRO", text))
        return self.known[text]

    def protobuf(self, file, references=()):
        self.last += 1
        self.files.keep(Schema(self.last, "PROTOBUF", serialized(file), tuple(references)))
        return self.last

    def decoder(self):
        return RegisteredDecoder(SeriesDictionary(self.plant, 0), self.plant, 0, self.files)

    def decode(self, *messages):
        return self.decoder().decode(Messages.of(messages))


def serialized(file):
    return base64.b64encode(file.SerializeToString()).decode()


def proto_file(syntax="proto3"):
    """message Reading {...; oneof value {...}}, message Batch {repeated Reading readings; string note}, and others."""
    file = descriptor_pb2.FileDescriptorProto(name="r.proto", package="acme", syntax=syntax)
    file.dependency.extend(["google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto",
                            "google/protobuf/struct.proto"])  # fmt: skip
    one = file.message_type.add(name="Reading")
    one.oneof_decl.add(name="value")
    for number, (name, kind, oneof) in enumerate([
        ("ts", _F.TYPE_INT64, None), ("asset", _F.TYPE_STRING, None), ("tag", _F.TYPE_STRING, None),
        ("number", _F.TYPE_DOUBLE, 0), ("whole", _F.TYPE_SINT64, 0), ("flag", _F.TYPE_BOOL, 0),
        ("text", _F.TYPE_STRING, 0), ("q", _F.TYPE_UINT32, 1), ("unit", _F.TYPE_STRING, 2),
    ], 1):  # fmt: skip
        field = one.field.add(name=name, number=number, type=kind, label=1)
        if oneof is not None:
            field.oneof_index = oneof
        if oneof:
            field.proto3_optional = True
    one.oneof_decl.add(name="_q")
    one.oneof_decl.add(name="_unit")
    one.field.add(name="more", number=20, type=_F.TYPE_MESSAGE, type_name=".acme.Reading", label=3)
    one.field.add(name="packed", number=21, type=_F.TYPE_SINT32, label=3)
    one.field.add(name="fixed", number=22, type=_F.TYPE_FIXED32, label=1)
    batch = file.message_type.add(name="Batch")
    batch.field.add(name="note", number=1, type=_F.TYPE_STRING, label=1)
    batch.field.add(name="readings", number=2, type=_F.TYPE_MESSAGE, type_name=".acme.Reading", label=3)
    return file


def classes(file):
    found = file_of(serialized(file), {})
    return {name: message_factory.GetMessageClass(one) for name, one in found.message_types_by_name.items()}

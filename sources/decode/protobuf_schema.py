"""A Protobuf message type as tables for the kernel in `protobuf_kernel`: which fields are kept as which field of a row.

Types reachable from it are tables too, since the library checks what is inside of fields that nobody asked for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from andon.readings import I32
from sources.decode import binary
from sources.decode.avro_schema import READINGS, UnusableSchemaError, Wanted
from sources.decode.layout import NESTED

# what a field holds
(
    INT64, INT32, UINT64, UINT32, SINT64, SINT32, BOOLEAN, ENUM, CLOSED_ENUM, DOUBLE, FLOAT, FIXED64, SFIXED64, FIXED32,
    SFIXED32, STRING, BYTES, MESSAGE, GROUP, SECONDS, SPLIT_NANOS, NO_VALUE,
) = range(22)  # fmt: skip
# columns of a field's line, and of a type's
NUMBER, HOLDS, FIELD, FIRST, COUNT, IMPLICIT, REPEATED, MARKED = range(8)
FIELDS_FROM, FIELDS, IS_ROW, ROW_KIND, TO_NULL, TO_STAMP, DEFAULTS_FROM, DEFAULTS = range(8)
NOTHING = -1  # instead of a field: only checked

_F = FieldDescriptor
_HOLDS = {
    _F.TYPE_INT64: INT64, _F.TYPE_INT32: INT32, _F.TYPE_UINT64: UINT64, _F.TYPE_UINT32: UINT32, _F.TYPE_SINT64: SINT64,
    _F.TYPE_SINT32: SINT32, _F.TYPE_BOOL: BOOLEAN, _F.TYPE_ENUM: ENUM, _F.TYPE_DOUBLE: DOUBLE, _F.TYPE_FLOAT: FLOAT,
    _F.TYPE_FIXED64: FIXED64, _F.TYPE_SFIXED64: SFIXED64, _F.TYPE_FIXED32: FIXED32, _F.TYPE_SFIXED32: SFIXED32,
    _F.TYPE_STRING: STRING, _F.TYPE_BYTES: BYTES, _F.TYPE_MESSAGE: MESSAGE, _F.TYPE_GROUP: GROUP,
}  # fmt: skip
_TIMESTAMP, _VALUE = "google.protobuf.Timestamp", "google.protobuf.Value"
_WRAPPERS = frozenset(f"google.protobuf.{name}" for name in wrappers_pb2.DESCRIPTOR.message_types_by_name)
_WELL_KNOWN = (
    any_pb2, source_context_pb2, type_pb2, api_pb2, descriptor_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2,
    timestamp_pb2, wrappers_pb2,
)  # fmt: skip
MOST_LINES = 20_000


class Tables(NamedTuple):
    """What the kernel reads by.

    code: int32[lines, 8]: the types first, the message's own at 0, then their fields, by number, then those fields
          again that have a value when the message does not give any.
    symbols: (number, UTF-8 name) of enums' values. row_classes: of each kind of row, to parse it by the library.
    """

    code: I32
    symbols: Sequence[tuple[int, bytes]]
    row_classes: Sequence[Any]


def file_of(text: str, references: Mapping[str, str]) -> Any:
    """The file descriptor of a registry's answer with format=serialized. references: by the names it imports.

    Raises UnusableSchemaError; also for the source text of a registry that does not know that format.
    """
    pool = descriptor_pool.DescriptorPool()
    try:
        for module in _WELL_KNOWN:
            pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        for name, one in references.items():
            _add(pool, one, name)
        return pool.FindFileByName(_add(pool, text, "the-schema.proto"))
    except UnusableSchemaError:
        raise
    except Exception as error:  # the library raises what it likes on what a registry may hold
        raise UnusableSchemaError(f"{type(error).__name__}: {error}") from error


def _add(pool: Any, text: str, name: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise UnusableSchemaError("no serialized file descriptor") from None
    file = descriptor_pb2.FileDescriptorProto.FromString(raw)
    file.name = name
    pool.AddSerializedFile(file.SerializeToString())
    return name


def compile_protobuf(file: Any, indices: Sequence[int], fields: Mapping[str, str]) -> Tables:
    """Tables for the message type at the indices (into the file, then into each message). fields: as for Avro.

    Raises UnusableSchemaError.
    """
    try:
        message = list(file.message_types_by_name.values())[indices[0]]
        for index in indices[1:]:
            message = message.nested_types[index]
    except IndexError:
        raise UnusableSchemaError(f"no message type at {list(indices)}") from None
    wanted = {name: tuple(path.split(".")) for name, path in fields.items()}
    readings = wanted.pop(READINGS)
    compiler = _Compiler(wanted)
    compiler.type_of(
        message, {} if _holds(message, readings) else wanted, readings, is_row=not _holds(message, readings)
    )
    return compiler.finish()


def _holds(message: Descriptor, readings: tuple[str, ...]) -> bool:
    """Whether the message has rows in an array at `readings`."""
    field = message.fields_by_name.get(readings[0]) if readings else None
    if field is None or field.type != _F.TYPE_MESSAGE:
        return False
    return bool(field.is_repeated) if len(readings) == 1 else _holds(field.message_type, readings[1:])


class _Compiler:
    def __init__(self, wanted: Wanted) -> None:
        self._row_fields = wanted
        self._types: list[list[int]] = []
        self._lines: list[list[list[int]]] = []
        self._known: dict[Any, int] = {}
        self._symbols: list[tuple[int, bytes]] = []
        self._enums: dict[str, tuple[int, int]] = {}
        self._rows: list[Any] = []

    def finish(self) -> Tables:
        at = len(self._types)
        for one, lines in zip(self._types, self._lines, strict=True):
            one[FIELDS_FROM], one[FIELDS] = at, len(lines)
            at += len(lines)
        if at > MOST_LINES:
            raise UnusableSchemaError(f"more than {MOST_LINES} fields")
        defaults = [[line for line in lines if line[FIELD] != NOTHING and line[IMPLICIT]] for lines in self._lines]
        for one, lines in zip(self._types, defaults, strict=True):
            one[DEFAULTS_FROM], one[DEFAULTS] = at, len(lines)
            at += len(lines)
        fields = [line for lines in self._lines for line in sorted(lines)]
        code = [*self._types, *fields, *(line for lines in defaults for line in lines)]
        return Tables(np.array(code, np.int32), self._symbols, self._rows)

    def type_of(
        self, message: Descriptor, wanted: Wanted, readings: tuple[str, ...] = (), *, is_row: bool = False
    ) -> int:
        """Index of the table of a message type in which these fields are looked for."""
        key = (message.full_name, tuple(sorted(wanted.items())), readings, is_row)
        if key in self._known:
            return self._known[key]
        number = self._known[key] = len(self._types)
        lines: list[list[int]] = []
        self._types.append([0] * 8)
        self._lines.append(lines)
        lines += [self._line(field, message, wanted, readings) for field in message.fields]
        table = self._types[number]
        table[TO_NULL], table[TO_STAMP] = NOTHING, NOTHING
        if is_row:
            table[IS_ROW], table[ROW_KIND] = 1, len(self._rows)
            table[TO_NULL] = self._absent_is_null(message, wanted)
            self._rows.append(message_factory.GetMessageClass(message))
        if message.full_name == _TIMESTAMP and len(wanted):
            table[TO_STAMP] = binary.TS
        return number

    def _absent_is_null(self, message: Descriptor, wanted: Wanted) -> int:
        """The field value, where the message can say that there is none."""
        path = wanted.get("value", ())
        if len(path) != 1:
            return NOTHING
        field = message.fields_by_name.get(path[0])
        explicit = path[0] in message.oneofs_by_name or (field is not None and field.has_presence)
        return binary.VALUE if explicit and not (field is not None and field.is_required) else NOTHING

    def _line(self, field: Any, message: Descriptor, wanted: Wanted, readings: tuple[str, ...]) -> list[int]:
        holds, to, first, count, marked = _HOLDS[field.type], NOTHING, 0, 0, 0
        oneof = field.containing_oneof.name if field.containing_oneof is not None else field.name
        below = {name: path[1:] for name, path in wanted.items() if path[0] in (field.name, oneof)}
        whole = next((name for name, path in below.items() if not path), None)
        if whole is not None:
            to = binary.FIELD_NAMES.index(whole)
        if holds == MESSAGE:
            inside = field.message_type
            first = self._inside(field, inside, whole, below, readings)
            if (whole is not None and not _is_single(inside, whole)) or field.is_repeated:
                marked = NESTED
        elif to != NOTHING and (field.is_repeated or holds in (BYTES, GROUP)):
            marked = NESTED
        elif holds == ENUM:
            holds = ENUM if not field.enum_type.is_closed else CLOSED_ENUM
            first, count = self._enum(field.enum_type)
        if message.full_name == _TIMESTAMP and wanted:
            holds, to = (SECONDS if field.name == "seconds" else SPLIT_NANOS), binary.TS
        if message.full_name == _VALUE and to != NOTHING and field.name == "null_value":
            holds = NO_VALUE
        implicit = int(not field.has_presence and not field.is_repeated)
        return [field.number, holds, to, first, count, implicit, int(field.is_repeated), marked]

    def _inside(
        self, field: Any, inside: Descriptor, whole: str | None, below: Wanted, readings: tuple[str, ...]
    ) -> int:
        if readings and field.name == readings[0]:
            if len(readings) == 1:
                return self.type_of(inside, self._row_fields, is_row=True)
            return self.type_of(inside, {}, readings[1:])
        if field.is_repeated or whole is None:
            return self.type_of(inside, {} if field.is_repeated else {n: p for n, p in below.items() if p})
        if inside.full_name in _WRAPPERS:
            return self.type_of(inside, {whole: ("value",)})
        if inside.full_name == _VALUE:
            return self.type_of(inside, {whole: ("kind",)})
        return self.type_of(inside, {whole: ("seconds",)} if inside.full_name == _TIMESTAMP and whole == "ts" else {})

    def _enum(self, enum: EnumDescriptor) -> tuple[int, int]:
        if enum.full_name not in self._enums:
            self._enums[enum.full_name] = len(self._symbols), len(enum.values)
            self._symbols += [(value.number, value.name.encode()) for value in enum.values]
        return self._enums[enum.full_name]


def _is_single(message: Descriptor, field: str) -> bool:
    """Whether a message is a single value for a field of a row."""
    name = message.full_name
    return name in _WRAPPERS or name == _VALUE or (name == _TIMESTAMP and field == "ts")

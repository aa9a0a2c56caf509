"""The slow path of registered formats: a row whose value or samples only the format's library reads."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from fastavro import schemaless_reader

from sources.decode.avro_schema import Schema


class RowReader(Protocol):
    """Reads what the kernel left of a row."""

    def read(self, kind: int, raw: bytes) -> Mapping[str, object]:
        """value, samples, rate_hz, q, unit: those that are there, as JSON would have them; raw is checked already."""
        ...


class AvroRows:
    """By fastavro. schemas: of each kind of row. fields: where its parts are, dotted."""

    def __init__(self, schemas: Sequence[Schema], fields: Mapping[str, str]) -> None:
        self._schemas = [_without_logical_types(schema) for schema in schemas]
        self._paths = _paths(fields)

    def read(self, kind: int, raw: bytes) -> Mapping[str, object]:
        record: Any = schemaless_reader(io.BytesIO(raw), self._schemas[kind], None)
        read = {name: found[0] for name, path in self._paths.items() if (found := _at(record, path))}
        return {name: one if name == "q" else _plain(one) for name, one in read.items()}


class ProtobufRows:
    """By the library's own message classes, one for each kind of row."""

    def __init__(self, classes: Sequence[Any], fields: Mapping[str, str]) -> None:
        self._classes, self._paths = classes, _paths(fields)

    def read(self, kind: int, raw: bytes) -> Mapping[str, object]:
        message = self._classes[kind].FromString(raw)
        found = {}
        for name, path in self._paths.items():
            inner = message
            for step in path[:-1]:
                inner = getattr(inner, step, None)
            value = _said(inner, path[-1])
            if name == "q" and value == 0 and not _tells_absence(inner, path[-1]):
                continue  # it was not sent: a 0 of such a field never is
            if value is not None:
                found[name] = value if isinstance(value, (bytes, float, int, str)) else _single(value)
        return found


def _said(message: Any, name: str) -> Any:
    """A field, or what a oneof holds; None where nothing was sent: Protobuf would give a 0."""
    if message is None:
        return None
    if name in message.DESCRIPTOR.oneofs_by_name:
        name = message.WhichOneof(name) or ""
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None or (field.has_presence and not message.HasField(name)):
        return None
    return getattr(message, name)


def _tells_absence(message: Any, name: str) -> bool:
    field = message.DESCRIPTOR.fields_by_name.get(name)
    return field is None or bool(field.has_presence)


def _single(value: Any) -> object:
    """A repeated field as a list, a wrapper as what it holds."""
    return list(value) if hasattr(value, "extend") else getattr(value, "value", None)


def _paths(fields: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: fields[name].split(".") for name in ("value", "samples", "rate_hz", "q", "unit")}


def _at(record: Any, path: Sequence[str]) -> tuple[object, ...]:
    """(what is there,), or () where nothing is."""
    for step in path:
        if not isinstance(record, dict) or step not in record:
            return ()
        record = record[step]
    return (record,)


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def _without_logical_types(schema: Schema) -> Schema:
    """The schema with decimals alone: stamps that datetime does not have are the kernel's to judge."""
    if isinstance(schema, list):
        return [_without_logical_types(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_logical_types(one) if isinstance(one, (dict, list)) else one
        for key, one in schema.items()
        if key != "logicalType" or one == "decimal"
    }

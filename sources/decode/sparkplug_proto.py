"""The messages of Sparkplug B payloads (Eclipse Sparkplug 3.0), as far as a consumer of metrics needs them."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _FIELD.TYPE_STRING, "bytes": _FIELD.TYPE_BYTES, "bool": _FIELD.TYPE_BOOL, "float": _FIELD.TYPE_FLOAT,
    "double": _FIELD.TYPE_DOUBLE, "uint32": _FIELD.TYPE_UINT32, "uint64": _FIELD.TYPE_UINT64,
}  # fmt: skip
_PACKAGE = "andon.sparkplug"
_ONEOF = 100  # added to the number of a field that is one of `value`
# message -> field -> (number, type); a type in brackets is repeated, one that is no scalar is a message
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Payload": {
        "timestamp": (1, "uint64"), "metrics": (2, "[Metric]"), "seq": (3, "uint64"), "uuid": (4, "string"),
        "body": (5, "bytes"),
    },
    "Metric": {
        "name": (1, "string"), "alias": (2, "uint64"), "timestamp": (3, "uint64"), "datatype": (4, "uint32"),
        "is_historical": (5, "bool"), "is_transient": (6, "bool"), "is_null": (7, "bool"), "metadata": (8, "bytes"),
        "properties": (9, "PropertySet"), "int_value": (_ONEOF + 10, "uint32"), "long_value": (_ONEOF + 11, "uint64"),
        "float_value": (_ONEOF + 12, "float"), "double_value": (_ONEOF + 13, "double"),
        "boolean_value": (_ONEOF + 14, "bool"), "string_value": (_ONEOF + 15, "string"),
        "bytes_value": (_ONEOF + 16, "bytes"), "dataset_value": (_ONEOF + 17, "bytes"),
        "template_value": (_ONEOF + 18, "bytes"), "extension_value": (_ONEOF + 19, "bytes"),
    },
    "PropertySet": {"keys": (1, "[string]"), "values": (2, "[PropertyValue]")},
    "PropertyValue": {
        "type": (1, "uint32"), "is_null": (2, "bool"), "int_value": (_ONEOF + 3, "uint32"),
        "long_value": (_ONEOF + 4, "uint64"), "float_value": (_ONEOF + 5, "float"),
        "double_value": (_ONEOF + 6, "double"), "boolean_value": (_ONEOF + 7, "bool"),
        "string_value": (_ONEOF + 8, "string"), "propertyset_value": (_ONEOF + 9, "bytes"),
        "propertysets_value": (_ONEOF + 10, "bytes"), "extension_value": (_ONEOF + 11, "bytes"),
    },
}  # fmt: skip


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="andon/sparkplug.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if any(number > _ONEOF for number, _ in fields.values()):
            message.oneof_decl.add(name="value")
        for field, (number, kind) in fields.items():
            one = message.field.add(name=field, number=number % _ONEOF)
            one.label = _FIELD.LABEL_REPEATED if kind.startswith("[") else _FIELD.LABEL_OPTIONAL
            kind = kind.strip("[]")  # noqa: PLW2901 - the brackets have done their work
            one.type = _TYPES.get(kind, _FIELD.TYPE_MESSAGE)
            if kind not in _TYPES:
                one.type_name = f".{_PACKAGE}.{kind}"
            if number > _ONEOF:
                one.oneof_index = 0
    return file


def _classes() -> tuple[Any, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    names = ("Payload", "Metric")
    one, two = (message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in names)
    return one, two


Payload, Metric = _classes()

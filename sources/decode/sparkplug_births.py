"""What births tell: the metrics of an edge node or device, and which declared series each of them is."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from google.protobuf.message import DecodeError

from sources.decode.sparkplug_proto import Payload

BD_SEQ = "bdSeq"
UNIT_PROPERTY = "engUnit"


class Stream(NamedTuple):
    """Who sends: an edge node (device is empty) or a device of it."""

    group: str
    node: str
    device: str

    @property
    def path(self) -> str:
        """group/node or group/node/device."""
        return "/".join(part for part in self if part)


class Defined(NamedTuple):
    """A metric as a birth defines it. unit is None where the birth names none."""

    name: str
    alias: int | None
    datatype: int
    unit: str | None


def read_payload(body: bytes) -> Any | None:
    """The payload of a birth or death; None when it is not one."""
    try:
        payload = Payload.FromString(body)
    except DecodeError:
        return None
    # the library gives text that is not UTF-8 as bytes
    return payload if all(isinstance(metric.name, str) for metric in payload.metrics) else None


def defined(payload: Any) -> bytes:
    """The definitions of a birth, packed: equal bytes are equal births. `definitions` has them back."""
    return orjson.dumps([
        (one.name, one.alias if one.HasField("alias") else None, one.datatype, _unit(one)) for one in payload.metrics
    ])  # fmt: skip


def definitions(packed: bytes) -> list[Defined]:
    """What `defined` has packed."""
    return [Defined(*row) for row in orjson.loads(packed)]


def bd_seq(payload: Any) -> int | None:
    """Which session a birth or death of a node belongs to."""
    for metric in payload.metrics:
        if metric.name == BD_SEQ and metric.WhichOneof("value") in ("int_value", "long_value"):
            return int(metric.int_value or metric.long_value)
    return None


def _unit(metric: Any) -> str | None:
    properties = metric.properties
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == UNIT_PROPERTY and value.HasField("string_value"):
            return str(value.string_value)  # bytes that are not UTF-8 become a text that is no unit
    return None

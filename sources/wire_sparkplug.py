"""Sparkplug B messages as our log frames them: for tests, benchmarks, simulators and edges that write our log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sources.decode.sparkplug_proto import Payload

#: Datatypes of metrics, by the name Sparkplug gives them.
DATATYPES = {
    "Int8": 1, "Int16": 2, "Int32": 3, "Int64": 4, "UInt8": 5, "UInt16": 6, "UInt32": 7, "UInt64": 8, "Float": 9,
    "Double": 10, "Boolean": 11, "String": 12, "DateTime": 13, "Text": 14,
}  # fmt: skip
_FIELDS = {
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16", "UInt32"), "int_value"),
    **dict.fromkeys(("Int64", "UInt64", "DateTime"), "long_value"),
    "Float": "float_value", "Double": "double_value", "Boolean": "boolean_value", "String": "string_value",
    "Text": "string_value",
}  # fmt: skip


class Tag(NamedTuple):
    """A metric as a birth defines it."""

    name: str
    alias: int | None = None
    datatype: str = "Double"
    unit: str | None = None


class Sent(NamedTuple):
    """A value of a metric; by alias where its tag has one. time_ms None: that of the payload."""

    tag: Tag
    value: float | bool | str | None
    time_ms: int | None = None
    historical: bool = False
    quality: int | None = None


def framed(kind: str, group: str, node: str, payload: bytes, device: str = "") -> bytes:
    """A message of our log: the MQTT topic, one byte 0, the payload."""
    return "/".join(part for part in ("spBv1.0", group, kind, node, device) if part).encode() + b"\0" + payload


def birth(sent: Iterable[Sent], time_ms: int, seq: int, *, session: int | None = None) -> bytes:
    """Payload of a birth: each tag with its value of now. session: bdSeq, of an NBIRTH."""
    payload = Payload(timestamp=time_ms, seq=seq)
    if session is not None:
        payload.metrics.add(name="bdSeq", datatype=DATATYPES["Int64"], timestamp=time_ms, long_value=session)
    for one in sent:
        metric = _metric(one, payload)
        metric.name, metric.datatype = one.tag.name, DATATYPES[one.tag.datatype]
        if one.tag.unit is not None:
            metric.properties.keys.append("engUnit")
            metric.properties.values.add(type=DATATYPES["String"], string_value=one.tag.unit)
    return bytes(payload.SerializeToString())


def data(sent: Iterable[Sent], time_ms: int, seq: int) -> bytes:
    """Payload of data."""
    payload = Payload(timestamp=time_ms, seq=seq)
    for one in sent:
        metric = _metric(one, payload)
        if one.tag.alias is None:
            metric.name = one.tag.name
    return bytes(payload.SerializeToString())


def death(time_ms: int, *, session: int | None = None, seq: int | None = None) -> bytes:
    """Payload of a death: of a node with its session (bdSeq), of a device with the next sequence number."""
    payload = Payload(timestamp=time_ms)
    if seq is not None:
        payload.seq = seq
    if session is not None:
        payload.metrics.add(name="bdSeq", datatype=DATATYPES["Int64"], timestamp=time_ms, long_value=session)
    return bytes(payload.SerializeToString())


def _metric(one: Sent, payload: Any) -> Any:
    metric = payload.metrics.add()
    tag = one.tag
    if tag.alias is not None:
        metric.alias = tag.alias
    if one.time_ms is not None:
        metric.timestamp = one.time_ms
    if one.historical:
        metric.is_historical = True
    if one.quality is not None:
        metric.properties.keys.append("Quality")
        metric.properties.values.add(type=DATATYPES["Int32"], int_value=one.quality & 0xFFFFFFFF)
    if one.value is None:
        metric.is_null = True
        return metric
    field = _FIELDS[tag.datatype]
    value = one.value
    if field == "int_value":
        value = int(value) & 0xFFFFFFFF  # two's complement
    elif field == "long_value":
        value = int(value) & 0xFFFFFFFFFFFFFFFF
    setattr(metric, field, value)
    return metric


__all__ = ["DATATYPES", "Sent", "Tag", "birth", "data", "death", "framed"]

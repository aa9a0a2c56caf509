"""Which columns of an Arrow schema are the fields of a reading, and what is wrong with it."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from andon.readings import NS_PER_MS, NS_PER_S, Reason
from sources.decode.layout import NULL, REAL, STRING, TRUE, WHOLE

_PER_UNIT = {"s": NS_PER_S, "ms": NS_PER_MS, "us": 1_000, "ns": 1}
UNIT = b"unit"  # key of schema or field metadata


class ArrowLayout(NamedTuple):
    """Indices of columns, -1 where there is none. A batch has asset and tag, or series.

    tick_ns: what one of its stamps counts. kind: of all its values, layout.WHOLE, REAL, TRUE (boolean), STRING, NULL.
    unit: of all its values, None where it says none.
    """

    ts: int
    asset: int
    tag: int
    series: int
    value: int
    quality: int
    unit_column: int
    tick_ns: int
    kind: int
    unit: str | None


def read_schema(schema: pa.Schema) -> ArrowLayout | Reason:
    """The layout, or why no row of such a batch is a reading."""
    at = {name: schema.get_field_index(name) for name in ("ts", "asset", "tag", "series", "value", "q", "unit")}
    has_names = min(at["asset"], at["tag"]) >= 0 or at["series"] >= 0
    if min(at["ts"], at["value"]) < 0 or not has_names:
        return Reason.missing_field
    fields = {name: schema.field(index) for name, index in at.items() if index >= 0}
    if not all(_is_text(fields[name].type) for name in ("asset", "tag", "series") if name in fields):
        return Reason.wrong_type
    tick_ns = _tick_ns(fields["ts"].type)
    kind = _kind(fields["value"].type)
    if isinstance(tick_ns, Reason):
        return tick_ns
    if kind is None or ("q" in fields and not pa.types.is_integer(fields["q"].type)):
        return Reason.wrong_type
    unit = (fields["value"].metadata or {}).get(UNIT, (schema.metadata or {}).get(UNIT))
    if "unit" in fields and not _is_text(fields["unit"].type):
        return Reason.wrong_type
    return ArrowLayout(
        at["ts"], at["asset"], at["tag"], at["series"], at["value"], at["q"], at["unit"], tick_ns, kind,
        None if unit is None else unit.decode("utf-8", "replace"),
    )  # fmt: skip


def _is_text(kind: pa.DataType) -> bool:
    inside = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inside) or pa.types.is_large_string(inside))


def _tick_ns(kind: pa.DataType) -> int | Reason:
    """Stamps are whole milliseconds, or timestamps: those with a zone count from 1970 UTC, whichever zone it is."""
    if pa.types.is_integer(kind):
        return NS_PER_MS
    if not pa.types.is_timestamp(kind):
        return Reason.stamp_unreadable
    return Reason.stamp_naive if kind.tz is None else _PER_UNIT[kind.unit]


def _kind(kind: pa.DataType) -> int | None:
    if pa.types.is_floating(kind):
        return REAL
    if pa.types.is_integer(kind):
        return WHOLE
    if pa.types.is_boolean(kind):
        return TRUE
    if pa.types.is_null(kind):
        return NULL
    return STRING if _is_text(kind) else None

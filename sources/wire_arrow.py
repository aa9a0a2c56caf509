"""Readings as an Arrow IPC stream: for tests, benchmarks, simulators and edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

_TEXT = pa.dictionary(pa.int32(), pa.string())
_FIELDS = {"ts": pa.int64(), "asset": _TEXT, "tag": _TEXT, "q": pa.uint32(), "unit": _TEXT}


def arrow_message(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One message of readings: the fields of a JSON reading, ts in whole ms; values all of one type, or None.

    `q` and `unit` are left out where no row has them.

    >>> body = arrow_message([{"ts": 1767225600123, "asset": "cold/room1", "tag": "air", "value": 4.5}])
    >>> pa.ipc.open_stream(body).read_all().to_pylist()
    [{'ts': 1767225600123, 'asset': 'cold/room1', 'tag': 'air', 'value': 4.5}]
    """
    names = [*("ts", "asset", "tag"), *(name for name in ("q", "unit") if any(name in row for row in rows))]
    columns = {name: pa.array([row.get(name) for row in rows], _FIELDS[name]) for name in names}
    value = pa.array([row["value"] for row in rows])
    columns["value"] = value.dictionary_encode() if pa.types.is_string(value.type) else value
    return stream([pa.record_batch(columns)])


def stream(batches: Sequence[pa.RecordBatch]) -> bytes:
    """Batches of one schema as an IPC stream, uncompressed: the log compresses."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())

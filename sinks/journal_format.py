"""How rows of the journal stand in its files: Arrow streams, one after another, the columns as narrow as they can be.

journal_columns.py says how a column is written. A thousand series with stamps in milliseconds and values of two
decimals take 11 bytes a row, where the plain columns take 53, and 5 compressed by lz4. To compress so few bytes costs
less than what it saves in writing and hashing them. A field without metadata is plain; files written before had plain
columns too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from sinks.journal_columns import ROW, Columns, Rows, decode_column, encode_column

__all__ = ["ROW", "SMALL", "Columns", "Part", "Rows", "decode", "encode", "encode_parts"]
Part = Any  # bytes or pa.Buffer
QUICK = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)  # threads for columns this small cost more
SMALL = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)  # 3 bytes a row, at twice the time


class _Parts:
    """A file for pyarrow to write to, that keeps the pieces as they are given: no copy, no growing buffer."""

    closed = False

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def write(self, part: Part) -> None:
        self.parts.append(part)


def encode(columns: Columns) -> bytes:
    """Rows as one whole Arrow stream of one record batch; at least one row."""
    return b"".join(encode_parts(columns))


def encode_parts(columns: Columns, options: pa.ipc.IpcWriteOptions = QUICK) -> list[Part]:
    """The pieces of what `encode` gives, not copied together; options: how they are compressed."""
    fields, arrays = [], []
    for name, column in columns.items():
        field, array = encode_column(name, column)
        fields.append(field)
        arrays.append(array)
    schema = pa.schema(fields)
    sink = _Parts()
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        writer.write_batch(pa.record_batch(arrays, schema=schema))
    return sink.parts


def decode(data: bytes, most: int | None = None) -> Rows:
    """All whole record batches of a file's streams; a torn tail is left out, and what is after `most` rows not read.

    What a power cut left in a tail may be anything: pyarrow has an error of its own for each.
    """
    parts, held = [], 0
    source = pa.BufferReader(data)
    try:
        while source.tell() < len(data) and (most is None or held < most):
            with pa.ipc.open_stream(source) as reader:
                for batch in reader:  # one by one: what is whole before a torn one counts
                    batch.validate()  # a torn column may be shorter than it says
                    parts.append(_decode_batch(batch))
                    held += batch.num_rows
    except (pa.ArrowException, OSError, KeyError, ValueError):
        pass
    return np.concatenate(parts)[:most] if parts else np.zeros(0, ROW)


def _decode_batch(batch: pa.RecordBatch) -> Rows:
    rows = np.zeros(batch.num_rows, ROW)
    for name in ROW.names or ():
        decode_column(batch.schema.field(name), batch.column(name), rows[name])
    return rows

"""Arrow IPC streams to columns. A message is one stream: schema, dictionaries, any number of batches.

docs/wire-formats.md names the columns. Rows are judged as JSON rows are (`columns`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from andon.plant import PlantModel
from andon.readings import I64, Decoded, Messages, Reason
from andon.series import SeriesDictionary
from sources.decode.arrow_guard import harmless
from sources.decode.arrow_names import NameTable
from sources.decode.arrow_run import Chunk, Layers, Run, codes, numbers, whole
from sources.decode.arrow_same import Forms
from sources.decode.arrow_schema import ArrowLayout, read_schema
from sources.decode.columns import RowJudge, WireRows
from sources.decode.layout import STRING
from sources.decode.memory import address

PREFIX = b"\xff\xff\xff\xff"
_KEPT = 16  # schemas with their dictionaries
_GOOD_Q = 192
_NO_STAMP = -1


class _Known(NamedTuple):
    """Schema and dictionaries as they came, and what they mean."""

    schema: pa.Schema
    dictionaries: tuple[pa.Array, ...]
    layers: Layers


class ArrowDecoder:
    """Decodes Arrow IPC streams of one shard. No state but the dictionary of series ids.

    Cost: 5 us a message that begins like one before and 0.02 us a row; of another message, in pyarrow, 60 us and more.
    """

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel, shard: int) -> None:
        self._dictionary, self._judge = dictionary, RowJudge(dictionary, plant)
        self._max_bytes = plant.config.sources.max_message_bytes
        self._foreign = frozenset(asset for asset in plant.assets if plant.shard_of(asset) != shard)
        units = [spec.unit for spec in dictionary.declared]
        self._unit_ids = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
        self._units_of = np.array([self._unit_ids[unit] for unit in units], np.int32)
        self._layouts: list[tuple[pa.Schema, ArrowLayout | Reason]] = []
        self._known: list[_Known] = []
        self._forms = Forms()
        self._run: Run | None = None
        self._parts: list[tuple[WireRows, Run | None]] = []

    def decode(self, messages: Messages) -> Decoded:
        """Rows in the order of the log."""
        self._run, self._parts = None, []
        view, begin = np.frombuffer(messages.text, np.uint8), 0
        text = address(view)
        for at, end in enumerate(messages.ends.tolist()):
            if end - begin > self._max_bytes:
                self._refuse(Reason.too_large, at)
            elif not harmless(text + begin, text + end):
                self._refuse(Reason.garbled, at)
            elif (found := self._forms.read(at, view, begin, end)) is not None:
                self._add(found)
            else:
                self._take(at, messages.raw(begin, end))
            begin = end + 1
        self._close()
        parts = self._parts or [(WireRows.empty(0), None)]
        starts = np.cumsum([0, *(len(rows.place) for rows, _ in parts)])

        def raw(which: I64) -> list[bytes]:
            found = []
            for i, part in zip(which.tolist(), (np.searchsorted(starts, which, "right") - 1).tolist(), strict=True):
                rows, run = parts[part]
                row = i - int(starts[part])
                found.append(messages.body(int(rows.message[row])) if run is None else run.as_json(row))
            return found

        decoded = self._judge.decoded(WireRows.joined([rows for rows, _ in parts]), messages, raw)
        self._parts = []  # they are views of the messages
        return decoded

    def snapshot(self) -> tuple[Any, ...]:
        """Nothing is kept."""
        return ()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Nothing was kept."""

    def _refuse(self, reason: Reason, at: int) -> None:
        self._close()
        self._parts.append((WireRows.refused(reason, at), None))

    def _take(self, at: int, body: bytes) -> None:
        """All batches of a message, or none of them."""
        try:
            found = self._read(at, body)
        except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError):  # UnicodeDecodeError is one
            found = Reason.garbled
        if isinstance(found, Reason):
            self._refuse(found, at)
            return
        self._add(found)

    def _add(self, found: list[tuple[Layers, Chunk]]) -> None:
        for layers, chunk in found:
            if self._run is None or self._run.layers is not layers:
                self._close()
                self._run = Run(layers, self._dictionary, self._unit_ids, self._units_of)
            self._run.chunks.append(chunk)

    def _close(self) -> None:
        """Make rows of the run."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            self._parts.append((run.rows(), run))
        except IndexError:  # a code outside of its dictionary: only the message that has it is refused
            messages = dict.fromkeys(chunk.message for chunk in run.chunks)
            for at in messages:
                self._close_alone(run, at)

    def _close_alone(self, run: Run, at: int) -> None:
        own = Run(run.layers, self._dictionary, self._unit_ids, self._units_of)
        own.chunks = [chunk for chunk in run.chunks if chunk.message == at]
        try:
            self._parts.append((own.rows(), own))
        except IndexError:
            self._parts.append((WireRows.refused(Reason.garbled, at), None))

    def _read(self, at: int, body: bytes) -> Reason | list[tuple[Layers, Chunk]]:
        found: list[tuple[Layers, Chunk]] = []
        reader = pa.ipc.open_stream(pa.py_buffer(body))
        layout = self._layout(reader.schema)
        if isinstance(layout, Reason):
            return layout
        line = 0
        first: pa.RecordBatch | None = None
        for batch in reader:
            batch.validate(full=True)
            found.append(self._chunk(layout, batch, at, line))
            line += len(batch)
            first = batch if first is None else first
        if first is not None:
            self._forms.learn(body, first, *found[0])
        return found

    def _layout(self, schema: pa.Schema) -> ArrowLayout | Reason:
        for known, layout in self._layouts:
            if known.equals(schema, check_metadata=True):
                return layout
        layout = read_schema(schema)
        self._layouts = [(schema, layout), *self._layouts[: _KEPT - 1]]
        return layout

    def _chunk(self, layout: ArrowLayout, batch: pa.RecordBatch, at: int, line: int) -> tuple[Layers, Chunk]:
        first = layout.series if layout.series >= 0 else layout.asset
        second = -1 if layout.series >= 0 else layout.tag
        texts = [
            _encoded(batch.column(index)) if index >= 0 else None
            for index in (first, second, layout.value if layout.kind == STRING else -1, layout.unit_column)
        ]
        layers = self._layers(layout, batch.schema, tuple(text.dictionary for text in texts if text is not None))
        asset, tag, state, unit = (None if text is None else codes(text) for text in texts)
        quality = None if layout.quality < 0 else whole(batch.column(layout.quality), _GOOD_Q)
        value = numbers(batch.column(layout.value)) if state is None else state
        ts = whole(batch.column(layout.ts), _NO_STAMP)
        return layers, Chunk(at, line, ts, asset, tag, value, quality, unit)  # type: ignore[arg-type]  # asset is always there

    def _layers(self, layout: ArrowLayout, schema: pa.Schema, dictionaries: tuple[pa.Array, ...]) -> Layers:
        """What was learned from these dictionaries; read now if no batch so far had them."""
        for known in self._known:
            if known.layers.layout is layout and all(
                one.equals(other) for one, other in zip(known.dictionaries, dictionaries, strict=True)
            ):
                return known.layers
        texts = iter([one.to_pylist() for one in dictionaries])
        names = NameTable(next(texts), None if layout.series >= 0 else next(texts), self._place)
        states = tuple(next(texts)) if layout.kind == STRING else ()
        units = tuple(next(texts)) if layout.unit_column >= 0 else ()
        layers = Layers(layout, names, states, units)
        self._known = [_Known(schema, dictionaries, layers), *self._known[: _KEPT - 1]]
        return layers

    def _place(self, asset: str, tag: str) -> int:
        place = self._dictionary.place_of(asset, tag)
        if place >= 0:
            return place
        return -Reason.wrong_partition if asset in self._foreign else -Reason.unknown_series


def _encoded(column: pa.Array) -> pa.DictionaryArray:
    """A text column with a dictionary."""
    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()

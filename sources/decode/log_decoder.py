"""Messages of a log to columns, whatever format each of them has: `LogDecoder`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from andon.plant import PlantModel
from andon.readings import NS_PER_S, U8, Decoded, Message, Messages, Readings
from andon.series import SeriesDictionary
from sources.decode.arrow import PREFIX as ARROW
from sources.decode.arrow import ArrowDecoder
from sources.decode.decoder import ROWS, JsonDecoder
from sources.decode.formats import JSON, FirstBytes, FormatDecoder, joined, read_ticks, with_ticks
from sources.decode.registered import RegisteredDecoder
from sources.decode.sparkplug import PREFIX as SPARKPLUG
from sources.decode.sparkplug import SparkplugDecoder
from sources.registry_files import SchemaFiles

LAYOUT = 1
State = tuple[int, dict[str, tuple[Any, ...]]]  # layout, state by name of the format
Make = Callable[[SeriesDictionary, PlantModel, int], FormatDecoder]

#: Formats beside JSON are registered here: name, frozen in state -> (what its messages begin with, what decodes them).
#: A format whose messages begin like those of another stands before it.
FORMATS: Mapping[str, tuple[bytes, Make]] = {"arrow": (ARROW, ArrowDecoder), "sparkplug": (SPARKPLUG, SparkplugDecoder)}


class LogDecoder:
    """Decodes the messages of one shard's log (docs/wire-formats.md). What begins like no other format is JSON.

    A batch of one format goes to that format's decoder as it is; a mixed one is cut into runs of one format each. Ticks
    between messages of other formats cut nothing: one a second would make a run of each message.
    Any split of the messages into calls gives the same rows. Never raises on any bytes. schemas: of Avro and Protobuf.
    """

    def __init__(
        self, dictionary: SeriesDictionary, plant: PlantModel, shard: int, schemas: SchemaFiles | None = None
    ) -> None:
        registered = partial(RegisteredDecoder, files=schemas)
        formats: Mapping[str, tuple[bytes, Make]] = {**FORMATS, "registered": (b"\0", registered)}
        self._future_ns = round(plant.config.time.future_s * NS_PER_S)
        self._ticks = ROWS.labels(shard, "general")  # where JSON counts them
        self.json = JsonDecoder(dictionary, plant, shard)
        self._others = {name: make(dictionary, plant, shard) for name, (_, make) in formats.items()}
        self._decoders: list[FormatDecoder | JsonDecoder] = [self.json, *self._others.values()]
        self._first_bytes = FirstBytes([prefix for prefix, _ in formats.values()])

    def decode(self, messages: Sequence[Message]) -> Decoded:
        """Columns of all rows, in the order of the log; what is no reading, event or tick is a dead letter."""
        if not messages:
            return Decoded(Readings.empty())
        columns = Messages.of(messages)
        formats = self._first_bytes.formats(columns)
        if not formats.any():
            return self.json.decode(columns)
        others = np.flatnonzero(formats == JSON)
        ticks = read_ticks(columns, others, self._future_ns) if len(others) else None
        if ticks is not None:
            self._ticks.inc(len(ticks))
            rest = np.flatnonzero(formats)
            return with_ticks(self._runs(columns.picked(rest), formats[rest]), ticks)
        return self._runs(columns, formats)

    def _runs(self, messages: Messages, formats: U8) -> Decoded:
        """One run of one format after the other."""
        cuts = [0, *(np.flatnonzero(formats[1:] != formats[:-1]) + 1).tolist(), len(messages)]
        runs = [self._decoders[int(formats[begin])].decode(messages.part(begin, end)) for begin, end in pairwise(cuts)]
        return runs[0] if len(runs) == 1 else joined(runs)

    def snapshot(self) -> State:
        """What the formats keep between messages."""
        return (LAYOUT, {name: decoder.snapshot() for name, decoder in self._others.items()})

    def restore(self, state: State) -> None:
        """Take over a snapshot; a format that it does not know begins anew. ValueError on another layout."""
        layout, formats = state
        if layout != LAYOUT:
            raise ValueError(f"decoder state has layout {layout}, this version reads {LAYOUT}")
        for name, decoder in self._others.items():
            if name in formats:
                decoder.restore(formats[name])

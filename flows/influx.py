"""The flow's writer for InfluxDB: lines into a local queue, never the network. service/influx_sender.py empties it.

Windows, figures and states. Ledger totals, alarms and the state of the pipeline are written by the sender, from the
history and the records: the flow's ledger rows are increments, and adding them up here would count a replay twice.
"""

from __future__ import annotations

import math

from bytewax.outputs import StatefulSinkPartition

from andon.datafolder import DataFolder
from andon.outputs import Figure, ShardOutputs, StateChanges
from andon.plant import PlantModel
from operators.oee import oee_ratios
from sinks.history_reader import DeclaredRow
from sinks.influx import gaps
from sinks.influx.lines import figure_line, span_line, state_line, state_text
from sinks.influx.window_lines import WindowEncoder
from sinks.segments import Position, SegmentWriter

TARGET = "influx"
MB = 1_000_000


class OutputEncoder:
    """Outputs of a step as line protocol; the same outputs are the same bytes."""

    def __init__(self, plant: PlantModel) -> None:
        self._site, self._specs, self._plant = plant.config.site.id, plant.series, plant
        self.windows = WindowEncoder(self._site, {path: spec.unit for path, spec in plant.series.items()})

    def encode(self, outputs: ShardOutputs) -> tuple[bytes, int]:
        """(lines, how many) of a step's windows, declared ones too, figures and states."""
        parts = [self.windows.encode(outputs.windows, outputs.paths)]
        parts += self._spans(outputs)
        parts += [self.figure(figure) for figure in outputs.figures]
        if outputs.states is not None:
            parts += self._states(outputs.states, outputs)
        return b"".join(parts), len(outputs.windows) + sum(map(bool, parts[1:]))

    def span(self, path: tuple[str, str], window: str, row: DeclaredRow) -> bytes:
        """One declared window of a series."""
        unit = self._specs[path].unit if path in self._specs else "1"
        bounds_ns = (row.start_ns, row.end_ns)
        return span_line(self._site, *path, unit, window, bounds_ns, row.revision, row.count, row.statistics)

    def declared(self, path: tuple[str, str]) -> list[str]:
        """Ids of the declared windows on a series."""
        return [one.id for one in self._plant.windows_for(self._specs[path])] if path in self._specs else []

    def _spans(self, outputs: ShardOutputs) -> list[bytes]:
        return [
            self.span(outputs.paths[series], window, DeclaredRow(start_ns, end_ns, revision, count, told))
            for series, window, start_ns, end_ns, revision, count, told in outputs.spans.each()
        ]

    def figure(self, figure: Figure) -> bytes:
        """One figure, an OEE with its ratios."""
        ratios: dict[str, float | None] = {}
        if figure.kind == "oee":
            found = oee_ratios(figure.parts)
            names = {"availability": "A", "performance": "P", "quality": "Q", "oee": "OEE"}
            ratios = {name: found[letter] for name, letter in names.items()}
        return figure_line(self._site, figure, ratios)

    def state(self, asset: str, tag: str, time_ns: int, value: float | None) -> bytes:
        """One change of a state; None: not known."""
        number = math.nan if value is None else value
        return state_line(self._site, asset, tag, state_text(self._specs.get((asset, tag)), number), number, time_ns)

    def _states(self, states: StateChanges, outputs: ShardOutputs) -> list[bytes]:
        rows = zip(states.series.tolist(), states.time_ns.tolist(), states.value.tolist(), strict=True)
        return [self.state(*outputs.paths[series], time_ns, value) for series, time_ns, value in rows]


class InfluxPartition(StatefulSinkPartition[ShardOutputs, Position]):
    """Lines of one shard. The state is how far they are on disk.

    Delivery class: at least once into the queue; every point has a deterministic key, so the effect is exactly once.
    """

    def __init__(self, writer: SegmentWriter, encoder: OutputEncoder, resume: Position | None) -> None:
        self._writer, self._encoder = writer, encoder
        writer.restore(resume)

    def write_batch(self, values: list[ShardOutputs]) -> None:
        """One append a step; the sender sees it at once."""
        for outputs in values:
            self._writer.write(*self._encoder.encode(outputs))

    def snapshot(self) -> Position:
        """Everything so far is on disk."""
        return self._writer.flush()

    def close(self) -> None:
        """Let go of the file."""
        self._writer.close()


def influx_partition(plant: PlantModel, data: DataFolder, shard: int, resume: Position | None) -> InfluxPartition:
    """The writer of a shard. Its part of influx.spool_mb is one shard's; ValueError without [influx]."""
    influx = plant.config.influx
    if influx is None:
        raise ValueError("the plant has no [influx]")
    most = round(influx.spool_mb * MB / plant.config.transport.shards)
    writer = SegmentWriter(data.segments(TARGET, shard), max_bytes=most, summary=gaps.summary)
    return InfluxPartition(writer, OutputEncoder(plant), resume)

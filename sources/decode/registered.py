"""Avro and Protobuf messages in the framing of a schema registry to columns: `RegisteredDecoder`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from andon.plant import PlantModel
from andon.readings import I32, I64, NS_PER_S, Block, DeadLetters, Decoded, Messages, Readings, Reason, Status
from andon.series import SeriesDictionary
from andon.units import Conversion
from sources.decode.avro_kernel import STACK as AVRO_STACK
from sources.decode.binary import RowMemory
from sources.decode.block import Wave, give_ids, read_wave
from sources.decode.decoder import ROWS
from sources.decode.layout import BLOCK, OK, SLOW, UNIT_MISMATCH
from sources.decode.memory import address
from sources.decode.programs import Programs
from sources.decode.protobuf_kernel import STACK as PROTOBUF_STACK
from sources.decode.registered_kernel import Work, read_headers, read_registered
from sources.decode.slow import read_quality, read_value
from sources.decode.table import SeriesTable
from sources.decode.units import ROWS as CONVERTED
from sources.decode.units import to_series
from sources.registry_files import SchemaFiles

MISSING = int(Reason.unknown_schema)


class RegisteredDecoder:
    """Decodes messages that begin with a byte 0 and the id of their schema, of one shard.

    Which bytes are which field the schema of the id says, as `files` has it; an id that is not there makes dead
    letters. Keeps no state but what it has compiled. Cost against orjson for the same rows: Avro 1/7 to 1/10, Protobuf
    1/5 to 1/7, in large calls; a waveform or a decimal 10 us and more.
    """

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel, shard: int, files: SchemaFiles | None) -> None:
        self.dictionary = dictionary
        self._programs = Programs(files, plant.config.sources.schema_registry)
        self._plant, self._shard = plant, shard
        self._future_ns = round(plant.config.time.future_s * NS_PER_S)
        self._max_bytes = plant.config.sources.max_message_bytes
        self._rows = RowMemory(1024)
        self._stack = np.zeros(max(AVRO_STACK, 2 * PROTOBUF_STACK), np.int64)
        self._general, self._slow = ROWS.labels(shard, "registered"), ROWS.labels(shard, "registered_slow")
        self.rows_slow = 0

    def decode(self, messages: Messages) -> Decoded:
        """Rows of all messages in log order; what is no reading or waveform is a dead letter."""
        n = len(messages)
        ids, types, begins = (np.empty(n, np.int64) for _ in range(3))
        text = np.frombuffer(messages.text, np.uint8)
        read_headers(address(text), messages.ends, ids, types, begins)
        chosen, least = self._programs.choose(ids, types, begins, messages)
        capacity = len(text) // least + n + 1
        if self._rows.capacity < capacity:
            self._rows = RowMemory(capacity * 3 // 2)
        rows = self._rows
        work = Work(address(self._programs.table), address(self._stack), address(rows.slots))
        read_registered(
            address(text), messages.ends, messages.received_ns, begins, chosen, MISSING, self._future_ns,
            self._max_bytes, work, rows.rows(), self._table.addresses,
        )  # fmt: skip
        return self._decoded(int(rows.counter[0]), chosen, begins, messages)

    @cached_property
    def _table(self) -> SeriesTable:
        own = [asset for asset in self._plant.assets if self._plant.shard_of(asset) == self._shard]
        return SeriesTable(self.dictionary.declared, own, sorted(frozenset(self._plant.assets) - frozenset(own)))

    def snapshot(self) -> tuple[Any, ...]:
        """Nothing: what it has compiled it compiles again."""
        return ()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take over nothing."""

    def _decoded(self, n: int, chosen: I32, begins: I64, messages: Messages) -> Decoded:
        rows = self._rows
        verdict, place, message = rows.verdict[:n], rows.place[:n], rows.message[:n]
        waves: dict[int, Wave] = {}
        if not (all_good := bool((verdict == OK).all())):
            waves = self._read_slow(np.flatnonzero((verdict == SLOW) | (verdict == UNIT_MISMATCH)), chosen, messages)
        if waves:
            give_ids(self.dictionary, place, list(waves))
        ids = self.dictionary.ids_at(place)
        good: slice | I64 = slice(None) if all_good else np.flatnonzero(verdict == OK)
        of = message[good]
        readings = Readings(
            rows.time_ns[:n][good].copy(), ids[good], rows.value[:n][good].copy(), rows.status[:n][good].copy(),
            messages.offset[of], messages.received_ns[of],
        )  # fmt: skip
        self._general.inc(n)
        if all_good:
            return Decoded(readings, rows_in=n)
        dead = self._dead(np.flatnonzero((verdict != OK) & (verdict < SLOW)), ids, begins, messages)
        at_row = np.cumsum(verdict == OK)
        blocks = [self._block(row, wave, ids, int(at_row[row]), messages) for row, wave in waves.items()]
        return Decoded(readings, dead=dead, rows_in=len(readings) + len(dead), blocks=blocks)

    def _read_slow(self, left: I64, chosen: I32, messages: Messages) -> dict[int, Wave]:
        """Let the formats' libraries read what the kernel left; waveforms by row."""
        rows, waves = self._rows, {}
        for row in left.tolist():
            m = int(rows.message[row])
            start = self._begin(m, messages)
            raw = messages.raw(start + int(rows.start[row]), start + int(rows.end[row]))
            found = self._programs.readers[int(chosen[m])].read(int(rows.kind[row]), raw)
            spec = self.dictionary.declared[int(rows.place[row])]
            change: Conversion | None = None
            if rows.verdict[row] == UNIT_MISMATCH:
                change = to_series(str(found.get("unit")), spec)
                if change is None:
                    continue
                reason, rows.status[row] = read_quality(found.get("q"))
                rows.verdict[row] = reason or OK
                if reason is not None:
                    continue
                CONVERTED.labels("registered").inc()
            if spec.kind == "waveform":
                wave = read_wave(found.get("samples"), found.get("rate_hz"), change)
                rows.verdict[row] = Reason.wrong_type if wave is None else BLOCK
                if wave is not None:
                    waves[row] = wave
                continue
            reason, value = read_value(found.get("value"), spec.kind, spec.states, change)
            rows.verdict[row], rows.value[row] = reason or OK, value
            if not spec.low <= value <= spec.high:
                rows.status[row] = Status.BAD
        self.rows_slow += len(left)
        self._slow.inc(len(left))
        return waves

    def _block(self, row: int, wave: Wave, ids: I32, at_row: int, messages: Messages) -> Block:
        rows, m = self._rows, int(self._rows.message[row])
        series = int(ids[row])
        return Block(
            int(rows.time_ns[row]), series, wave.rate_hz, self.dictionary.spec(series).unit, wave.samples,
            int(rows.status[row]), int(messages.offset[m]), int(messages.received_ns[m]), at_row,
        )  # fmt: skip

    def _dead(self, dead: I64, ids: I32, begins: I64, messages: Messages) -> DeadLetters:
        rows = self._rows
        of = rows.message[dead]
        return DeadLetters(
            messages.offset[of], rows.line[dead], messages.received_ns[of], rows.verdict[dead], ids[dead],
            [self._raw(row, begins, messages) for row in dead.tolist()],
        )  # fmt: skip

    def _raw(self, row: int, begins: I64, messages: Messages) -> bytes:
        """The bytes of a row; of one that is all that its message holds, the message."""
        rows, m = self._rows, int(self._rows.message[row])
        begin, start, end = self._begin(m, messages), int(rows.start[row]), int(rows.end[row])
        if begin + end == int(messages.ends[m]) and begin + start == int(begins[m]):
            start = 0
        return messages.raw(begin + start, begin + end)

    @staticmethod
    def _begin(m: int, messages: Messages) -> int:
        return int(messages.ends[m - 1]) + 1 if m else 0

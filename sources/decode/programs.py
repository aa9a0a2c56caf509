"""Which program of the kernel reads a message: compiled from the schema of its id when the log shows it first."""

from __future__ import annotations

from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from andon.config.registry import RegistryFields, SchemaRegistry
from andon.readings import I32, I64, Messages
from sources.decode.avro_schema import UnusableSchemaError, compile_avro
from sources.decode.memory import address, text_buffer
from sources.decode.protobuf_schema import compile_protobuf, file_of
from sources.decode.registered_kernel import AVRO, HEADER, NO_PROGRAM, PROTOBUF
from sources.decode.registered_rows import AvroRows, ProtobufRows, RowReader
from sources.registry_files import Schema, SchemaFiles

log = structlog.get_logger()
MOST_PROGRAMS = 4_096  # message types that are kept, those that do not exist included
_FIRST_TYPE = 1  # of a file, as `read_headers` writes it
_EMPTY_ROW = 2  # bytes of a row in an array of Protobuf at least: tag and size


class Programs:
    """The programs of a shard's log. files: its schemas; none: every id is unknown.

    table   : int64[programs, 3], for the kernel: kind, address of the steps, address of the texts.
    readers : of each program, for the rows that the kernel leaves.
    """

    def __init__(self, files: SchemaFiles | None, registry: SchemaRegistry | None) -> None:
        self._files = files
        self._fields = dict((registry.fields if registry is not None else RegistryFields()).model_dump())
        self.table: NDArray[np.int64] = np.zeros((1, 3), np.int64)
        self.readers: list[RowReader] = []
        self._least: list[int] = []
        self._schemas: dict[int, tuple[Schema, int]] = {}  # by id, and up to which offset nobody knew it
        self._numbers: dict[tuple[int, int], int] = {}  # (id, message type) -> index of the program
        self._files_of: dict[int, Any] = {}  # of Protobuf, by id
        self._unusable: set[int] = set()
        self._kept: list[object] = []  # what the table's addresses point to

    def choose(self, ids: I64, types: I64, begins: I64, messages: Messages) -> tuple[I32, int]:
        """(int32[m], the program of each message or NO_PROGRAM; bytes that a row of any of them takes at least).

        ids, types, begins: of `read_headers`. Where Avro has no list of types, begins is put right.
        """
        chosen: I32 = np.full(len(ids), NO_PROGRAM, np.int32)
        one = int(ids[0])
        distinct = [one] if bool((ids == one).all()) else np.unique(ids).tolist()
        least = 1 << 30
        for number in distinct:
            found = self._schema(number) if number >= 0 else None
            if found is None:
                continue
            schema, until = found
            mine = np.flatnonzero(ids == number)
            if schema.kind == "AVRO":
                begins[mine] = np.where(mine > 0, messages.ends[mine - 1] + 1, 0) + HEADER
                programs = [(mine, self._program(schema, _FIRST_TYPE))]
            else:
                of = types[mine]
                programs = [(mine[of == packed], self._program(schema, packed)) for packed in np.unique(of).tolist()]
            for where, program in programs:
                chosen[where] = program
                least = min(least, self._least[program]) if program >= 0 else least
            if until >= 0:
                chosen[mine[messages.offset[mine] <= until]] = NO_PROGRAM
        return chosen, least if least < 1 << 30 else 1

    def _schema(self, number: int) -> tuple[Schema, int] | None:
        """One that is not there is looked for again next time: the source may have got it meanwhile."""
        found = self._schemas.get(number)
        if found is None and self._files is not None and (schema := self._files.load(number)) is not None:
            found = self._schemas[number] = schema, self._files.unknown_until(number)
        return found

    def _program(self, schema: Schema, packed: int) -> int:
        key = schema.id, packed
        number = self._numbers.get(key)
        if number is None:
            try:
                number = self._compile(schema, packed)
            except UnusableSchemaError as problem:
                number = NO_PROGRAM
                if schema.id not in self._unusable:
                    self._unusable.add(schema.id)
                    log.error("schema.unusable", schema=schema.id, kind=schema.kind, problem=str(problem))
            if number != NO_PROGRAM or len(self._numbers) < MOST_PROGRAMS:  # what was compiled is always kept
                self._numbers[key] = number
        return number

    def _compile(self, schema: Schema, packed: int) -> int:
        references = dict(schema.references)
        if schema.kind == "AVRO":
            program = compile_avro(schema.text, list(references.values()), self._fields)
            texts = [(0, symbol) for symbol in program.symbols]
            return self._add(AVRO, program.code, texts, AvroRows(program.row_schemas, self._fields), program.least)
        if schema.kind != "PROTOBUF":
            raise UnusableSchemaError("of a kind that is not read")
        if packed < 0:
            raise UnusableSchemaError("no message type")
        indices = [byte - 1 for byte in packed.to_bytes(8, "little") if byte]
        if schema.id not in self._files_of:
            self._files_of[schema.id] = file_of(schema.text, references)
        tables = compile_protobuf(self._files_of[schema.id], indices, self._fields)
        reader = ProtobufRows(tables.row_classes, self._fields)
        return self._add(PROTOBUF, tables.code, list(tables.symbols), reader, _EMPTY_ROW)

    def _add(self, kind: int, code: I32, texts: list[tuple[int, bytes]], reader: RowReader, least: int) -> int:
        """texts: (number, UTF-8) of enums; Avro's kernel wants begin and end of each, Protobuf's the number too."""
        buffers = [text_buffer(text) for _, text in texts]
        places = [
            [number, address(buffer), address(buffer) + len(text)]
            for (number, text), buffer in zip(texts, buffers, strict=True)
        ]
        spans = np.array([*places, [0, 0, 0]], np.int64)[:, 1 if kind == AVRO else 0 :].copy()
        self._kept += [code, spans, *buffers]
        line = np.array([[kind, address(code), address(spans)]], np.int64)
        self.table = np.concatenate([self.table[: len(self.readers)], line])
        self.readers.append(reader)
        self._least.append(least)
        return len(self.readers) - 1

"""An Avro schema as a program for the kernel in `avro_kernel`: what to skip, what to keep as which field of a row.

Six int32 a step: operation, three arguments, where to go on, and one unused; places in the program are bytes. Records
that are only skipped are subroutines, so a schema that names itself is no special case, and one that names a type many
times does not grow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from fastavro.schema import parse_schema

from andon.readings import I32
from sources.decode import binary
from sources.decode.layout import NESTED, NOT_AN_OBJECT, STRING, WHOLE

Schema = Any  # JSON: a name, a list of alternatives, or an object
Path = tuple[str, ...]
Wanted = Mapping[str, Path]  # what is looked for below a type: name of the field of a row -> names on the way to it

(
    END, ROW, ROW_END, VARINT, DOUBLE, FLOAT, BOOLEAN, FIXED, TEXT, NULL, ENUM, UNION, JUMP, ARRAY, NEXT, CALL, RETURN,
    MARK,
) = range(18)  # fmt: skip
NOTHING = -1  # instead of a field: skip
STEP = 24  # bytes
MOST_STEPS = 20_000
MOST_INSIDE = 100_000  # types looked at for the sizes of others: what names a type twice that names one twice ..
READINGS = "readings"
_SIZES = {"null": 0, "boolean": 1, "float": 4, "double": 8}
_STAMPS = {
    "timestamp-millis": WHOLE, "timestamp-micros": binary.MICROS, "timestamp-nanos": binary.NANOS,
    "local-timestamp-millis": binary.NAIVE, "local-timestamp-micros": binary.NAIVE,
    "local-timestamp-nanos": binary.NAIVE, "time-micros": NESTED, "time-millis": NESTED, "date": NESTED,
}  # fmt: skip


class UnusableSchemaError(ValueError):
    """A schema that no message can be read by; the text says why."""


class Program(NamedTuple):
    """What the kernel interprets.

    code: int32[steps, 6]. symbols: UTF-8 texts of enums. row_schemas: of each kind of row, for fastavro.
    least: bytes that a row takes at least.
    """

    code: I32
    symbols: Sequence[bytes]
    row_schemas: Sequence[Schema]
    least: int


def compile_avro(text: str, references: Sequence[str], fields: Mapping[str, str]) -> Program:
    """Compile a writer's schema. references: schemas of the types it names, before those that name them.

    fields: where the parts of a row are, dotted for a record inside, and `readings`, the array of them.
    Raises UnusableSchemaError.
    """
    named: dict[str, Any] = {}
    try:
        for reference in references:
            parse_schema(json.loads(reference), named)
        schema = parse_schema(json.loads(text), named)
        wanted = {name: tuple(path.split(".")) for name, path in fields.items()}
        readings = wanted.pop(READINGS)
        compiler = _Compiler(named, wanted)
        compiler.rows(schema, readings)
        return compiler.finish()
    except UnusableSchemaError:
        raise
    except Exception as error:  # the library raises what it likes on what a registry may hold
        raise UnusableSchemaError(f"{type(error).__name__}: {error}") from error


class _Compiler:
    def __init__(self, named: Mapping[str, Any], fields: Wanted) -> None:
        self._named, self._fields = named, fields
        self._code: list[list[int]] = []
        self._symbols: list[bytes] = []
        self._rows: list[Schema] = []
        self._least = 1 << 30
        self._subroutines: dict[str, int] = {}
        self._calls: list[tuple[int, str]] = []
        self._reading: set[str] = set()
        self._looks = 0

    def finish(self) -> Program:
        self._put(END)
        done = 0
        while done < len(self._calls):
            at, name = self._calls[done]
            if name not in self._subroutines:
                self._subroutines[name] = len(self._code)
                for field in self._named[name]["fields"]:
                    self.keep(field["type"], NOTHING)
                self._put(RETURN)
            self._code[at][1] = self._subroutines[name]
            done += 1
        code = [self._placed(at, *step) for at, step in enumerate(self._code)]
        return Program(np.array(code, np.int32), self._symbols, self._rows, max(1, self._least))

    def _placed(self, at: int, operation: int, a: int, b: int, c: int) -> list[int]:
        """A step with places for indices, and without detours over jumps."""
        if operation in (JUMP, CALL):
            a = self._place(a)
        elif operation == UNION:
            b *= STEP
        elif operation in (ARRAY, NEXT):
            b, c = self._place(b), self._place(c) if operation == NEXT else c
        return [operation, a, b, c, self._place(at + 1), 0]

    def _place(self, at: int) -> int:
        while at < len(self._code) and self._code[at][0] == JUMP:
            at = self._code[at][1]
        return at * STEP

    def _put(self, operation: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        """Append a step; returns its index."""
        if len(self._code) >= MOST_STEPS:
            raise UnusableSchemaError(f"more than {MOST_STEPS} steps")
        self._code.append([operation, a, b, c])
        return len(self._code) - 1

    def rows(self, schema: Schema, readings: Path) -> None:
        """A type whose values are rows, or hold them in an array at `readings`."""
        schema, kind = self._resolved(schema)
        if kind == "union":
            self._union(schema, lambda one: self.rows(one, readings))
        elif kind == "array":
            self._rows_of(schema["items"])
        elif kind == "record" and readings and any(field["name"] == readings[0] for field in schema["fields"]):
            for field in schema["fields"]:
                if field["name"] != readings[0]:
                    self.keep(field["type"], NOTHING)
                elif len(readings) > 1:
                    self.rows(field["type"], readings[1:])
                else:
                    self._array_of_rows(field["type"])
        else:
            self._row(schema, kind)

    def _array_of_rows(self, schema: Schema) -> None:
        schema, kind = self._resolved(schema)
        if kind == "union":
            self._union(schema, self._array_of_rows)
        elif kind == "array":
            self._rows_of(schema["items"])
        elif kind != "null":
            raise UnusableSchemaError("the field of the readings is no array")

    def _rows_of(self, items: Schema) -> None:
        if not self._least_of(items):
            raise UnusableSchemaError("rows of no bytes")
        self._loop(items, lambda: self._row_or_alternatives(items))

    def _row_or_alternatives(self, schema: Schema) -> None:
        schema, kind = self._resolved(schema)
        if kind == "union":
            self._union(schema, self._row_or_alternatives)
        else:
            self._row(schema, kind)

    def _row(self, schema: Schema, kind: str) -> None:
        self._least = min(self._least, self._least_of(schema))
        self._put(ROW)
        if kind == "record":
            self._record(schema, self._fields)
            self._put(ROW_END, 0, len(self._rows))
            self._rows.append({**schema, "__fastavro_parsed": True, "__named_schemas": self._named})
        else:
            self.keep(schema, NOTHING)
            self._put(ROW_END, NOT_AN_OBJECT)

    def _record(self, schema: Schema, wanted: Wanted) -> None:
        for field in schema["fields"]:
            below = {name: path[1:] for name, path in wanted.items() if path[0] == field["name"]}
            whole = next((name for name, path in below.items() if not path), None)
            if whole is not None:
                self.keep(field["type"], binary.FIELD_NAMES.index(whole))
            else:
                self._inside(field["type"], below)

    def _inside(self, schema: Schema, wanted: Wanted) -> None:
        resolved, kind = self._resolved(schema)
        if not wanted or kind not in ("record", "union"):
            self.keep(schema, NOTHING)
        elif kind == "union":
            self._union(resolved, lambda one: self._inside(one, wanted))
        else:
            self._record(resolved, wanted)

    def keep(self, schema: Schema, field: int) -> None:
        """Read a value as a field of the row, or skip it."""
        schema, kind = self._resolved(schema)
        logical = schema.get("logicalType", "") if isinstance(schema, dict) else ""
        if kind in ("bytes", "fixed", "record", "map", "array") and field != NOTHING:
            is_number = logical == "decimal" and field == binary.VALUE
            self._put(MARK, field, binary.EXOTIC if is_number else NESTED)
            field = NOTHING
        if kind == "union":
            self._union(schema, lambda one: self.keep(one, field))
        elif kind in ("int", "long"):
            self._put(VARINT, field, _STAMPS.get(logical, WHOLE) if field == binary.TS else WHOLE)
        elif kind == "record":
            self._least_of(schema)  # a value of no bytes may be more steps than the kernel ever ends
            self._calls.append((self._put(CALL), schema["name"]))
        elif kind == "array":
            self._loop(schema["items"], lambda: self.keep(schema["items"], NOTHING))
        elif kind == "map":
            self._loop(["string", schema["values"]], lambda: self._entry(schema["values"]), is_map=True)
        elif kind == "fixed":
            if schema["size"] < 0:
                raise UnusableSchemaError("a type of less than no bytes")
            self._put(FIXED, 0, 0, schema["size"])
        elif kind == "enum":
            self._put(ENUM, field, len(self._symbols), len(schema["symbols"]))
            self._symbols += [symbol.encode() for symbol in schema["symbols"]]
        elif kind in ("string", "bytes"):
            self._put(TEXT, field, STRING, int(kind == "string"))
        else:
            self._put({"null": NULL, "boolean": BOOLEAN, "float": FLOAT, "double": DOUBLE}[kind], field)

    def _entry(self, values: Schema) -> None:
        self._put(TEXT, NOTHING, STRING, 1)
        self.keep(values, NOTHING)

    def _union(self, alternatives: Sequence[Schema], each: Any) -> None:
        union = self._put(UNION, len(alternatives))
        table = [self._put(JUMP) for _ in alternatives]
        ends = []
        for at, one in zip(table, alternatives, strict=True):
            self._code[at][1] = len(self._code)
            each(one)
            ends.append(self._put(JUMP))
        for at in ends:
            self._code[at][1] = len(self._code)
        self._code[union][2] = union + 1

    def _loop(self, items: Schema, body: Any, *, is_map: bool = False) -> None:
        least = 1 + self._least_of(items[1]) if is_map else self._least_of(items)
        begin = self._put(ARRAY, least)
        if least:  # items of no bytes need no body
            first = len(self._code)
            body()
            self._put(NEXT, least, first)
        self._code[begin][2] = len(self._code)
        if least:
            self._code[-1][3] = len(self._code)

    def _least_of(self, schema: Schema) -> int:
        """Bytes that a value takes at least; of a type inside itself 0."""
        self._looks += 1
        if self._looks > MOST_INSIDE:
            raise UnusableSchemaError("too many types inside each other")
        schema, kind = self._resolved(schema)
        if kind == "union":
            return 1 + min((self._least_of(one) for one in schema), default=0)
        if kind == "fixed":
            return int(schema["size"])
        if kind != "record":
            return _SIZES.get(kind, 1)
        if schema["name"] in self._reading:
            return 0
        self._reading.add(schema["name"])
        least = sum(self._least_of(field["type"]) for field in schema["fields"])
        self._reading.discard(schema["name"])
        return least

    def _resolved(self, schema: Schema) -> tuple[Schema, str]:
        """(the type itself, its kind) of a type or its name."""
        while isinstance(schema, str) and schema in self._named:
            schema = self._named[schema]
        if isinstance(schema, list):
            return schema, "union"
        if isinstance(schema, str):
            return schema, schema
        inner = schema["type"]
        if isinstance(inner, (dict, list)):  # {"type": {"type": ...}}
            return self._resolved(inner)
        if inner in self._named:
            return self._resolved(inner)
        return schema, "record" if inner == "error" else inner

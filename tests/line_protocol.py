"""A strict reader of line protocol, written from its specification alone: the oracle of what the encoders give."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Point:
    """One point; a field is a float, or a str where it stood in quotes."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | str]
    time_ns: int


def parse(data: bytes) -> list[Point]:
    """All points; ValueError for anything that the specification does not allow. A last line must have its end."""
    if data and not data.endswith(b"\n"):
        raise ValueError("the last line has no end")
    return [_point(line) for line in data.decode().split("\n")[:-1]]


def _point(line: str) -> Point:
    if not line or line.startswith("#"):
        raise ValueError(f"no point: {line!r}")
    measurement, at = _name(line, 0, ", ")
    tags: dict[str, str] = {}
    while line[at] == ",":
        key, at = _name(line, at + 1, "=, ")
        _expect(line, at, "=")
        value, at = _name(line, at + 1, ", =")
        if key in tags:
            raise ValueError(f"tag {key!r} twice: {line!r}")
        tags[key] = value
    _expect(line, at, " ")
    fields: dict[str, float | str] = {}
    at += 1
    while True:
        key, at = _name(line, at, "=, ")
        _expect(line, at, "=")
        if key in fields:
            raise ValueError(f"field {key!r} twice: {line!r}")
        fields[key], at = _field(line, at + 1)
        if at >= len(line) or line[at] != ",":
            break
        at += 1
    _expect(line, at, " ")
    if not re.fullmatch(r"-?\d+", line[at + 1 :]) or not -(2**63) < int(line[at + 1 :]) < 2**63 - 1:
        raise ValueError(f"time: {line!r}")
    return Point(measurement, tags, fields, int(line[at + 1 :]))


def _name(line: str, at: int, ends: str) -> tuple[str, int]:
    """A name up to one of `ends` that is not escaped; it may not be empty, nor end with a backslash."""
    name = ""
    while at < len(line) and line[at] not in ends:
        if line[at] == "\\" and at + 1 < len(line) and line[at + 1] in ", =":
            at += 1
        elif line[at] == "\\":
            raise ValueError(f"a backslash that InfluxDB might join with what follows: {line!r}")
        name += line[at]
        at += 1
    if not name or at >= len(line):
        raise ValueError(f"empty name, or nothing behind it: {line!r}")
    return name, at


def _field(line: str, at: int) -> tuple[float | str, int]:
    if line[at] == '"':
        return _text(line, at + 1)
    found = NUMBER.match(line, at)
    if found is None:
        raise ValueError(f"no number: {line[at:]!r}")
    value = float(found.group())
    if not math.isfinite(value):
        raise ValueError(f"out of range: {line[at:]!r}")
    return value, found.end()


def _text(line: str, at: int) -> tuple[str, int]:
    text = ""
    while line[at] != '"':
        if line[at] == "\\":
            at += 1
            if line[at] not in '"\\':
                raise ValueError(f"escape: {line!r}")
        text += line[at]
        at += 1
    return text, at + 1


def _expect(line: str, at: int, mark: str) -> None:
    if at >= len(line) or line[at] != mark:
        raise ValueError(f"{mark!r} expected at {at}: {line!r}")

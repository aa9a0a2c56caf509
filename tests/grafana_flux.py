"""What Grafana does with a Flux query: puts variables in, asks InfluxDB, and makes data frames of the answer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
MACRO = re.compile(r"[a-zA-Z]+\.(timeRangeStart|timeRangeStop|windowPeriod|bucket|defaultBucket|organization)\b")
TIMES = ("dateTime:RFC3339", "dateTime:RFC3339Nano")
POINTS, TOO_MANY = 1000, 10  # maxDataPoints of a wide panel, and the factor at which the data source cuts

Value = str | tuple[str, ...]


@dataclass(frozen=True)
class Scope:
    """What a query is asked with: the range, the data source's bucket, and the dashboard's variables."""

    start: datetime
    stop: datetime
    bucket: str
    values: Mapping[str, Value] = field(default_factory=dict)
    all_values: Mapping[str, str] = field(default_factory=dict)  # of variables that stand on All


def formatted(value: Value, style: str) -> str:
    """One variable as Grafana's formats write it."""
    many = (value,) if isinstance(value, str) else value
    if style == "regex":
        escaped = [re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", one) for one in many]
        return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"
    if style == "doublequote":
        return ",".join('"' + one.replace('"', '\\"') + '"' for one in many)
    if style == "raw":
        return ",".join(many)
    assert style == "", f"format {style} is not known here"
    return many[0] if len(many) == 1 else "{" + ",".join(many) + "}"


def filled(query: str, scope: Scope) -> str:
    """The query that reaches InfluxDB: first the page's variables, then the data source's macros."""

    def variable(match: re.Match[str]) -> str:
        name, style = match[1] or match[3], match[2] or ""
        if name in scope.all_values:
            return scope.all_values[name]  # a custom All value is put in as it is
        assert name in scope.values, f"${name} is not defined: {match.group()}"
        return formatted(scope.values[name], style)

    def macro(match: re.Match[str]) -> str:
        period_ms = max(1, round((scope.stop - scope.start).total_seconds() * 1000 / POINTS))
        return {
            "timeRangeStart": scope.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "timeRangeStop": scope.stop.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "windowPeriod": f"{period_ms}ms",
            "bucket": f'"{scope.bucket}"',
            "defaultBucket": f'"{scope.bucket}"',
            "organization": '"andon"',
        }[match[1]]

    return MACRO.sub(macro, VARIABLE.sub(variable, query))


@dataclass
class Frame:
    """A data frame: a time series (`Time` and one value with labels) or a table."""

    series: bool
    types: dict[str, str]
    rows: list[dict[str, str]]


class RefusedError(AssertionError):
    """InfluxDB did not take a query."""


def ask(url: str, org: str, token: str, query: str) -> list[Frame]:
    """Run one query; the frames that the InfluxDB data source would build."""
    dialect = {"annotations": ["datatype", "group", "default"], "header": True}
    answer = httpx.post(
        f"{url}/api/v2/query",
        params={"org": org},
        json={"query": query, "type": "flux", "dialect": dialect},
        headers={"Authorization": f"Token {token}", "Accept": "application/csv"},
        timeout=60.0,
    )
    if answer.status_code != httpx.codes.OK:
        raise RefusedError(f"{answer.status_code} {answer.text}\n{query}")
    return frames(answer.text, query)


def frames(text: str, query: str = "") -> list[Frame]:
    """Frames of an annotated CSV, one for each Flux table."""
    found: dict[tuple[int, str], Frame] = {}
    for number, block in enumerate(part for part in re.split(r"\r?\n\r?\n", text) if part.strip()):
        rows = list(csv.reader(io.StringIO(block)))
        if rows[0][0] != "#datatype":
            raise RefusedError(f"{text}\n{query}")
        names, defaults = rows[3], rows[2]
        types = dict(zip(names[1:], rows[0][1:], strict=True))
        timed = any(kind in TIMES for kind in types.values())
        for row in rows[4:]:
            values = [one or default for one, default in zip(row, defaults, strict=True)]
            record = dict(zip(names[1:], values[1:], strict=True))
            key = number, record["table"]
            kept = {name: kind for name, kind in types.items() if name not in {"result", "table"}}
            frame = found.setdefault(key, Frame("_value" in types and timed, kept, []))
            frame.rows.append(record)
    return list(found.values())

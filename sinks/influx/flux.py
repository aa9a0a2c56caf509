"""Asking InfluxDB in Flux: literals, and answers as rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

from andon.config.deployment import Influx
from andon.readings import NS_PER_S
from andon.secrets import Secret
from sinks.influx.client import AwayError
from sinks.influx.sdk import FAILURES, connect, translated

Row = dict[str, str]


class Ask(Protocol):
    """Runs a query within its time; raises InfluxError."""

    def __call__(self, flux: str, /) -> list[Row]:
        """The rows of all tables, values as text, empty where there is none."""
        ...


class FluxClient:
    """Queries over influxdb-client. Safe for use by several threads.

    timeout_s : of one query.
    """

    def __init__(self, influx: Influx, token: Secret, timeout_s: float) -> None:
        self._client: Any = connect(influx, token, timeout_s)

    def __call__(self, flux: str, /) -> list[Row]:
        try:
            answer = self._client.query_api().query_raw(flux, dialect={"header": True, "annotations": []})
            found = list(rows(line.decode() for line in answer))
        except FAILURES as error:
            raise translated(error) from error
        # A query that fails half way has the status 200 and a table that says so.
        if any("error" in row and "reference" in row for row in found):
            raise AwayError(200, next(row["error"] for row in found if "error" in row))
        if any("_time" not in row and "_value" not in row for row in found):
            raise AwayError(200, "an answer without times and values")
        return found

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()


def rows(lines: Iterable[str]) -> Iterator[Row]:
    """Rows of an answer without annotations: tables with a header each, parted by an empty line."""
    header: list[str] = []
    for values in csv.reader(lines):
        if not any(values):
            header = []
        elif not header:
            header = values
        else:
            yield dict(zip(header, values, strict=False))


def text(value: str) -> str:
    r"""A string literal; "${" begins an expression in Flux.

    >>> print(text('a "b" ${c}'))
    "a \"b\" \${c}"
    """
    return json.dumps(value, ensure_ascii=False).replace("${", "\\${")


def condition(values: Mapping[str, str]) -> str:
    """A function of a record: all these tags, or other columns, have these values."""
    return "(r) => " + " and ".join(f"r[{text(key)}] == {text(value)}" for key, value in values.items())


def where(values: Mapping[str, str]) -> str:
    """A filter for that."""
    return f"|> filter(fn: {condition(values)})"


def between(start_ns: int, end_ns: int) -> str:
    """The range [start_ns, end_ns)."""
    return f"|> range(start: time(v: {start_ns}), stop: time(v: {end_ns}))"


def time_ns(stamp: str) -> int:
    """ns of an RFC 3339 stamp in UTC.

    >>> time_ns("1970-01-01T00:00:01.5Z")
    1500000000
    """
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return round(datetime.fromisoformat(f"{whole}+00:00").timestamp()) * NS_PER_S + int((rest + "0" * 9)[:9])


def number(value: str | None) -> float | None:
    """A float, None where the answer has none."""
    return float(value) if value else None

"""Flux: the parts that queries are put together from.

Every query begins with a range and a filter on measurement, fields and tags, which InfluxDB's storage answers; whatever
is computed afterwards sees few rows. Ratios are computed from summed parts, never from ratios.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

START, STOP = "v.timeRangeStart", "v.timeRangeStop"
# One value, several, or all: the format `regex` escapes the slashes of asset paths.
SCOPE: Final = tuple(f"r.{name} =~ /^${{{name}:regex}}$/" for name in ("site", "area", "asset"))
SITE: Final = SCOPE[:1]
NULL = 'import "internal/debug"\n'
DATE = 'import "date"\n'
# A part that is unknown in one window is unknown in the sum; a ratio without its parts is no ratio.
RATIO = 'ratio = (top, bottom) => if bottom > 0.0 then top / bottom else debug.null(type: "float")\n'
OEE_PARTS: Final = ("pbt_s", "apt_s", "pq", "gq", "pri_pq_s", "pri_gq_s")


def select(
    measurement: str,
    fields: Sequence[str] = (),
    where: Sequence[str] = SCOPE,
    *,
    start: str = START,
    stop: str = STOP,
    bucket: str = "v.defaultBucket",
) -> str:
    """Rows of a measurement; no fields: all of them."""
    lines = [
        f"from(bucket: {bucket})",
        f"  |> range(start: {start}, stop: {stop})",
        f'  |> filter(fn: (r) => r._measurement == "{measurement}")',
    ]
    if fields:
        named = " or ".join(f'r._field == "{name}"' for name in fields)
        lines.append(f"  |> filter(fn: (r) => {named})")
    if where:
        lines.append(f"  |> filter(fn: (r) => {' and '.join(where)})")
    return "\n".join(lines) + "\n"


def pipe(*steps: str) -> str:
    """Further steps, one a line.

    >>> print(pipe("group()", "count()"))
      |> group()
      |> count()
    """
    return "".join(f"  |> {step}\n" for step in steps).rstrip("\n")


def ago(since: str, of: str = STOP) -> str:
    """A time before another; needs `DATE`."""
    return f"date.sub(from: {of}, d: {since})"


def pivot(*keys: str) -> str:
    """Fields become columns; rows are told apart by time and the keys."""
    return f'pivot(rowKey: {_array("_time", *keys)}, columnKey: ["_field"], valueColumn: "_value")'


def columns(*names: str) -> str:
    """Nothing but these; their order is the table panel's business."""
    return f"keep(columns: {_array(*names)})"


def grouped(*names: str) -> str:
    """One table for each combination."""
    return f"group(columns: {_array(*names)})"


def _array(*names: str) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def oee_sums() -> str:
    """reduce over windows of OEE parts: their sums, and in how many windows the ideal times were known."""
    known = "exists r.pri_pq_s and exists r.pri_gq_s"
    return f"""reduce(
    identity: {{windows: 0, known: 0, pbt_s: 0.0, apt_s: 0.0, pq: 0.0, gq: 0.0, pri_pq_s: 0.0, pri_gq_s: 0.0}},
    fn: (r, accumulator) => ({{
      windows: accumulator.windows + 1,
      known: accumulator.known + (if {known} then 1 else 0),
      pbt_s: accumulator.pbt_s + (if exists r.pbt_s then r.pbt_s else 0.0),
      apt_s: accumulator.apt_s + (if exists r.apt_s then r.apt_s else 0.0),
      pq: accumulator.pq + (if exists r.pq then r.pq else 0.0),
      gq: accumulator.gq + (if exists r.gq then r.gq else 0.0),
      pri_pq_s: accumulator.pri_pq_s + (if exists r.pri_pq_s then r.pri_pq_s else 0.0),
      pri_gq_s: accumulator.pri_gq_s + (if exists r.pri_gq_s then r.pri_gq_s else 0.0),
    }}),
  )"""


def oee_ratios(*kept: str) -> str:
    """map from sums to ratios; `kept` are columns that stay. Needs `NULL` and `RATIO`."""
    whole = "r.known == r.windows and r.pq > 0.0"
    keep = "".join(f"{name}: r.{name}, " for name in kept)
    return f"""map(fn: (r) => ({{{keep}
    oee: if {whole} then ratio(top: r.pri_gq_s, bottom: r.pbt_s) else debug.null(type: "float"),
    availability: ratio(top: r.apt_s, bottom: r.pbt_s),
    performance: if {whole} then ratio(top: r.pri_pq_s, bottom: r.apt_s) else debug.null(type: "float"),
    quality: ratio(top: r.gq, bottom: r.pq),
  }}))"""


def alarms_by_key(start: str, where: Sequence[str] = SCOPE) -> str:
    """One row an alarm: when it began, when it was closed or else last changed, and how it stands.

    `began` and `ended` in ns; of an alarm that began before `start`, the first transition since then.
    """
    fields = ("key", "open", "state", "level", "peak", "erp_number")
    steps = pipe(
        pivot(),
        grouped("key", "asset", "series", "rule", "priority"),
        'sort(columns: ["_time"])',
        """reduce(
    identity: {began: 9223372036854775807, ended: 0, open: -1.0, state: "", level: 0.0, peak: 0.0, erp_number: ""},
    fn: (r, accumulator) => ({
      began: if int(v: r._time) < accumulator.began then int(v: r._time) else accumulator.began,
      ended: if accumulator.open == 0.0 and r.open == 0.0 then accumulator.ended else int(v: r._time),
      open: if exists r.open then r.open else 0.0,
      state: if exists r.state then r.state else "",
      level: if exists r.level then r.level else accumulator.level,
      peak: if exists r.peak then r.peak else accumulator.peak,
      erp_number: if exists r.erp_number then r.erp_number else accumulator.erp_number,
    }),
  )""",
        "group()",
    )
    return select("alarm", fields, where, start=start) + steps

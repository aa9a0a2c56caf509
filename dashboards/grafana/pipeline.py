"""Is Andon itself well: lag, backlog, dead letters, the ledger, restarts. For the people who run it."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana import Json
from dashboards.grafana.flux import SCOPE, SITE, STOP, columns, grouped, pipe, select
from dashboards.grafana.model import Dashboard, Panel, Words
from dashboards.grafana.panels import Column, stat, table, timeseries
from dashboards.grafana.settings import Settings
from dashboards.grafana.shared import SECONDS, alarm_marks
from dashboards.grafana.style import GREY, ORANGE, RED, VIOLET, YELLOW, flag_texts, thresholds
from dashboards.grafana.variables import datasource, place

PART = "${__field.labels.part}"
BEHIND_S, SILENT_S = "60.0", "120.0"
ROWS = ("received", "counted", "late", "duplicate", "bad", "dead", "conflict")


def dashboard(language: str, settings: Settings) -> Dashboard:
    """Five rows: numbers, parts, lag and backlog, dead letters and flow, the ledger."""
    del settings  # the same for every plant
    words = Words("pipeline", language)
    variables: Sequence[Json] = (datasource(), *place(words, "pipeline", "ledger"))
    rows = (
        (
            stat("lag", (newest("lag_s", "max"),), width=4, unit="s", name="",
                 steps=thresholds("text", (60, YELLOW), (300, RED))),
            stat("unread", (newest("backlog_rows", "sum", "r.part =~ /^shard-/"),), width=3, name=""),
            stat(
                "backlog_bytes",
                (newest("backlog_bytes", "sum", "r.part =~ /-sender/"),),
                width=4,
                unit="decbytes",
                name="",
            ),
            stat("backlog_rows", (newest("backlog_rows", "sum", 'r.part == "erp-sender"'),), width=3, name=""),
            stat("dead_letters", (grown("dead_letters"),), width=3, name="", steps=thresholds("text", (1, ORANGE))),
            stat("restarts", (grown("restarts"),), width=3, name="", steps=thresholds("text", (1, ORANGE))),
            stat("balance", (imbalance(),), width=4, name="", steps=thresholds("text", (1, RED))),
        ),
        (parts(words),),
        (
            timeseries("lag_time", (over_time("lag_s", "max"),), width=12, unit="s", name=PART, lowest=0),
            timeseries("oldest", (over_time("oldest_s", "max"),), width=12, unit="s", name=PART, lowest=0),
        ),
        (
            timeseries("backlog", (over_time("backlog_bytes", "max"),), width=8, unit="decbytes", name=PART, lowest=0),
            timeseries("flow", (rate("offset"),), width=8, unit="cps", name=PART, lowest=0),
            timeseries("dead_time", (increase("dead_letters"),), width=8, name=PART, lowest=0, bars=True, stacked=True),
        ),
        (ledger(words),),
    )  # fmt: skip
    return Dashboard("pipeline", rows, variables, alarm_marks(words), span="now-3h", refresh="10s")


def newest(field: str, function: str, *where: str) -> str:
    """The newest value of each part, put together."""
    return select("pipeline", (field,), (*SITE, *where)) + pipe("last()", "group()", f"{function}()", columns("_value"))


def grown(field: str) -> str:
    """How much a counter grew in the range, over all parts; one that begins anew has not shrunk."""
    steps = pipe("difference(nonNegative: true)", "sum()", "group()", "sum()", columns("_value"))
    return select("pipeline", (field,), SITE) + steps


def over_time(field: str, function: str) -> str:
    """A line for each part."""
    return select("pipeline", (field,), SITE) + pipe(
        f"aggregateWindow(every: v.windowPeriod, fn: {function}, createEmpty: false)",
        columns("_time", "_value", "part"),
    )  # fmt: skip


def rate(field: str) -> str:
    """Messages a second."""
    return select("pipeline", (field,), SITE) + pipe(
        "aggregateWindow(every: v.windowPeriod, fn: last, createEmpty: false)",
        "derivative(unit: 1s, nonNegative: true)", columns("_time", "_value", "part"),
    )  # fmt: skip


def increase(field: str) -> str:
    """How much a counter grew in each window."""
    return select("pipeline", (field,), SITE) + pipe(
        "difference(nonNegative: true)", "aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false)",
        columns("_time", "_value", "part"),
    )  # fmt: skip


def imbalance() -> str:
    """Rows that the ledger cannot account for: received - (counted + late + duplicate + bad + dead)."""
    return select("ledger", ROWS[:-1]) + pipe(
        'map(fn: (r) => ({site: r.site, _value: if r._field == "received" then r._value else -r._value}))',
        "group()", "sum()", "map(fn: (r) => ({_value: if r._value < 0.0 then -r._value else r._value}))",
    )  # fmt: skip


def parts(words: Words) -> Panel:
    """Each part of the pipeline as it was last heard of."""
    age = f"float(v: int(v: {STOP}) - int(v: r._time)) / {SECONDS}"
    fields = ("lag_s", "offset", "backlog_bytes", "backlog_rows", "dead_letters", "restarts", "oldest_s")
    late = f"(exists r.lag_s and r.lag_s > {BEHIND_S}) or (exists r.oldest_s and r.oldest_s > {BEHIND_S})"
    flag = f'if r.age_s > {SILENT_S} then "silent" else if {late} then "behind" else "ok"'
    values = ", ".join(f"{name}: r.{name}" for name in fields)
    query = 'import "internal/debug"\n' + select("pipeline", fields, SITE) + pipe(
        "last()", 'pivot(rowKey: ["_time", "part"], columnKey: ["_field"], valueColumn: "_value")', "group()",
        f"map(fn: (r) => ({{r with age_s: {age}}}))",
        f"map(fn: (r) => ({{part: r.part, flag: {flag}, age_s: r.age_s, {values}}}))",
        'sort(columns: ["part"])',
    )  # fmt: skip
    flags = flag_texts(words.language, ("behind", ORANGE), ("silent", VIOLET))
    shown = (
        Column("part"),
        Column("flag", mappings=flags, width=110),
        Column("age_s", "dtdhms", "age", width=110),
        Column("lag_s", "s", decimals=1),
        Column("offset", decimals=0),
        Column("backlog_bytes", "decbytes"),
        Column("backlog_rows", decimals=0),
        Column("oldest_s", "dtdhms"),
        Column("dead_letters", decimals=0),
        Column("restarts", decimals=0),
    )
    return table("parts", query, shown, words, width=24, height=7)


def ledger(words: Words) -> Panel:
    """Rows of each series in the range, and what is missing."""
    query = select("ledger", ROWS, SCOPE) + pipe(
        grouped("asset", "series", "_field"), "sum()",
        'pivot(rowKey: ["asset", "series"], columnKey: ["_field"], valueColumn: "_value")', "group()",
        "map(fn: (r) => ({r with missing: r.received - r.counted - r.late - r.duplicate - r.bad - r.dead}))",
        columns("asset", "series", *ROWS, "missing"),
    )  # fmt: skip
    wrong = thresholds(GREY, (1, RED))
    shown = (
        Column("asset"), Column("series"), *(Column(name, decimals=0, width=110) for name in ROWS),
        Column("missing", decimals=0, width=110, steps=wrong),
    )  # fmt: skip
    return table("ledger", query, shown, words, width=24, height=9, sort="missing")

"""What several dashboards show: alarms as annotations and in tables, machine states, links between dashboards."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana import Json
from dashboards.grafana.flux import DATE, SCOPE, START, STOP, ago, alarms_by_key, columns, grouped, pipe, select
from dashboards.grafana.model import DATASOURCE, Panel, Words, uid
from dashboards.grafana.panels import Column, table
from dashboards.grafana.style import ORANGE, PRIORITIES, alarm_state_texts, priority_texts

SECONDS = "1000000000.0"
LOOK_BACK = "30d"  # alarms older than that before the range are not looked for
STATE_LOOK_BACK = "7d"  # a state older than that before the range is not carried into it


def alarm_marks(words: Words, where: Sequence[str] = SCOPE) -> Sequence[Json]:
    """Grafana's own marks, and each alarm from its begin to its end."""
    flux = (
        alarms_by_key(START, where)
        + "\n"
        + pipe(
            "map(fn: (r) => ({time: time(v: r.began), timeEnd: time(v: if r.open > 0.0 then int(v: "
            + STOP
            + ') else r.ended), title: r.rule, text: r.asset + " " + r.series, tags: r.priority + "," + r.state}))'
        )
    )
    return (
        {
            "builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard",
        },
        {
            "datasource": DATASOURCE, "enable": True, "hide": False, "iconColor": ORANGE,
            "name": words.shared("annotation"), "target": {"refId": "Anno", "query": flux},
        },
    )  # fmt: skip


def link_to(name: str, words: Words, asset: str) -> Json:
    """A click leads to another dashboard with the same place and range; `asset`: Grafana's expression for it."""
    address = f"/d/{uid(name, words.language)}?${{datasource:queryparam}}&${{site:queryparam}}&${{area:queryparam}}"
    title = words.shared(f"link.{name}")
    return {"title": title, "url": f"{address}&var-asset={asset}&${{__url_time_range}}", "targetBlank": False}


def open_alarms() -> str:
    """One row an open alarm, at the end of the range. Its `_time` is the last transition."""
    fields = ("key", "open", "state", "peak", "level", "erp_number")
    return (
        DATE
        + select("alarm", fields, start=ago(LOOK_BACK))
        + pipe("last()", 'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")', "group()",
               "filter(fn: (r) => r.open > 0.0)")
    )  # fmt: skip


def open_alarm_table(key: str, words: Words, *, width: int, height: int) -> Panel:
    """Open alarms, the most urgent first."""
    ranks = " else ".join(f'if r.priority == "{name}" then {rank}' for rank, name in enumerate(PRIORITIES, 1))
    query = (
        open_alarms()
        + "\n"
        + pipe(
            f"map(fn: (r) => ({{r with rank: {ranks} else 9}}))",
            'sort(columns: ["rank", "_time"])',
            columns("priority", "asset", "series", "rule", "state", "peak", "_time"),
        )
    )
    shown = (
        Column("priority", mappings=priority_texts(words.language), width=110),
        Column("asset", link=link_to("machine", words, "${__data.fields.asset}")),
        Column("series"),
        Column("rule"),
        Column("state", mappings=alarm_state_texts(words.language)),
        Column("peak", decimals=2, width=90),
        Column("_time", "dateTimeAsIso", "changed"),
    )
    return table(key, query, shown, words, width=width, height=height)


def alarm_list(key: str, words: Words, *, width: int, height: int, where: Sequence[str] = SCOPE) -> Panel:
    """Every alarm that stood at some time of the range, with how long it stood."""
    query = (
        DATE
        + alarms_by_key(ago(LOOK_BACK, START), where)
        + "\n"
        + pipe(
            f"filter(fn: (r) => r.open > 0.0 or r.ended >= int(v: {START}))",
            "map(fn: (r) => ({r with since: time(v: r.began), duration_s: float(v: (if r.open > 0.0 then int(v: "
            f"{STOP}) else r.ended) - r.began) / {SECONDS}}}))",
            columns(
                "since", "duration_s", "priority", "asset", "series", "rule", "state", "level", "peak", "erp_number"
            ),
        )
    )
    shown = (
        Column("since", "dateTimeAsIso", width=170),
        Column("duration_s", "dtdhms", "duration", width=110),
        Column("priority", mappings=priority_texts(words.language), width=110),
        Column("asset", link=link_to("machine", words, "${__data.fields.asset}")),
        Column("series"),
        Column("rule"),
        Column("state", mappings=alarm_state_texts(words.language)),
        Column("level", decimals=2, width=90),
        Column("peak", decimals=2, width=90),
        Column("erp_number", title="erp"),
    )
    return table(key, query, shown, words, width=width, height=height, sort="since")


def state_rows(where: Sequence[str], *, switches: bool) -> str:
    """State changes of the range, and the state that stood at its begin. switches: booleans too."""
    named = () if switches else ('r._value != "on" and r._value != "off"',)
    before = select("state", ("name",), (*where, *named), start=ago(STATE_LOOK_BACK, START), stop=START)
    inside = select("state", ("name",), (*where, *named))
    carried = pipe("last()", f"map(fn: (r) => ({{r with _time: {START}}}))")
    rows = pipe(grouped("asset", "series"), 'sort(columns: ["_time"])', columns("_time", "_value", "asset", "series"))
    return f"{DATE}before = {before}{carried}\ninside = {inside}\nunion(tables: [before, inside])\n{rows}"

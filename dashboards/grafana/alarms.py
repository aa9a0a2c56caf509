"""Alarms: how many, how fast, which, how long, against the figures of EEMUA 191.

For the shift leader and the alarm review.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana import Json
from dashboards.grafana.flux import SCOPE, START, STOP, alarms_by_key, columns, grouped, pipe, select
from dashboards.grafana.model import Dashboard, Panel, Words
from dashboards.grafana.overview import open_by_priority
from dashboards.grafana.panels import Column, bars, by_pattern, stat, table, timeseries
from dashboards.grafana.settings import Settings
from dashboards.grafana.shared import SECONDS, alarm_list, alarm_marks, open_alarm_table
from dashboards.grafana.style import (
    GREY,
    ORANGE,
    PRIORITIES,
    RED,
    YELLOW,
    fixed,
    flag_texts,
    priority_text,
    priority_texts,
    thresholds,
)
from dashboards.grafana.variables import datasource, place

# EEMUA 191, per operator and 10 minutes: about 1 is manageable, more than 2 too much, more than 10 a flood.
MANAGEABLE, TOO_MUCH, FLOOD = 1, 2, 10


def dashboard(language: str, settings: Settings) -> Dashboard:
    """Five rows: what is open, how fast, which rules, open ones, all."""
    del settings  # the same for every plant
    words = Words("alarms", language)
    variables: Sequence[Json] = (datasource(), *place(words, "alarm"))
    rows = (
        (open_by_priority(words), average(words), worst(words), flooded(words), verdict(words)),
        (per_ten_minutes(words),),
        (rules(words), by_priority(words)),
        (open_alarm_table("open_list", words, width=24, height=8),),
        (alarm_list("list", words, width=24, height=12),),
    )
    return Dashboard("alarms", rows, variables, alarm_marks(words), span="now-24h")


def raised(*where: str) -> str:
    """The transitions that raised an alarm."""
    return select("alarm", ("transition",), (*SCOPE, *where)) + pipe("filter(fn: (r) => r._value =~ /^raised?$/)")


def counted() -> str:
    """Alarms raised in each 10 minutes; 0 where there were none, nothing where no alarm is known at all."""
    return raised() + "\n" + pipe(
        "group()", 'aggregateWindow(every: 10m, fn: count, createEmpty: true, timeSrc: "_start")'
    )  # fmt: skip


def average(words: Words) -> Panel:
    """Alarms per 10 minutes, over the range."""
    tens = f"(float(v: int(v: {STOP}) - int(v: {START})) / 600000000000.0)"
    query = raised() + "\n" + pipe("group()", "count()", f"map(fn: (r) => ({{_value: float(v: r._value) / {tens}}}))")
    steps = thresholds("text", (MANAGEABLE, YELLOW), (TOO_MUCH, ORANGE), (FLOOD, RED))
    return stat("average", (query,), width=3, decimals=2, steps=steps, name="", empty=words.shared("none"))


def worst(words: Words) -> Panel:
    """The most in any 10 minutes."""
    steps = thresholds("text", (TOO_MUCH + 1, YELLOW), (FLOOD + 1, RED))
    return stat(
        "worst",
        (counted() + "\n" + pipe("max()", columns("_value")),),
        width=3,
        steps=steps,
        name="",
        empty=words.shared("none"),
    )


def flooded(words: Words) -> Panel:
    """Share of the range in flood."""
    share = f"map(fn: (r) => ({{_value: if r._value > {FLOOD} then 1.0 else 0.0}}))"
    query = counted() + "\n" + pipe(share, "mean()")
    steps = thresholds("text", (0.01, RED))
    return stat(
        "flooded", (query,), width=3, unit="percentunit", decimals=1, steps=steps, name="", empty=words.shared("none")
    )


def verdict(words: Words) -> Panel:
    """The same in words."""
    flag = (
        f'if r._value > {FLOOD} then "flood" else if r._value > {TOO_MUCH} then "too_much" '
        f'else if r._value > {MANAGEABLE} then "busy" else "ok"'
    )
    # Without `r with`, Flux 0.196 turns a record of nothing but chosen texts into no rows at all.
    query = counted() + "\n" + pipe("last()", f"map(fn: (r) => ({{r with verdict: {flag}}}))", columns("verdict"))
    texts = flag_texts(words.language, ("busy", YELLOW), ("too_much", ORANGE), ("flood", RED))
    none = words.shared("none")
    return stat("verdict", (query,), width=3, mappings=texts, fields="/^verdict$/", name="", unit="string", empty=none)


def per_ten_minutes(words: Words) -> Panel:
    """Bars by priority, and EEMUA's figures as lines."""
    query = raised() + "\n" + pipe(
        grouped("priority"), 'aggregateWindow(every: 10m, fn: count, createEmpty: true, timeSrc: "_start")',
        columns("_time", "_value", "priority"),
    )  # fmt: skip
    overrides = [
        by_pattern(name, displayName=priority_text(name, words.language), color=fixed(color))
        for name, (_, color) in PRIORITIES.items()
    ]
    return timeseries(
        "rate", (query,), width=24, height=8, bars=True, stacked=True, overrides=overrides, lines="dashed",
        steps=thresholds(GREY, (TOO_MUCH, YELLOW), (FLOOD, RED)), lowest=0, name="${__field.labels.priority}",
    )  # fmt: skip


def rules(words: Words) -> Panel:
    """Which rules alarm most, and how long: the ten to look at first."""
    length = f"float(v: (if r.open > 0.0 then int(v: {STOP}) else r.ended) - r.began) / {SECONDS}"
    query = alarms_by_key(START) + "\n" + pipe(
        f"map(fn: (r) => ({{rule: r.rule, priority: r.priority, duration_s: {length}}}))",
        grouped("rule", "priority"),
        """reduce(
    identity: {alarms: 0, total_s: 0.0, longest_s: 0.0},
    fn: (r, accumulator) => ({
      alarms: accumulator.alarms + 1,
      total_s: accumulator.total_s + r.duration_s,
      longest_s: if r.duration_s > accumulator.longest_s then r.duration_s else accumulator.longest_s,
    }),
  )""",
        "map(fn: (r) => ({r with mean_s: r.total_s / float(v: r.alarms)}))",
        "group()", 'sort(columns: ["alarms"], desc: true)', "limit(n: 10)",
        columns("rule", "priority", "alarms", "mean_s", "longest_s", "total_s"),
    )  # fmt: skip
    shown = (
        Column("rule"),
        Column("priority", mappings=priority_texts(words.language), width=110),
        Column("alarms", decimals=0, width=90),
        *(Column(name, "dtdhms", width=130) for name in ("mean_s", "longest_s", "total_s")),
    )
    return table("rules", query, shown, words, width=14, height=9, sort="alarms")


def by_priority(words: Words) -> Panel:
    """How many of each priority were raised: a few per cent critical, most of them low, is what ISA-18.2 asks for."""
    query = raised() + "\n" + pipe(
        grouped("priority"), "count()", "group()", 'rename(columns: {_value: "alarms"})', columns("priority", "alarms")
    )  # fmt: skip
    names = {"alarms": words.shared("column.alarms")}
    return bars("priorities", (query,), width=10, height=9, x="priority", names=names, colors=(GREY,))

"""The plant on one page: what stands, what is open, how well it runs, how cold it is.

For the wall and for the morning.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana import Json
from dashboards.grafana.flux import (
    DATE,
    NULL,
    OEE_PARTS,
    RATIO,
    SCOPE,
    SITE,
    STOP,
    ago,
    columns,
    grouped,
    oee_ratios,
    oee_sums,
    pipe,
    pivot,
    select,
)
from dashboards.grafana.model import Dashboard, Panel, Words
from dashboards.grafana.panels import Column, by_name, stat, states, table
from dashboards.grafana.settings import Settings, size_tag
from dashboards.grafana.shared import SECONDS, alarm_marks, link_to, open_alarm_table, open_alarms, state_rows
from dashboards.grafana.style import (
    BLUE,
    ORANGE,
    PRIORITIES,
    RED,
    YELLOW,
    flag_texts,
    priority_text,
    state_texts,
    thresholds,
)
from dashboards.grafana.variables import datasource, place, textbox

RUNNING_S = "2h"  # the running window of figures and the one before it lie within
STALE_S = "120.0"


def dashboard(language: str, settings: Settings) -> Dashboard:
    """Four rows: numbers, states, alarms, figures."""
    words = Words("overview", language)
    variables: Sequence[Json] = (
        datasource(),
        *place(words, "state", "window", "oee", "cold_chain", "alarm"),
        textbox("low", words.shared("variable.low"), f"{settings.low_c:g}"),
        textbox("high", words.shared("variable.high"), f"{settings.high_c:g}"),
    )
    rows = (
        (open_by_priority(words), oee_now(), worst_lag()),
        (
            states(
                "states",
                (state_rows(SCOPE, switches=False),),
                state_texts(language),
                height=10,
                name="${__field.labels.asset}",
                link=link_to("machine", words, "${__field.labels.asset}"),
            ),
        ),
        (open_alarm_table("alarms", words, width=24, height=8),),
        (oee_by_machine(words), cold_rooms(words, settings)),
    )
    return Dashboard("overview", rows, variables, alarm_marks(words), span="now-8h")


def open_by_priority(words: Words) -> Panel:
    """A number for each priority, 0 too."""
    zeros = ", ".join(f'{{priority: "{name}", open: 0}}' for name in PRIORITIES)
    query = (
        'import "array"\n'
        + open_alarms().replace("from(", "found = from(", 1)
        + "\n"
        + pipe("map(fn: (r) => ({priority: r.priority, open: 1}))")
        + f"\nunion(tables: [found, array.from(rows: [{zeros}])])\n"
        + pipe(
            'group(columns: ["priority"])',
            'sum(column: "open")',
            "group()",
            'map(fn: (r) => ({row: "", priority: r.priority, _value: r.open}))',
            'pivot(rowKey: ["row"], columnKey: ["priority"], valueColumn: "_value")',
            columns(*PRIORITIES),
        )
    )
    overrides = [
        by_name(
            name,
            displayName=priority_text(name, words.language),
            thresholds=thresholds("text", (1, color)),
        )
        for name, (_, color) in PRIORITIES.items()
    ]
    return stat("open", (query,), width=12, overrides=overrides)


def oee_now() -> Panel:
    """Of the window that runs and the one before it, over all chosen machines."""
    query = (
        DATE + NULL + RATIO
        + select("oee", OEE_PARTS, start=ago(RUNNING_S))
        + pipe(pivot("asset"), "group()", oee_sums(), oee_ratios(), columns("oee"))
    )  # fmt: skip
    return stat("oee_now", (query,), width=6, unit="percentunit", decimals=1, name="OEE")


def worst_lag() -> Panel:
    """The oldest "just looked" of the pipeline."""
    query = (
        select("pipeline", ("lag_s",), (*SITE, "r.part =~ /^shard-/"))
        + pipe("last()", "group()", "max()", columns("_value"))
    )  # fmt: skip
    return stat("lag", (query,), width=6, unit="s", steps=thresholds("text", (30, YELLOW), (300, RED)), name="")


def oee_by_machine(words: Words) -> Panel:
    """Ratios of each machine."""
    query = (
        DATE + NULL + RATIO
        + select("oee", OEE_PARTS, start=ago(RUNNING_S))
        + pipe(pivot("asset"), grouped("asset"), oee_sums(), oee_ratios("asset"), "group()",
               columns("asset", "availability", "performance", "quality", "oee"))
    )  # fmt: skip
    shown = (
        Column("asset", link=link_to("machine", words, "${__data.fields.asset}")),
        *(Column(name, decimals=1, width=110) for name in ("availability", "performance", "quality", "oee")),
    )
    return table("machines", query, shown, words, width=12, height=8, unit="percentunit")


def cold_rooms(words: Words, settings: Settings) -> Panel:
    """The last temperature of each room, whether it is in range and how old it is."""
    size = f'r.size == "{size_tag(min(settings.sizes_s))}"'
    age = f"float(v: int(v: {STOP}) - int(v: r._time)) / {SECONDS}"
    flag = (
        f'if r.age_s > {STALE_S} then "stale" else if r._value > float(v: "${{high:raw}}") then "high" '
        'else if r._value < float(v: "${low:raw}") then "low" else "ok"'
    )
    rooms = select("cold_chain", ("covered_s",), start=ago("24h")) + pipe(
        "last()", "group()", columns("asset", "series")
    )
    newest = select("window", ("last",), (*SCOPE, size), start=ago("24h")) + pipe(
        "last()", "group()", columns("asset", "series", "_time", "_value")
    )
    query = (
        f"{DATE}rooms = {rooms}\nnewest = {newest}\n"
        'join(tables: {rooms: rooms, newest: newest}, on: ["asset", "series"])\n'
        + pipe(f"map(fn: (r) => ({{r with age_s: {age}}}))", f"map(fn: (r) => ({{r with flag: {flag}}}))",
               'rename(columns: {_value: "temperature"})', columns("asset", "series", "temperature", "flag", "age_s"))
    )  # fmt: skip
    flags = flag_texts(words.language, ("high", RED), ("low", BLUE), ("stale", ORANGE))
    shown = (
        Column("asset", link=link_to("cold-chain", words, "${__data.fields.asset}")),
        Column("series"),
        Column("temperature", "celsius", decimals=1, width=110),
        Column("flag", mappings=flags, width=110),
        Column("age_s", "dtdhms", "age", width=110),
    )
    return table("rooms", query, shown, words, width=12, height=8)

"""OEE: what the time and the pieces went into, by machine, shift and day.

For the line manager and the stand-up meeting.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana import Json
from dashboards.grafana.flux import NULL, OEE_PARTS, RATIO, columns, grouped, oee_ratios, oee_sums, pipe, pivot, select
from dashboards.grafana.model import Dashboard, Panel, Words
from dashboards.grafana.panels import Column, bars, gauge, stat, table, timeseries
from dashboards.grafana.settings import Settings
from dashboards.grafana.shared import alarm_marks, link_to
from dashboards.grafana.style import BLUE, DARK, GREY, LIGHT, ORANGE, PALE, RED, VIOLET, YELLOW
from dashboards.grafana.variables import choice, datasource, place, textbox

PERIODS = (("shift", "8h"), ("shift_long", "12h"), ("day", "1d"), ("week", "1w"), ("hour", "1h"))
FACTORS = ("availability", "performance", "quality", "oee")
LOSSES = {
    "apt_s": GREY, "internal_stop_s": ORANGE, "external_stop_s": YELLOW, "down_s": RED, "idle_s": PALE,
    "transition_s": LIGHT, "setup_s": DARK, "planned_down_s": BLUE, "unknown_s": VIOLET,
}  # fmt: skip


def dashboard(language: str, settings: Settings) -> Dashboard:
    """Four rows: the range as a whole, shifts and days, machines, losses and counts."""
    words = Words("oee", language)
    periods = [(words.shared(f"period.{name}"), value) for name, value in PERIODS]
    variables: Sequence[Json] = (
        datasource(),
        *place(words, "oee"),
        choice("period", words.shared("variable.period"), periods),
        textbox("offset", words.shared("variable.offset"), "0h"),
        textbox("zone", words.shared("variable.zone"), settings.zone),
    )
    factors = {name: words.shared(f"column.{name}") for name in FACTORS}
    rows = (
        (
            gauge("oee", (overall("oee"),), width=6, height=5, unit="percentunit"),
            *(factor(name) for name in ("availability", "performance", "quality")),
        ),
        (bars("periods", (by_period(),), width=24, height=9, x="_start", names=factors, unit="percentunit",
              colors=(LIGHT, GREY, PALE, DARK)),),
        (
            bars("machines", (by_machine(),), width=12, height=9, x="asset", names=factors, unit="percentunit",
                 colors=(LIGHT, GREY, PALE, DARK)),
            timeseries("hours", (hourly(),), width=12, height=9, unit="percentunit", name="${__field.labels.asset}",
                       lowest=0, highest=1, stepped=True),
        ),
        (losses(words), counts(words)),
    )  # fmt: skip
    return Dashboard("oee", rows, variables, alarm_marks(words), span="now-7d", refresh="5m")


def overall(name: str) -> str:
    """One ratio of the whole range."""
    parts = select("oee", OEE_PARTS) + pipe(pivot("asset"), "group()", oee_sums(), oee_ratios(), columns(name))
    return NULL + RATIO + parts


def factor(name: str) -> Panel:
    """One of the three factors."""
    return stat(name, (overall(name),), width=6, height=5, unit="percentunit", decimals=1, name="")


def by_period() -> str:
    """Ratios of each shift, day or week: windows of the site's zone, not of UTC."""
    steps = pipe(
        pivot("asset"), "group()", "window(every: ${period:raw}, offset: ${offset:raw})", oee_sums(),
        oee_ratios("_start"), "group()", 'sort(columns: ["_start"])', columns("_start", *FACTORS),
    )  # fmt: skip
    zone = 'import "timezone"\noption location = timezone.location(name: "${zone:raw}")\n'
    return NULL + zone + RATIO + select("oee", OEE_PARTS) + steps


def by_machine() -> str:
    """Ratios of each machine over the range."""
    steps = pipe(
        pivot("asset"), grouped("asset"), oee_sums(), oee_ratios("asset"), "group()",
        'sort(columns: ["oee"], desc: true)', columns("asset", *FACTORS),
    )  # fmt: skip
    return NULL + RATIO + select("oee", OEE_PARTS) + steps


def hourly() -> str:
    """OEE of each window of each machine, from that window's parts."""
    whole = "exists r.pri_gq_s and exists r.pbt_s and r.pq > 0.0"
    value = f'if {whole} then ratio(top: r.pri_gq_s, bottom: r.pbt_s) else debug.null(type: "float")'
    steps = pipe(
        pivot("asset"), grouped("asset"), f"map(fn: (r) => ({{_time: r._time, asset: r.asset, _value: {value}}}))",
        'sort(columns: ["_time"])',
    )  # fmt: skip
    return NULL + RATIO + select("oee", ("pri_gq_s", "pbt_s", "pq")) + steps


def losses(words: Words) -> Panel:
    """Where the time of each machine went, s; the elements add up to the calendar."""
    query = select("oee", tuple(LOSSES)) + pipe(
        grouped("asset", "_field"), "sum()", 'pivot(rowKey: ["asset"], columnKey: ["_field"], valueColumn: "_value")',
        "group()", columns("asset", *LOSSES),
    )  # fmt: skip
    names = {name: words.shared(f"column.{name}") for name in LOSSES}
    return bars("losses", (query,), width=12, height=9, x="asset", names=names, unit="dtdhms", stacked=True,
                colors=tuple(LOSSES.values()), horizontal=True)  # fmt: skip


def counts(words: Words) -> Panel:
    """Pieces, and how much of the calendar is known at all."""
    fields = ("pq", "gq", "calendar_s", "unknown_s")
    query = select("oee", fields) + pipe(
        grouped("asset", "_field"), "sum()", 'pivot(rowKey: ["asset"], columnKey: ["_field"], valueColumn: "_value")',
        "group()",
        "map(fn: (r) => ({asset: r.asset, pq: r.pq, gq: r.gq, rejects: r.pq - r.gq, "
        "coverage: (r.calendar_s - r.unknown_s) / r.calendar_s}))",
    )  # fmt: skip
    shown = (
        Column("asset", link=link_to("machine", words, "${__data.fields.asset}")),
        *(Column(name, decimals=0, width=110) for name in ("pq", "gq", "rejects")),
        Column("coverage", "percentunit", decimals=1, width=120),
    )
    return table("counts", query, shown, words, width=12, height=9)

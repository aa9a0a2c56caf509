"""Cold chain: temperatures in their label range, mean kinetic temperature, excursions.

For quality and the warehouse.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.grafana import Json
from dashboards.grafana.flux import SCOPE, START, STOP, columns, grouped, pipe, select
from dashboards.grafana.model import Dashboard, Panel, Words
from dashboards.grafana.panels import Column, bars, by_pattern, states, table, timeseries
from dashboards.grafana.settings import Settings
from dashboards.grafana.shared import alarm_list, alarm_marks, link_to, state_rows
from dashboards.grafana.style import BLUE, GREY, RED, fixed, state_texts
from dashboards.grafana.variables import choice, datasource, place, textbox, windows

PERIODS = (("day", "1d"), ("shift", "8h"), ("week", "1w"), ("hour", "1h"))


def dashboard(language: str, settings: Settings) -> Dashboard:
    """Five rows: temperatures, figures, excursions in time, in degree-minutes and as alarms, doors."""
    words = Words("cold-chain", language)
    periods = [(words.shared(f"period.{name}"), value) for name, value in PERIODS]
    variables: Sequence[Json] = (
        datasource(),
        *place(words, "cold_chain"),
        textbox("low", words.shared("variable.low"), f"{settings.low_c:g}"),
        textbox("high", words.shared("variable.high"), f"{settings.high_c:g}"),
        choice("period", words.shared("variable.period"), periods),
        textbox("zone", words.shared("variable.zone"), settings.zone),
        *windows(settings),
    )
    outside = {"above_s": words.shared("column.above_s"), "below_s": words.shared("column.below_s")}
    minutes = {"above_c_min": words.shared("column.above_c_min"), "below_c_min": words.shared("column.below_c_min")}
    rows = (
        (temperatures(words),),
        (figures(words), kinetic()),
        (
            bars("outside", (out_of_range("above_s", "below_s"),), width=12, x="name", names=outside, unit="dtdhms",
                 stacked=True, colors=(RED, BLUE)),
            bars("minutes", (out_of_range("above_c_min", "below_c_min"),), width=12, x="name", names=minutes,
                 stacked=True, colors=(RED, BLUE)),
        ),
        (alarm_list("excursions", words, width=24, height=8),),
        (states("doors", (state_rows(SCOPE, switches=True),), state_texts(language), height=6,
                name="${__field.labels.asset} ${__field.labels.series}"),),
    )  # fmt: skip
    return Dashboard("cold-chain", rows, variables, alarm_marks(words), span="now-24h", refresh="1m")


def temperatures(words: Words) -> Panel:
    """Mean of each room, and the label range as a band behind it."""
    rooms = select("cold_chain", ("covered_s",)) + pipe("last()", "group()", columns("asset", "series"))
    means = select("window", ("mean",), (*SCOPE, 'r.size == "${size:raw}"'), bucket='"${bucket:raw}"') + pipe(
        'aggregateWindow(every: ${every:raw}, fn: mean, createEmpty: true, timeSrc: "_start")',
        "group()", columns("_time", "_value", "asset", "series"),
    )  # fmt: skip
    lines = (
        f'rooms = {rooms}\nmeans = {means}\njoin(tables: {{rooms: rooms, means: means}}, on: ["asset", "series"])\n'
        + pipe(grouped("asset", "series"), 'sort(columns: ["_time"])')
    )
    band = 'import "array"\narray.from(rows: [\n' + "".join(
        f'  {{_time: {at}, _field: "{name}", _value: float(v: "${{{name}:raw}}")}},\n'
        for name in ("low", "high") for at in (START, STOP)
    ) + "])\n" + pipe(grouped("_field"))  # fmt: skip
    overrides = (
        by_pattern("^low\\b", displayName=words.shared("band.low"), color=fixed(BLUE), custom__lineStyle=_DASHED),
        by_pattern(
            "^high\\b",
            displayName=words.shared("band.high"),
            color=fixed(RED),
            custom__lineStyle=_DASHED,
            custom__fillBelowTo=words.shared("band.low"),
            custom__fillOpacity=8,
        ),
    )
    return timeseries(
        "temperatures", (lines, band), width=24, height=10, unit="celsius",
        name="${__field.labels.asset} ${__field.labels.series}", overrides=overrides,
    )  # fmt: skip


_DASHED = {"fill": "dash", "dash": [10, 10]}


def figures(words: Words) -> Panel:
    """Each room over the range. MKT from the sums of the hours' Arrhenius integrals, never a mean of their MKTs."""
    fields = (
        "covered_s", "gap_s", "integral_c_s", "above_s", "below_s", "minimum", "maximum", "arrhenius_log",
        "activation_j_mol",
    )  # fmt: skip
    known = "exists r.arrhenius_log and exists r.minimum and exists r.maximum"
    query = (
        'import "math"\nimport "internal/debug"\n'
        + select("cold_chain", fields)
        + pipe(
            'pivot(rowKey: ["_time", "asset", "series"], columnKey: ["_field"], valueColumn: "_value")',
            grouped("asset", "series"),
            f"""reduce(
    identity: {{
      covered_s: 0.0, gap_s: 0.0, integral: 0.0, above_s: 0.0, below_s: 0.0, rate: 0.0, energy: 0.0,
      minimum: {_FAR}, maximum: -{_FAR},
    }},
    fn: (r, accumulator) => ({{
      covered_s: accumulator.covered_s + r.covered_s,
      gap_s: accumulator.gap_s + r.gap_s,
      integral: accumulator.integral + r.integral_c_s,
      above_s: accumulator.above_s + r.above_s,
      below_s: accumulator.below_s + r.below_s,
      rate: accumulator.rate + (if {known} then math.exp(x: r.arrhenius_log) else 0.0),
      energy: if exists r.activation_j_mol then r.activation_j_mol else accumulator.energy,
      minimum: if {known} and r.minimum < accumulator.minimum then r.minimum else accumulator.minimum,
      maximum: if {known} and r.maximum > accumulator.maximum then r.maximum else accumulator.maximum,
    }}),
  )""",
            "group()",
            "filter(fn: (r) => r.covered_s > 0.0 and r.rate > 0.0)",
            "map(fn: (r) => ({r with mean: r.integral / r.covered_s, "
            "mkt: r.energy / 8.3144 / (math.log(x: r.covered_s) - math.log(x: r.rate)) - 273.15}))",
            columns("asset", "series", "minimum", "maximum", "mean", "mkt", "above_s", "below_s", "gap_s"),
        )
    )
    shown = (
        Column("asset", link=link_to("machine", words, "${__data.fields.asset}")),
        Column("series"),
        *(Column(name, "celsius", decimals=1, width=90) for name in ("minimum", "maximum", "mean")),
        Column("mkt", "celsius", decimals=2, width=90),
        *(Column(name, "dtdhms", width=110) for name in ("above_s", "below_s", "gap_s")),
    )
    return table("figures", query, shown, words, width=14, height=8)


_FAR = "1000000.0"  # no temperature is beyond it


def kinetic() -> Panel:
    """MKT of each window."""
    query = select("cold_chain", ("mkt",)) + pipe(columns("_time", "_value", "asset", "series"))
    name = "${__field.labels.asset} ${__field.labels.series}"
    return timeseries("mkt", (query,), width=10, unit="celsius", name=name, stepped=True, color=fixed(GREY))


def out_of_range(*fields: str) -> str:
    """Sums of each room and shift, day or week in which there was any."""
    total = " + ".join(f"r.{name}" for name in fields)
    local = 'import "date"\nimport "timezone"\noption location = timezone.location(name: "${zone:raw}")\n'
    day = 'string(v: date.month(t: r._start)) + "/" + string(v: date.monthDay(t: r._start))'
    clock = 'string(v: date.hour(t: r._start)) + "h"'
    return local + select("cold_chain", fields) + pipe(
        grouped("asset", "_field"), "window(every: ${period:raw})", "sum()",
        'pivot(rowKey: ["_start", "asset"], columnKey: ["_field"], valueColumn: "_value")', "group()",
        f"filter(fn: (r) => {total} > 0.0)", 'sort(columns: ["_start", "asset"])',
        f'map(fn: (r) => ({{r with name: r.asset + " " + {day} + " " + {clock}}}))', columns("name", *fields),
    )  # fmt: skip

"""One machine, room or steriliser: its states, one of its signals with its band, anomaly score, alarms.

For maintenance.
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
from dashboards.grafana.panels import Column, by_name, by_pattern, stat, states, table, timeseries
from dashboards.grafana.settings import Settings, size_tag
from dashboards.grafana.shared import SECONDS, alarm_list, alarm_marks, state_rows
from dashboards.grafana.style import DARK, GREY, LIGHT, ORANGE, RED, fixed, flag_texts, state_texts, thresholds
from dashboards.grafana.units import unit_overrides
from dashboards.grafana.variables import datasource, place, query, tag_values, windows

WARN, ODD = 0.9, 0.99  # of the anomaly score, 0 to 1
STALE_S = "120.0"
FACTORS = ("availability", "performance", "quality", "oee")


def dashboard(language: str, settings: Settings) -> Dashboard:
    """Five rows: states, the signal, its score and spread, all signals now, alarms."""
    words = Words("machine", language)
    variables: Sequence[Json] = (
        datasource(),
        *place(words, "window", "state", one_asset=True),
        query("series", words.shared("variable.series"), tag_values("series", ("window",), *SCOPE), many=False),
        *windows(settings),
    )
    rows = (
        (states("states", (state_rows(SCOPE, switches=True),), state_texts(language), height=6,
                name="${__field.labels.series}"),),
        (band(words),),
        (score(words), spread()),
        (signals(words, settings), figures(words)),
        (alarm_list("alarms", words, width=24, height=8),),
    )  # fmt: skip
    return Dashboard("machine", rows, variables, alarm_marks(words))


def windows_of(field: str, function: str) -> str:
    """A field of the chosen signal's windows; its name gets the unit, which the panel's overrides go by."""
    where = (*SCOPE, "r.series == ${series:doublequote}", 'r.size == "${size:raw}"')
    return select("window", (field,), where, bucket='"${bucket:raw}"') + pipe(
        f'aggregateWindow(every: ${{every:raw}}, fn: {function}, createEmpty: true, timeSrc: "_start")',
        'map(fn: (r) => ({r with _field: r._field + " [" + r.unit + "]"}))',
        grouped("_field"), columns("_time", "_value", "_field"),
    )  # fmt: skip


def band(words: Words) -> Panel:
    """Mean, and the band from lowest to highest value of each window."""
    queries = (windows_of("min", "min"), windows_of("mean", "mean"), windows_of("max", "max"))
    lowest = words.shared("band.min")
    overrides = (
        *unit_overrides(),
        by_pattern("^min ", displayName=lowest, color=fixed(LIGHT), custom__lineWidth=0),
        by_pattern("^mean ", displayName=words.shared("band.mean"), color=fixed(DARK), custom__lineWidth=2),
        by_pattern("^max ", displayName=words.shared("band.max"), color=fixed(LIGHT), custom__lineWidth=0,
                   custom__fillBelowTo=lowest, custom__fillOpacity=25),
    )  # fmt: skip
    return timeseries("signal", queries, width=24, height=10, overrides=overrides)


def score(words: Words) -> Panel:
    """The highest anomaly score of each window."""
    overrides = (by_pattern("^score ", displayName=words.shared("band.score")),)
    return timeseries(
        "score", (windows_of("score", "max"),), width=12, overrides=overrides, lowest=0, highest=1, lines="dashed",
        steps=thresholds(GREY, (WARN, ORANGE), (ODD, RED)), color=fixed(GREY),
    )  # fmt: skip


def spread() -> Panel:
    """Standard deviation inside each window: what shakes before it breaks."""
    overrides = (*unit_overrides(), by_pattern("^std ", displayName="\N{GREEK SMALL LETTER SIGMA}"))
    return timeseries("spread", (windows_of("std", "max"),), width=12, overrides=overrides, lowest=0, color=fixed(GREY))


def signals(words: Words, settings: Settings) -> Panel:
    """The newest window of each signal of this asset."""
    age = f"float(v: int(v: {STOP}) - int(v: r._time)) / {SECONDS}"
    fine = f'r.size == "{size_tag(min(settings.sizes_s))}"'
    text = (
        DATE
        + select("window", ("last",), (*SCOPE, fine), start=ago("24h"))
        + pipe(
            "last()", "group()",
            f"map(fn: (r) => ({{series: r.series, value: r._value, unit: r.unit, age_s: {age}, "
            f'flag: if {age} > {STALE_S} then "stale" else "ok"}}))',
            'sort(columns: ["series"])',
        )
    )  # fmt: skip
    shown = (
        Column("series"), Column("value", decimals=2, width=120), Column("unit", width=90),
        Column("flag", mappings=flag_texts(words.language, ("stale", ORANGE)), width=110),
        Column("age_s", "dtdhms", "age", width=120),
    )  # fmt: skip
    return table("signals", text, shown, words, width=12, height=8)


def figures(words: Words) -> Panel:
    """OEE of the range, where this asset has one."""
    text = (
        NULL + RATIO + select("oee", OEE_PARTS)
        + pipe(pivot(), "group()", oee_sums(), oee_ratios(), columns(*FACTORS))
    )  # fmt: skip
    named = [by_name(name, displayName=words.shared(f"column.{name}")) for name in FACTORS]
    return stat("oee", (text,), width=12, height=8, unit="percentunit", decimals=1, overrides=named)

"""Figures of quality and maintenance: losses, cold chain, sterilisation, control charts, machine health.

For quality, process engineers and maintenance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboards.grafana import Json
from dashboards.grafana.flux import DATE, START, ago, columns, grouped, pipe, pivot, select
from dashboards.grafana.model import Dashboard, Panel, Words
from dashboards.grafana.panels import Column, bars, table, timeseries
from dashboards.grafana.settings import Settings
from dashboards.grafana.shared import alarm_marks
from dashboards.grafana.style import DARK, GREY, LIGHT, ORANGE, PALE, RED, VIOLET, YELLOW, mapped
from dashboards.grafana.variables import datasource, place

KINDS = (
    "oee", "excursion", "lot_stay", "usp", "steam_cycle", "disinfection", "eo_cycle", "leak_test", "spc", "capability",
    "health", "maintenance",
)  # fmt: skip
LOSSES = {
    "breakdown_s": RED, "setup_s": LIGHT, "micro_stop_s": ORANGE, "speed_loss_s": YELLOW, "defect_loss_s": VIOLET,
    "startup_loss_s": PALE, "starved_s": GREY, "blocked_s": DARK,
}  # fmt: skip
NAME = "${__field.labels.asset} ${__field.labels.series}"
LONGEST = "31d"  # a window of 30 days stands at its begin, so that one which ends today began then
VERDICT = {"kept": GREY, "failed": RED, "undecided": VIOLET}  # of 1, 0 and not there
DUE = {"due": ORANGE, "not_due": GREY, "undecided": VIOLET}


def dashboard(language: str, settings: Settings) -> Dashboard:
    """A row or two for each subject."""
    del settings  # its variables are those of the place alone
    words = Words("figures", language)
    variables: Sequence[Json] = (datasource(), *place(words, *KINDS))
    names = {name: words.shared(f"column.{name}") for name in LOSSES}
    rows = (
        (bars("losses", (losses(),), width=24, x="asset", names=names, unit="dtdhms", stacked=True,
              colors=tuple(LOSSES.values()), horizontal=True),),
        (
            listed("excursions", "excursion", words, {"duration_s": LENGTH, "peak": CELSIUS, "out_c_min": PLAIN}),
            listed("stays", "lot_stay", words, {"stay_s": LENGTH, "mkt": CELSIUS, "tor_left_s": LENGTH}, "within"),
        ),
        (
            newest("usp", "usp", words, {"mkt": CELSIUS, "margin": ("kelvin", 2), "out_s": LENGTH, "gap_s": LENGTH},
                   "allowed", start=ago(LONGEST, START)),
            timeseries("usp_mkt", (kinetic(),), width=12, height=9, unit="celsius", name=NAME),
        ),
        *cycles(words),
        (charts(),),
        (newest("capability", "capability", words, INDICES, "stable", width=24),),
        (
            timeseries("health", (over_time("health", "value"),), width=12, unit="short", name=NAME),
            timeseries("days", (over_time("health", "days_to_limit"),), width=12, unit="short", name=NAME, lowest=0),
        ),
        (newest("maintenance", "maintenance", words, MAINTENANCE, "due", states=DUE, width=24),),
    )  # fmt: skip
    return Dashboard("figures", rows, variables, alarm_marks(words), span="now-7d", refresh="5m")


CELSIUS, LENGTH, PLAIN = ("celsius", 2), ("dtdhms", None), ("short", 1)
INDEX = ("short", 2)
INDICES = {
    "cp": INDEX, "cpk": INDEX, "cpk_low": INDEX, "cpk_high": INDEX, "pp": INDEX, "ppk": INDEX, "ppk_low": INDEX,
    "ppk_high": INDEX, "cpm": INDEX, "n": ("short", 0), "subgroups": ("short", 0),
}  # fmt: skip
MAINTENANCE = {
    "inspection_in_d": PLAIN, "age_d": PLAIN, "age_h": PLAIN, "failures": ("short", 0), "mtbf_h": PLAIN,
    "b10_h": PLAIN,
}  # fmt: skip


def cycles(words: Words) -> tuple[tuple[Panel, ...], ...]:
    """Steam, washer-disinfectors and leak tests, ethylene oxide; the newest cycle first."""
    steam = {"f0": ("short", 2), "hold_s": LENGTH, "spread": ("kelvin", 2)}
    leak = {"leak": ("suffix: kPa/min", 3), "vacuum": ("pressurekpa", 2), "measured_s": LENGTH}
    eo = {
        "hold_s": LENGTH, "gas_rise": ("pressurekpa", 1), "concentration_min": ("suffix: mg/L", 0),
        "humidity_min": ("percent", 1), "minimum": CELSIUS, "maximum": CELSIUS,
    }  # fmt: skip
    return (
        (listed("cycles", "steam_cycle", words, steam, "verdict", width=24),),
        (
            listed("disinfection", "disinfection", words, {"a0": ("short", 0), "hold_s": LENGTH}, "verdict"),
            listed("leaks", "leak_test", words, leak, "verdict"),
        ),
        (listed("eo", "eo_cycle", words, eo, "verdict", width=24),),
    )


def losses() -> str:
    """Lost time of each machine over the range, s. A gain of speed is a negative loss."""
    return select("oee", tuple(LOSSES)) + pipe(
        grouped("asset", "_field"), "sum()", 'pivot(rowKey: ["asset"], columnKey: ["_field"], valueColumn: "_value")',
        "group()", columns("asset", *LOSSES),
    )  # fmt: skip


Shown = Mapping[str, tuple[str, int | None]]  # part -> Grafana's unit, digits behind the point


def listed(key: str, kind: str, words: Words, shown: Shown, verdict: str = "", width: int = 12) -> Panel:
    """A row a figure that stands, the newest first; those that late data took away are left out.

    verdict: a part that is 1, 0 or not there; it is told in words.
    """
    query = (
        standing(kind, shown, verdict)
        + "\n"
        + pipe(row(shown, verdict, VERDICT), 'sort(columns: ["since"], desc: true)')
    )
    return figures_table(key, query, words, shown, VERDICT if verdict else {}, width)


def newest(
    key: str, kind: str, words: Words, shown: Shown, verdict: str, *, states: Mapping[str, str] = VERDICT,
    start: str = START, width: int = 12,
) -> Panel:  # fmt: skip
    """A row a series: the newest figure of each. states: names and colours of a verdict of 1, of 0 and of none."""
    query = (DATE if start != START else "") + standing(kind, shown, verdict, start) + "\n" + pipe(
        grouped("asset", "series"), 'sort(columns: ["_time"])', "tail(n: 1)", "group()", row(shown, verdict, states),
        'sort(columns: ["asset", "series"])',
    )  # fmt: skip
    return figures_table(key, query, words, shown, states, width)


def standing(kind: str, shown: Shown, verdict: str, start: str = START) -> str:
    """Figures of a kind in one table, a row each: those that late data did not take away, with their first part."""
    told = (*shown, verdict) if verdict else tuple(shown)
    return select(kind, (*told, "void"), start=start) + pipe(
        pivot("asset", "series"), "group()", "filter(fn: (r) => not exists r.void or r.void == 0.0)",
        f"filter(fn: (r) => exists r.{told[0]})",
    )  # fmt: skip


def row(shown: Shown, verdict: str, states: Mapping[str, str]) -> str:
    """The columns of a table."""
    state = ""
    if verdict:
        yes, no, open_ = states
        state = f'state: if exists r.{verdict} then (if r.{verdict} > 0.5 then "{yes}" else "{no}") else "{open_}", '
    parts = ", ".join(f"{name}: r.{name}" for name in shown)
    return f"map(fn: (r) => ({{since: r._time, asset: r.asset, series: r.series, {state}{parts}}}))"


def figures_table(key: str, query: str, words: Words, shown: Shown, states: Mapping[str, str], width: int) -> Panel:
    """Begin, place, the verdict in words and the parts."""
    texts = {name: (words.shared(f"verdict.{name}"), color) for name, color in states.items()}
    columns_of = (
        Column("since", "dateTimeAsIso", width=170), Column("asset"), Column("series"),
        *((Column("state", mappings=mapped(texts)),) if states else ()),
        *(Column(name, unit, decimals=decimals, width=110) for name, (unit, decimals) in shown.items()),
    )  # fmt: skip
    return table(key, query, columns_of, words, width=width, height=9, sort="since")


def kinetic() -> str:
    """Mean kinetic temperature of each room's windows, each at its end."""
    ends = "map(fn: (r) => ({r with _value: r.mkt, _time: time(v: int(v: r._time) + int(v: r.seconds) * 1000000000)}))"
    return DATE + select("usp", ("mkt", "seconds", "void"), start=ago(LONGEST, START)) + pipe(
        pivot("asset", "series"), "filter(fn: (r) => not exists r.void or r.void == 0.0)",
        "filter(fn: (r) => exists r.mkt)", ends, f"filter(fn: (r) => r._time >= {START})",
        grouped("asset", "series"), 'sort(columns: ["_time"])', columns("_time", "_value", "asset", "series"),
    )  # fmt: skip


def charts() -> Panel:
    """Plotted values with their limits, a line each."""
    query = select("spc", ("value", "centre", "lower", "upper")) + pipe(
        grouped("asset", "series", "_field"), 'sort(columns: ["_time"])',
        columns("_time", "_value", "_field", "asset", "series"),
    )  # fmt: skip
    name = "${__field.labels.asset} ${__field.labels.series} ${__field.name}"
    return timeseries("charts", (query,), width=24, height=10, unit="short", name=name)


def over_time(kind: str, field: str) -> str:
    """One part of each series."""
    return select(kind, (field,)) + pipe(
        grouped("asset", "series"), 'sort(columns: ["_time"])', columns("_time", "_value", "asset", "series")
    )

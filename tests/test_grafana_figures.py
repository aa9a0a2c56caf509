"""The numbers that panels and alert rules get from the real InfluxDB are those that Andon computes itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dashboards.grafana.alerting import RULES
from dashboards.grafana.catalogue import everything
from dashboards.grafana.settings import Settings
from operators.cold_chain import merge_parts
from operators.oee import oee_ratios, roll_up
from tests.grafana_bucket import answer, grafana_bucket, scope_of
from tests.grafana_flux import Scope
from tests.grafana_world import BURST, END_S, HOUR_S, HOURS, MACHINES, ROOMS, cold_figure, oee_figure

__all__ = ["grafana_bucket"]  # a fixture

pytestmark = pytest.mark.real

START_S = END_S - HOURS * HOUR_S


def row_of(influxd, grafana_bucket: str, name: str, key: str, rows: int = 1) -> list[dict[str, str]]:
    """The rows of one panel of the English dashboards."""
    dashboard = everything(Settings())["en", name]
    titles = {panel["title"]: panel["targets"][0]["query"] for panel in dashboard["panels"]}
    (frame,) = answer(influxd, scope_of(grafana_bucket), titles[key])
    assert len(frame.rows) == rows
    return frame.rows


def numbers(row: dict[str, str], names: list[str]) -> list[float]:
    return [float(row[name]) for name in names]


def test_oee_is_that_of_the_operators(influxd, grafana_bucket):
    """The same roll-up in Flux and in operators/oee.py: ratios of sums."""
    hours = range(START_S, END_S, HOUR_S)
    whole = oee_ratios(roll_up(oee_figure(number, at_s, END_S).parts for number in range(2) for at_s in hours))
    for title, letter in (("OEE of the range", "OEE"), ("Availability", "A"), ("Performance", "P"), ("Quality", "Q")):
        (row,) = row_of(influxd, grafana_bucket, "oee", title)
        (value,) = (float(one) for name, one in row.items() if name not in {"", "result", "table"})
        assert value == pytest.approx(whole[letter])
    by_machine = row_of(influxd, grafana_bucket, "oee", "By machine", rows=2)
    for number, machine in enumerate(MACHINES):
        (row,) = (one for one in by_machine if one["asset"] == machine)
        ratios = oee_ratios(roll_up(oee_figure(number, at_s, END_S).parts for at_s in hours))
        assert numbers(row, ["availability", "performance", "quality", "oee"]) == pytest.approx(
            [ratios[letter] for letter in ("A", "P", "Q", "OEE")]
        )


def test_shifts_begin_in_the_sites_zone(influxd, grafana_bucket):
    """06:00 to 12:00 UTC are 14:00 to 20:00 in Shanghai: cut at 16:00, which is 08:00 UTC."""
    rows = row_of(influxd, grafana_bucket, "oee", "By shift, day or week", rows=2)
    assert [row["_start"] for row in rows] == ["2026-11-20T06:00:00Z", "2026-11-20T08:00:00Z"]


def test_mkt_is_that_of_the_operators(influxd, grafana_bucket):
    rows = row_of(influxd, grafana_bucket, "cold-chain", "Figures of the range", rows=2)
    for number, room in enumerate(ROOMS):
        (row,) = (one for one in rows if one["asset"] == room)
        merged = merge_parts(cold_figure(number, at_s, START_S, END_S).parts for at_s in range(START_S, END_S, HOUR_S))
        names = ["minimum", "maximum", "mean", "mkt", "above_s", "below_s", "gap_s"]
        assert numbers(row, names) == pytest.approx([merged[name] for name in names])


def test_figures_of_quality_in_words_and_without_those_that_are_gone(influxd, grafana_bucket):
    (excursion,) = row_of(influxd, grafana_bucket, "figures", "Excursions")
    assert numbers(excursion, ["duration_s", "peak", "out_c_min"]) == [1200.0, 9.5, 18.0]
    cycles = row_of(influxd, grafana_bucket, "figures", "Steam cycles", rows=2)
    assert [one["state"] for one in cycles] == ["failed", "kept"]
    stays = row_of(influxd, grafana_bucket, "figures", "Stays of lots", rows=2)
    assert [one["state"] for one in stays] == ["undecided", "kept"]
    (lost, _) = sorted(row_of(influxd, grafana_bucket, "figures", "Lost time", rows=2), key=lambda one: one["asset"])
    assert float(lost["breakdown_s"]) == HOURS * 300.0


def test_the_newest_figure_of_each_series_with_its_verdict(influxd, grafana_bucket):
    """Of the two of each kind in the bucket the later one: it is the worse."""
    (usp,) = row_of(influxd, grafana_bucket, "figures", "Storage conditions after USP")
    assert (usp["asset"], usp["state"], float(usp["mkt"]), float(usp["margin"])) == (ROOMS[1], "undecided", 6.5, 18.5)
    (able,) = row_of(influxd, grafana_bucket, "figures", "Process capability")
    assert (able["state"], *numbers(able, ["cp", "cpk", "n"])) == ("failed", 1.6, pytest.approx(0.4), 50.0)
    (mode,) = row_of(influxd, grafana_bucket, "figures", "Maintenance and inspections")
    assert (mode["series"], mode["state"], float(mode["inspection_in_d"])) == ("bearing-wear", "due", -1.0)


def test_a_usp_window_that_began_before_the_range_stands_at_its_end(influxd, grafana_bucket):
    rows = row_of(influxd, grafana_bucket, "figures", "Mean kinetic temperature of the windows", rows=2)
    assert [(row["_time"], float(row["_value"])) for row in rows] == [
        ("2026-11-20T07:00:00Z", 5.5), ("2026-11-20T08:00:00Z", 6.5),
    ]  # fmt: skip


def test_cycles_of_every_kind_have_a_row_each(influxd, grafana_bucket):
    leaks = row_of(influxd, grafana_bucket, "figures", "Leak tests", rows=2)
    assert [(one["state"], float(one["leak"])) for one in leaks] == [("failed", 1.1), ("kept", 0.1)]
    washed = row_of(influxd, grafana_bucket, "figures", "Washer-disinfectors", rows=2)
    assert [(one["state"], float(one["a0"])) for one in washed] == [("undecided", 619.0), ("kept", 620.0)]
    gassed = row_of(influxd, grafana_bucket, "figures", "Ethylene oxide cycles", rows=2)
    assert [(one["state"], float(one["minimum"])) for one in gassed] == [("failed", 50.0), ("kept", 49.0)]
    assert [one["concentration_min"] for one in gassed] == ["", "610"]  # not measured is not 0


def test_alarms_have_their_durations(influxd, grafana_bucket):
    """A comment on a closed alarm makes it no longer; an open one runs to the end of the range."""
    rows = row_of(influxd, grafana_bucket, "alarms", "Alarms of the range", rows=3 + BURST)
    lengths = {(row["asset"], row["state"]): float(row["duration_s"]) for row in rows}
    assert lengths[ROOMS[0], "normal"] == pytest.approx(900.0)
    assert lengths[ROOMS[1], "acknowledged"] == pytest.approx(1800.0)
    assert lengths[MACHINES[1], "unacknowledged"] == pytest.approx(16 * 3600.0)
    assert lengths[MACHINES[0], "normal"] == pytest.approx(10.0)
    (first, *_) = row_of(influxd, grafana_bucket, "alarms", "Top rules", rows=2)
    assert (first["rule"], first["alarms"]) == ("filler-vibration", str(BURST))


def test_open_alarms_are_counted_by_priority(influxd, grafana_bucket):
    (row,) = row_of(influxd, grafana_bucket, "alarms", "Open alarms")
    assert numbers(row, ["critical", "high", "medium", "low"]) == [1, 1, 0, 0]


def test_alarm_rates_are_those_of_the_burst(influxd, grafana_bucket):
    (worst,) = row_of(influxd, grafana_bucket, "alarms", "Worst 10 minutes")
    assert int(worst["_value"]) == BURST
    (share,) = row_of(influxd, grafana_bucket, "alarms", "Time in flood")
    assert float(share["_value"]) == pytest.approx(1 / 36)
    (average,) = row_of(influxd, grafana_bucket, "alarms", "Per 10 minutes")
    assert float(average["_value"]) == pytest.approx((BURST + 2) / 36)


def test_the_pipelines_numbers(influxd, grafana_bucket):
    wanted = {
        "Worst lag": 2.5, "Unread": 2.0, "Waiting to be sent": 100.0 + HOURS * 3600 - 10, "Waiting for the ERP": 3.0,
        "New dead letters": (HOURS * 3600 - 10) // 600, "Restarts": 1.0, "Rows the ledger misses": 0.0,
    }  # fmt: skip
    for title, number in wanted.items():
        (row,) = row_of(influxd, grafana_bucket, "pipeline", title)
        assert float(row["_value"]) == pytest.approx(number), title


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_alert_rules_see_what_they_are_for(influxd, grafana_bucket, rule):
    """Over the plant as it is; and an hour later, when nothing has been heard of for an hour."""
    stop = datetime.fromtimestamp(END_S, UTC)
    found = {}
    for later_s in (0, 3000):
        scope = Scope(
            stop + timedelta(seconds=later_s - rule.range_s), stop + timedelta(seconds=later_s), grafana_bucket
        )
        frames = answer(influxd, scope, rule.query)
        assert all(frame.series and len(frame.rows) == 1 for frame in frames), "one point a series"
        found[later_s] = {
            row.get("part") or row["rule"]
            for frame in frames
            for row in frame.rows
            if float(row["_value"]) > rule.above
        }
    assert (
        found
        == {
            "silent": {0: set(), 3000: {"shard-0", "shard-1"}},
            "backlog": {0: {"influx-sender"}, 3000: set()},
            "dead-letters": {0: {"shard-0"}, 3000: set()},
            "critical-alarm": {0: {"cold-room-high"}, 3000: {"cold-room-high"}},
        }[rule.name]
    )

"""Alert rules about Andon itself: the same definitions for Grafana's provisioning files and for its API.

The plant's alarms are Andon's own business: confirmed, acknowledged, escalated and sent to the ERP there. What Grafana
watches is whether Andon still does that: a pipeline that fell silent cannot say so itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dashboards.grafana import DATASOURCE_UID, FOLDER_UID, Json
from dashboards.grafana.catalogue import dashboards
from dashboards.grafana.flux import STOP, alarms_by_key, columns, pipe, select
from dashboards.grafana.model import Words, uid
from dashboards.grafana.settings import Settings
from dashboards.grafana.shared import SECONDS

GROUP: Final = "andon"
INTERVAL: Final = "1m"
EXPRESSIONS: Final = "__expr__"  # Grafana's own data source of reduce and threshold


@dataclass(frozen=True, slots=True)
class Rule:
    """`query` gives one point a series over the last `range_s` seconds; more than `above` for `hold` alerts.

    Its texts: grafana.rule.<name>.title, .summary and .text. panel: (dashboard, key) that the alert links to.
    """

    name: str
    query: str
    range_s: int
    above: float
    hold: str
    severity: str
    no_data: str  # OK or Alerting
    panel: tuple[str, str]


def _age() -> str:
    """How old the newest point of each part is, s."""
    value = f"float(v: int(v: {STOP}) - int(v: r._time)) / {SECONDS}"
    return f"map(fn: (r) => ({{_time: {STOP}, part: r.part, _value: {value}}}))"


def _growth(*fields: str) -> str:
    """How much each part's counter grew."""
    return select("pipeline", fields, ()) + pipe(
        "difference()", "sum()", 'group(columns: ["part", "_field"])',
        f"map(fn: (r) => ({{_time: {STOP}, part: r.part, _field: r._field, _value: r._value}}))",
    )  # fmt: skip


RULES: Final = (
    Rule(
        name="silent",
        query=select("pipeline", ("lag_s",), ("r.part =~ /^shard-/",))
        + pipe("last()", _age(), 'group(columns: ["part"])'),
        range_s=3600, above=120.0, hold="1m", severity="critical", no_data="Alerting", panel=("pipeline", "parts"),
    ),
    Rule(
        name="backlog", query=_growth("backlog_rows"), range_s=900, above=0.0, hold="15m",
        severity="warning", no_data="OK", panel=("pipeline", "backlog"),
    ),
    Rule(
        name="dead-letters", query=_growth("dead_letters"), range_s=900, above=0.0, hold="0s", severity="warning",
        no_data="OK", panel=("pipeline", "dead_time"),
    ),
    Rule(
        name="critical-alarm",
        query=alarms_by_key("v.timeRangeStart", ('r.priority == "critical"',))
        + "\n"
        + pipe(
            "filter(fn: (r) => r.open > 0.0)",
            f"map(fn: (r) => ({{r with _time: {STOP}, _value: float(v: int(v: {STOP}) - r.began) / {SECONDS}}}))",
            'group(columns: ["asset", "series", "rule"])', "max()",
            columns("_time", "_value", "asset", "series", "rule"),
        ),
        range_s=7 * 86_400, above=900.0, hold="0s", severity="critical", no_data="OK", panel=("alarms", "open_list"),
    ),
)  # fmt: skip


def rule_uid(rule: Rule) -> str:
    """Stable; the same in both languages: a rule exists once."""
    return f"andon-{rule.name}"


def _data(rule: Rule) -> Sequence[Json]:
    """The query, its last value, and the comparison."""
    span = {"from": rule.range_s, "to": 0}
    common = {"intervalMs": 1000, "maxDataPoints": 43_200}
    flux = {"refId": "A", "query": rule.query, "datasource": {"type": "influxdb", "uid": DATASOURCE_UID}, **common}
    own = {"type": EXPRESSIONS, "uid": EXPRESSIONS}
    last = {"refId": "B", "type": "reduce", "reducer": "last", "expression": "A", "datasource": own, **common}
    over = [{"evaluator": {"type": "gt", "params": [rule.above]}}]
    compare = {"refId": "C", "type": "threshold", "expression": "B", "conditions": over, "datasource": own, **common}
    return [
        {"refId": "A", "relativeTimeRange": span, "datasourceUid": DATASOURCE_UID, "model": flux},
        {"refId": "B", "relativeTimeRange": {"from": 0, "to": 0}, "datasourceUid": EXPRESSIONS, "model": last},
        {"refId": "C", "relativeTimeRange": {"from": 0, "to": 0}, "datasourceUid": EXPRESSIONS, "model": compare},
    ]


def _common(rule: Rule, language: str, panels: Mapping[str, int]) -> Json:
    words = Words(f"rule.{rule.name}", language)
    dashboard, key = rule.panel
    return {
        "uid": rule_uid(rule),
        "title": words("title"),
        "condition": "C",
        "data": list(_data(rule)),
        "noDataState": rule.no_data,
        "execErrState": "Error",
        "for": rule.hold,
        "annotations": {
            "summary": words("summary"),
            "description": words("text"),
            "__dashboardUid__": uid(dashboard, language),
            "__panelId__": str(panels[f"{dashboard}/{key}"]),
        },
        "labels": {"severity": rule.severity, "product": "andon"},
        "isPaused": False,
    }


def _panels(language: str, settings: Settings) -> dict[str, int]:
    return {
        f"{one.name}/{panel.key}": one.panel_id(panel.key)
        for one in dashboards(language, settings) for row in one.rows for panel in row
    }  # fmt: skip


def api_rules(language: str, settings: Settings) -> list[Json]:
    """Bodies for POST and PUT of /api/v1/provisioning/alert-rules."""
    panels = _panels(language, settings)
    place = {"orgID": 1, "folderUID": FOLDER_UID, "ruleGroup": GROUP}
    return [{**_common(rule, language, panels), **place} for rule in RULES]


def file_group(language: str, settings: Settings, folder: str) -> Json:
    """The group for a provisioning file."""
    panels = _panels(language, settings)
    rules = [_common(rule, language, panels) for rule in RULES]
    return {"orgId": 1, "name": GROUP, "folder": folder, "interval": INTERVAL, "rules": rules}

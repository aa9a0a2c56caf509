"""Panels of the kinds we use, with options after Grafana's own schema of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.grafana import Json
from dashboards.grafana.model import Panel, Words
from dashboards.grafana.style import GREY, fixed, thresholds

LEGEND: Json = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
NO_LEGEND: Json = {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []}
TOOLTIP: Json = {"mode": "multi", "sort": "desc"}
LAST: Json = {"calcs": ["lastNotNull"], "fields": "", "values": False}


def by_name(name: str, **properties: Any) -> Json:
    """An override for one field. `custom__width` stands for the property custom.width."""
    listed = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": listed}


def by_pattern(pattern: str, **properties: Any) -> Json:
    """The same for every field whose name a regular expression finds."""
    return {**by_name("", **properties), "matcher": {"id": "byRegexp", "options": f"/{pattern}/"}}


def stat(
    key: str, queries: Sequence[str], *, width: int, height: int = 4, unit: str = "short", steps: Json | None = None,
    overrides: Sequence[Json] = (), mappings: Sequence[Json] = (), fields: str = "", decimals: int | None = None,
    name: str | None = None, empty: str | None = None,
) -> Panel:  # fmt: skip
    """Numbers to be read from afar. fields: "" all numbers, or a regular expression such as /^verdict$/.

    empty: what stands there instead of "no data".
    """
    defaults: Json = {
        "unit": unit, "color": {"mode": "thresholds"}, "thresholds": steps or thresholds("text"),
        "mappings": list(mappings), "min": 0,
    }  # fmt: skip
    if decimals is not None:
        defaults["decimals"] = decimals
    if name is not None:
        defaults["displayName"] = name
    if empty is not None:
        defaults["noValue"] = empty
    options = {
        "reduceOptions": {**LAST, "fields": fields}, "orientation": "auto", "colorMode": "value",
        "graphMode": "none", "justifyMode": "auto", "textMode": "auto", "wideLayout": True,
        "showPercentChange": False,
    }  # fmt: skip
    return Panel(key, "stat", queries, width, height, defaults, overrides, options)


def gauge(key: str, queries: Sequence[str], *, width: int, height: int = 4, unit: str) -> Panel:
    """One number from 0 to 1 on its scale."""
    defaults: Json = {"unit": unit, "min": 0, "max": 1, "color": fixed(GREY), "thresholds": thresholds(GREY)}
    options = {
        "reduceOptions": LAST, "orientation": "auto", "showThresholdLabels": False, "showThresholdMarkers": False,
        "minVizHeight": 75, "minVizWidth": 75, "sizing": "auto",
    }  # fmt: skip
    return Panel(key, "gauge", queries, width, height, defaults, (), options)


def timeseries(
    key: str, queries: Sequence[str], *, width: int, height: int = 8, unit: str = "short", name: str | None = None,
    steps: Json | None = None, lines: str = "off", bars: bool = False, stacked: bool = False,
    overrides: Sequence[Json] = (), color: Json | None = None, lowest: float | None = None,
    highest: float | None = None, stepped: bool = False,
) -> Panel:  # fmt: skip
    """Values over time; a window without data is a gap in the line, never a line across. lines: how thresholds show."""
    custom: Json = {
        "drawStyle": "bars" if bars else "line", "lineWidth": 1, "fillOpacity": 70 if bars else 0,
        "gradientMode": "none", "lineInterpolation": "stepAfter" if stepped else "linear", "showPoints": "auto",
        "pointSize": 3, "spanNulls": False, "insertNulls": False, "thresholdsStyle": {"mode": lines},
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"}, "axisPlacement": "auto", "axisLabel": "",
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
    }  # fmt: skip
    defaults: Json = {
        "unit": unit, "custom": custom, "color": color or {"mode": "palette-classic-by-name"},
        "thresholds": steps or thresholds(GREY),
    }  # fmt: skip
    if name is not None:
        defaults["displayName"] = name
    if lowest is not None:
        defaults["min"] = lowest
    if highest is not None:
        defaults["max"] = highest
    return Panel(key, "timeseries", queries, width, height, defaults, overrides, {"legend": LEGEND, "tooltip": TOOLTIP})


def states(
    key: str, queries: Sequence[str], mappings: Sequence[Json], *, height: int, name: str, link: Json | None = None
) -> Panel:
    """State timeline: one row a series, each state in words and in its colour, over the whole width."""
    defaults: Json = {
        "custom": {"fillOpacity": 85, "lineWidth": 0, "spanNulls": False, "insertNulls": False},
        "color": {"mode": "thresholds"}, "thresholds": thresholds(GREY), "mappings": list(mappings),
        "displayName": name, "links": [link] if link else [],
    }  # fmt: skip
    options = {
        "mergeValues": True, "showValue": "auto", "alignValue": "left", "rowHeight": 0.9, "legend": NO_LEGEND,
        "tooltip": {"mode": "single", "sort": "none"},
    }  # fmt: skip
    return Panel(key, "state-timeline", queries, 24, height, defaults, (), options)


def bars(
    key: str, queries: Sequence[str], *, width: int, x: str, names: Mapping[str, str], height: int = 8,
    unit: str = "short", stacked: bool = False, colors: Sequence[str] = (), horizontal: bool = False,
) -> Panel:  # fmt: skip
    """Bars for each row of one table: x is the column of names, `names` (column -> text) are the values."""
    defaults: Json = {
        "unit": unit, "min": 0, "color": {"mode": "palette-classic-by-name"}, "thresholds": thresholds(GREY),
        "custom": {
            "fillOpacity": 80, "lineWidth": 0, "gradientMode": "none", "axisPlacement": "auto", "axisLabel": "",
            "hideFrom": {"legend": False, "tooltip": False, "viz": False}, "thresholdsStyle": {"mode": "off"},
        },
    }  # fmt: skip
    overrides = [
        by_name(column, displayName=text, **({"color": fixed(colors[index])} if index < len(colors) else {}))
        for index, (column, text) in enumerate(names.items())
    ]
    options = {
        "xField": x, "orientation": "horizontal" if horizontal else "vertical", "showValue": "auto",
        "stacking": "normal" if stacked else "none", "groupWidth": 0.7, "barWidth": 0.9, "barRadius": 0,
        "fullHighlight": False, "xTickLabelRotation": 0, "xTickLabelMaxLength": 30, "xTickLabelSpacing": 0,
        "legend": LEGEND, "tooltip": TOOLTIP,
    }  # fmt: skip
    return Panel(key, "barchart", queries, width, height, defaults, overrides, options, (_ordered((x, *names)),))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title is `column.<title>` of the shared texts, where no title is given its name."""

    name: str
    unit: str = ""
    title: str = ""
    mappings: Sequence[Json] = ()
    steps: Json | None = None
    width: int = 0
    link: Json | None = None
    decimals: int | None = None

    def override(self, words: Words) -> Json:
        """Grafana's settings of this column."""
        properties: Json = {"displayName": words.shared(f"column.{self.title or self.name}")}
        if self.unit:
            properties["unit"] = self.unit
        if self.decimals is not None:
            properties["decimals"] = self.decimals
        if self.mappings:
            properties["mappings"] = list(self.mappings)
        if self.steps:
            properties["thresholds"] = self.steps
        if self.mappings or self.steps:
            properties["custom__cellOptions"] = {"type": "color-text"}
        if self.width:
            properties["custom__width"] = self.width
        if self.link:
            properties["links"] = [self.link]
        return by_name(self.name, **properties)


def table(
    key: str, query: str, columns: Sequence[Column], words: Words, *, width: int, height: int = 8, unit: str = "short",
    sort: str = "", descending: bool = True,
) -> Panel:  # fmt: skip
    """One table; its columns stand in the order given. sort: a column's name."""
    defaults: Json = {
        "unit": unit, "color": {"mode": "thresholds"}, "thresholds": thresholds("text"),
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
    }  # fmt: skip
    shown = {column.name: words.shared(f"column.{column.title or column.name}") for column in columns}
    options = {
        "showHeader": True, "cellHeight": "sm", "frameIndex": 0,
        "footer": {"show": False, "countRows": False, "reducer": [], "fields": ""},
        "sortBy": [{"displayName": shown[sort], "desc": descending}] if sort else [],
    }  # fmt: skip
    overrides = [column.override(words) for column in columns]
    order = _ordered([column.name for column in columns])
    return Panel(key, "table", (query,), width, height, defaults, overrides, options, (order,))


def _ordered(names: Sequence[str]) -> Json:
    """Flux gives columns in an order of its own."""
    index = {name: place for place, name in enumerate(names)}
    options = {"indexByName": index, "excludeByName": {}, "renameByName": {}, "includeByName": {}}
    return {"id": "organize", "options": options}

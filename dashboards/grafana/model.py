"""Dashboard, panel and variable, and the JSON that Grafana loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from andon.i18n import LANGUAGES, translate
from dashboards.grafana import SCHEMA_VERSION, Json
from dashboards.grafana.settings import Settings

COLUMNS = 24  # of Grafana's grid
DATASOURCE: Json = {"type": "influxdb", "uid": "${datasource}"}
SUFFIX = {"en": "", "zh-CN": "-zh"}  # both languages may lie in one Grafana


@dataclass(frozen=True, slots=True)
class Words:
    """Texts of one dashboard: room `grafana`, keys `grafana.<dashboard>.<name>`."""

    dashboard: str
    language: str

    def __call__(self, name: str) -> str:
        return translate(f"grafana.{self.dashboard}.{name}", self.language)

    def shared(self, name: str) -> str:
        """A text that several dashboards use."""
        return translate(f"grafana.{name}", self.language)


@dataclass(frozen=True, slots=True)
class Panel:
    """`key` names its texts: `<key>.title` and `<key>.text`, the description. Width in 24ths, height in 30 px."""

    key: str
    kind: str
    queries: Sequence[str]
    width: int
    height: int
    defaults: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    options: Json = field(default_factory=dict)
    transformations: Sequence[Json] = ()

    def json(self, number: int, x: int, y: int, words: Words) -> Json:
        """As Grafana has it, at a place."""
        targets = [
            {"refId": chr(ord("A") + index), "datasource": DATASOURCE, "query": query}
            for index, query in enumerate(self.queries)
        ]
        defaults = {"noValue": words.shared("no_data"), **self.defaults}
        return {
            "id": number,
            "type": self.kind,
            "title": words(f"{self.key}.title"),
            "description": words(f"{self.key}.text"),
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "datasource": DATASOURCE,
            "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": list(self.overrides)},
            "options": self.options,
            "transformations": list(self.transformations),
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Rows of panels, from the top; the widths of a row add up to 24 at most."""

    name: str
    rows: Sequence[Sequence[Panel]]
    variables: Sequence[Json]
    annotations: Sequence[Json]
    span: str = "now-6h"
    refresh: str = "30s"

    def json(self, language: str, settings: Settings) -> Json:
        """The whole, without id and version: those are Grafana's."""
        words = Words(self.name, language)
        tag = f"andon-{language.lower()}"
        return {
            "uid": uid(self.name, language),
            "title": words("title"),
            "description": words("text"),
            "tags": ["andon", tag],
            "schemaVersion": SCHEMA_VERSION,
            "editable": True,
            "graphTooltip": 1,
            "timezone": settings.timezone,
            "time": {"from": self.span, "to": "now"},
            "timepicker": {},
            "refresh": self.refresh,
            "fiscalYearStartMonth": 0,
            "links": [
                {
                    "type": "dashboards", "title": words.shared("links"), "tags": [tag], "asDropdown": False,
                    "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "dashboard", "tooltip": "",
                    "url": "",
                }
            ],
            "annotations": {"list": list(self.annotations)},
            "templating": {"list": list(self.variables)},
            "panels": self._placed(words),
        }  # fmt: skip

    def panel_id(self, key: str) -> int:
        """The id of the panel with this key."""
        return [panel.key for row in self.rows for panel in row].index(key) + 1

    def _placed(self, words: Words) -> list[Json]:
        panels: list[Json] = []
        y = 0
        for row in self.rows:
            x = 0
            for panel in row:
                panels.append(panel.json(len(panels) + 1, x, y, words))
                x += panel.width
            if x > COLUMNS:
                raise ValueError(f"{self.name}: a row is {x} wide, {COLUMNS} at most: {[one.key for one in row]}")
            y += max(panel.height for panel in row)
        return panels


def uid(name: str, language: str) -> str:
    """Stable for ever: links and bookmarks go by it.

    >>> uid("overview", "en"), uid("overview", "zh-CN")
    ('andon-overview', 'andon-overview-zh')
    """
    if language not in LANGUAGES:
        raise ValueError(f"language: {language!r}, one of {LANGUAGES} is wanted")
    return f"andon-{name}{SUFFIX[language]}"

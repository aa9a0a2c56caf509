"""All dashboards, in both languages."""

from __future__ import annotations

from andon.i18n import LANGUAGES
from dashboards.grafana import Json, alarms, cold_chain, figures, machine, oee, overview, pipeline
from dashboards.grafana.model import Dashboard
from dashboards.grafana.settings import Settings

MODULES = (overview, oee, cold_chain, figures, alarms, machine, pipeline)


def dashboards(language: str, settings: Settings) -> tuple[Dashboard, ...]:
    """The dashboards of one language, the overview first."""
    return tuple(module.dashboard(language, settings) for module in MODULES)


def generated(language: str, settings: Settings) -> dict[str, Json]:
    """Name -> JSON of one language."""
    return {one.name: one.json(language, settings) for one in dashboards(language, settings)}


def everything(settings: Settings) -> dict[tuple[str, str], Json]:
    """(language, name) -> JSON."""
    return {(language, name): one for language in LANGUAGES for name, one in generated(language, settings).items()}

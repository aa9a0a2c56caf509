"""From plant.toml to what shall be in Grafana, and to the Grafana it goes to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from andon.config.models import Plant
from andon.secrets import Secret, read_secret
from dashboards.grafana.alerting import api_rules
from dashboards.grafana.api import Grafana, GrafanaError
from dashboards.grafana.catalogue import generated
from dashboards.grafana.provisioning import datasource
from dashboards.grafana.push import Wanted
from dashboards.grafana.settings import Settings

TOKEN, INFLUX_TOKEN = "ANDON_GRAFANA_TOKEN", "ANDON_GRAFANA_INFLUX_TOKEN"  # names of environment variables


def grafana_of(config: Plant, base: Path) -> Grafana:
    """The Grafana of [grafana]; GrafanaError without one or its token. base: the folder of plant.toml."""
    if config.grafana is None:
        raise GrafanaError("grafana.error.none")
    token = _secret(TOKEN, config.grafana.token_file, "grafana.token_file", base)
    if token is None:
        raise GrafanaError("grafana.error.no_token", variable=TOKEN)
    return Grafana(config.grafana.url, token)


def wanted_of(config: Plant, base: Path, languages: Sequence[str]) -> Wanted:
    """Dashboards in each of the languages; alert rules, of which there is one each, in the first."""
    if config.grafana is None:
        raise GrafanaError("grafana.error.none")
    if config.influx is None:
        raise GrafanaError("grafana.error.no_influx")
    settings = Settings.of(config)
    return Wanted(
        config.grafana.folder,
        datasource(config.grafana.influx_url or config.influx.url, config.influx.org, config.influx.bucket),
        _secret(INFLUX_TOKEN, config.grafana.influx_token_file, "grafana.influx_token_file", base),
        [one for language in languages for one in generated(language, settings).values()],
        api_rules(languages[0], settings),
    )


def _secret(variable: str, file: str | None, where: str, base: Path) -> Secret | None:
    return read_secret(variable, str(base / file) if file else None, where)

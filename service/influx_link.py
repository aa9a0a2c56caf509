"""A site's connection to InfluxDB: its token, what has to be there, writing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import structlog

from andon.config.deployment import Influx
from andon.config.models import Plant
from andon.errors import ConfigError
from andon.secrets import Secret, read_secret
from sinks.influx import downsampling
from sinks.influx.client import AwayError, DeniedError, InfluxClient
from sinks.influx.sdk import connect
from sinks.influx.setup import Setup

log = structlog.get_logger()


def token_of(influx: Influx, base: Path) -> Secret:
    """The token; a relative token_file is beside plant.toml. ConfigError without one."""
    file = str(base / influx.token_file) if influx.token_file else None
    token = read_secret("ANDON_INFLUX_TOKEN", file, "influx.token_file")
    if token is None:
        raise ConfigError("secret.missing", where="influx.token_file", variable="ANDON_INFLUX_TOKEN")
    return token


def plans(plant: Plant, influx: Influx) -> list[downsampling.TaskPlan]:
    """The tasks that a plant's InfluxDB has to have."""
    return downsampling.tasks(influx.bucket, influx.long_bucket, plant.windows.sizes_s, plant.time.correct_for_h)


@dataclass
class Link:
    """The connection: reads the token again when it is refused, sets the buckets up once.

    made : whether the bucket was not there and has been made: nothing of what was delivered before is in it.
    """

    plant: Plant
    influx: Influx
    base: Path
    client: InfluxClient = field(init=False)
    made: bool = False
    _token: Secret = field(init=False)
    _ready: bool = False

    def __post_init__(self) -> None:
        self._token = token_of(self.influx, self.base)
        self.client = self._connected()

    def write(self, lines: bytes) -> None:
        """Write lines; before the first ones, make the buckets and tasks that are missing. Raises InfluxError."""
        if not self._ready:
            self._set_up()
        self.client.write(lines)

    def renewed(self) -> bool:
        """Whether the token has been replaced since; then it is the one used from now on."""
        try:
            token = token_of(self.influx, self.base)
        except ConfigError:
            return False
        if token == self._token:
            return False
        self.client.close()
        self._token, self._ready = token, False
        self.client = self._connected()
        return True

    def _connected(self) -> InfluxClient:
        influx = self.influx
        return InfluxClient(influx.url, influx.org, influx.bucket, self._token, timeout_s=influx.timeout_s)

    def _set_up(self) -> None:
        """Existing buckets stay as they are: a shorter retention deletes data, which is for a person to decide."""
        try:
            with connect(self.influx, self._token) as client:
                for step in Setup(client, self.influx, plans(self.plant, self.influx)).run(dry=False, change=False):
                    log.info("influx.set_up", what=step.what, name=step.name, action=step.action)
                    self.made = self.made or (step.action == "create" and step.name == self.influx.bucket)
        except AwayError:
            raise
        except DeniedError as error:  # a token that may only write is enough
            log.warning("influx.no_set_up", status=error.status, detail=error.detail)
        self._ready = True

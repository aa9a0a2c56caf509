"""The real servers of the suites marked `real` and `crash`, each started once, on a port of its own.

Where a part is missing, CI fails and everybody else skips, with the way to get it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from service.servers import Influxd, Kafka, Server, ServerMissingError, Tryton
from tests.servers.postgres import Postgres
from tests.servers.toxiproxy import Toxiproxy

TOKEN = "token-of-the-tests"
KafkaFactory = Callable[..., Kafka]


@contextmanager
def left_out() -> Iterator[None]:
    """Where a server is missing in here, CI fails, and everybody else skips."""
    try:
        yield
    except ServerMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}; CI leaves nothing out", pytrace=False)
        pytest.skip(str(error))


def start(server: Server) -> None:
    """Start it, if it is there."""
    with left_out():
        server.start()


@pytest.fixture(scope="session")
def plant_servers() -> None:
    """For tests of what starts Kafka and InfluxDB by itself."""
    from service.demo_plant import check_servers  # takes a second: not for every run

    with left_out():
        check_servers()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that other accounts may pass through, as PostgreSQL's has to; pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="andon-servers-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka(server_folder: Path) -> Iterator[Kafka]:
    """The broker that suites share: `bootstrap`. Give your topics names of your own, and do not kill it."""
    broker = Kafka(server_folder / "kafka")
    start(broker)
    yield broker
    broker.stop()


@pytest.fixture
def kafka_broker_factory(tmp_path: Path) -> Iterator[KafkaFactory]:
    """Brokers of a test's own: `kafka_broker_factory(port=, advertised=, settings=)`, started; stopped after it."""
    brokers: list[Kafka] = []

    def make(**given: Any) -> Kafka:
        broker = Kafka(tmp_path / f"kafka-{len(brokers) + 1}", **given)
        brokers.append(broker)
        start(broker)
        return broker

    yield make
    for broker in brokers:
        broker.stop()


class Influx(Influxd):
    """With buckets whose names nobody has to think of."""

    def __init__(self, folder: Path, **given: Any) -> None:
        super().__init__(folder, token=TOKEN, **given)
        self._numbers = count(1)

    def new_bucket(self, name: str | None = None, retention_s: int = 0) -> str:
        """An empty bucket; its name."""
        return super().new_bucket(name or f"bucket-{next(self._numbers)}", retention_s)


@pytest.fixture(scope="session")
def influxd(server_folder: Path) -> Iterator[Influx]:
    """The InfluxDB that suites share: `url`, `org`, `token`, `new_bucket()`. Who stops it starts it again."""
    server = Influx(server_folder / "influxd")
    start(server)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def tryton(server_folder: Path) -> Iterator[Tryton]:
    """The Tryton that suites share: `url`, `token`. Give your records keys of your own, and do not kill it."""
    server = Tryton(server_folder / "tryton")
    start(server)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def toxiproxy(server_folder: Path) -> Iterator[Toxiproxy]:
    """`proxy(name, upstream)`: give each a name of its own."""
    server = Toxiproxy(server_folder / "toxiproxy")
    start(server)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_server(server_folder: Path) -> Iterator[Postgres]:
    """The cluster that suites share; for those that stop it."""
    server = Postgres(server_folder / "postgres")
    start(server)
    yield server
    server.stop()


class Database:
    """One empty database. `url` needs no password; `guarded_url`, of another one, needs `password`."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self.url = server.new_database()
        self.guarded_url = server.new_database(guarded=True)
        self.password = server.password


@pytest.fixture
def postgres(postgres_server: Postgres) -> Database:
    """An empty database for one test."""
    return Database(postgres_server)

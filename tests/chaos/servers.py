"""The servers of the plant shape: one broker, one InfluxDB, a proxy in front of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from service.servers import Influxd, Kafka, Server, ServerError
from tests.chaos.processes import Part, Processes, Setting
from tests.servers.toxiproxy import Proxy, Toxiproxy

TOKEN = "token-of-the-chaos-suite"
QUIET = {"log_level": 0, "log.connection.close": False}


class Servers:
    """Started once for all rounds; each round has a topic and a bucket of its own."""

    def __init__(self, folder: Path) -> None:
        self.toxiproxy = Toxiproxy(folder / "toxiproxy")
        self.influxd = Influxd(folder / "influxd", token=TOKEN)
        self._folder = folder
        self.started: list[Server] = []
        self._start(self.toxiproxy)
        self._start(self.influxd)
        # The broker tells its clients where it is: behind the proxy, which must therefore be there first.
        kafka = Kafka(folder / "kafka")
        self.to_kafka = self.toxiproxy.proxy("kafka", kafka.address)
        kafka.advertised = self.to_kafka.port
        self.kafka = kafka
        self._start(kafka)
        self.to_influx = self.toxiproxy.proxy("influx", self.influxd.address)
        self._erp: Proxy | None = None

    def _start(self, server: Server) -> None:
        server.start()
        self.started.append(server)

    def to_erp(self, port: int) -> Proxy:
        """The proxy in front of a round's ERP."""
        if self._erp is not None:
            self._erp.delete()
        self._erp = self.toxiproxy.proxy(f"erp-{port}", f"127.0.0.1:{port}")
        return self._erp

    @property
    def direct(self) -> dict[str, object]:
        """Settings of a client that the weather does not reach; for the suite itself."""
        return {"bootstrap.servers": f"127.0.0.1:{self.kafka._internal}", **QUIET}

    def make_topic(self, name: str, partitions: int) -> None:
        """A topic that keeps everything: the story's stamps may be of any year. Nothing happens when it is there."""
        client = AdminClient(self.direct)
        if name in client.list_topics(timeout=30).topics:
            return
        settings = {"retention.ms": "-1", "message.timestamp.type": "CreateTime"}
        client.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(30)

    def messages(self, topic: str, partition: int) -> list[tuple[int, int, bytes]]:
        """(Kafka offset, stamp in ms, body) of everything committed in a partition."""
        consumer = Consumer({
            **self.direct, "group.id": "chaos", "enable.auto.commit": False, "isolation.level": "read_committed",
            "enable.partition.eof": True, "auto.offset.reset": "earliest",
        })  # fmt: skip
        consumer.assign([TopicPartition(topic, partition, 0)])
        found: list[tuple[int, int, bytes]] = []
        try:
            while True:
                for message in consumer.consume(1000, 0.3):
                    error = message.error()
                    if error is None:
                        found.append((message.offset(), message.timestamp()[1], message.value() or b""))
                    elif error.name() == "_PARTITION_EOF":
                        return found
                    else:
                        raise KafkaException(error)
        finally:
            consumer.close()

    def stop(self) -> None:
        """Stop them all."""
        for server in reversed(self.started):
            server.stop()


class WithServers(Processes):
    """Processes of a site, and servers by name, started and killed alike."""

    def __init__(self, parts: Sequence[Part], setting: Setting, servers: dict[str, Server]) -> None:
        super().__init__(parts, setting)
        self._servers = servers

    def start(self, name: str) -> None:
        server = self._servers.get(name)
        if server is None:
            super().start(name)
        elif server.pid is None:
            patiently(server.start)

    def kill(self, name: str) -> bool:
        server = self._servers.get(name)
        if server is None:
            return super().kill(name)
        server.kill()
        return True

    def ended(self, name: str) -> int | None:
        return None if name in self._servers else super().ended(name)


def patiently(start: Callable[[], None], tries: int = 5) -> None:
    """Start a server again that was killed: its port, or its old session, may not be free at once."""
    for left in reversed(range(tries)):
        try:
            start()
        except ServerError:
            if not left:
                raise
        else:
            return


def wait_ready(servers: Sequence[Server], limit_s: float = 60.0) -> None:
    """Until all of them serve again."""
    deadline = time.monotonic() + limit_s
    for server in servers:
        if server.pid is None:
            patiently(server.start)
        server.wait_ready(max(1.0, deadline - time.monotonic()))

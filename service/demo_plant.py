"""The demo on Kafka and InfluxDB, both started here: an edge whose spool is forwarded into a topic, and a site.

    devices, ticker -> <data>/edge (spool) -> forwarder -> Kafka -> flows -> local files -> senders -> InfluxDB, ERP

What the simulators send goes into the edge's spool in one transaction with their position, so that a kill loses and
doubles nothing there; the way on is what a site with an edge has.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, TopicPartition

from andon.config.deployment import Kafka as KafkaSection
from andon.datafolder import DataFolder
from service.demo import DRAIN_S, Demo, Settings
from service.demo_windows import WindowsCompared, compare, influx_windows, local_windows
from service.servers import Influxd, Kafka, where
from service.servers.kafka import java
from service.supervisor import Part, python
from service.topics import create_topics, kafka_of
from simulators.truth import demo_plant
from sinks.segments import SegmentReader
from sources.kafka import log_offset
from sources.kafka.held import forwarded

SPOOL: Final = re.compile(r'^kind = "spool".*$', re.MULTILINE)
SECTIONS: Final = """
[transport.kafka]
brokers = "{brokers}"
stamps = "producer"      # the edge's: plant time runs faster than the broker's clock
out = ["windows", "alarms", "dead-letters"]

[influx]
url = "{url}"
token_file = "{token}"
"""
# Plant time is soon hours ahead of the machine's: the broker would refuse such stamps.
BROKER: Final = {"log.message.timestamp.after.max.ms": str(2**63 - 1)}
INFLUX_FILE: Final = "influx-token"
ANSWER_S: Final = 10.0
TAIL: Final = 10  # more than the markers behind the last message
SERVERS_STOP: Final = 5  # after everything that uses them


def check_servers() -> None:
    """ServerMissingError, with the way to get it, when a server that the demo needs is not on this machine."""
    for server in (Kafka, Influxd):
        where(server.name)
    java()


class PlantDemo(Demo):
    """As `Demo`, with the servers of a site and an edge beside it."""

    def __init__(self, settings: Settings) -> None:
        self._edge = DataFolder(settings.data / "edge")
        self._compared: WindowsCompared | None = None
        super().__init__(settings)

    @property
    def edge(self) -> DataFolder:
        return self._edge

    def configured(self, text: str) -> str:
        """Kafka instead of the spool, and InfluxDB; the edge keeps its spool and knows the broker."""
        servers, logs = (self.settings.data / "servers").absolute(), self.data.logs
        self.kafka = Kafka(servers / "kafka", log=logs / "kafka.log", settings=BROKER)
        self.influxd = Influxd(servers / "influxd", log=logs / "influxd.log", token=self._token())
        self._edge.create(demo_plant().config.site.id, self.shards)
        self._edge_config.write_text(text, encoding="utf-8")
        sections = SECTIONS.format(brokers=self.kafka.bootstrap, url=self.influxd.url, token=INFLUX_FILE)
        return SPOOL.sub('kind = "kafka"', text) + sections

    def start_servers(self) -> None:
        for server in (self.kafka, self.influxd):
            server.prepare()
            self.supervisor.add([Part(server.name, server.argv(), SERVERS_STOP, foreign=True)])
        for server in (self.kafka, self.influxd):
            server.wait_ready(meanwhile=self.supervisor.poll)
            server.set_up()
        create_topics(self.plant)

    def parts(self) -> list[Part]:
        """The ticker is the edge's: its ticks are forwarded in their place among the readings."""
        edge, data = self._edge.path, self.settings.data
        ticker = python("service.ticker", "--config", self._edge_config, "--data", edge, *self._clock)
        forwarder = python(
            "service.forwarder", "--config", data / "plant.toml", "--data", data, "--from", edge, *self._clock
        )
        site = [part for part in super().parts() if part.name != "ticker"]
        return [*site, Part("ticker", ticker, 1), Part("forwarder", forwarder, 1, watched=True)]

    def consumed(self) -> bool:
        if any(self._forwarded(shard) < self.spool(shard).last_offset() for shard in range(self.shards)):
            return False
        done = {mark.shard: mark.last_offset for mark in self.history.marks()}
        kafka = kafka_of(self.plant)
        return all(done.get(shard, 0) >= newest_offset(kafka, shard) for shard in range(self.shards))

    def servers(self) -> dict[str, str]:
        return {"demo.kafka": self.kafka.bootstrap, "demo.influxd": f"{self.influxd.url}  ({self._token_file})"}

    def drain(self) -> None:
        """And let InfluxDB and Kafka get all of it."""
        super().drain()
        self.supervisor.stop([f"flow-{worker}" for worker in range(self.workers)])
        self.wait(self._delivered, DRAIN_S)
        if not self.settings.check:
            return
        self.influxd.wait_ready(meanwhile=self.supervisor.poll)
        with self.influxd.client() as client:
            influx = influx_windows(client, self.influxd.org, self.influxd.bucket)
        self._compared = compare(local_windows(self.history), influx)

    def compared(self) -> WindowsCompared | None:
        return self._compared

    def _forwarded(self, shard: int) -> int:
        """Offset of the edge's spool up to which the topic has it."""
        return forwarded(self._edge.path / "state" / "forward.json", shard)

    @property
    def _edge_config(self) -> Path:
        return self._edge.path / "plant.toml"

    @property
    def _token_file(self) -> Path:
        return self.settings.data / INFLUX_FILE

    def _token(self) -> str:
        path = self._token_file
        if not path.exists():
            path.write_text(secrets.token_urlsafe(32))
            path.chmod(0o600)
        return path.read_text()

    def _delivered(self) -> bool:
        """Whether the senders have given InfluxDB and Kafka all that the flows wrote for them."""
        folders = [self.data.segments(target, shard) for target in ("influx", "kafka") for shard in range(self.shards)]
        return not any(SegmentReader(folder).backlog_bytes() for folder in folders)


def newest_offset(kafka: KafkaSection, shard: int) -> int:
    """Log offset of the newest message of a partition; 0 where there is none. Markers of transactions are none."""
    reader = Consumer({
        "bootstrap.servers": kafka.brokers, "group.id": "andon-demo", "enable.auto.commit": False, "log_level": 0,
        "isolation.level": "read_committed", "enable.partition.eof": True,
    })  # fmt: skip
    try:
        low, high = reader.get_watermark_offsets(TopicPartition(kafka.topic, shard), timeout=ANSWER_S)
        reader.assign([TopicPartition(kafka.topic, shard, max(low, high - TAIL))])
        newest = -1
        while (message := reader.poll(ANSWER_S)) is not None and message.error() is None:
            newest = message.offset() or 0
        return log_offset(newest)
    finally:
        reader.close()

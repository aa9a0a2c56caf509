"""The plant's topics: made as the configuration wants them, and looked at whether they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic  # type: ignore[attr-defined]  # not in its __all__

from andon.config.deployment import Kafka
from andon.datafolder import DataFolder
from andon.errors import ConfigError, SourceError
from andon.kafka import client_settings
from andon.plant import PlantModel
from service.findings import Finding, Status
from sources.kafka.gaps import GapFiles
from sources.kafka.keys import asset_of
from sources.kafka.settings import consumer_settings
from sources.kafka.topic import partitions_of

SAMPLE = 5_000  # newest messages of a partition; a tick a second is among them up to that rate
SAMPLE_S = 5.0
BROKER_MESSAGE_BYTES = 1_048_588  # Kafka's own limit
SEVERAL = 3  # replicas from which one may fail while two confirm
STAMPS = {"broker": "LogAppendTime", "producer": "CreateTime"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it should be; settings are the broker's."""

    name: str
    partitions: int
    settings: Mapping[str, str]


def kafka_of(plant: PlantModel) -> Kafka:
    """[transport.kafka]; ConfigError where there is none."""
    if plant.config.transport.kafka is None:
        raise ConfigError("kafka.none")
    return plant.config.transport.kafka


def wanted_topics(plant: PlantModel) -> list[Wanted]:
    """The topic of readings first, then those that Andon publishes on."""
    kafka, shards = kafka_of(plant), plant.config.transport.shards
    keep = {"retention.ms": str(round(kafka.retention_h * 3_600_000)), "cleanup.policy": "delete"}
    if kafka.replication >= SEVERAL:
        keep["min.insync.replicas"] = "2"
    longest = max(BROKER_MESSAGE_BYTES, plant.config.sources.max_message_bytes + 10_000)
    readings = {**keep, "message.timestamp.type": STAMPS[kafka.stamps], "max.message.bytes": str(longest)}
    return [
        Wanted(kafka.topic, shards, readings),
        *(Wanted(kafka.out_prefix + kind, 1 if kind == "alarms" else shards, keep) for kind in kafka.out),
    ]


def admin_client(plant: PlantModel) -> AdminClient:
    """A client for the commands."""
    return AdminClient(client_settings(kafka_of(plant), Path(), f"andon-{plant.config.site.id}-topics"))


def create_topics(plant: PlantModel) -> dict[str, bool]:
    """Make what is missing; name -> whether it was made. What is there is left as it is.

    Raises SourceError kafka.away, kafka.refused.
    """
    kafka, made = kafka_of(plant), {}
    settings = client_settings(kafka, Path(), f"andon-{plant.config.site.id}-topics")
    client = admin_client(plant)
    for topic in wanted_topics(plant):
        if _partitions(settings, topic.name, kafka.start_timeout_s) is not None:
            made[topic.name] = False
            continue
        new = NewTopic(topic.name, topic.partitions, kafka.replication, config=dict(topic.settings))
        try:
            client.create_topics([new], operation_timeout=kafka.start_timeout_s)[topic.name].result()
        except KafkaException as error:
            raise SourceError("kafka.refused", topic=topic.name, problem=error.args[0].str()) from None
        made[topic.name] = True
    return made


def check_topics(plant: PlantModel, data: DataFolder | None) -> Iterator[Finding]:
    """Everything that must hold for the flow to read the topic right. data: where the flow has noted gaps, if at all.

    Raises SourceError kafka.away.
    """
    kafka, (readings, *out) = kafka_of(plant), wanted_topics(plant)
    settings = client_settings(kafka, Path(), f"andon-{plant.config.site.id}-topics")
    found = _partitions(settings, readings.name, kafka.start_timeout_s)
    if found is None:
        yield _finding(readings.name, "fail", "missing")
        return
    yield _partitions_finding(readings, found)
    client = admin_client(plant)
    yield from _settings_findings(client, readings, kafka)
    yield from _sample_findings(plant, readings.name, min(found, readings.partitions))
    for topic in out:
        there = _partitions(settings, topic.name, kafka.start_timeout_s) is not None
        yield _finding(topic.name, "ok" if there else "fail", "out" if there else "missing")
    if data is not None:
        yield from _gap_findings(data, readings)


def _partitions(settings: Mapping[str, Any], topic: str, timeout_s: float) -> int | None:
    try:
        return partitions_of(settings, topic, timeout_s)
    except SourceError as error:
        if error.code == "kafka.no_topic":
            return None
        raise


def _finding(part: str, status: Status, code: str, **params: object) -> Finding:
    return Finding(part, status, f"topics.{code}", params)


def _partitions_finding(topic: Wanted, found: int) -> Finding:
    if found == topic.partitions:
        return _finding(topic.name, "ok", "partitions", found=found)
    code = "partitions_fewer" if found < topic.partitions else "partitions_more"
    return _finding(topic.name, "fail", code, found=found, shards=topic.partitions)


def _settings_findings(client: AdminClient, topic: Wanted, kafka: Kafka) -> Iterator[Finding]:
    described = client.list_topics(topic.name, timeout=kafka.start_timeout_s).topics[topic.name]
    copies = min((len(one.replicas) for one in described.partitions.values()), default=0)
    status: Status = "ok" if copies >= kafka.replication else "warn"
    yield _finding(topic.name, status, "replication", found=copies, wanted=kafka.replication)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic.name)
    try:
        answer = client.describe_configs([resource], request_timeout=kafka.start_timeout_s)[resource].result()
    except KafkaException as error:
        yield _finding(topic.name, "warn", "not_described", problem=error.args[0].str())
        return
    found = {name: str(answer[name].value) for name in topic.settings if name in answer}
    for name, wanted in topic.settings.items():
        value = found.get(name, "-")
        if name in ("retention.ms", "max.message.bytes", "min.insync.replicas"):
            enough = value == "-1" or (value.isdecimal() and int(value) >= int(wanted))
            status = "ok" if enough else "warn"
        else:
            status = "ok" if value == wanted else "fail"
        yield _finding(topic.name, status, "setting", name=name, found=value, wanted=wanted)


def _sample_findings(plant: PlantModel, topic: str, partitions: int) -> Iterator[Finding]:
    """The newest messages: keyed by asset, in the partition of their asset, ticks among them."""
    for shard in range(partitions):
        part = f"{topic}/{shard}"
        sample = newest(plant, topic, shard)
        assets = [(key, asset) for key, body in sample if (asset := asset_of(body)) is not None]
        wrong = [asset.decode() for _, asset in assets if plant.shard_of(asset.decode()) != shard]
        if not sample:
            yield _finding(part, "warn", "empty")
            continue
        if wrong:
            example = wrong[0]
            yield _finding(
                part,
                "fail",
                "places",
                wrong=len(wrong),
                count=len(assets),
                asset=example,
                right=plant.shard_of(example),
            )
        else:
            yield _finding(part, "ok", "places_ok", count=len(assets))
        keyed = sum(key == asset for key, asset in assets)
        yield _finding(part, "ok" if keyed == len(assets) else "warn", "keys", keyed=keyed, count=len(assets))
        ticks = sum(_is_tick(body) for _, body in sample)
        yield _finding(
            part, "ok" if ticks else "warn", "ticks" if ticks else "no_ticks", ticks=ticks, count=len(sample)
        )


def newest(plant: PlantModel, topic: str, shard: int, count: int = SAMPLE) -> list[tuple[bytes | None, bytes]]:
    """(key, body) of the newest messages of a partition, at most `count` and what `SAMPLE_S` gives."""
    kafka = kafka_of(plant)
    settings = consumer_settings(kafka, plant.config.site.id, shard) | {"statistics.interval.ms": 0}
    consumer = Consumer(settings)
    try:
        place = TopicPartition(topic, shard)
        low, high = consumer.get_watermark_offsets(place, timeout=kafka.start_timeout_s)
        place.offset = max(low, high - count)
        consumer.assign([place])
        sample, deadline, ended = [], time.monotonic() + SAMPLE_S, low >= high
        while not ended and time.monotonic() < deadline:
            for one in consumer.consume(1_000, 0.2):
                if one.error() is None:
                    sample.append((one.key(), one.value() or b""))
                else:
                    ended = True  # the end of the partition, or an error that the other findings tell
    except KafkaException as error:
        raise SourceError("kafka.refused", topic=topic, problem=error.args[0].str()) from None
    finally:
        consumer.close()
    return sample


def _is_tick(body: bytes) -> bool:
    try:
        row = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(row, dict) and row.get("event") == "tick"


def _gap_findings(data: DataFolder, topic: Wanted) -> Iterator[Finding]:
    gaps = [gap for shard in range(topic.partitions) if (gap := GapFiles(data, shard).current()) is not None]
    for gap in gaps:
        yield _finding(
            f"{topic.name}/{gap.shard}", "fail", "gap_ahead" if gap.ahead else "gap", partition=gap.shard,
            wanted=gap.wanted, oldest=gap.oldest, end=gap.end, missing=gap.missing,
        )  # fmt: skip


def worst(findings: Sequence[Finding]) -> int:
    """Exit status: 1 when something fails."""
    return int(any(one.status == "fail" for one in findings))

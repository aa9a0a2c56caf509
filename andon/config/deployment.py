"""The sections of plant.toml that name the servers of a site: Kafka, InfluxDB, Grafana, the records' database."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from andon.config.base import Section

Topic = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,200}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Kafka(Section):
    """[transport.kafka]: the broker, with transport.kind = "kafka"."""

    brokers: Name = Field(description="host:port of one or more brokers, separated by commas.")
    topic: Topic = Field("andon.readings", description="Topic of readings, events and ticks, keyed by asset.")
    partitioner: Literal["crc32", "murmur2"] = Field(
        "crc32",
        description="How producers choose the partition from the key: crc32 is the default of librdkafka, murmur2 of "
        "the Java client. A reading in a partition that is not its asset's becomes a dead letter.",
    )
    stamps: Literal["broker", "producer"] = Field(
        "broker",
        description="Whose stamp is the receive time. broker: the topic must have message.timestamp.type = "
        "LogAppendTime. producer: an edge that forwards its own log.",
    )
    start: Literal["wait", "fail"] = Field(
        "wait", description="Broker away at the start: wait for it, or end with an error after start_timeout_s."
    )
    start_timeout_s: float = Field(10.0, gt=0, description="How long one attempt to reach the broker may take, s.")
    replication: int = Field(1, ge=1, description="Copies of each partition, for `andon topics create`.")
    retention_h: float = Field(168.0, gt=0, description="How long the broker keeps readings, h.")
    out: tuple[Literal["windows", "alarms", "dead-letters"], ...] = Field(
        (), description="What is published on the topics <out_prefix>windows, ...alarms, ...dead-letters."
    )
    out_prefix: Topic = Field("andon.", description="Begin of the names of those topics.")
    out_spool_mb: float = Field(1024.0, gt=0, description="What waits on disk while the broker is away, MB a shard.")
    tls: bool = Field(False, description="Encrypt, and check the broker's certificate.")
    ca_file: str | None = Field(None, description="PEM file of the authorities trusted; none: the system's.")
    cert_file: str | None = Field(None, description="PEM file of the client's certificate, for mutual TLS.")
    key_file: str | None = Field(None, description="PEM file of the client's key.")
    sasl: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = Field(
        None, description="How the client logs in; none: it does not."
    )
    user: str | None = Field(None, description="For PLAIN and SCRAM; the client id for OAUTHBEARER.")
    password_file: str | None = Field(
        None, description="File with the password, or the client secret for OAUTHBEARER; or ANDON_KAFKA_PASSWORD."
    )
    oauth_url: str | None = Field(None, description="Token endpoint for OAUTHBEARER, https except on loopback.")
    oauth_scope: str | None = Field(None, description="Scope asked of it.")
    queue_kb: int | None = Field(
        None, ge=64, description="What is fetched ahead, kB a partition; none: 8192, 16384 or 32768 after the profile."
    )
    queue_messages: int | None = Field(
        None, ge=1, description="Fewer than so many fetched ahead: more are; none: 10000, 20000 or 50000 by profile."
    )
    fetch_wait_ms: int | None = Field(
        None, ge=0, le=5_000,
        description="How long the broker may wait for fetch_min_bytes, ms; none: 100, and 500 with the profile bulk.",
    )  # fmt: skip
    fetch_min_bytes: int | None = Field(
        None, ge=1, le=1_000_000,
        description="What the broker waits for, at most fetch_wait_ms; none: 1, and 65536 with the profile bulk.",
    )  # fmt: skip


class Influx(Section):
    """[influx]: InfluxDB 2, which gets windows, figures, states, alarms and the state of the pipeline."""

    url: str = Field(description="Base address; https except on loopback.")
    org: Name = Field("andon", description="Organisation.")
    bucket: Name = Field("andon", description="Bucket of everything.")
    token_file: str | None = Field(None, description="File with the token; or ANDON_INFLUX_TOKEN.")
    retention_d: float = Field(90.0, ge=0.05, description="How long the bucket keeps, d.")
    long_bucket: Annotated[Name | None, BeforeValidator(lambda text: None if text == "" else text)] = Field(
        "andon_long", description='Bucket of hourly windows; "": no downsampling.'
    )
    long_retention_d: float = Field(1825.0, ge=1, description="How long that one keeps, d.")
    spool_mb: float = Field(4096.0, gt=0, description="What waits on disk while InfluxDB is away, MB over all shards.")
    timeout_s: float = Field(30.0, gt=0, description="For one answer, s.")


class Grafana(Section):
    """[grafana]: where `andon dashboards push` puts the dashboards."""

    url: str = Field(description="Base address; https except on loopback.")
    token_file: str | None = Field(None, description="File with a service account's token; or ANDON_GRAFANA_TOKEN.")
    folder: Name = Field("Andon", description="Title of the folder.")
    influx_url: str | None = Field(None, description="InfluxDB as Grafana reaches it; none: influx.url.")
    influx_token_file: str | None = Field(
        None,
        description="File with a token that may only read the buckets, for Grafana's data source; or "
        "ANDON_GRAFANA_INFLUX_TOKEN.",
    )


class RecordsDatabase(Section):
    """[records]: PostgreSQL for alarms, outbox and audit trail. Left out: SQLite in the data folder."""

    url: str = Field(
        description="postgresql://user@host:5432/database, without the password; beyond loopback with "
        "?sslmode=verify-full (or verify-ca, require)."
    )
    password_file: str | None = Field(None, description="File with the password; or ANDON_RECORDS_PASSWORD.")
    start: Literal["wait", "fail"] = Field(
        "wait", description="Server away at the start: wait for it, or end with an error after start_timeout_s."
    )
    start_timeout_s: float = Field(10.0, ge=1, description="How long one attempt to connect may take, s.")

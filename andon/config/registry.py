"""[sources.schema_registry]: where the schemas of Avro and Protobuf messages come from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from andon.config.base import Section

FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$", max_length=200)]


class RegistryFields(Section):
    """[sources.schema_registry.fields]: which field of a message is what; dots lead into a record inside."""

    ts: FieldPath = Field("ts", description="Event time.")
    asset: FieldPath = Field("asset", description="Path of the asset.")
    tag: FieldPath = Field("tag", description="Name of the signal.")
    value: FieldPath = Field("value", description="Value; with Protobuf also a oneof of this name.")
    q: FieldPath = Field("q", description="Quality.")
    unit: FieldPath = Field("unit", description="UCUM code.")
    samples: FieldPath = Field("samples", description="Samples of a waveform.")
    rate_hz: FieldPath = Field("rate_hz", description="Samples of a waveform a second.")
    readings: FieldPath = Field("readings", description="The array of readings of a message that holds many.")


class SchemaRegistry(Section):
    """[sources.schema_registry]: a Confluent Schema Registry, for messages with Avro and Protobuf in a Kafka topic."""

    url: str = Field(description="Base address, or several separated by commas; https except on loopback.")
    user: str | None = Field(None, description="For basic authentication.")
    password_file: str | None = Field(None, description="File with its password; or ANDON_REGISTRY_PASSWORD.")
    token_file: str | None = Field(None, description="File with a bearer token instead; or ANDON_REGISTRY_TOKEN.")
    ca_file: str | None = Field(None, description="PEM file of the authorities trusted; none: those of certifi.")
    timeout_s: float = Field(10.0, gt=0, description="For one answer, s.")
    fields: RegistryFields = Field(RegistryFields(), description="Which field of a message is what.")

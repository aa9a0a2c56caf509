"""The tables of models under control: versions, what was measured of them, how they stand, which series they judge.

All of them only grow. What holds now is the last row; what held before stays to be read. The conventions are those of
`andon.records.schema`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, String, Table, Text

from andon.records.schema import metadata


def _of_version() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["site", "name", "version"], ["model_version.site", "model_version.name", "model_version.version"]
    )


def _by() -> list[Column[Any]]:
    """Who did it, when (the machine's time) and why."""
    return [
        Column("at_ns", BigInteger, nullable=False), Column("actor_id", String, nullable=False),
        Column("actor_name", String, nullable=False), Column("reason", Text, nullable=False),
    ]  # fmt: skip


# What a version is; version counts from 1 for each name. parameters: canonical JSON. fingerprint: of the detector's
# frozen setting. release: the version of Andon it was registered with. trained_*: the readings it was chosen by, empty
# where none were named; trained_hash is that of `sinks.journal_reader.Found.sha256`.
model_version = Table(
    "model_version", metadata,
    Column("site", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("detector", String, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("release", String, nullable=False),
    Column("trained_on", String, nullable=False),
    Column("trained_from_ns", BigInteger),
    Column("trained_until_ns", BigInteger),
    Column("trained_hash", String, nullable=False),
    *_by(),
)  # fmt: skip

# How a version stands: candidate, approved, retired. The last row counts.
model_status = Table(
    "model_status", metadata,
    Column("site", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("status", String, nullable=False),
    *_by(),
    _of_version(),
)  # fmt: skip

# What a version did on a series and a stretch of time. content: canonical JSON; hash: of it.
model_evaluation = Table(
    "model_evaluation", metadata,
    Column("site", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("asset", String, nullable=False),
    Column("tag", String, nullable=False),
    Column("from_ns", BigInteger, nullable=False),
    Column("until_ns", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("hash", String, nullable=False),
    *_by(),
    _of_version(),
)  # fmt: skip

# Who judges a series from when on. champion, challenger: "name:version"; champion empty: what plant.toml says.
# since_ns: messages received at or after it. kind: challenge, promote, rollback.
model_assignment = Table(
    "model_assignment", metadata,
    Column("site", String, primary_key=True),
    Column("asset", String, primary_key=True),
    Column("tag", String, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("since_ns", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("champion", String),
    Column("challenger", String),
    *_by(),
)  # fmt: skip

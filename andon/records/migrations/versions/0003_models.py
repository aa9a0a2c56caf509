"""Models under control: versions, evaluations, how they stand, and which series they judge."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from andon.records.dialect import append_only_ddl

revision = "0003"
down_revision = "0002"
TABLES = ("model_version", "model_status", "model_evaluation", "model_assignment")


def upgrade() -> None:
    """Add the four tables; all of them only grow."""
    _version()
    _of_versions()
    _assignment()
    for table in TABLES:
        for statement in append_only_ddl(op.get_bind().dialect.name, table):
            op.execute(statement)


def _by() -> list[sa.Column[Any]]:
    return [
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", sa.String(), nullable=False),
        sa.Column("actor_name", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    ]


def _named() -> list[sa.Column[Any]]:
    return [
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
    ]


def _of(table: str) -> sa.ForeignKeyConstraint:
    there = [f"model_version.{name}" for name in ("site", "name", "version")]
    return sa.ForeignKeyConstraint(["site", "name", "version"], there, name=op.f(f"fk_{table}_site"))


def _version() -> None:
    op.create_table(
        "model_version",
        *_named(),
        sa.Column("detector", sa.String(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("release", sa.String(), nullable=False),
        sa.Column("trained_on", sa.String(), nullable=False),
        sa.Column("trained_from_ns", sa.BigInteger(), nullable=True),
        sa.Column("trained_until_ns", sa.BigInteger(), nullable=True),
        sa.Column("trained_hash", sa.String(), nullable=False),
        *_by(),
        sa.PrimaryKeyConstraint("site", "name", "version", name=op.f("pk_model_version")),
    )


def _of_versions() -> None:
    op.create_table(
        "model_status",
        *_named(),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        *_by(),
        _of("model_status"),
        sa.PrimaryKeyConstraint("site", "name", "version", "seq", name=op.f("pk_model_status")),
    )
    op.create_table(
        "model_evaluation",
        *_named(),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        *_by(),
        _of("model_evaluation"),
        sa.PrimaryKeyConstraint("site", "name", "version", "seq", name=op.f("pk_model_evaluation")),
    )


def _assignment() -> None:
    op.create_table(
        "model_assignment",
        sa.Column("site", sa.String(), nullable=False),
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("champion", sa.String(), nullable=True),
        sa.Column("challenger", sa.String(), nullable=True),
        *_by(),
        sa.PrimaryKeyConstraint("site", "asset", "tag", "seq", name=op.f("pk_model_assignment")),
    )

"""Reading and adding rows of the models' tables, within a transaction of whoever does an act."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select

from andon.errors import RecordsError
from andon.records.actors import Actor
from andon.records.base import Tx
from andon.records.model_rows import ModelAssignment, ModelEvaluation, ModelVersion, parts_of
from andon.records.schema_models import model_assignment, model_evaluation, model_status, model_version


def versions_of(connection: Connection, site: str, name: str | None = None) -> list[ModelVersion]:
    """Versions in order of name and number, of one name or of all."""
    table = model_version.c
    query = select(model_version).where(table.site == site)
    if name is not None:
        query = query.where(table.name == name)
    status = {
        (row.name, row.version): row.status
        for row in connection.execute(
            select(model_status).where(model_status.c.site == site).order_by(model_status.c.seq)
        )
    }
    counted = model_evaluation.c
    count = {
        (row.name, row.version): int(row[2])
        for row in connection.execute(
            select(counted.name, counted.version, func.count())
            .where(counted.site == site)
            .group_by(counted.name, counted.version)
        )
    }
    rows = connection.execute(query.order_by(table.name, table.version)).mappings()
    return [
        ModelVersion.of(row, status[row["name"], row["version"]], count.get((row["name"], row["version"]), 0))
        for row in rows
    ]


def existing_version(connection: Connection, site: str, model: str) -> ModelVersion:
    """The version of that key. RecordsError with those that there are."""
    name, number = parts_of(model)
    found = versions_of(connection, site)
    for one in found:
        if (one.name, one.version) == (name, number):
            return one
    raise RecordsError("models.unknown", found=model, allowed=", ".join(one.key for one in found) or "-")


def evaluations_of(connection: Connection, site: str, model: str | None = None) -> list[ModelEvaluation]:
    """Evaluations in the order they were made, of one version or of all."""
    table = model_evaluation.c
    query = select(model_evaluation).where(table.site == site)
    if model is not None:
        name, version = parts_of(model)
        query = query.where(table.name == name, table.version == version)
    rows = connection.execute(query.order_by(table.at_ns, table.name, table.version, table.seq)).mappings()
    return [
        ModelEvaluation(**{
            name: json.loads(value) if name == "content" else value for name, value in row.items() if name != "site"
        })
        for row in rows
    ]  # fmt: skip


def assignments_of(
    connection: Connection, site: str, series: tuple[str, str] | None = None
) -> list[ModelAssignment]:  # fmt: skip
    """Assignments in order of series and age, of one series or of all."""
    table = model_assignment.c
    query = select(model_assignment).where(table.site == site)
    if series is not None:
        query = query.where(table.asset == series[0], table.tag == series[1])
    rows = connection.execute(query.order_by(table.asset, table.tag, table.seq)).mappings()
    return [ModelAssignment(**{name: value for name, value in row.items() if name != "site"}) for row in rows]


def in_force(rows: Sequence[ModelAssignment]) -> dict[tuple[str, str], ModelAssignment]:
    """The last assignment of each series."""
    return {(one.asset, one.tag): one for one in rows}


def champions(rows: Sequence[ModelAssignment]) -> list[str | None]:
    """The champions of one series that a rollback can go back through, the one in force last; begins with plant.toml.

    rows: its assignments, oldest first. A promotion adds a champion, a rollback takes away what it went back over.

    >>> champions([])
    [None]
    """
    found: list[str | None] = [None]
    for one in rows:
        if one.kind == "promote":
            found.append(one.champion)
        elif one.kind == "rollback":
            while len(found) > 1 and found[-1] != one.champion:
                found.pop()
    return found


def add(tx: Tx, table: Table, actor: Actor, reason: str, **values: Any) -> None:
    """A row of a table, with who did it, when and why."""
    tx.connection.execute(
        insert(table).values(
            site=tx.site, at_ns=tx.now_ns, actor_id=actor.id, actor_name=actor.name, reason=reason, **values
        )
    )


def set_status(tx: Tx, model: str, status: str, actor: Actor, reason: str) -> None:
    """From now on a version stands so."""
    name, version = parts_of(model)
    table = model_status.c
    last = tx.connection.execute(
        select(func.max(table.seq)).where(table.site == tx.site, table.name == name, table.version == version)
    ).scalar()
    add(tx, model_status, actor, reason, name=name, version=version, seq=(last or 0) + 1, status=status)

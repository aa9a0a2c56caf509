"""The check of records on PostgreSQL, for `andon doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from andon.datafolder import DataFolder
from andon.errors import AndonError
from service.findings import Finding, finding

if TYPE_CHECKING:
    from andon.plant import PlantModel

POSTGRES_LEAST = 13


def records(plant: PlantModel) -> Iterator[Finding]:
    """Whether PostgreSQL, where [records] names it, can be used. Creates nothing there."""
    from andon.records import connect, site_place
    from andon.records.dialect import server_facts, translated
    from andon.records.migrate import HEAD, schema_state

    if plant.config.records is None:
        return
    place = site_place(plant.config, DataFolder(Path()))
    engine = connect(place)
    try:
        with translated(), engine.connect() as connection:
            facts = server_facts(connection)
            state, schema = schema_state(connection)
    except AndonError as error:
        yield Finding("records", "fail", error.code, dict(error.params))
        return
    finally:
        engine.dispose()
    told = {"version": facts.version, "place": str(place)}
    if facts.number < POSTGRES_LEAST * 10_000:
        yield finding("records", "fail", "records_old", **told, least=POSTGRES_LEAST)
    elif state == "older":
        yield Finding("records", "fail", "records.schema_older", {"found": schema, "known": HEAD})
    elif state == "empty":
        yield finding("records", "warn", "records_empty", **told)
    else:
        yield finding("records", "ok", "records", **told, schema=schema)
    if facts.not_durable:
        yield finding("records", "fail", "records_not_durable", **told, settings=", ".join(facts.not_durable))
    if shutil.which("pg_dump") is None:
        yield finding("records", "warn", "records_dump")

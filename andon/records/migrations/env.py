"""Alembic's entry: runs on the connection that `andon.records.migrate` hands over, inside its transaction."""

from __future__ import annotations

from alembic import context

from andon.records.schema_acts import TABLES

if __name__ == "env_py":  # the name that Alembic loads it by; importing it for inspection runs nothing
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=TABLES,
        transactional_ddl=True,
        render_as_batch=True,
    )
    context.run_migrations()

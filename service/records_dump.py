"""Records on PostgreSQL in a backup: `pg_dump` writes them, `pg_restore` puts them back.

Both are the server's own tools. They get the address without the password; that is in their environment alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from andon.errors import RecordsError
from andon.records import connect
from andon.records.dialect import translated
from andon.records.migrate import schema_state
from andon.records.server import Server

DUMP = Path("records", "records.dump")  # in the data folder of a backup


def need_tools() -> None:
    """Raises RecordsError when a tool is missing: before anything is copied, not after."""
    for tool in ("pg_dump", "pg_restore"):
        if shutil.which(tool) is None:
            raise RecordsError("dump.no_tool", tool=tool)


def dump(server: Server, target: Path) -> None:
    """Write one state of the database, also while it is in use; RecordsError in the tool's own words."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _run(server, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(target))
    except RecordsError:
        target.unlink(missing_ok=True)
        raise
    target.chmod(0o600)


def undump(server: Server, source: Path) -> None:
    """Fill the database, which must be empty, from a dump, in one transaction. RecordsError otherwise."""
    engine = connect(server)
    try:
        with translated(), engine.connect() as connection:
            state, version = schema_state(connection)
    finally:
        engine.dispose()
    if state != "empty":
        raise RecordsError("dump.occupied", server=str(server), version=version)
    words = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(source))
    _run(server, "pg_restore", *words)


def _run(server: Server, tool: str, *words: str) -> None:
    need_tools()
    password = server.password() if server.password else None
    environment = {**os.environ, "LC_ALL": "C"}
    if password is not None:
        environment["PGPASSWORD"] = password.reveal()
    done = subprocess.run(
        [tool, "--no-password", "--dbname", server.url, *words], env=environment, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise RecordsError("dump.failed", tool=tool, detail=said[0] if said else f"exit status {done.returncode}")

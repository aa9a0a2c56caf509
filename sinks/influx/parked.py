"""Lines that InfluxDB refused for good, with the reason: kept for people, bounded, the oldest go."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sinks.influx.delivery import BadLine

MOST = 100_000
_SCHEMA = """
create table if not exists parked (
    id integer primary key autoincrement, line blob not null unique, status integer not null, reason text not null,
    at_ns integer not null, again integer not null default 0)
"""
_RENEW = "update parked set status = ?, reason = ?, at_ns = ?, again = 0 where line = ?"
_ADD = "insert into parked (status, reason, at_ns, line) values (?, ?, ?, ?)"
_AGAIN = """
update parked set again = 1 where id in (select id from parked where again = 0 order by id desc limit ?)
"""


@dataclass(frozen=True, slots=True)
class Parked:
    """A line that was refused; at_ns: when, machine time."""

    id: int
    line: str
    status: int
    reason: str
    at_ns: int


class ParkedLines:
    """The store: one SQLite file, one writer, any number of readers. A line stands in it once.

    most : lines kept; then the oldest go.
    """

    def __init__(self, path: Path, most: int = MOST) -> None:
        self.path, self._most = path, most
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, timeout=10.0, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.execute(_SCHEMA)

    def put(self, lines: Sequence[BadLine], at_ns: int) -> None:
        """Keep lines; on disk when it returns."""
        if not lines:
            return
        self._db.execute("begin immediate")
        try:
            for one in lines:  # not "on conflict": that would use up a number each time
                values = (one.status, one.reason, at_ns, one.line)
                if not self._db.execute(_RENEW, values).rowcount:
                    self._db.execute(_ADD, values)
            self._db.execute("delete from parked where id <= (select max(id) from parked) - ?", (self._most,))
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def newest(self, limit: int) -> list[Parked]:
        """The newest first."""
        rows = self._db.execute("select id, line, status, reason, at_ns from parked order by id desc limit ?", (limit,))
        return [Parked(key, bytes(line).decode(errors="replace"), *rest) for key, line, *rest in rows]

    def counts(self) -> dict[str, int]:
        """How many are kept, by reason."""
        return dict(self._db.execute("select reason, count(*) from parked group by reason order by 2 desc, 1"))

    def total(self) -> int:
        """How many were ever parked, those that went at the cap included."""
        row = self._db.execute("select seq from sqlite_sequence where name = 'parked'").fetchone()
        return int(row[0]) if row else 0

    def newest_ns(self) -> int | None:
        """When InfluxDB last refused a line of those kept, machine time; None: none is kept."""
        row = self._db.execute("select max(at_ns) from parked").fetchone()
        return None if row[0] is None else int(row[0])

    def ask_again(self, limit: int) -> int:
        """Mark the newest lines to be written again; returns how many. The sender takes them."""
        return self._db.execute(_AGAIN, (limit,)).rowcount

    def asked(self, limit: int) -> list[bytes]:
        """Up to `limit` marked lines, the oldest first; `drop` them once they are in a queue."""
        rows = self._db.execute("select line from parked where again = 1 order by id limit ?", (limit,))
        return [bytes(row[0]) for row in rows]

    def drop(self, lines: Sequence[bytes]) -> None:
        """Forget lines."""
        self._db.execute("begin immediate")
        self._db.executemany("delete from parked where line = ?", [(line,) for line in lines])
        self._db.execute("commit")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

"""What the stub ERP keeps: its records, every effect on them, and every request, in one SQLite file."""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

PREFIX = {"quality_event": "QE", "maintenance_order": "MO"}
OTHER = "DOC"  # of a report, whatever its kind

SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
  id INTEGER PRIMARY KEY AUTOINCREMENT, external_key TEXT NOT NULL {unique}, kind TEXT NOT NULL, number TEXT NOT NULL,
  revision INTEGER NOT NULL, event_id TEXT NOT NULL, body_sha256 TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS effect (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, effect TEXT NOT NULL, record_id INTEGER NOT NULL, external_key TEXT NOT NULL,
  revision INTEGER NOT NULL, event_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS request (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, method TEXT NOT NULL, message_id TEXT NOT NULL, fault TEXT, status INTEGER);
CREATE INDEX IF NOT EXISTS record_key ON record(external_key);
CREATE INDEX IF NOT EXISTS record_kind ON record(kind);
CREATE TABLE IF NOT EXISTS standing (
  external_key TEXT PRIMARY KEY, status TEXT NOT NULL, closed INTEGER NOT NULL, verdict TEXT NOT NULL,
  comment TEXT NOT NULL);
"""
OPEN = {"status": "open", "closed": False, "verdict": "", "comment": ""}

Effect = Literal["created", "updated", "none", "conflict"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What an event did, and to which record (None for a conflict)."""

    effect: Effect
    record: dict[str, Any] | None


class StubStore:
    """Records under a unique external key. unique=False: no key at all, as in an ERP that has no field for one."""

    def __init__(self, path: Path, *, unique: bool = True) -> None:
        self.unique = unique
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        # NORMAL: what was committed outlives kill -9, and a stub need not outlive a power cut.
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=10000;")
        self._db.executescript(SCHEMA.format(unique="UNIQUE" if unique else ""))

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    def take(self, event: dict[str, Any], raw: bytes) -> Taken:
        """Apply an event in one transaction: create, update to a higher revision, or nothing."""
        sha, key = hashlib.sha256(raw).hexdigest(), event["subject"]
        kind, revision = event["type"].split(".")[1], int(event["data"]["revision"])
        new = (event["id"], sha, raw.decode())
        self._db.execute("BEGIN IMMEDIATE")
        try:
            row = self._row(key) if self.unique else None
            if row is None:
                count = self._db.execute("SELECT count(*) FROM record WHERE kind = ?", (kind,)).fetchone()[0]
                number = f"{PREFIX.get(kind, OTHER)}-{count + 1:06d}"
                insert = "INSERT INTO record(external_key, kind, number, revision, event_id, body_sha256, body)"
                values = (key, kind, number, revision, *new)
                cursor = self._db.execute(f"{insert} VALUES (?, ?, ?, ?, ?, ?, ?)", values)
                record_id, effect = int(cursor.lastrowid or 0), "created"
            elif revision > row["revision"]:
                change = "UPDATE record SET revision = ?, event_id = ?, body_sha256 = ?, body = ? WHERE id = ?"
                self._db.execute(change, (revision, *new, row["id"]))
                record_id, effect = int(row["id"]), "updated"
            else:
                self._db.execute("ROLLBACK")
                other = row["event_id"] == event["id"] and row["body_sha256"] != sha
                return Taken("conflict", None) if other else Taken("none", _shown(row))
            self._db.execute(
                "INSERT INTO effect(effect, record_id, external_key, revision, event_id) VALUES (?, ?, ?, ?, ?)",
                (effect, record_id, key, revision, event["id"]),
            )
            row = self._db.execute("SELECT * FROM record WHERE id = ?", (record_id,)).fetchone()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return Taken("created" if effect == "created" else "updated", _shown(row))

    def find(self, key: str) -> list[dict[str, Any]]:
        """The record with this external key, as a list of one or none."""
        row = self._row(key) if self.unique else None
        return [] if row is None else [_shown(row)]

    def records(self) -> list[dict[str, Any]]:
        """All records, oldest first."""
        return [_shown(row) for row in self._db.execute("SELECT * FROM record ORDER BY id")]

    def page(self, after: int, most: int) -> list[dict[str, Any]]:
        """The next records behind an id, without their bodies, at most `most`."""
        query = "SELECT * FROM record WHERE id > ? ORDER BY id LIMIT ?"
        return [
            {name: value for name, value in _shown(row).items() if name != "body"}
            for row in self._db.execute(query, (after, most))
        ]

    def standing(self, key: str) -> dict[str, Any]:
        """How people left the record with this external key: status, closed, verdict, comment."""
        query = "SELECT status, closed, verdict, comment FROM standing WHERE external_key = ?"
        row = self._db.execute(query, (key,)).fetchone()
        return dict(OPEN) if row is None else {**dict(row), "closed": bool(row["closed"])}

    def settle(self, key: str, status: str, *, closed: bool, verdict: str = "", comment: str = "") -> None:
        """What a person does in an ERP: say how the record stands."""
        self._db.execute(
            "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?)", (key, status, int(closed), verdict, comment)
        )

    def log_request(self, method: str, message_id: str, fault: str | None, status: int | None) -> None:
        """Note a request; status None when no answer was given."""
        self._db.execute(
            "INSERT INTO request(method, message_id, fault, status) VALUES (?, ?, ?, ?)",
            (method, message_id, fault, status),
        )

    def stats(self) -> dict[str, Any]:
        """Counts of records, effects, requests by method, faults by kind, and keys with more than one record."""
        rows = self._db.execute("SELECT method, fault FROM request").fetchall()
        keys = Counter(row[0] for row in self._db.execute("SELECT external_key FROM record"))
        effects = Counter(row[0] for row in self._db.execute("SELECT effect FROM effect"))
        return {
            "records": sum(keys.values()),
            "doubled": sum(count - 1 for count in keys.values()),
            "effects": dict(effects),
            "requests": dict(Counter(row["method"] for row in rows)),
            "faults": dict(Counter(row["fault"] for row in rows if row["fault"])),
        }

    def _row(self, key: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute("SELECT * FROM record WHERE external_key = ?", (key,)).fetchone()
        return row


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]), "number": row["number"], "kind": row["kind"], "key": row["external_key"],
        "revision": row["revision"], "body": row["body"],
    }  # fmt: skip

"""Access to the operational database: opening, transactions, the two sequences, anchoring."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog
from sqlalchemy import Connection, Engine, Row, insert, select, update

from andon.clock import Clock
from andon.errors import RecordsError
from andon.records import schema
from andon.records.actors import Actor
from andon.records.anchors import EVERY_NS, EVERY_RECORDS, Anchor, append_anchor
from andon.records.audit import GENESIS, make_row
from andon.records.dialect import connect, insert_once, read_options, translated
from andon.records.migrate import require_head
from andon.records.server import Place, place_of

log = structlog.get_logger()


class Tx:
    """One writing transaction. It holds the site's lock from its start, so both sequences have no holes."""

    def __init__(self, connection: Connection, site: str, zone: str, clock: Clock) -> None:
        self.connection, self.site, self.zone = connection, site, zone
        head = _locked_head(connection, site)
        self.now_ns = clock.now_ns()  # after the wait for the lock: leases begin now
        self.audit_before = self.audit_count = int(head.audit_count)
        self.audit_hash = str(head.audit_hash)
        self.change_before = self.change_seq = int(head.change_seq)
        self._audit_rows: list[dict[str, Any]] = []

    def next_change(self) -> int:
        """The next number of the site's change sequence."""
        self.change_seq += 1
        return self.change_seq

    def audit(
        self, actor: Actor, action: str, object_type: str, object_id: str, version: object = "", *,
        old: Mapping[str, object] | None = None, new: Mapping[str, object] | None = None, reason: str = "",
    ) -> None:  # fmt: skip
        """Add a record to the audit trail; it stands or falls with this transaction."""
        row = make_row(
            actor, action, object_type, object_id, version, old=old, new=new, reason=reason, site=self.site,
            seq=self.audit_count + 1, at_ns=self.now_ns, zone=self.zone, prev_hash=self.audit_hash,
        )  # fmt: skip
        self.audit_count, self.audit_hash = row["seq"], row["hash"]
        self._audit_rows.append(row)

    def finish(self) -> None:
        """Write the audit rows and the heads of the sequences; called once, before the commit."""
        if self._audit_rows:
            self.connection.execute(insert(schema.audit), self._audit_rows)
        if (self.audit_count, self.change_seq) != (self.audit_before, self.change_before):
            self.connection.execute(
                update(schema.site_head)
                .where(schema.site_head.c.site == self.site)
                .values(audit_count=self.audit_count, audit_hash=self.audit_hash, change_seq=self.change_seq)
            )


def _locked_head(connection: Connection, site: str) -> Row[Any]:
    """The site's row, locked until the transaction ends; the first writer of a site makes it."""
    query = select(schema.site_head).where(schema.site_head.c.site == site).with_for_update()
    head = connection.execute(query).first()
    if head is None:
        first = {"site": site, "audit_count": 0, "audit_hash": GENESIS, "change_seq": 0}
        insert_once(connection, schema.site_head, first)
        head = connection.execute(query).one()
    return head


class RecordsBase:
    """Opening and transactions; the parts of `Records` build on it.

    place   : file of the SQLite database, or a server's address (a password in it is not kept in sight).
    site_id : the site's immutable id.
    clock   : the machine's clock, not the scaled one of a simulated plant: leases, idle times and audit stamps
              are real time.
    zone    : IANA name of the site's time zone, stored with each audit record.
    anchors : file for anchors; beside a SQLite file `anchors.jsonl` by default, none for a server.
    create  : whether an empty database gets the schema; else it is refused ("records.empty").
    """

    def __init__(
        self, place: Place, site_id: str, clock: Clock, *, zone: str = "UTC", anchors: Path | None = None,
        create: bool = True,
    ) -> None:  # fmt: skip
        self.place, self.site, self.clock, self.zone = place_of(place), site_id, clock, zone
        beside = self.place.parent / "anchors.jsonl" if isinstance(self.place, Path) else None
        self.anchors_path = anchors or beside
        self._create = create
        self._engine: Engine | None = None
        self._opening = threading.Lock()
        self._anchored_count = -1
        self._anchored_ns: int | None = None

    def open(self) -> Self:
        """Connect, create a fresh database at the head of the schema; refuse an older, newer or foreign one.

        Called by the first use where nobody did. Raises RecordsError.
        """
        with self._opening:
            if self._engine is None:
                engine = connect(self.place)
                try:
                    require_head(engine, create=self._create)
                except BaseException:
                    engine.dispose()
                    raise
                self._engine = engine
        return self

    def close(self) -> None:
        """Anchor the audit trail and let the connections go; a later use opens again."""
        if self._engine is None:
            return
        try:
            self.anchor()
        except RecordsError as error:  # a disk that failed must not hide why the caller is closing
            log.warning("audit.anchor_failed", error=error.code)
        self._engine.dispose()
        self._engine = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for reading and tests; writes go through the methods."""
        if self._engine is None:
            self.open()
        engine = self._engine
        if engine is None:  # closed by another thread in between
            return self.open().engine
        return engine

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and takes no lock that stops writers."""
        engine = self.engine
        with translated(), engine.connect().execution_options(**read_options(engine)) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Tx]:
        """A transaction under the site's lock. Everything in it is committed together, or nothing is."""
        with translated(), self.engine.begin() as connection:
            tx = Tx(connection, self.site, self.zone, self.clock)
            yield tx
            tx.finish()
        self._anchor_when_due(tx)

    def anchor(self) -> Anchor | None:
        """Write an anchor of the audit trail as it is now, unless this object has already written that one.

        A failure to write it is logged, not raised: the change it follows is already committed.
        """
        if self.anchors_path is None:
            return None
        with self.reading() as connection:
            head = connection.execute(select(schema.site_head).where(schema.site_head.c.site == self.site)).first()
        if head is None or int(head.audit_count) in (0, self._anchored_count):
            return None
        return self._write_anchor(int(head.audit_count), str(head.audit_hash), self.clock.now_ns())

    def _anchor_when_due(self, tx: Tx) -> None:
        if tx.audit_count == tx.audit_before:
            return
        if self._anchored_ns is None:
            self._anchored_ns = tx.now_ns
        thousands = tx.audit_count // EVERY_RECORDS > tx.audit_before // EVERY_RECORDS
        # abs(): a clock that was set back must not silence the anchors until it has caught up.
        if thousands or abs(tx.now_ns - self._anchored_ns) >= EVERY_NS:
            self._write_anchor(tx.audit_count, tx.audit_hash, tx.now_ns)

    def _write_anchor(self, count: int, root: str, now_ns: int) -> Anchor | None:
        if self.anchors_path is None:
            return None
        anchor = Anchor(self.site, count, root, now_ns)
        try:
            append_anchor(self.anchors_path, anchor)
        except OSError as error:
            log.warning("audit.anchor_failed", count=count, error=error.strerror)
            return None
        self._anchored_count, self._anchored_ns = count, now_ns
        return anchor

"""Reports that may be corrected: the ERP gets what is true now, and what that changes of what it was told before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select, update

from andon.records.actors import Actor, require_actor
from andon.records.again import repeated
from andon.records.base import RecordsBase
from andon.records.canonical import canonical_text
from andon.records.reports import queue_report, report_key
from andon.records.schema_acts import report_told

Content = Mapping[str, Any]


def signed_difference(new: Content, old: Content | None) -> dict[str, float | None]:
    """What each additive figure grew by since it was told; None where one of the two is not known.

    >>> signed_difference({"pq": 90.0, "gq": None}, {"pq": 100.0, "gq": 99.0})
    {'pq': -10.0, 'gq': None}
    """
    if old is None:
        return {name: None if value is None else float(value) for name, value in new.items()}
    return {
        name: None if value is None or old.get(name) is None else float(value) - float(old[name])
        for name, value in new.items()
    }


class ToldRecords(RecordsBase):
    """The part of `Records` about corrected reports."""

    def told_reports(self, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
        """What was told last of each report of a kind: (asset, subject) -> its `figures` and `about`."""
        table = report_told
        query = select(table.c.subject, table.c.content).where(table.c.site == self.site, table.c.kind == kind)
        with self.reading() as connection:
            rows = connection.execute(query).all()
        return {_split(subject): json.loads(content) for subject, content in rows}

    @repeated
    def tell_report(
        self, kind: str, asset: str, subject: str, figures: Content, about: Content, actor: Actor, *, at_ns: int
    ) -> int | None:
        """Queue a report, or its correction; returns the revision, None where nothing has changed since.

        figures : additive numbers; the order carries them and their signed difference to what was told before.
        about   : everything else: ratios, lots, names.
        subject : with kind and asset what makes it one record: a shift, a lot.

        Raises AccessError without the right, RecordsError as `enqueue_report` does.
        """
        require_actor(actor, "conditions.apply")
        key, table = report_key(self.site, kind, asset, subject), report_told
        text = canonical_text({"figures": figures, "about": about})
        place = (table.c.site == self.site, table.c.kind == kind, table.c.subject == f"{asset}|{subject}")
        with self.writing() as tx:
            row = tx.connection.execute(select(table).where(*place)).mappings().first()
            if row is not None and row["content"] == text:
                return None
            before = None if row is None else json.loads(row["content"])["figures"]
            data = {
                "subject": subject, "figures": dict(figures), "difference": signed_difference(figures, before), **about,
            }  # fmt: skip
            revision = queue_report(tx, kind=kind, key=key, asset=asset, data=data, at_ns=at_ns, actor=actor)
            values = {"revision": revision, "content": text, "told_ns": tx.now_ns, "final": False}
            if row is None:
                subject_of = f"{asset}|{subject}"
                tx.connection.execute(insert(table).values(site=self.site, kind=kind, subject=subject_of, **values))
            else:
                tx.connection.execute(update(table).where(*place).values(**values))
        return revision


def _split(subject: str) -> tuple[str, str]:
    asset, _, rest = subject.partition("|")
    return asset, rest

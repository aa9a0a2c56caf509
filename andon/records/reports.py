"""Orders that no alarm raised: OEE of a shift, a lot's cold chain, maintenance done, a lot to be held."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from andon.errors import RecordsError
from andon.records.actors import Actor, require_actor
from andon.records.again import repeated
from andon.records.base import RecordsBase, Tx
from andon.records.canonical import canonical
from andon.records.events import ERP_KINDS, MAX_BODY, report_body
from andon.records.orders import find_order, put_order

KEY = re.compile("[a-z2-7]{20}")
KIND = re.compile("[a-z][a-z_]{0,39}")


def report_key(site: str, kind: str, asset: str, subject: str) -> str:
    """Identity of a report, made as an alarm's is: 20 lower-case base32 characters. subject: a shift, a lot, a date.

    >>> report_key("szh1", "oee_shift", "filling/line1", "2026-01-01/early")
    'pl2onhd3zl4xgwdwmb3f'
    """
    told = f"{site}|{kind}|{asset}|{subject}"
    return base64.b32encode(hashlib.sha256(told.encode()).digest()).decode().lower()[:20]


class ReportRecords(RecordsBase):
    """The part of `Records` about orders without an alarm."""

    @repeated
    def enqueue_report(
        self, kind: str, key: str, asset: str, body: Mapping[str, object], actor: Actor, *, at_ns: int
    ) -> int:
        """Queue what the ERP shall be told; returns the revision that tells it.

        kind  : lower case and "_", at most 40 characters; the event is `andon.<kind>.opened`, then `.revised`.
        key   : see `report_key`. The same key again is the same record in the ERP: another body is its next
                revision, the same body does nothing.
        body  : the event's data, JSON; `key`, `revision`, `site` and `asset` are added.
        at_ns : when it is true for, ns since the epoch: of the log or a shift's end, not of the call.

        Raises AccessError without the right, RecordsError for a body too large or a key or kind of another form.
        """
        require_actor(actor, "conditions.apply")
        with self.writing() as tx:
            return queue_report(tx, kind=kind, key=key, asset=asset, data=body, at_ns=at_ns, actor=actor)


def queue_report(
    tx: Tx, *, kind: str, key: str, asset: str, data: Mapping[str, object], at_ns: int, actor: Actor,
    alarm_key: str | None = None,
) -> int:  # fmt: skip
    """`enqueue_report` inside a transaction, for a decision that is written with it; its right is the caller's.

    alarm_key: the alarm it is about, where there is one.
    """
    if not KIND.fullmatch(kind) or kind in ERP_KINDS:
        raise RecordsError("records.report_kind", found=kind)
    if not KEY.fullmatch(key):
        raise RecordsError("records.report_key", found=key)
    row = find_order(tx, key)
    last = 0 if row is None else int(row["revision"])
    if row is not None and (row["kind"], row["asset"]) != (kind, asset):
        raise RecordsError("records.report_taken", key=key, kind=row["kind"], asset=row["asset"])
    if row is not None and row["body"] == report_body(tx.site, kind, key, asset, last, data, at_ns):
        return last
    body = report_body(tx.site, kind, key, asset, last + 1, data, at_ns)
    if len(body.encode()) >= MAX_BODY:
        raise RecordsError("records.report_large", kind=kind, bytes=len(canonical(data)), allowed=MAX_BODY)
    put_order(tx, key=key, kind=kind, asset=asset, revision=last + 1, body=body, actor=actor, alarm_key=alarm_key)
    return last + 1

"""The audit trail: one hash chain per site, written in the transaction of the change it tells of.

A record's hash is SHA-256 over 0x00 and its canonical JSON (RFC 8785), which holds the hash before it. So an edit,
a deletion, an insertion or a swap breaks the chain; cutting the tail or bringing back an old copy does not, which is
what anchors are for (`andon.records.anchors`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import rfc8785
from sqlalchemy import RowMapping

from andon.records.actors import Actor
from andon.records.canonical import LEAF, canonical_text, storable

GENESIS = "0" * 64

FIELDS = (
    "site", "seq", "at_ns", "zone", "actor_id", "actor_name", "role", "terminal", "action",
    "object_type", "object_id", "object_version", "old", "new", "reason", "prev_hash",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One row of the audit trail; old and new are canonical JSON text or None."""

    site: str
    seq: int
    at_ns: int
    zone: str
    actor_id: str
    actor_name: str
    role: str
    terminal: str
    action: str
    object_type: str
    object_id: str
    object_version: str
    old: str | None
    new: str | None
    reason: str
    prev_hash: str
    hash: str


def record_hash(row: Mapping[str, Any] | RowMapping) -> str:
    """Hash of a record over `FIELDS`, hex. seq and at_ns count as text: JSON numbers end at 2**53.

    Raises rfc8785.CanonicalizationError (a ValueError) for content no writer makes, such as bytes.
    """
    content = {name: row[name] for name in FIELDS}
    content["seq"], content["at_ns"] = str(content["seq"]), str(content["at_ns"])
    return hashlib.sha256(LEAF + rfc8785.dumps(content)).hexdigest()


def make_row(
    actor: Actor, action: str, object_type: str, object_id: str, object_version: object, *,
    old: Mapping[str, object] | None, new: Mapping[str, object] | None, reason: str,
    site: str, seq: int, at_ns: int, zone: str, prev_hash: str,
) -> dict[str, Any]:  # fmt: skip
    """A complete row for the audit table; its texts are such that every database gives back what was hashed."""
    row: dict[str, Any] = {
        "site": site, "seq": seq, "at_ns": at_ns, "zone": zone,
        "actor_id": storable(actor.id), "actor_name": storable(actor.name), "role": actor.role,
        "terminal": storable(actor.terminal), "action": action, "object_type": object_type,
        "object_id": storable(object_id), "object_version": str(object_version),
        "old": None if old is None else canonical_text(old), "new": None if new is None else canonical_text(new),
        "reason": storable(reason), "prev_hash": prev_hash,
    }  # fmt: skip
    row["hash"] = record_hash(row)
    return row

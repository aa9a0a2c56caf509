"""Canonical JSON (RFC 8785) of record content, and the hashes made of it."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785

_SAFE_INTEGER = 2**53 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LEAF = b"\x00"  # RFC 6962 domain separation: a record is a leaf, 0x01 stays free for nodes of a tree


def plain(value: object) -> Any:
    """The value as I-JSON: integers beyond 2**53 (ns stamps) and non-finite numbers become strings; see `storable`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int):
        return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [plain(one) for one in value]
    if hasattr(value, "item"):  # numpy scalars
        return plain(value.item())
    return str(value)


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of any record content, after `plain`."""
    return rfc8785.dumps(plain(value))


def canonical_text(value: object) -> str:
    """`canonical` as text, for text columns."""
    return canonical(value).decode()


def storable(text: str) -> str:
    r"""The text without what a database may refuse: NUL (PostgreSQL) and halves of surrogate pairs (both).

    >>> storable("pump\x00 3")
    'pump\ufffd 3'
    """
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def digest(value: object) -> str:
    """SHA-256 of a leaf, hex, 64 characters."""
    return hashlib.sha256(LEAF + canonical(value)).hexdigest()


def alarm_key(site: str, asset: str, tag: str, rule_id: str, start_ns: int) -> str:
    """Identity of an alarm: 20 lower-case base32 characters (100 bits), fit for SAP's external reference.

    >>> alarm_key("szh1", "cold/room1", "air", "cold-room-high", 1767225600000000000)
    'ym74oiixtjfwe4x7jr6y'
    """
    told = f"{site}|{asset}|{tag}|{rule_id}|{start_ns}"
    return base64.b32encode(hashlib.sha256(told.encode()).digest()).decode().lower()[:20]


def rfc3339(time_ns: int) -> str:
    """The instant in UTC to the microsecond (cut, not rounded).

    >>> rfc3339(1767225600123456789)
    '2026-01-01T00:00:00.123456Z'
    """
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""Whether a webhook that came in is from whom it says: Standard Webhooks 1.0, symmetric (v1).

The signature covers "{id}.{timestamp}.{raw body}". A body must be a JSON object: no other split of the same bytes into
id, timestamp and body can then be one too. Why something is refused is for the log and the metrics; who sent it is told
only that it was.
Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from andon.readings import NS_PER_S

TOLERANCE_S = 300  # of the sender's clock, either way
MOST_SIGNATURES = 8  # a sender that changes its secret signs with two
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_STAMP = re.compile(r"[0-9]{1,12}")
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Forged(Exception):  # noqa: N818 - a verdict, not a fault of ours
    """It is not taken. reason: unsigned, stale, signature or body."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signed:
    """A message that somebody with the secret sent. digest: SHA-256 of the raw body, hex."""

    id: str
    digest: str
    content: dict[str, object]


def verify(headers: Mapping[str, str], raw: bytes, keys: Sequence[bytes], now_ns: int) -> Signed:
    """The message, when one of `keys` signed exactly these bytes within `TOLERANCE_S` of now. Raises `Forged`.

    headers: names in lower case. keys: the secrets' bytes, more than one while a secret is being changed.
    """
    one, stamp, signatures = (headers.get(name, "") for name in NAMES)
    if not (_ID.fullmatch(one) and _STAMP.fullmatch(stamp) and signatures):
        raise Forged("unsigned")
    if abs(int(stamp) * NS_PER_S - now_ns) > TOLERANCE_S * NS_PER_S:
        raise Forged("stale")
    told = f"{one}.{stamp}.".encode() + raw
    given = [_bytes(part[3:]) for part in signatures.split(" ")[:MOST_SIGNATURES] if part.startswith("v1,")]
    wanted = [hmac.digest(key, told, hashlib.sha256) for key in keys]
    # Every pair is compared: how long it takes tells nothing of which one nearly fits.
    if not sum([hmac.compare_digest(left, right) for left in given for right in wanted]):
        raise Forged("signature")
    try:
        content = orjson.loads(raw)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Forged("body")
    return Signed(one, hashlib.sha256(raw).hexdigest(), content)


def _bytes(text: str) -> bytes:
    """What base64 says, nothing where it is none: then it fits no signature."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""

"""Signed links by which somebody acknowledges from a message, without a session.

A link is bound to one person and one incident, is good until it expires, and works once. Signed with HMAC-SHA256 by a
key of this data folder that never leaves it; who has the link is taken for the person it was sent to, as who has the
telephone is.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from andon.datafolder import DataFolder
from andon.errors import AccessError
from andon.readings import NS_PER_S
from andon.secrets import Secret

PATH = "/ack/"
KEY_BYTES = 32
MOST_TOKEN = 1_000  # characters
_LABEL = b"andon ack link 1\x00"  # the key signs nothing else, and this would tell it apart


@dataclass(frozen=True, slots=True)
class Claim:
    """What a link says. expires_s: seconds since the epoch. nonce: what makes it work once."""

    person: str
    incident: str
    expires_s: int
    nonce: str


@dataclass(frozen=True)
class Links:
    """Makes and checks links. public_url: of the control room; hours: how long a link is good."""

    key: Secret
    public_url: str | None
    hours: float

    def make(self, person: str, incident: str, now_ns: int) -> str | None:
        """A new link; None where nobody has said how people reach the control room."""
        if self.public_url is None:
            return None
        expires_s = now_ns // NS_PER_S + round(self.hours * 3600)
        return f"{self.public_url.rstrip('/')}{PATH}{self.token(Claim(person, incident, expires_s, _nonce()))}"

    def token(self, claim: Claim) -> str:
        """What follows the path: the claim and its signature."""
        told = json.dumps([claim.person, claim.incident, claim.expires_s, claim.nonce], separators=(",", ":")).encode()
        return f"{_text(told)}.{_text(self._sign(told))}"

    def check(self, token: str, now_ns: int) -> Claim:
        """The claim of a token that this key signed and that has not expired.

        Raises AccessError: "people.link_forged" for anything else, "people.link_expired".
        """
        told, _, signature = token.partition(".")
        try:
            content, given = _bytes(told[:MOST_TOKEN]), _bytes(signature[:MOST_TOKEN])
        except (ValueError, binascii.Error):
            content, given = b"", b""
        if not hmac.compare_digest(self._sign(content), given):
            raise AccessError("people.link_forged")
        person, incident, expires_s, nonce = json.loads(content)  # ours: the signature says so
        claim = Claim(str(person), str(incident), int(expires_s), str(nonce))
        if now_ns >= claim.expires_s * NS_PER_S:
            raise AccessError("people.link_expired")
        return claim

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(_bytes(self.key.reveal()), _LABEL + content, hashlib.sha256)


def link_key(data: DataFolder) -> Secret:
    """The key of a data folder, made by whoever asks first; a backup does not hold it, so old links end with a restore.

    Raises AccessError "people.link_key" when the file is not what was written.
    """
    path = data.path / "state" / "ack-link.key"
    try:
        draft = path.with_name(f"{path.name}.{os.getpid()}.{_nonce()}")
        if not path.exists():
            _write(draft, _text(secrets.token_bytes(KEY_BYTES)))
            try:
                os.link(draft, path)  # whole or not at all, and never over another's
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        found = path.read_text(encoding="ascii").strip()
        length = len(_bytes(found))
    except (OSError, ValueError) as error:
        raise AccessError("people.link_key", path=str(path), detail=str(error)) from None
    if length != KEY_BYTES:
        raise AccessError("people.link_key", path=str(path), detail=f"{length} bytes, not {KEY_BYTES}")
    return Secret(found)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _nonce() -> str:
    return secrets.token_hex(12)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """The bytes of `_text`; ValueError for any other spelling, so that one claim is one token."""
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _text(content) != text:
        raise ValueError("not canonical")
    return content

"""Secrets: read from a file or the environment, printed redacted wherever they turn up.

Every `Secret` made is remembered, so that `andon.logs` can take its value out of any line of the log.
"""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path
from typing import Final, NoReturn

import structlog

from andon.errors import ConfigError

REDACTED: Final = "[redacted]"
SHORTEST_FILTERED = 6  # shorter values would blank out ordinary words of the log
log = structlog.get_logger()
_known: set[str] = set()


class Secret:
    """A value that does not show itself: not in str, repr, format, JSON or a pickle. `reveal()` gives it away.

    >>> f"{Secret('whsec_abc')!r} {Secret('whsec_abc')}"
    "Secret('[redacted]') [redacted]"
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= SHORTEST_FILTERED:
            _known.add(value)

    def reveal(self) -> str:
        """The value itself; only where it is used, never to be kept."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash of a short secret would give it away

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled: pass the file or the environment on")


def redact(text: str) -> str:
    """`text` without the value of any secret made so far."""
    for value in _known:
        if value in text:
            text = text.replace(value, REDACTED)
    return text


def read_secret(variable: str, file: str | None, where: str) -> Secret | None:
    """The secret from the environment variable, else from the file, else None; blanks around it are cut off.

    where names the key in messages, e.g. "erp.secret_file". Raises ConfigError when the file cannot be read or
    the secret is empty. A file that others may read is used, with a warning in the log.
    """
    value, source = os.environ.get(variable), variable
    if value is None and file is not None:
        source, path = file, Path(file)
        try:
            value = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("secret.unreadable", where=where, file=file, detail=error) from None
        if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            log.warning("secret.readable_by_others", file=file)
    if value is None:
        return None
    if not value.strip():
        raise ConfigError("secret.empty", where=where, source=source)
    return Secret(value.strip())

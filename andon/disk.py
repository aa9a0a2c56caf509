"""Whether a failure means that a disk is full: the same cause comes as many exceptions."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from andon.errors import AndonError

SCARCE_BYTES = 1_000_000


def is_disk_full(error: BaseException, *folders: Path) -> bool:
    """Whether an exception, or what it was raised from, says that a disk under one of `folders` has no space.

    SQLite reports some of it as an I/O error, and Bytewax wraps everything; both are taken for it when the disk has
    less than 1 MB.

    >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device"), Path("/"))
    True
    >>> is_disk_full(OSError(errno.EACCES, "Permission denied"), Path("/"))
    False
    """
    return any(_says_so(one) or (_may_be(one) and any(map(_is_scarce, folders))) for one in _chain(error))


def _chain(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    seen: set[int] = set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _says_so(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF == sqlite3.SQLITE_FULL
    return isinstance(error, AndonError) and error.code.endswith(".disk_full")


def _may_be(error: BaseException) -> bool:
    """Bytewax's recovery store is SQLite behind Rust: only its text comes through."""
    told = str(error).lower()
    return isinstance(error, sqlite3.Error) or "disk is full" in told or "disk i/o error" in told


def _is_scarce(folder: Path) -> bool:
    free = os.statvfs(folder)
    return free.f_bavail * free.f_frsize < SCARCE_BYTES

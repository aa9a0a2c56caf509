"""Where records are kept when that is no file: a database on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import make_url

from andon.secrets import Secret

CONNECT_S = 10.0


@dataclass(frozen=True, slots=True)
class Server:
    """A database on a PostgreSQL server.

    url       : postgresql://user@host:port/database?sslmode=...; a password in it is moved to `password`.
    password  : asked for whenever a connection is made, so that a file may change while a process runs; None: the
                URL's, or what libpq finds (PGPASSWORD, ~/.pgpass).
    connect_s : longest wait for a connection, s.
    """

    url: str
    password: Callable[[], Secret | None] | None = None
    connect_s: float = CONNECT_S

    @classmethod
    def of(cls, url: str) -> Self:
        """From an address that may hold the password, which then stands in no `repr` any more."""
        parsed = make_url(url)
        if parsed.password is None:
            return cls(url)
        secret = Secret(str(parsed.password))
        return cls(parsed._replace(password=None).render_as_string(hide_password=False), lambda: secret)

    def __str__(self) -> str:
        return make_url(self.url).set(query={}).render_as_string()


Place = str | Path | Server  # a file, a database's address (which may hold a password), or a server


def place_of(place: Place) -> Path | Server:
    """A file, or a server whose address holds no password any more."""
    if isinstance(place, str) and "://" in place:
        return Server.of(place)
    return place if isinstance(place, Server) else Path(place)

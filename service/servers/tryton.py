"""Tryton: one trytond over an SQLite file, a copy of the database that scripts/servers/fetch.sh has prepared.

Its own development server answers, one thread for each connection: good enough for tests, never for a plant.
"""

from __future__ import annotations

import shutil
import socket
from contextlib import suppress
from pathlib import Path

import httpx

from service.servers.base import Server
from service.servers.where import where

DATABASE = "erp"


class Tryton(Server):
    """`url` and `token` are what a connector asks for; the company, the control and the project are those of the copy.

    A copy is made of a database at rest: one in use keeps its newest records in another file (its WAL).
    """

    name = "tryton"

    @property
    def url(self) -> str:
        """Base address, the database included."""
        return f"http://{self.address}/{DATABASE}"

    @property
    def token(self) -> str:
        """REST key of the user whom deploy/tryton/prepare.py has made."""
        return (where(self.name) / "template" / "key").read_text(encoding="utf-8").strip()

    @property
    def database(self) -> Path:
        """The SQLite file; to be looked at only while the server is down."""
        return self.folder / f"{DATABASE}.sqlite"

    def argv(self) -> list[str]:
        programs = where(self.name) / "venv" / "bin"
        # By the interpreter: the folder was renamed when it was whole, and the program names the old one.
        return [str(programs / "python"), str(programs / "trytond"), "-c", str(self._settings), "-d", DATABASE]

    def prepare(self) -> None:
        template = where(self.name) / "template" / f"{DATABASE}.sqlite"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(
            f"[database]\nuri = sqlite://\npath = {self.folder}\n[web]\nlisten = {self.address}\n", encoding="utf-8"
        )
        if not self.database.exists():
            draft = self.database.with_suffix(".new")
            shutil.copyfile(template, draft)
            draft.replace(self.database)

    def answers(self) -> bool:
        """A look-up with the key: a server that has not yet loaded its modules fails it."""
        with suppress(OSError, httpx.HTTPError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
            found = httpx.get(
                f"{self.url}/rest/model/quality.control", params={"s": "1"}, timeout=10.0, trust_env=False,
                headers={"Authorization": f"bearer {self.token}"},
            )  # fmt: skip
            return found.status_code == httpx.codes.OK
        return False

    @property
    def _settings(self) -> Path:
        return self.folder / "trytond.conf"

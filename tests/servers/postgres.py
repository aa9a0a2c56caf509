"""PostgreSQL: a cluster of its own in a temporary folder, run by the account postgres where the tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from itertools import count
from pathlib import Path

from service.servers import Server, ServerMissingError

DEBIAN = Path("/usr/lib/postgresql")
ROOT_USER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "timezone": "UTC",
}
# andon needs no password; guarded does, so that a wrong one can be tried.
ACCESS = "host all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"


class PostgresMissingError(ServerMissingError):
    """It comes from the system, not from `make servers`."""

    def text(self, language: str | None = None) -> str:
        return "PostgreSQL is not installed (Debian: apt-get install --no-install-recommends postgresql)"


def program(name: str) -> str:
    """Path of one of PostgreSQL's programs, of the newest version that is installed."""
    newest = sorted(DEBIAN.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]), reverse=True)
    found = str(newest[0]) if newest else shutil.which(name)
    if found is None:
        raise PostgresMissingError("servers.missing")
    return found


class Postgres(Server):
    """`new_database` gives an empty one. Users: andon (owner of all, no password), guarded (`password`)."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for every client
    user = ROOT_USER if os.geteuid() == 0 else None
    password = "opensesame"

    def __init__(self, folder: Path, port: int | None = None, log: Path | None = None) -> None:
        super().__init__(folder, port, log)
        self._numbers = count(1)

    def argv(self) -> list[str]:
        return [program("postgres"), "-D", str(self._data), "-p", str(self.port)]

    def prepare(self) -> None:
        program("initdb")
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            owner = pwd.getpwnam(self.user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        if not self._data.is_dir():
            self._run(
                "initdb", "-D", str(self._data), "-U", "andon", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8",
                "--no-sync",
            )  # fmt: skip
            with (self._data / "postgresql.conf").open("a") as file:
                file.writelines(f"{key} = '{value}'\n" for key, value in SETTINGS.items())
            (self._data / "pg_hba.conf").write_text(ACCESS)

    def answers(self) -> bool:
        """A server that still starts takes connections and answers with an error."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
            return not subprocess.run([program("pg_isready"), *self._to], capture_output=True, check=False).returncode
        return False

    def set_up(self) -> None:
        known = self.sql("select count(*) from pg_roles where rolname = 'guarded'")
        if known == "0":
            self.sql(f"create role guarded login password '{self.password}'")

    def new_database(self, *, guarded: bool = False) -> str:
        """URL of a new, empty database, without password; guarded: it belongs to the user who needs one."""
        name, owner = f"andon_{next(self._numbers)}_{self.port}", "guarded" if guarded else "andon"
        self.sql(f"create database {name} owner {owner}")
        return f"postgresql://{owner}@{self.address}/{name}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement; its rows as text."""
        return self._run("psql", *self._to, "-d", database, "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement)

    def kill(self) -> None:
        """SIGKILL to the server and to each of its processes: they would hold the memory that a new server needs.

        It is stopped first: a server that sees a child die ends the others with words of its own and starts new ones.
        """
        if self.pid is not None:
            os.kill(self.pid, signal.SIGSTOP)
            for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
                with suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
        super().kill()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _to(self) -> tuple[str, ...]:
        return ("-h", "127.0.0.1", "-p", str(self.port), "-U", "andon")

    def _run(self, name: str, *arguments: str) -> str:
        done = subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False, user=self.user,
                              extra_groups=None if self.user is None else [], cwd="/")  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

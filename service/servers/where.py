"""Where the servers are that scripts/servers/fetch.sh has put beside the tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from service.servers.base import ServerMissingError

FETCH = Path(__file__).parents[2] / "scripts" / "servers" / "fetch.sh"
NEEDS = {
    "kafka": "Maven, JDK 17",
    "influxd": "Go 1.26, cargo, pkg-config",
    "toxiproxy": "Go 1.26",
    "compose": "Go 1.26",
    "tryton": "Python 3.11 with venv",
}


def kept() -> Path:
    """The folder of all of them: ANDON_SERVERS, else andon-servers in the user's cache."""
    named = os.environ.get("ANDON_SERVERS")
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "andon-servers"


def where(name: str, fetch: Path = FETCH) -> Path:
    """The folder of a server, complete. ServerMissingError says what to do where there is none.

    In a source tree it is the one of the pinned version, as `fetch` names it; from an installed wheel the newest.
    """
    if fetch.is_file():
        said = subprocess.run(["bash", str(fetch), "--where", name], capture_output=True, text=True, check=True)
        folders = [Path(said.stdout.strip())]
    else:
        folders = sorted(kept().glob(f"{name}-*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in folders:
        if (folder / "ready").is_file():
            return folder
    raise ServerMissingError("servers.missing", name=name, folder=kept(), needs=NEEDS[name])

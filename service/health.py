"""Checks behind `andon doctor`. Each looks at one part, changes nothing that stays, and never raises."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import operators
from andon import __version__
from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import LAYOUT, DataFolder
from andon.errors import AndonError, ConfigError
from andon.readings import NS_PER_S
from andon.secrets import read_secret
from service.clock_gate import RELEASED_NS
from service.findings import Finding, Status
from service.findings import finding as _finding
from service.health_records import records
from sinks.erp.connectors import connector

if TYPE_CHECKING:
    from andon.config.erp import Erp
    from andon.plant import PlantModel

LIBRARIES = ("bytewax", "numba", "numpy", "pyarrow", "sqlalchemy", "fastapi", "pydantic")
LATEST_NS = RELEASED_NS + 30 * 366 * 86_400 * NS_PER_S
FREE_WARN, FREE_FAIL = 5_000_000_000, 500_000_000  # bytes
SQLITE_LEAST = (3, 35, 0)
REACH_S = 3.0
TIME_ERROR = 5  # adjtimex(2): clock not synchronised


def examine(config: Path, data: Path) -> list[Finding]:
    """Every check, in the order of the report. On the network it asks the ERP and the records' server."""
    plant: PlantModel | None = None
    try:
        plant = load_plant(config)
        found = [_finding("config", "ok", "config_ok", file=str(config), site=plant.config.site.id)]
    except ConfigError as error:
        found = [Finding("config", "fail", error.code, dict(error.params))]
    checks: list[Callable[[], Iterator[Finding]]] = [
        versions, clock, lambda: disk(data), lambda: data_folder(data, plant), numba_cache, fonts,
    ]  # fmt: skip
    if plant is not None:
        known = plant
        checks += [lambda: records(known)]
        checks += [
            lambda: secret(known),
            lambda: erp(known, config.parent),
            lambda: web(known, data),
            lambda: certificate(known),
        ]
    for check in checks:
        found.extend(check())
    return found


def versions() -> Iterator[Finding]:
    """Python, SQLite and the libraries that results depend on."""
    python = platform.python_version()
    right = sys.version_info[:2] == (3, 11)
    yield _finding("versions", "ok" if right else "fail", "versions", andon=__version__, python=python,
                   libraries=", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES))  # fmt: skip
    enough = sqlite3.sqlite_version_info >= SQLITE_LEAST
    least = ".".join(map(str, SQLITE_LEAST))
    yield _finding("versions", "ok" if enough else "fail", "sqlite", found=sqlite3.sqlite_version, least=least)


def clock() -> Iterator[Finding]:
    """Whether the clock can be right, and whether the system keeps it so."""
    now_ns = SystemClock().now_ns()
    now = datetime.fromtimestamp(now_ns // NS_PER_S, UTC).isoformat()
    plausible = RELEASED_NS <= now_ns <= LATEST_NS
    yield _finding("clock", "ok" if plausible else "fail", "clock" if plausible else "clock_wrong", now=now)
    libc = ctypes.CDLL(None)
    if hasattr(libc, "adjtimex"):
        state = libc.adjtimex(ctypes.create_string_buffer(512))  # struct timex with modes 0: only asks
        synchronised = state not in {TIME_ERROR, -1}
        yield _finding("clock", "ok" if synchronised else "warn", "clock_synced" if synchronised else "clock_free")


def disk(data: Path) -> Iterator[Finding]:
    """Free space where the data folder is or will be."""
    place = data.absolute()
    while not place.exists():
        place = place.parent
    usage = shutil.disk_usage(place)
    status: Status = "fail" if usage.free < FREE_FAIL else "warn" if usage.free < FREE_WARN else "ok"
    percent = round(100 * usage.used / usage.total)
    yield _finding("disk", status, "disk", path=str(place), free_gb=round(usage.free / 1e9, 1), percent=percent)


def data_folder(data: Path, plant: PlantModel | None) -> Iterator[Finding]:
    """Layout, owner and rights of the data folder, and whose it is. Narrows nothing: that is for the service."""
    folder = DataFolder(data)
    if not folder.instance_json.exists():
        yield _finding("data", "warn", "data_none", path=str(data))
        return
    mode, owner = data.stat().st_mode & 0o777, data.stat().st_uid
    if owner != os.geteuid():
        yield _finding("data", "fail", "data_owner", path=str(data), owner=owner, user=os.geteuid())
        return
    if mode & 0o077:
        yield _finding("data", "warn", "data_rights", path=str(data), mode=oct(mode))
    try:
        instance = folder.read_instance()
    except AndonError as error:
        yield Finding("data", "fail", error.code, dict(error.params))
        return
    if instance.layout > LAYOUT:
        yield Finding(
            "data", "fail", "datafolder.newer", {"path": str(data), "found": instance.layout, "known": LAYOUT}
        )
    elif plant is not None and instance.site_id != plant.config.site.id:
        params: dict[str, object] = {"path": str(data), "found": instance.site_id, "site": plant.config.site.id}
        yield Finding("data", "fail", "datafolder.other_site", params)
    else:
        running = "running" if folder.in_use() else "stopped"
        yield _finding("data", "ok", f"data_{running}", path=str(data), site=instance.site_id, layout=instance.layout)


def numba_cache() -> Iterator[Finding]:
    """Whether compiled kernels can be kept; without, every start compiles for a minute."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(operators.__path__[0]) / "__pycache__"
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield _finding("kernels", "ok", "numba_cache", path=str(folder))
    except OSError:
        yield _finding("kernels", "warn", "numba_cache_no", path=str(folder))


def fonts() -> Iterator[Finding]:
    """Chinese fonts, for screenshots and printed reports made on this machine; browsers bring their own."""
    lister = shutil.which("fc-list")
    listed = ""
    if lister:
        done = subprocess.run([lister, ":lang=zh", "family"], capture_output=True, text=True, check=False, timeout=20)
        listed = done.stdout
    family = next(iter(sorted(listed.splitlines())), "").split(",")[0]
    yield _finding("fonts", "ok", "fonts", family=family) if family else _finding("fonts", "warn", "fonts_none")


def secret(plant: PlantModel) -> Iterator[Finding]:
    """Whether the ERP's signing secret can be read."""
    erp_ = plant.config.erp
    if erp_ is None:
        return
    try:
        value = read_secret("ANDON_ERP_SECRET", erp_.secret_file, "erp.secret_file")
    except AndonError as error:
        yield Finding("erp", "fail", error.code, dict(error.params))
        return
    yield _finding("erp", "ok" if value else "warn", "secret" if value else "secret_none")


def erp(plant: PlantModel, base: Path) -> Iterator[Finding]:
    """Whether the ERP's address takes connections, and the ERP then answers and knows us. base: of plant.toml."""
    erp_ = plant.config.erp
    if erp_ is None:
        yield _finding("erp", "ok", "erp_none")
        return
    url = urlsplit(erp_.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    place = f"{url.hostname}:{port}"
    try:
        with socket.create_connection((url.hostname or "", port), timeout=REACH_S):
            yield _finding("erp", "ok", "erp_reached", place=place)
    except OSError as error:
        yield _finding("erp", "fail", "erp_away", place=place, detail=str(error))
        return
    yield from _erp_answers(erp_, base)


def _erp_answers(erp_: Erp, base: Path) -> Iterator[Finding]:
    """What it says to a look-up that changes nothing there. Nothing where there is no secret: `secret` told of that."""
    quick = erp_.model_copy(update={"timeout_s": min(REACH_S, erp_.timeout_s)})
    try:
        with closing(connector(quick, base)) as driver:
            driver.ping()
            yield _finding("erp", "ok", "erp_answers", kind=erp_.kind)
    except ConfigError:
        return
    except AndonError as error:
        yield Finding("erp", "fail", error.code, dict(error.params))


def web(plant: PlantModel, data: Path) -> Iterator[Finding]:
    """Whether the control room's port is free, or taken by the service itself."""
    host, port = plant.config.web.host, plant.config.web.port
    place = f"{host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        yield _finding("web", "ok", "port_free", place=place)
    except OSError as error:
        if DataFolder(data).in_use():
            yield _finding("web", "ok", "port_ours", place=place)
        else:
            yield _finding("web", "fail", "port_taken", place=place, detail=error.strerror)


def certificate(plant: PlantModel) -> Iterator[Finding]:
    """Whether the files of [web] can be read."""
    for name in (plant.config.web.tls_cert, plant.config.web.tls_key):
        if name is not None:
            readable = os.access(name, os.R_OK)
            yield _finding("web", "ok" if readable else "fail", "tls" if readable else "tls_unreadable", file=name)

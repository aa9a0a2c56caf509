"""The demo: a simulated plant through the real service into a stub ERP, and the check of what came of it.

Everything but the devices and the ERP is what a site runs: the same processes, files and page.
"""

from __future__ import annotations

import base64
import errno
import json
import re
import secrets
import socket
import sqlite3
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import DataFolderError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, Records
from service.options import clock_arguments
from service.rules import register_rules
from service.supervisor import Part, Supervisor, python, site_parts
from simulators.checker import Report, check
from simulators.runner import sent_until_ns
from simulators.truth import PLANT_TOML, demo_plant, truth
from sinks.dead_letters import DeadLetterStore
from sinks.history import HistoryReader
from sources.spool import Spool

POLL_S = 0.2
DRAIN_S = 60.0
LAST_TICKS_S = 1.5  # the ledger's last counts leave with the ticks after the last rows
ERP_URL = re.compile(r'^url = "http://127\.0\.0\.1:\d+".*$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asked for. seconds: wall time after which the demo ends by itself."""

    data: Path
    seed: int
    speed: float
    port: int
    seconds: float | None = None
    faults: bool = True
    erp_key: bool = True  # False: the stub ERP takes everything as new; what a demo without our protection would show


@dataclass(frozen=True, slots=True)
class Story:
    """What makes a demo the same one when it is started again; kept in state/demo.json."""

    seed: int
    faults: bool
    start_ns: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the demo stands."""

    plant_ns: int
    readings: int
    alarms: int
    delivered: int
    waiting: int


class Demo:
    """One run of the demo over a data folder. `start`, `poll` now and then, `finish`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.data = DataFolder(settings.data)
        packaged = demo_plant().config
        self.shards = packaged.transport.shards
        self.data.create(packaged.site.id, self.shards)
        self._write_config()
        self.plant = load_plant(self._config)
        self.story = self._story()
        wall_ns = time.time_ns()
        self.origin_ns = max(self._sent_until_ns().values())
        self._clock = clock_arguments(self.origin_ns, wall_ns, settings.speed)
        self.history = HistoryReader([self.data.history_db(shard) for shard in range(self.shards)])
        self.records = Records(self.data.records_db, self.plant.config.site.id, SystemClock(),
                               zone=self.plant.config.site.timezone).open()  # fmt: skip
        register_rules(self.plant, self.records)
        self.supervisor = Supervisor(self.data, self._parts())

    @property
    def _config(self) -> Path:
        return self.settings.data / "plant.toml"

    def _write_config(self) -> None:
        """The demo's plant.toml with this run's addresses."""
        self._erp_port = free_port()
        secret = self.settings.data / "erp-secret"
        text = ERP_URL.sub(
            f'url = "http://127.0.0.1:{self._erp_port}"\nsecret_file = "{secret.name}"',
            PLANT_TOML.read_text(encoding="utf-8"),
        )
        if not secret.exists():
            secret.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
            secret.chmod(0o600)
        self._config.write_text(text, encoding="utf-8")

    def _story(self) -> Story:
        """The story of this folder; DataFolderError when it is another one's."""
        asked, path = self.settings, self.data.path / "state" / "demo.json"
        if path.exists():
            story = Story(**json.loads(path.read_text()))
            if (story.seed, story.faults) != (asked.seed, asked.faults):
                raise DataFolderError(
                    "demo.other_story", path=str(self.data.path), seed=story.seed,
                    faults="" if story.faults else " --no-faults",
                )  # fmt: skip
            return story
        story = Story(asked.seed, asked.faults, time.time_ns() // NS_PER_S * NS_PER_S)
        path.write_text(json.dumps(asdict(story)))
        return story

    def _parts(self) -> list[Part]:
        data, settings, story = self.settings.data, self.settings, self.story
        stub = python(
            "sinks.erp.stub", "--port", self._erp_port, "--db", data / "erp.db", "--secret-file", data / "erp-secret",
            "--faults", story.seed, *([] if settings.erp_key else ["--no-key"]),
        )  # fmt: skip
        until = [] if settings.seconds is None else ["--until-ns", self.until_ns]
        devices = python(
            "simulators.runner", "--data", data, "--seed", story.seed, "--start-ns", story.start_ns, *self._clock,
            *until, *([] if story.faults else ["--no-faults"]),
        )  # fmt: skip
        parts = [
            Part("web", [*part.argv, "--port", str(settings.port), "--no-idle-lock"], part.stop_order)
            if part.name == "web" else part
            for part in site_parts(self._config, data, self.shards, self._clock, sender=True)
        ]  # fmt: skip
        return [Part("erp", stub, 4), Part("devices", devices, 0, once=True), *parts]

    @property
    def until_ns(self) -> int:
        """Plant time at which a run of limited length ends."""
        return self.origin_ns + round((self.settings.seconds or 0.0) * self.settings.speed * NS_PER_S)

    def zone(self, time_ns: int) -> str:
        """A stamp as people of the site read it, with offset."""
        at = datetime.fromtimestamp(time_ns / NS_PER_S, ZoneInfo(self.plant.config.site.timezone))
        return at.isoformat(sep=" ", timespec="seconds")

    def address(self) -> str:
        """The control room's address with a token that logs in once."""
        token = self.records.issue_one_time_token(SYSTEM_SUPERVISOR)
        return f"http://127.0.0.1:{self.settings.port}/?token={token}"

    def progress(self) -> Progress:
        """Counts so far, from the stores."""
        alarms = [alarm for alarm in self.records.alarms(limit=10_000) if alarm.raises != "none"]
        return Progress(
            plant_ns=self.history.watermark_ns() or self.origin_ns,
            readings=sum(row.received for row in self.history.ledger()),
            alarms=len(alarms),
            delivered=sum(alarm.erp_number is not None for alarm in alarms),
            waiting=sum(
                count for state, count in self.records.order_counts().items() if state in ("pending", "leased")
            ),
        )

    def finished(self) -> bool:
        """Whether a run of limited length has sent all it had to send."""
        return self.supervisor.done("devices")

    def finish(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Stop the devices, let everything they sent come through, then stop the rest."""
        supervisor = self.supervisor
        say("demo.draining")
        supervisor.stop(["devices"])
        self._wait(lambda: False, LAST_TICKS_S)
        supervisor.stop(["ticker"])
        self._wait(self._consumed, DRAIN_S)
        self._wait(lambda: not self.progress().waiting, DRAIN_S)
        supervisor.stop()

    def close(self) -> None:
        """Let the files go."""
        self.history.close()
        self.records.close()

    def _wait(self, ready: Callable[[], bool], limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not ready() and time.monotonic() < deadline:
            self.supervisor.poll()
            time.sleep(POLL_S)

    def _consumed(self) -> bool:
        done = {mark.shard: mark.last_offset for mark in self.history.marks()}
        return all(done.get(shard, 0) >= self._spool(shard).last_offset() for shard in range(self.shards))

    def _spool(self, shard: int) -> Spool:
        return Spool(self.data.spool(shard), shard, SystemClock())

    def _sent_until_ns(self) -> dict[int, int]:
        return {shard: sent_until_ns(self._spool(shard), self.story.start_ns) for shard in range(self.shards)}

    def report(self) -> Report:
        """What came of everything sent so far, against the simulators' own truth. Run it after `finish`."""
        told = truth(self.story.seed, self.story.start_ns, self._sent_until_ns(), faults=self.story.faults)
        keep = self.plant.config.retention
        dead: dict[str, int] = {}
        for shard in range(self.shards):
            store = DeadLetterStore(self.data.dead_letters_db(shard), shard, keep.dead_letters_mb, keep.dead_letters_d)
            for reason, count in store.counts().items():
                dead[reason] = dead.get(reason, 0) + count
        return check(
            told,
            [_alarm_row(alarm) for alarm in self.records.alarms(limit=1_000_000)],
            erp_records(self.settings.data / "erp.db"),
            [_ledger_row(row) for row in self.history.ledger()],
            dead,
            windows=self.history.window_count(),
        )


def erp_records(path: Path) -> list[dict[str, object]]:
    """Every record of the stub ERP, as its own database has it."""
    with sqlite3.connect(path) as db:
        return [
            {"key": key, "kind": kind, "number": number}
            for key, kind, number in db.execute("select external_key, kind, number from record order by id")
        ]


def _alarm_row(alarm: object) -> dict[str, object]:
    names = ("key", "asset", "tag", "rule_id", "raises", "start_ns")
    return {name: getattr(alarm, name) for name in names}


def _ledger_row(row: object) -> tuple[object, ...]:
    names = ("asset", "tag", "received", "counted", "late", "duplicate", "bad", "dead", "conflict")
    return tuple(getattr(row, name) for name in names)


def free_port() -> int:
    """A port of the loopback interface that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether the control room could listen there; True also for an address that this machine does not have."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True

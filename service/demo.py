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
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from operator import ge, gt
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from andon.clock import ScaledClock, SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.errors import DataFolderError
from andon.readings import NS_PER_S
from andon.records import SYSTEM_SUPERVISOR, site_records
from flows.workers import arrange, workers_for
from service.demo_dates import first_day, moved
from service.demo_report import report_of
from service.demo_windows import WindowsCompared
from service.models import publish
from service.options import clock_arguments
from service.rules import register_rules
from service.servers.base import free_port
from service.supervisor import Part, Supervisor, python, site_parts
from simulators.checker import Report
from simulators.runner import sent_until_ns
from simulators.truth import PLANT_TOML, demo_plant, truth
from sinks.history import HistoryReader
from sources.spool import Spool

POLL_S = 0.2
DRAIN_S = 60.0
UP_S = 60.0  # the ticker is waited for
LAST_TICKS = 6  # behind the last rows, in each shard: the ledger's last counts and the last windows leave with ticks
Shape = Literal["embedded", "plant"]  # what stands in for Kafka and InfluxDB: nothing, or they themselves
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
    on: Shape = "embedded"
    check: bool = False  # whether `report` and `compared` will be asked for
    erp_key: bool = True  # False: the stub ERP takes everything as new; what a demo without our protection would show


@dataclass(frozen=True, slots=True)
class Story:
    """What makes a demo the same one when it is started again; kept in state/demo.json."""

    seed: int
    faults: bool
    start_ns: int
    on: Shape = "embedded"


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
        self._plant_clock = ScaledClock(self.origin_ns, wall_ns, settings.speed)
        self._clock = clock_arguments(self.origin_ns, wall_ns, settings.speed)
        self.history = HistoryReader(self.data.history_dbs(self.shards))
        self.records = site_records(self.plant.config, self.data).open()
        register_rules(self.plant, self.records)
        publish(self.records, self.data)
        self.workers = workers_for(self.plant.config.transport)
        self.supervisor = Supervisor(self.data, [])

    @property
    def edge(self) -> DataFolder:
        """Into whose spools the devices send."""
        return self.data

    @property
    def _config(self) -> Path:
        return self.settings.data / "plant.toml"

    def _write_config(self) -> None:
        """The demo's plant.toml with this run's addresses."""
        self._erp_port = free_port()
        secret = self.settings.data / "erp-secret"
        text = ERP_URL.sub(
            f'url = "http://127.0.0.1:{self._erp_port}"\nsecret_file = "{secret.name}"',
            moved(PLANT_TOML.read_text(encoding="utf-8"), first_day(self._story_file, time.time_ns())),
        )
        if not secret.exists():
            secret.write_text("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
            secret.chmod(0o600)
        self._config.write_text(self.configured(text), encoding="utf-8")

    @property
    def _story_file(self) -> Path:
        return self.data.path / "state" / "demo.json"

    def configured(self, text: str) -> str:
        """The last word on plant.toml."""
        return text

    def _story(self) -> Story:
        """The story of this folder; DataFolderError when it is another one's."""
        asked, path = self.settings, self._story_file
        if path.exists():
            story = Story(**json.loads(path.read_text()))
            if (story.seed, story.faults, story.on) != (asked.seed, asked.faults, asked.on):
                options = f"{'' if story.faults else ' --no-faults'}{'' if story.on == 'embedded' else ' --on plant'}"
                raise DataFolderError(
                    "demo.other_story", path=str(self.data.path), seed=story.seed, options=options
                )  # fmt: skip
            return story
        story = Story(asked.seed, asked.faults, time.time_ns() // NS_PER_S * NS_PER_S, asked.on)
        path.write_text(json.dumps(asdict(story)))
        return story

    def parts(self) -> list[Part]:
        """The processes of the site and the stub ERP."""
        data, settings, story = self.settings.data, self.settings, self.story
        stub = python(
            "sinks.erp.stub", "--port", self._erp_port, "--db", data / "erp.db", "--secret-file", data / "erp-secret",
            "--faults", story.seed, *([] if settings.erp_key else ["--no-key"]),
        )  # fmt: skip
        parts = [
            Part("web", [*part.argv, "--port", str(settings.port), "--no-idle-lock"], part.stop_order)
            if part.name == "web" else part
            for part in site_parts(self._config, data, self.plant.config, self.workers, self._clock)
        ]  # fmt: skip
        return [Part("erp", stub, 4), *parts]

    def devices(self) -> Part:
        """The simulators; of a run of limited length their time begins now."""
        story, seconds = self.story, self.settings.seconds
        until: list[object] = []
        if seconds is not None:
            until = ["--until-ns", self._plant_clock.now_ns() + round(seconds * self.settings.speed * NS_PER_S)]
        argv = python(
            "simulators.runner", "--data", self.edge.path, "--seed", story.seed, "--start-ns", story.start_ns,
            *self._clock, *until, *([] if story.faults else ["--no-faults"]),
        )  # fmt: skip
        return Part("devices", argv, 0, once=True)

    def start(self) -> None:
        """Start every part, the devices when each log has a tick. The caller holds the folder's lock."""
        arrange(self.data, self.workers, self.plant.config.transport)
        self.supervisor.start()
        self.start_servers()
        before = self._last_offsets()
        self.supervisor.add(self.parts())
        # On a busy machine the time of the devices would else be over before time passes for the flows.
        self.wait(lambda: all(map(gt, self._last_offsets(), before)), UP_S)
        self.supervisor.add([self.devices()])

    def start_servers(self) -> None:
        """What must be there before the parts are."""

    def zone(self, time_ns: int) -> str:
        """A stamp as people of the site read it, with offset."""
        at = datetime.fromtimestamp(time_ns / NS_PER_S, ZoneInfo(self.plant.config.site.timezone))
        return at.isoformat(sep=" ", timespec="seconds")

    def address(self) -> str:
        """The control room's address with a token that logs in once."""
        token = self.records.issue_one_time_token(SYSTEM_SUPERVISOR)
        return f"http://127.0.0.1:{self.settings.port}/?token={token}"

    def servers(self) -> dict[str, str]:
        """Addresses of the servers started beside the site, by the code of the sentence that names them."""
        return {}

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
        say("demo.draining")
        self.drain()
        self.supervisor.stop()

    def drain(self) -> None:
        """Stop the devices and let everything they sent come through."""
        self.supervisor.stop(["devices"])
        # Counted, not timed: on a busy machine the ticker may come up when the devices have long had their time.
        wanted = [offset + LAST_TICKS for offset in self._last_offsets()]
        self.wait(lambda: all(map(ge, self._last_offsets(), wanted)), DRAIN_S)
        self.supervisor.stop(["ticker"])
        self.wait(self.consumed, DRAIN_S)
        self.wait(lambda: not self.progress().waiting, DRAIN_S)

    def close(self) -> None:
        """Let the files go."""
        self.history.close()
        self.records.close()

    def compared(self) -> WindowsCompared | None:
        """InfluxDB against the local history, after `finish`; None where there is none or `check` was not asked for."""
        return None

    def wait(self, ready: Callable[[], bool], limit_s: float) -> None:
        """Look after the parts until something is so, or the time is over."""
        deadline = time.monotonic() + limit_s
        while not ready() and time.monotonic() < deadline:
            self.supervisor.poll()
            time.sleep(POLL_S)

    def consumed(self) -> bool:
        """Whether the flows have read all that was sent."""
        done = {mark.shard: mark.last_offset for mark in self.history.marks()}
        return all(done.get(shard, 0) >= self.spool(shard).last_offset() for shard in range(self.shards))

    def _last_offsets(self) -> list[int]:
        """Of each shard's log the newest message; while the devices are stopped only ticks come."""
        found = []
        for shard in range(self.shards):
            with self.spool(shard) as spool:
                found.append(spool.last_offset())
        return found

    def spool(self, shard: int) -> Spool:
        """The queue that the devices of a shard send into."""
        return Spool(self.edge.spool(shard), shard, SystemClock())

    def _sent_until_ns(self) -> dict[int, int]:
        return {shard: sent_until_ns(self.spool(shard), self.story.start_ns) for shard in range(self.shards)}

    def report(self) -> Report:
        """What came of everything sent so far, against the simulators' own truth. Run it after `finish`."""
        told = truth(self.story.seed, self.story.start_ns, self._sent_until_ns(), faults=self.story.faults)
        return report_of(told, self.plant, self.data, self.records, self.history, self.settings.data / "erp.db")


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

"""The site of an embedded round: its folder, its parts, how each is killed, and how it comes to rest."""

from __future__ import annotations

import json
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from andon import heartbeat
from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.plant import PlantModel
from andon.readings import Message
from andon.records import Records
from flows.workers import arrange
from service.demo import ERP_URL
from service.rules import register_rules
from service.servers import free_port
from simulators.truth import PLANT_TOML
from sources.spool import Spool
from tests.chaos.compare import Verdict
from tests.chaos.feeder import Story, done_offset, messages, sent_s
from tests.chaos.lanes import (
    Habits,
    Tally,
    changed_since_start,
    committed_since_start,
    newest_change,
    revived,
    true_since_start,
)
from tests.chaos.processes import Part, Processes, Setting, answers, new_secret
from tests.chaos.weather import Weather

START_NS = 1_767_225_600_000_000_000
WORKERS = 2  # each with one of the demo plant's two shards
TELL_S = 15.0
# The stub's server raises the signal again when it has drained; a part that has just been started knows no better.
CLEAN = (0, -signal.SIGTERM)
DRAIN_S = 240.0  # without any progress


class Site:
    """One round's site below `folder`; made, or found as an interrupted run left it.

    `PlantSite` (plant_site.py) is the same with servers in between.
    """

    shape = "embedded"

    def __init__(self, folder: Path, seed: int, speed: float, setting: Setting) -> None:
        self.folder, self.story, self.speed, self.setting = folder, Story(seed, START_NS), speed, setting
        folder.mkdir(parents=True, exist_ok=True)
        self.data = DataFolder(folder / "data")
        self.ports = self._kept_ports()
        self.config, self.secret = folder / "plant.toml", folder / "erp-secret"
        new_secret(self.secret)
        self.prepare()
        self.config.write_text(self.config_text(), encoding="utf-8")
        self.plant: PlantModel = load_plant(self.config)
        self.shards = range(self.plant.config.transport.shards)
        site = self.plant.config.site
        self.data.create(site.id, len(self.shards))
        with Records(self.data.records_db, site.id, SystemClock()) as records:
            register_rules(self.plant, records)
        with self.data.lock():
            self.layout = arrange(self.data, WORKERS, self.plant.config.transport)
        self.make_logs()
        self.processes = self.new_processes()
        alive = heartbeat.folder(self.data)
        self.processes.watched = {name: alive / name for name in self.watched()}

    def watched(self) -> list[str]:
        """Parts that the supervisor's watchdog looks at."""
        return [f"flow-{one}" for one in range(WORKERS)]

    def prepare(self) -> None:
        """Whatever must be there before the configuration."""

    def new_processes(self) -> Processes:
        """The parts, not started."""
        return Processes(self.parts(), self.setting)

    def config_text(self) -> str:
        """The demo's plant.toml with this site's addresses."""
        url = f'url = "http://{self.erp_address()}"\nsecret_file = "{self.secret.name}"'
        return ERP_URL.sub(url, PLANT_TOML.read_text(encoding="utf-8"))

    def erp_address(self) -> str:
        """host:port where the sender finds the ERP."""
        return f"127.0.0.1:{self.ports['erp']}"

    def _kept_ports(self) -> dict[str, int]:
        path = self.folder / "ports.json"
        if not path.exists():
            path.write_text(json.dumps({"erp": free_port(), "web": free_port()}))
        ports: dict[str, int] = json.loads(path.read_text())
        return ports

    @property
    def logs_data(self) -> DataFolder:
        """Where the devices' spools are."""
        return self.data

    def make_logs(self) -> None:
        """Make the spools, so that flows may start before the first device."""
        for shard in self.shards:
            self.spool(shard).close()

    def spool(self, shard: int) -> Spool:
        """The queue that the devices write to."""
        return Spool(self.logs_data.spool(shard), shard, SystemClock(), segment_bytes=self.setting.segment_bytes)

    @property
    def common(self) -> tuple[str, ...]:
        """Arguments of every part of the site."""
        return ("--config", str(self.config), "--data", str(self.data.path))

    def parts(self) -> list[Part]:
        """What runs."""
        stub = ("--port", str(self.ports["erp"]), "--db", str(self.erp_db), "--secret-file", str(self.secret),
                "--faults", str(self.story.seed), "--slow-s", "0.3")  # fmt: skip
        feeder = ("--data", str(self.logs_data.path), "--site", str(self.data.path), "--seed", str(self.story.seed),
                  "--start-ns", str(self.story.start_ns), "--speed", str(self.speed))  # fmt: skip
        return [
            Part("erp", "sinks.erp.stub", (*stub, *(("--no-key",) if "erp-key" in self.setting.off else ()))),
            Part("devices", "tests.chaos.feeder", feeder),
            *[
                Part(f"flow-{one}", "flows.plant", (*self.common, "--worker", str(one), "--workers", str(WORKERS)))
                for one in range(WORKERS)
            ],
            Part("sender", "service.sender", self.common),
            Part("web", "service.web.main", (*self.common, "--port", str(self.ports["web"]))),
            Part("dead-man", "service.deadman", self.common),
        ]

    @property
    def erp_db(self) -> Path:
        """What the stub ERP keeps."""
        return self.folder / "erp.db"

    def habits(self) -> dict[str, Habits]:
        """How each part is killed."""
        data, ports = self.data, self.ports
        decided = newest_change(data.records_db.parent)
        sending = self._claims
        flows = {
            f"flow-{worker}": Habits(
                committed_since_start(data.recovery(self.layout.generation, worker) / "part-0.sqlite3"),
                (0.0, 0.6), commits=True,
                aims={
                    "snapshot": newest_change(data.slots(worker)),
                    "journal": newest_change(data.journal(worker)),
                    "dead letters": newest_change(
                        data.dead_letters_db(worker).parent, f"{data.dead_letters_db(worker).name}*"
                    ),
                    "decision": decided,
                },
            )
            for worker in range(WORKERS)
        }  # fmt: skip
        return {
            **flows,
            "sender": Habits(self.sign_of_life("sender"), (0.0, 4.0), {"order on its way": sending}),
            "devices": Habits(changed_since_start(self.sent_s), (0.5, 9.0)),
            "erp": Habits(true_since_start(lambda: answers(ports["erp"])), (1.0, 15.0), {"order on its way": sending}),
            "web": Habits(true_since_start(lambda: answers(ports["web"])), (2.0, 20.0)),
            "dead-man": Habits(after(0.5), (4.0, 30.0)),
        }

    def sign_of_life(self, name: str) -> Callable[[], Callable[[], bool]]:
        """True once a process has given a sign of life since it was started."""
        path = self.data.path / "state" / "alive" / name
        return changed_since_start(lambda: path.read_text() if path.exists() else "")

    def _claims(self) -> int:
        with closing(sqlite3.connect(f"{self.data.records_db.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return int(db.execute("select coalesce(sum(fence), 0) from outbox").fetchone()[0])

    def sent_s(self) -> dict[int, int]:
        """Seconds of the story in each shard's log."""
        found = {}
        for shard in self.shards:
            with self.spool(shard) as spool:
                found[shard] = sent_s(spool)
        return found

    def log(self, shard: int) -> Iterable[Message]:
        """The whole log of a shard at rest, as the flow had to see it."""
        until_s = self.sent_s()[shard]
        return (Message(at, *one) for at, one in enumerate(messages(self.story, shard, until_s), 1))

    def ends(self) -> dict[int, int]:
        """The last offset of each shard's log, once the devices have stopped."""
        found = {}
        for shard in self.shards:
            with self.spool(shard) as spool:
                found[shard] = spool.last_offset()
        return found

    def behind(self) -> tuple[int, ...]:
        """What is still on its way, all zero at rest: messages by shard, orders."""
        done = [done_offset(self.data.history_db(shard)) for shard in self.shards]
        with closing(sqlite3.connect(f"{self.data.records_db.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (orders,) = db.execute("select count(*) from outbox where state in ('pending', 'leased')").fetchone()
        return (*(max(0, end - at) for end, at in zip(self.ends().values(), done, strict=True)), int(orders))

    def rest(self, say: Callable[[str], None], tally: Tally) -> list[str]:
        """End the log, let everything come through, stop all parts; what did not go as it should."""
        wrong = []
        if self.processes.stop("devices") not in CLEAN:
            wrong.append(f"devices did not stop cleanly: {self.processes.last_words('devices')}")
        if not self._at_rest(say, tally):
            wrong.append(f"not drained, behind by {self.behind()}")
        for name in self.stop_order():
            status = self.processes.stop(name)
            if status not in CLEAN:
                wrong.append(f"{name} stopped with status {status}: {self.processes.last_words(name)}")
        return wrong

    def stop_order(self) -> list[str]:
        """Parts in the order in which they stop."""
        return ["web", "dead-man", *(f"flow-{one}" for one in range(WORKERS)), "sender", "erp"]

    def _at_rest(self, say: Callable[[str], None], tally: Tally) -> bool:
        """Wait until nothing is behind; False when nothing moves for `DRAIN_S`."""
        best, since = self.behind(), time.monotonic()
        told = since
        while any(now := self.behind()):
            if time.monotonic() - told > TELL_S:
                told = time.monotonic()
                say(f"  draining, behind by {now}")
            if sum(now) < sum(best):
                best, since = now, time.monotonic()
            if time.monotonic() - since > DRAIN_S:
                self.processes.keep_stacks()
                return False
            for name in self.processes.names():
                revived(self.processes, name, tally)
            time.sleep(0.1)
        return True

    def check_more(self, verdict: Verdict, reference: DataFolder) -> None:
        """What else a shape has to show."""

    def weather(self, _seed: str, _halt: threading.Event) -> Weather | None:
        """Bad weather on the lines between the parts, not started; None where there are none."""
        return None

    def close(self) -> None:
        """Leave nothing running."""
        self.processes.kill_all()


def after(seconds: float) -> Callable[[], Callable[[], bool]]:
    """True so long after the start."""

    def begin() -> Callable[[], bool]:
        due = time.monotonic() + seconds
        return lambda: time.monotonic() > due

    return begin

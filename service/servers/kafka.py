"""Apache Kafka: one broker that is its own controller (KRaft), as the jars of one folder.

The log folder is formatted once and copied from then on; classes are kept as a shared archive beside the jars. Measured
on two cores: ready after 1.6 s instead of 4, with 1.5 CPU seconds instead of 5.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from service.servers.base import Server, ServerError, ServerMissingError, free_port
from service.servers.where import where

OLDEST_JAVA = 17
JVM = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xlog:disable")
LOGGER = tuple(
    f"-Dorg.slf4j.simpleLogger.{option}"
    for option in ("defaultLogLevel=warn", "showDateTime=true", "dateTimeFormat=HH:mm:ss.SSS")
)
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",  # a cut between clients and broker must not cut the broker from itself
    "listener.security.protocol.map": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # After SIGKILL the same broker waits until its old session is over: 12 to 15 s with the default of 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": "4194304",  # the default is half of the heap given above
}


class Kafka(Server):
    """A broker for clients at `bootstrap`, without encryption unless `settings` say otherwise.

    advertised : the port that clients are sent to, when it is not its own: that of a proxy in between.
    settings   : of server.properties, in addition or instead.
    """

    name = "kafka"

    def __init__(
        self, folder: Path, port: int | None = None, log: Path | None = None, *, advertised: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(folder, port, log)
        self.advertised = advertised or self.port
        self._settings = dict(settings or {})
        self._internal, self._controller = free_port(), free_port()

    @property
    def bootstrap(self) -> str:
        """host:port for bootstrap.servers."""
        return f"127.0.0.1:{self.advertised}"

    def argv(self) -> list[str]:
        archive = class_archive(where(self.name))
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []
        return self._java(*shared, "kafka.Kafka", str(self._properties))

    def prepare(self) -> None:
        where(self.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_properties()
        data, draft = self.folder / "data", self.folder / "data.new"
        if data.is_dir():
            return
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(self._template(), draft)
        meta = draft / "meta.properties"
        own = re.sub(r"^((?:cluster|directory)\.id=).*$", _with_new_id, meta.read_text(), flags=re.MULTILINE)
        meta.write_text(own)
        draft.replace(data)

    def answers(self) -> bool:
        with suppress(OSError, KafkaException), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
            client = AdminClient({"bootstrap.servers": f"127.0.0.1:{self._internal}", "log_level": 0})
            return bool(client.list_topics(timeout=2.0).brokers)
        return False

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def _write_properties(self) -> None:
        own = {
            "listeners": f"CLIENT://127.0.0.1:{self.port},INTERNAL://127.0.0.1:{self._internal},"
            f"CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self.advertised},INTERNAL://127.0.0.1:{self._internal}",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "log.dirs": str(self.folder / "data"),
        }
        settings = {**SETTINGS, **own, **self._settings}
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def _template(self) -> Path:
        """A formatted log folder; made by one Java start the first time, kept beside the jars where it may be."""
        home = where(self.name)
        template = home / "formatted"
        if template.is_dir():
            return template
        fresh = self.folder / "formatted"
        shutil.rmtree(fresh, ignore_errors=True)
        draft = self.folder / "format.properties"
        draft.write_text(self._properties.read_text().replace(str(self.folder / "data"), str(fresh)))
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", "format", "-t", new_id(), "-c", str(draft)),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ServerError("servers.not_formatted", folder=fresh, detail=done.stdout + done.stderr)
        with suppress(OSError), tempfile.TemporaryDirectory(dir=home) as beside:  # read-only, or made by another now
            shutil.copytree(fresh, Path(beside) / "formatted")
            (Path(beside) / "formatted").replace(template)
        return fresh

    def _java(self, *arguments: str) -> list[str]:
        jars = sorted((where(self.name) / "lib").glob("*.jar"))  # the archive of classes depends on their order
        return [java(), *JVM, *LOGGER, "-cp", ":".join(map(str, jars)), *arguments]


def _with_new_id(found: re.Match[str]) -> str:
    return f"{found[1]}{new_id()}"


def new_id() -> str:
    """An id as Kafka writes it: 16 bytes in base64, 22 characters. The first is a letter, never taken for an option."""
    return urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode()[:22]


@cache
def java() -> str:
    """The Java that runs it: of JAVA_HOME, else of PATH. ServerMissingError when there is none, or an old one."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise ServerMissingError("servers.no_java", oldest=OLDEST_JAVA)
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise ServerMissingError("servers.old_java", java=found, found=said.partition("\n")[0], oldest=OLDEST_JAVA)
    return found


def class_archive(home: Path) -> Path:
    """Where the archive of classes for this Java is, or would be: one of another Java is of no use."""
    program = Path(java()).resolve()
    release = program.parents[1] / "release"
    told = release.read_bytes() if release.is_file() else str(program).encode()
    return home / f"classes-{sha256(told).hexdigest()[:12]}.jsa"


def make_class_archive() -> Path:
    """Run a broker once and keep its classes; takes about 10 s, nothing when it has been done."""
    home = where(Kafka.name)
    archive = class_archive(home)
    if archive.is_file():
        return archive
    with tempfile.TemporaryDirectory(dir=home) as folder:
        draft = Path(folder) / archive.name
        broker = _Recorded(Path(folder) / "broker", draft)
        broker.start()
        broker.stop(limit_s=120.0)
        if not draft.is_file():
            raise ServerError("servers.no_archive", tail=broker.tail())
        draft.replace(archive)
    return archive


class _Recorded(Kafka):
    """A broker that writes down its classes when it ends."""

    def __init__(self, folder: Path, archive: Path) -> None:
        super().__init__(folder)
        self._archive = archive

    def argv(self) -> list[str]:
        return self._java(f"-XX:ArchiveClassesAtExit={self._archive}", "kafka.Kafka", str(self._properties))

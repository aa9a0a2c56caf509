"""The site of benchmarks.act: a broker, a worker, the sender, the control room and the stub ERP as processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # not in its __all__

from andon.clock import SystemClock
from andon.config.load import load_plant
from andon.datafolder import DataFolder
from andon.records import SYSTEM_SUPERVISOR, Records
from benchmarks.latency import wake
from benchmarks.paced import ASSETS, TAGS, asset
from service.servers import Kafka, free_port
from sinks.erp.webhook import new_secret

CROSSING, STEPS_A_S = 100, 10
SECRET = new_secret()
UP_S, COMPILE_S, LOAD_S = 60.0, 300.0, 3600.0
CONFIG = """
schema = 1
[enterprise]
id = "bench"
[site]
id = "bench"
[transport]
kind = "kafka"
shards = {partitions}
profile = "{profile}"
[transport.kafka]
brokers = "{brokers}"
topic = "{topic}"
stamps = "producer"
[web]
port = {port}
[erp]
url = "{erp}"
secret_file = "secret"
timeout_s = 5.0
[[template]]
name = "machine"
series = [{series}]
[[template]]
name = "crossing"
series = [{{ tag = "value", unit = "Cel", range = [-50.0, 150.0] }}]
{assets}
[[rule]]
id = "warm"
on = "hall/*/filler/*"
above = 24.0
delay_s = 30.0
[[rule]]
id = "hot"
on = "hall/*/value"
above = 24.0
raises = "quality_event"
"""


def crossing_asset(number: int) -> str:
    """Path of the n-th asset whose readings cross the limit; it belongs to shard n modulo their number."""
    return f"hall/m{number:03}"


class Page:
    """Follows the event stream as a browser does. seen: (asset, start in ms) -> when its alarm first came, ns."""

    def __init__(self, url: str, token: str) -> None:
        self.seen: dict[tuple[str, int], int] = {}
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        answer = self._client.get("/", params={"token": token})
        if answer.status_code != 303:
            raise RuntimeError(f"the control room answers {answer.status_code} to the log-in")
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        event = ""
        with suppress(httpx.HTTPError), self._client.stream("GET", "/api/v1/stream") as answer:
            for line in answer.iter_lines():
                name, _, text = line.partition(":")
                if name == "event":
                    event = text.strip()
                elif name == "data" and event == "alarms":
                    now_ns = time.time_ns()
                    for alarm in json.loads(text)["alarms"]:
                        self.seen.setdefault((alarm["asset"], alarm["start_ms"]), now_ns)


class Site:
    """Starts everything, and ends it with the block."""

    topic = "andon.readings"

    def __init__(self, folder: Path, profile: str, partitions: int) -> None:
        self._folder, self._profile, self._partitions = folder, profile, partitions
        self._ending = ExitStack()
        self.bootstrap = self.erp_url = ""
        self._web_port = free_port()
        self._data = DataFolder(folder / "data")

    def __enter__(self) -> Self:
        with ExitStack() as started:
            broker = Kafka(self._folder / "kafka")
            broker.start()
            started.callback(broker.stop)
            self.bootstrap = broker.bootstrap
            admin = AdminClient({"bootstrap.servers": self.bootstrap})
            admin.create_topics([NewTopic(self.topic, self._partitions, 1)])[self.topic].result()
            wake(self.bootstrap, self.topic, self._partitions)
            (self._folder / "secret").write_text(SECRET)
            self._stub = self._part(
                started, "sinks.erp.stub", "--port", "0", "--db", self._folder / "erp.db",
                "--secret-file", self._folder / "secret", stdout=subprocess.PIPE,
            )  # fmt: skip
            self.erp_url = _said(self._stub)["url"]
            config = self._folder / "plant.toml"
            config.write_text(self._config())
            plant = load_plant(config)
            self._data.create(plant.config.site.id, self._partitions)
            self.records().close()  # the tables are made before several processes would
            for module in ("flows.plant", "service.sender", "service.web"):
                self._part(started, module, "--config", config, "--data", self._data.path)
            self._ending = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def records(self) -> Records:
        """The records, open; the caller closes them."""
        return Records(self._data.records_db, "bench", SystemClock()).open()

    def wait_for_an_alarm(self) -> None:
        """Until the worker is up; kernels that are not compiled yet take a minute."""
        until = time.monotonic() + COMPILE_S
        with self.records() as records:
            while not records.alarms(limit=1):
                if time.monotonic() > until:
                    raise RuntimeError("the worker did not come up")
                time.sleep(0.2)

    def load(self, rate: int) -> None:
        """So many readings a second from now until the end; returns once they come."""
        command = [
            sys.executable, "-m", "benchmarks.paced", self.bootstrap, self.topic, str(self._partitions), str(rate),
            str(LOAD_S), str(self._folder / "sent.npy"),
        ]  # fmt: skip
        load = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._ending.callback(load.wait, 60)
        self._ending.callback(load.kill)
        if load.stdout is not None:
            load.stdout.readline()

    @contextmanager
    def page(self) -> Iterator[Page]:
        """Somebody who watches the control room."""
        url, until = f"http://127.0.0.1:{self._web_port}", time.monotonic() + UP_S
        while True:
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/healthz", trust_env=False).status_code == 200:
                    break
            if time.monotonic() > until:
                raise RuntimeError("the control room did not come up")
            time.sleep(0.2)
        with self.records() as records:
            token = records.issue_one_time_token(SYSTEM_SUPERVISOR)
        yield Page(url, token)

    def hold_erp(self) -> None:
        """Stop the stub in mid-air: its connections stay, and no answer comes."""
        self._stub.send_signal(signal.SIGSTOP)

    def release_erp(self) -> None:
        """Let it go on."""
        self._stub.send_signal(signal.SIGCONT)

    def check_erp(self, keys: set[str]) -> None:
        """Raises RuntimeError unless the ERP has exactly one record of each key."""
        held = httpx.get(f"{self.erp_url}/records", timeout=60, trust_env=False).json()["records"]
        count = Counter(one["key"] for one in held if not one["key"].startswith("own-"))
        wrong = keys ^ set(count) | {key for key, times in count.items() if times != 1}
        if wrong:
            raise RuntimeError(f"{len(wrong)} of {len(keys)} alarms have not exactly one record in the ERP")

    def _config(self) -> str:
        tags = [f'{{ tag = "tag{tag:02}", unit = "Cel", range = [-50.0, 150.0] }}' for tag in range(TAGS)]
        places = [(asset(one), "machine", one) for one in range(ASSETS)]
        places += [(crossing_asset(one), "crossing", one) for one in range(CROSSING)]
        assets = "\n".join(
            f'[[asset]]\npath = "{path}"\ntemplate = "{template}"\nshard = {number % self._partitions}'
            for path, template, number in places
        )
        return CONFIG.format(
            partitions=self._partitions, profile=self._profile, brokers=self.bootstrap, topic=self.topic,
            port=self._web_port, erp=self.erp_url, series=", ".join(tags), assets=assets,
        )  # fmt: skip

    def _part(
        self, started: ExitStack, module: str, *arguments: str | Path, stdout: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, *map(str, arguments)]
        with (self._folder / f"{module}.log").open("wb") as log:
            part = subprocess.Popen(command, stdout=stdout, stderr=log)
        started.callback(part.wait, 60)
        started.callback(part.terminate)
        started.callback(part.send_signal, signal.SIGCONT)
        return part


def _said(part: subprocess.Popen[bytes]) -> dict[str, str]:
    """The first line that a part prints, as JSON. Raises RuntimeError when it prints none."""
    line = part.stdout.readline() if part.stdout is not None else b""
    if not line:
        raise RuntimeError(f"{part.args!r} does not come up")
    said: dict[str, str] = json.loads(line)
    return said

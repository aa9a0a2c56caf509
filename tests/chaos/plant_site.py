"""The plant shape of a round: an edge with devices and forwarder, Kafka, the site's flows, InfluxDB, the ERP."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from andon.clock import SystemClock
from andon.datafolder import DataFolder
from andon.readings import NS_PER_MS, Message
from simulators.truth import demo_plant
from sinks.segments import SegmentReader
from sources.kafka.held import forwarded
from sources.kafka.positions import log_offset
from sources.spool import Spool
from tests.chaos.compare import Verdict
from tests.chaos.feeder import done_offset, messages
from tests.chaos.influx_check import compare_influx
from tests.chaos.lanes import Habits, Tally, changed_since_start
from tests.chaos.processes import Part, Processes
from tests.chaos.servers import TOKEN, Servers, WithServers, wait_ready
from tests.chaos.site import CLEAN, Site
from tests.chaos.weather import Weather

SPOOL, KAFKA = re.compile(r'^kind = "spool".*$', re.MULTILINE), 'kind = "kafka"'
INFLUX_S = 25.0  # without a step closer; the sender feeds totals of the ledger every 10 s


class PlantSite(Site):
    """`with_servers(servers)` gives what a plan wants."""

    shape = "plant"
    servers: Servers

    def prepare(self) -> None:
        """Topic, bucket, proxy and edge of this round."""
        name = f"chaos-{self.story.seed}"
        self.topic = self.bucket = name
        self.edge = DataFolder(self.folder / "edge")
        plant = demo_plant().config
        self.edge.create(plant.site.id, plant.transport.shards)
        wait_ready(self.servers.started)
        self.servers.make_topic(self.topic, plant.transport.shards)
        token = self.folder / "influx-token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        with self.servers.influxd.client() as client:
            if not client.get("/api/v2/buckets", params={"name": self.bucket}).json().get("buckets"):
                self.servers.influxd.new_bucket(self.bucket)
        self.to_erp = self.servers.to_erp(self.ports["erp"])

    def erp_address(self) -> str:
        return self.to_erp.address

    def config_text(self) -> str:
        kafka = (
            f'[transport.kafka]\nbrokers = "{self.servers.kafka.bootstrap}"\ntopic = "{self.topic}"\n'
            'stamps = "producer"\n'
        )
        influx = (
            f'[influx]\nurl = "http://{self.servers.to_influx.address}"\nbucket = "{self.bucket}"\n'
            'token_file = "influx-token"\nretention_d = 36500.0\ntimeout_s = 3.0\n'
        )
        return f"{SPOOL.sub(KAFKA, super().config_text())}\n{kafka}\n{influx}"

    @property
    def logs_data(self) -> DataFolder:
        return self.edge

    def new_processes(self) -> Processes:
        return WithServers(self.parts(), self.setting, {"kafka": self.servers.kafka, "influxd": self.servers.influxd})

    def parts(self) -> list[Part]:
        forwarder = (*self.common, "--from", str(self.edge.path))
        return [
            *super().parts(),
            Part("forwarder", "service.forwarder", forwarder),
            Part("influx-sender", "service.influx_sender", self.common),
        ]

    def watched(self) -> list[str]:
        return [*super().watched(), "forwarder"]

    def habits(self) -> dict[str, Habits]:
        serves = changed_since_start(time.monotonic)  # `start` returns when a server serves
        local = super().habits()
        # Flows wait for messages here before they may be killed again; the others shall not take all the kills.
        slower = {name: replace(local[name], pause_s=(0.5, 12.0)) for name in ("sender", "devices")}
        return {
            **local,
            **slower,
            "forwarder": Habits(changed_since_start(self._forwarded), (0.0, 8.0)),
            "influx-sender": Habits(self.sign_of_life("influx-sender"), (0.0, 12.0)),
            "kafka": Habits(serves, (8.0, 30.0)),
            "influxd": Habits(serves, (5.0, 25.0)),
        }

    def _forwarded(self) -> str:
        return self._forward_file.read_text() if self._forward_file.exists() else ""

    @property
    def _forward_file(self) -> Path:
        return self.edge.path / "state" / "forward.json"

    def weather(self, seed: str, halt: threading.Event) -> Weather:
        proxies = {"kafka": self.servers.to_kafka, "influx": self.servers.to_influx, "erp": self.to_erp}
        return Weather(proxies, seed, halt)

    def rest(self, say: Callable[[str], None], tally: Tally) -> list[str]:
        for proxy in (self.servers.to_kafka, self.servers.to_influx, self.to_erp):
            proxy.clear()
        wait_ready(self.servers.started)
        return super().rest(say, tally)

    def ends(self) -> dict[int, int]:
        """Where the flows have to come to: behind the last message in the topic, once it holds the whole log."""
        if not hasattr(self, "_ends"):
            if any(self._not_forwarded()):
                return dict.fromkeys(self.shards, 2**40)
            self._ends = {shard: log_offset(self.servers.messages(self.topic, shard)[-1][0]) for shard in self.shards}
        return self._ends

    def _not_forwarded(self) -> list[int]:
        left = []
        for shard in self.shards:
            with Spool(self.edge.spool(shard), shard, SystemClock()) as spool:
                left.append(spool.last_offset() - forwarded(self._forward_file, shard))
        return left

    def behind(self) -> tuple[int, ...]:
        not_forwarded = self._not_forwarded()
        if any(not_forwarded):
            done = [done_offset(self.data.history_db(shard)) for shard in self.shards]
            return (*not_forwarded, 2**40 - sum(done))
        waiting = [SegmentReader(self.data.segments("influx", shard)).backlog_bytes() for shard in self.shards]
        return (*super().behind(), *waiting)

    def stop_order(self) -> list[str]:
        return ["forwarder", *super().stop_order()[:-2], "sender", "erp"]

    def log(self, shard: int) -> Iterable[Message]:
        """The topic as it stands."""
        found = self.servers.messages(self.topic, shard)
        return (Message(log_offset(offset), stamp_ms * NS_PER_MS, body) for offset, stamp_ms, body in found)

    def check_more(self, verdict: Verdict, reference: DataFolder) -> None:
        """The topic holds the devices' log once, in order; InfluxDB holds the undisturbed run's points."""
        for shard, until_s in self.sent_s().items():
            wanted = dict(enumerate(messages(self.story, shard, until_s)))
            found = {at: (one.received_ns, one.body) for at, one in enumerate(self.log(shard))}
            verdict.rows("topic", wanted, found)
        least, since = None, time.monotonic()
        while True:
            points = compare_influx(self.servers.influxd, self.bucket, reference, self.data, self.plant)
            wrong = sum((points.missing + points.extra + points.changed).values())
            if least is None or wrong < least:
                least, since = wrong, time.monotonic()
            if not wrong or time.monotonic() - since > INFLUX_S:
                break
            time.sleep(2.0)
        verdict.add(points)
        status = self.processes.stop("influx-sender")
        if status not in CLEAN:
            verdict.faults.append(f"influx-sender stopped with status {status}")


def with_servers(servers: Servers) -> type[PlantSite]:
    """The site of a plan over these servers."""
    return type("PlantSiteOver", (PlantSite,), {"servers": servers})

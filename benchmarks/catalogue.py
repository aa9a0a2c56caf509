"""Who is compared, what each does, and how it is started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.lane import Lane, LaneError
from benchmarks.world import LONG, PEERS, World

HERE = Path(__file__).parent
FETCH = HERE.parent / "scripts" / "bench" / "peers.sh"
NO_BROKER = "no broker in this run"
Kind = Literal["ours", "limit", "peer", "detector", "part"]


@dataclass(frozen=True)
class Entry:
    """A contender. scope: what it does and what it leaves out, one line of the result's table."""

    name: str
    kind: Kind
    scope: str
    broker: bool = False


ENTRIES = (
    Entry("raw_librdkafka", "limit", "librdkafka's C batch call, messages given back unread", broker=True),
    Entry("raw_consume", "limit", "confluent-kafka `consume(500)`, messages dropped unread", broker=True),
    Entry("orjson_per_message", "limit", "`orjson.loads` for each message in memory, nothing else"),
    Entry("gather_flow", "ours", "whole W1, a JSON message a reading, default source", broker=True),
    Entry("plain_flow", "ours", "the same with confluent-kafka's own consumer", broker=True),
    Entry("ndjson_flow", "ours", "whole W1, 1,024 readings a message, NDJSON", broker=True),
    Entry("sparkplug_flow", "ours", "whole W1, 1,024 readings a message, Sparkplug B with aliases", broker=True),
    Entry("arrow_flow", "ours", "whole W1, 1,024 readings a message, Arrow IPC", broker=True),
    Entry("flow_with_writers", "ours", "as gather_flow, with history, records and dead letters in SQLite", broker=True),
    Entry("detector", "ours", "as gather_flow, with the default detector instead of the EWMA score", broker=True),
    Entry("memory_flow", "part", "flow without broker and score, messages in memory"),
    Entry("memory_flow_scored", "part", "the same with the EWMA score"),
    Entry("memory_flow_detector", "part", "the same with the default detector"),
    Entry("memory_flow_bad", "part", "as memory_flow, every tenth message unusable; per good reading"),
    Entry("memory_decode", "part", "decoder alone, a JSON message a reading, in memory"),
    Entry("memory_engine", "part", "decoder and engine without Bytewax, EWMA score"),
    Entry("bytewax_windows", "peer", "vanilla Bytewax: both windows and score, in memory, no recovery"),
    Entry("quix", "peer", "Quix Streams: both windows and score, changelog topics, keyed by series", broker=True),
    Entry("pathway", "peer", "Pathway: both windows, no score, no persistence, static mode", broker=True),
    Entry("flink", "peer", "Flink SQL: both windows and score, checkpoints each second, third run on", broker=True),
    Entry("start_up", "part", "from the start of a process to the flow's first outputs", broker=True),
    Entry("default_detector", "detector", "default detector with its alarms, 1,000 series"),
    Entry("default_detector_5k", "detector", "the same, 5,000 series at 10 Hz"),
    Entry("ewma_detector", "detector", "EWMA detector, 1,000 series"),
    Entry("river_half_space_trees", "detector", "river HalfSpaceTrees (10 x 8) behind MinMaxScaler, one model"),
    Entry("river_ew_mean_and_variance", "detector", "river EWMean and EWVar with a z-score, one model"),
    Entry("river_page_hinkley", "detector", "river PageHinkley, one model"),
)  # fmt: skip


def lane_of(entry: Entry, world: World) -> Lane:
    """The contender's process. LaneError where it is not installed, or needs the broker that is not there."""
    if entry.broker and not world.bootstrap:
        raise LaneError(NO_BROKER)
    folder, log = world.folder, Path(world.folder) / f"{entry.name}.log"
    paths = {"PYTHONPATH": str(HERE.parent)}
    where, events = world.bootstrap, world.events
    if entry.name == "bytewax_windows":
        argv = [sys.executable, str(HERE / "peers" / "bytewax_windows.py"), folder]
        return Lane(entry.name, argv, log, environment=paths, warm=0)
    if entry.name == "quix":
        argv = [environment("quix"), str(HERE / "peers" / "quix_windows.py"), where, PEERS, str(events[PEERS]), folder]
        return Lane(entry.name, argv, log, environment=paths, fresh=True, warm=0)
    if entry.name == "pathway":
        argv = [environment("pathway"), str(HERE / "peers" / "pathway_windows.py"), where, PEERS, str(events[PEERS])]
        return Lane(entry.name, argv, log, environment=paths, fresh=True, warm=0)
    if entry.name == "flink":
        home = installed("flink")
        java = ["java", "-Xmx2g", "-cp", f"{home}/lib/*:{home}/classes", "Peer"]
        argv = [*java, where, LONG, str(events[LONG]), "1000", f"{folder}/checkpoints"]
        return Lane(entry.name, argv, log, warm=2)
    argv = [sys.executable, str(HERE / "contenders.py"), entry.name, folder]
    fresh = entry.name == "start_up"
    return Lane(entry.name, argv, log, environment=paths, fresh=fresh, warm=0 if fresh else 1)


def installed(peer: str) -> Path:
    """Where scripts/bench/peers.sh has put it. LaneError where it has not."""
    if peer == "flink" and shutil.which("java") is None:
        raise LaneError("no java on PATH")
    said = subprocess.run(["bash", str(FETCH), "--where", peer], capture_output=True, text=True, check=True)
    folder = Path(said.stdout.strip())
    if not (folder / ".whole").is_file():
        raise LaneError(f"not installed: scripts/bench/peers.sh {peer}")
    return folder


def environment(peer: str) -> str:
    """The Python of a peer's own virtual environment."""
    return str(installed(peer) / "bin" / "python")

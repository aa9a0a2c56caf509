"""Sparkplug B messages of a log to columns: sessions, births and deaths here, the metrics themselves in kernels.

A message is the MQTT topic, one byte 0, the payload: `spBv1.0/group/DDATA/node/device`. docs/wire-formats.md says what
a consumer of ours does with each kind of message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter

from andon.plant import PlantModel
from andon.readings import NS_PER_MS, Decoded, Messages, Reason
from andon.series import SeriesDictionary
from sources.decode import stamps
from sources.decode.formats import joined
from sources.decode.sparkplug_births import Stream, bd_seq, defined, read_payload
from sources.decode.sparkplug_names import MetricNames
from sources.decode.sparkplug_rows import Pending, Read
from sources.decode.sparkplug_tables import BirthTables

PREFIX = b"spBv1.0/"
LAYOUT = 1
MOST_NODES = 10_000  # of a shard; beyond it those without a birth are forgotten
MOST_TOPIC = 1024  # bytes: a topic is found in so many first bytes of a message
UNKNOWN = -1  # as next sequence number: none is expected
_DATA, _BIRTH, _DEATH, _OTHER = range(4)
_KINDS = {
    "NDATA": (_DATA, False), "DDATA": (_DATA, True), "NBIRTH": (_BIRTH, False), "DBIRTH": (_BIRTH, True),
    "NDEATH": (_DEATH, False), "DDEATH": (_DEATH, True),
}  # fmt: skip
_COMMANDS = {"NCMD", "DCMD"}

GAPS = Counter("andon_sparkplug_gaps_total", "Sparkplug messages with another sequence number than expected", ["shard"])
REBIRTHS = Counter("andon_sparkplug_rebirths_wanted_total", "Edge nodes whose births should be sent again", ["shard"])
log = structlog.get_logger()


@dataclass
class Node:
    """Session of an edge node."""

    group: str
    node: str
    expected: int = UNKNOWN  # the next sequence number
    bd_seq: int | None = None
    asked: bool = False  # for a rebirth, since the last birth
    lag_ns: int = 0  # its clock against the log's, at its newest message
    births: dict[str, int] = field(default_factory=dict)  # of what is online: device ("" the node) -> number


class Topic(NamedTuple):
    """What the topic of a message says."""

    kind: int
    stream: Stream
    node: Node


class SparkplugDecoder:
    """Decodes Sparkplug B messages of one shard. All messages of an edge node have to be in one shard, in their order.

    Cost: 0.03 us a metric in messages of 1,024, in calls of eight; a call costs some 50 us. Births are read in Python.
    """

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel, shard: int) -> None:
        self._shard, self._max_bytes = shard, plant.config.sources.max_message_bytes
        self._births = BirthTables(MetricNames(dictionary, plant, shard))
        self._pending = Pending(dictionary, plant, self._births)
        self._nodes: dict[tuple[str, str], Node] = {}
        self._topics: dict[bytes, Topic] = {}  # of what was born
        self._gaps, self._wanted = GAPS.labels(shard), REBIRTHS.labels(shard)
        self._rebirths: list[tuple[str, str]] = []
        self._parts: list[Decoded] = []
        self._steps: list[Topic | tuple[Node, str]] = []  # since the last flush: payloads read, rebirths to ask for

    def decode(self, messages: Messages) -> Decoded:
        """Rows in the order of the log."""
        self._rebirths, self._parts, self._steps = [], [], []
        self._pending.begin(messages)
        begin = 0
        for at, end in enumerate(messages.ends.tolist()):
            if end - begin > self._max_bytes:
                self._pending.refuse(Reason.too_large, at)
            else:
                self._take(messages, at, begin, end)
            begin = end + 1
        self._flush()
        decoded = self._parts[0] if len(self._parts) == 1 else joined(self._parts)
        return Decoded(decoded.readings, dead=decoded.dead, rows_in=decoded.rows_in, rebirths=self._rebirths)

    def _take(self, messages: Messages, at: int, begin: int, end: int) -> None:
        """One message: data waits for the kernel, what it means may have changed by a birth or death before it."""
        name, zero, _ = messages.raw(begin, min(end, begin + MOST_TOPIC)).partition(b"\0")
        topic = (self._topics.get(name) or self._read_topic(name)) if zero else None
        if topic is None:
            self._pending.refuse(Reason.garbled, at)
            return
        payload = begin + len(name) + 1
        if topic.kind == _DATA:
            number = topic.node.births.get(topic.stream.device)
            if number is None:
                self._unborn(topic.node, at)
            else:
                self._add(topic, number, at, payload, end)
        elif topic.kind == _BIRTH:
            self._birth(topic, messages, at, payload, end)
        elif topic.kind == _DEATH:
            self._flush()
            self._death(topic, messages, at, payload, end)

    def _read_topic(self, name: bytes) -> Topic | None:
        """What a topic means; None for one that is no topic of Sparkplug. Those of what was born are remembered."""
        try:
            _, group, *parts = name.decode().split("/")
        except (UnicodeDecodeError, ValueError):
            return None
        if group == "STATE" or (parts and parts[0] in _COMMANDS):
            return Topic(_OTHER, Stream(group, "", ""), Node(group, ""))
        kind, of_device = _KINDS.get(parts[0] if parts else "", (_OTHER, False))
        if kind == _OTHER or len(parts) != (3 if of_device else 2) or not all((group, *parts)):
            return None
        stream = Stream(group, parts[1], parts[2] if of_device else "")
        if stream[:2] not in self._nodes and len(self._nodes) >= MOST_NODES:
            self._forget_unborn()
        topic = Topic(kind, stream, self._nodes.setdefault(stream[:2], Node(*stream[:2])))
        if self._births.number_of(stream) is not None:
            self._topics[name] = topic
        return topic

    def _forget_unborn(self) -> None:
        """Let go of nodes without a birth: names that nobody declares would fill the state."""
        for key in [key for key, node in self._nodes.items() if not node.births]:
            del self._nodes[key]
        self._topics.clear()  # they hold nodes

    def _birth(self, topic: Topic, messages: Messages, at: int, begin: int, end: int) -> None:
        stream, node = topic.stream, topic.node
        payload = read_payload(messages.raw(begin, end))
        if payload is None:
            self._pending.refuse(Reason.garbled, at)
            return
        if stream.device and not node.births:
            self._unborn(node, at)
            return
        number, packed = self._births.number_of(stream), defined(payload)
        if number is None or self._births.packed(number) != packed:
            if number in self._pending.births:
                self._flush()
            number = self._births.add(stream, packed)
        if not stream.device:
            node.births, node.bd_seq = {}, bd_seq(payload)
        node.births[stream.device] = number
        self._add(topic, number, at, begin, end)

    def _add(self, topic: Topic, number: int, at: int, begin: int, end: int) -> None:
        self._pending.add(at, begin, end, number)
        self._steps.append(topic)

    def _unborn(self, node: Node, at: int) -> None:
        self._pending.refuse(Reason.no_birth, at)
        self._steps.append((node, "no_birth"))

    def _death(self, topic: Topic, messages: Messages, at: int, begin: int, end: int) -> None:
        """Its series have no value from now on, until the next birth: a row with status bad for each."""
        node, device = topic.node, topic.stream.device
        payload = read_payload(messages.raw(begin, end))
        if payload is None:
            self._pending.refuse(Reason.garbled, at)
            return
        time_ns = int(messages.received_ns[at]) + node.lag_ns
        if device:
            if payload.HasField("seq"):
                self._follow(node, payload.seq)
            if stamps.FIRST_MS <= payload.timestamp < stamps.END_MS:
                time_ns = payload.timestamp * NS_PER_MS
            gone = [node.births.pop(device)] if device in node.births else []
        else:
            session = bd_seq(payload)
            if None not in (session, node.bd_seq) and session != node.bd_seq:
                return  # the will of a session before this one, told late
            gone, node.births, node.expected = list(node.births.values()), {}, UNKNOWN
        for number in gone:
            self._pending.add_gone(at, self._births.places(number), time_ns)

    def _flush(self) -> None:
        """Let the kernels read what waits; then what was found on the way, in the order of the log."""
        decoded, read = self._pending.finish()
        payloads = iter(read)
        for step in self._steps:
            if isinstance(step, Topic):
                self._read(step, next(payloads))
            else:
                self._ask(*step)
        self._steps = []
        if decoded is not None:
            self._parts.append(decoded)

    def _read(self, topic: Topic, payload: Read) -> None:
        node = topic.node
        if topic.kind == _BIRTH and not topic.stream.device:
            node.expected, node.asked = UNKNOWN, False  # it should be 0; whatever it is, the numbers go on from there
        if payload.seq >= 0:
            self._follow(node, payload.seq)
        if payload.time_ns >= 0:
            node.lag_ns = payload.time_ns - payload.received_ns

    def _follow(self, node: Node, seq: int) -> None:
        """Check a sequence number. The same once more is a message told twice, no gap."""
        if node.expected in (UNKNOWN, seq):
            node.expected = (seq + 1) % 256
        elif (seq + 1) % 256 != node.expected:
            self._gaps.inc()
            self._ask(node, "sequence_gap")
            node.expected = (seq + 1) % 256

    def _ask(self, node: Node, reason: str) -> None:
        """Ask for the births of a node, once until they come."""
        if node.asked:
            return
        node.asked = True
        self._wanted.inc()
        self._rebirths.append((node.group, node.node))
        log.warning("sparkplug.rebirth_wanted", shard=self._shard, group=node.group, node=node.node, reason=reason)

    def snapshot(self) -> tuple[Any, ...]:
        """Sessions and births; what a metric means is found again, so the configuration may change."""
        births = self._births
        return LAYOUT, [
            (
                one.group, one.node, one.expected, one.bd_seq, one.asked, one.lag_ns,
                [(device, births.packed(number)) for device, number in one.births.items()],
            )
            for one in self._nodes.values()
        ]  # fmt: skip

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take over a snapshot (ValueError on another layout)."""
        layout, nodes = state
        if layout != LAYOUT:
            raise ValueError(f"Sparkplug state has layout {layout}, this version reads {LAYOUT}")
        self._topics, self._nodes = {}, {}
        for group, name, expected, session, asked, lag_ns, births in nodes:
            node = Node(group, name, expected, session, asked, lag_ns)
            for device, packed in births:
                node.births[device] = self._births.add(Stream(group, name, device), packed)
            self._nodes[group, name] = node

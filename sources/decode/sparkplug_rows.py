"""Sparkplug messages that wait for the kernels, and what the kernels make of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import orjson
from google.protobuf.message import DecodeError

from andon.plant import PlantModel
from andon.readings import I32, I64, NS_PER_MS, Decoded, Messages, Reason, Status
from andon.series import SeriesDictionary
from sources.decode import stamps
from sources.decode.columns import RowJudge, WireRows
from sources.decode.layout import NULL, OK, REAL, STRING, WHOLE
from sources.decode.memory import address
from sources.decode.sparkplug_names import Meant
from sources.decode.sparkplug_proto import Metric
from sources.decode.sparkplug_settle import settle
from sources.decode.sparkplug_tables import BirthTables
from sources.decode.sparkplug_wire import METRIC, PAYLOAD, parse
from sources.decode.units import ROWS

_NONE = -1


class Read(NamedTuple):
    """What the kernel found in a payload beside its metrics; -1 where it has none."""

    seq: int
    time_ns: int
    received_ns: int


class Pending:
    """Payloads of one call, in their order, and rows that came without one."""

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel, births: BirthTables) -> None:
        self._dictionary, self._births = dictionary, births
        self._judge = RowJudge(dictionary, plant)
        self._metrics = np.empty(1024, METRIC)
        self.begin(Messages.of(()))

    def begin(self, messages: Messages) -> None:
        """Start a call."""
        self._messages = messages
        self._clear()

    def _clear(self) -> None:
        self._waiting: list[tuple[int, int, int, int]] = []  # message, begin, end, number of the birth
        self._others: list[WireRows] = []
        self.births: set[int] = set()

    def refuse(self, reason: Reason, at: int) -> None:
        """A message is a dead letter as a whole."""
        self._others.append(WireRows.refused(reason, at))

    def add(self, at: int, begin: int, end: int, birth: int) -> None:
        """The payload of a message, begin .. end - 1 of the text, with metrics after a birth."""
        self._waiting.append((at, begin, end, birth))
        self.births.add(birth)

    def add_gone(self, at: int, places: I32, time_ns: int) -> None:
        """Series that have no value from a time on."""
        n = len(places)
        rows = WireRows.empty(n)
        rows.place[:], rows.time_ns[:], rows.value[:], rows.kind[:] = places, time_ns, np.nan, NULL
        rows.verdict[:], rows.status[:], rows.message[:], rows.line[:] = OK, Status.BAD, at, np.arange(n)
        self._others.append(rows)

    def finish(self) -> tuple[Decoded | None, list[Read]]:
        """Everything that waits as rows, None without any; nothing waits after that."""
        if not self._waiting and not self._others:
            return None, []
        rows, entry, record, read = self._read() if self._waiting else _nothing()
        if self._others:
            others = WireRows.joined(self._others)
            missing = np.full(len(others.place), _NONE, np.int32)
            rows, entry = WireRows.joined([rows, others]), np.concatenate([entry, missing])
            record = np.concatenate([record, missing])
            order = np.argsort(rows.message, kind="stable")
            rows, entry, record = rows.taken(order), entry[order], record[order]
        decoded = self._judge.decoded(rows, self._messages, lambda at: self._raw(rows, entry, record, at))
        self._clear()
        return decoded, read

    def _read(self) -> tuple[WireRows, I32, I32, list[Read]]:
        """(rows, entry and record of each, what the payloads said) of all that waits; a broken one is refused."""
        messages = self._messages
        at, begins, ends, births = np.array(self._waiting, np.int64).T.copy()
        capacity = int((ends - begins).sum()) // 2 + 1
        if len(self._metrics) < capacity:
            self._metrics = np.empty(capacity * 3 // 2, METRIC)  # batches differ a little in size
        text, metrics, payloads = np.frombuffer(messages.text, np.uint8), self._metrics, np.zeros(len(at), PAYLOAD)
        count = parse(address(text), begins, ends, payloads.ctypes.data, metrics.ctypes.data)
        rows, entry, record = WireRows.empty(count), np.empty(count, np.int32), np.empty(count, np.int32)
        reals = metrics["bits"].view(np.float64)
        kept = settle(
            address(text), metrics, reals, payloads, births, at.astype(np.int32), self._births.tables(), rows, entry,
            record,
        )  # fmt: skip
        rows, entry, record = rows.taken(slice(kept)), entry[:kept], record[:kept]
        self._name_states(rows, record)
        self._convert(rows, entry)
        for m in at[payloads["ok"] == 0].tolist():
            self.refuse(Reason.garbled, m)
        time_ms = payloads["time"]
        time_ns = np.where((time_ms >= stamps.FIRST_MS) & (time_ms < stamps.END_MS), time_ms * NS_PER_MS, _NONE)
        columns = (payloads["seq"].tolist(), time_ns.tolist(), messages.received_ns[at].tolist())
        return rows, entry, record, [Read(*one) for one in zip(*columns, strict=True)]

    def _name_states(self, rows: WireRows, record: I32) -> None:
        """Numbers for the names of states."""
        strings = np.flatnonzero(rows.kind == STRING)
        for i in strings[rows.place[strings] >= 0].tolist() if len(strings) else ():
            states, text = self._dictionary.declared[rows.place[i]].states, self._metric(record[i]).string_value
            rows.value[i] = states.index(text) if text in states else _NONE

    def _convert(self, rows: WireRows, entry: I32) -> None:
        """Values of metrics whose birth named another unit than their series has."""
        for one, change in self._births.changes().items():
            mine = np.flatnonzero((entry == one) & ((rows.kind == WHOLE) | (rows.kind == REAL)))
            if len(mine):
                rows.value[mine] = change(rows.value[mine])
                ROWS.labels("sparkplug").inc(len(mine))

    def _metric(self, record: int) -> Any:
        """The metric of a record as an object; what is not UTF-8 in it is replaced."""
        one = self._metrics[record]
        start = int(one["start"])
        try:
            return Metric.FromString(self._messages.raw(start, start + int(one["size"])))
        except DecodeError:  # broken in a property, at which the kernel does not look
            return Metric()

    def _raw(self, rows: WireRows, entry: I32, record: I32, which: I64) -> list[bytes]:
        """Dead rows: a refused message as it is, a metric as the JSON reading that it would have been."""
        birth = {at: number for at, _, _, number in self._waiting}
        raw = []
        for i in which.tolist():
            at = int(rows.message[i])
            if record[i] < 0:
                raw.append(self._messages.body(at))
            else:
                meant = self._births.meant(birth[at], int(entry[i])) if entry[i] >= 0 else None
                raw.append(self._as_json(record[i], at, int(rows.time_ns[i]) // NS_PER_MS, meant))
        return raw

    def _as_json(self, record: int, at: int, time_ms: int, meant: Meant | None) -> bytes:
        metric, topic = self._metric(record), self._messages.body(at).partition(b"\0")[0].decode()
        kind = metric.WhichOneof("value")
        value = None if metric.is_null or kind is None else getattr(metric, kind)
        if isinstance(value, float) and not np.isfinite(value):
            value = str(value)
        named = {"asset": meant.asset, "tag": meant.tag} if meant else {"topic": topic}
        if not meant:
            named |= {name: getattr(metric, name) for name in ("name", "alias") if metric.HasField(name)}
        row = {"ts": metric.timestamp if metric.HasField("timestamp") else time_ms, **named, "value": value}
        return orjson.dumps({key: one.hex() if isinstance(one, bytes) else one for key, one in row.items()})


def _nothing() -> tuple[WireRows, I32, I32, list[Read]]:
    none = np.empty(0, np.int32)
    return WireRows.empty(0), none, none, []

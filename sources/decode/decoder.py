"""JSON messages to columns: `JsonDecoder`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from andon.plant import PlantModel
from andon.readings import I32, I64, NS_PER_S, DeadLetters, Decoded, Event, Message, Readings, Tick
from andon.series import SeriesDictionary
from sources.decode.framing import read_messages
from sources.decode.layout import EVENT, OK, ROW, SLOW, TICK
from sources.decode.memory import address
from sources.decode.slow import SlowRow, read_row
from sources.decode.table import SeriesTable

ROWS = Counter("andon_decoded_rows_total", "Rows decoded, by path", ["shard", "path"])
Rows = NDArray[np.void]  # records of layout.ROW
_PAD = b"\0" * 16


class JsonDecoder:
    """Decodes JSON messages (docs/wire-formats.md) of one shard.

    Has no state but the dictionary of series ids, so any split of the messages into calls gives the same rows. Never
    raises on any bytes. rows_general and rows_slow count the rows that the kernel and Python's json read.
    Cost: 0.2-0.3 us a good row of 99 bytes, one a message, in calls of 1,000 and more.
    """

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel, shard: int) -> None:
        self.dictionary = dictionary
        assets = [asset for asset in plant.assets if plant.shard_of(asset) == shard]
        self._assets = frozenset(assets)
        self._table = SeriesTable(dictionary.declared, assets)
        self._future_ns = round(plant.config.time.future_s * NS_PER_S)
        self._max_bytes = plant.config.sources.max_message_bytes
        self._rows: Rows = np.empty(1024, ROW)
        self._general, self._slow = ROWS.labels(shard, "general"), ROWS.labels(shard, "slow")
        self.rows_general = self.rows_slow = 0

    def decode(self, messages: Sequence[Message]) -> Decoded:
        """Columns of all rows, in the order of the log; what is no reading, event or tick is a dead letter."""
        if not messages:
            return Decoded(Readings.empty())
        bodies = [message[2] for message in messages]  # zip(*messages) takes 5x as long
        n = len(bodies)
        ends = np.fromiter(map(len, bodies), np.int64, n)
        total = int(ends.sum())
        ends += 1
        np.cumsum(ends, out=ends)
        ends -= 1
        joined = np.frombuffer(b"\0".join((*bodies, _PAD)), np.uint8)
        if len(self._rows) < total // 2 + n + 1:
            self._rows = np.empty(total // 2 + n + 1, ROW)  # the part that is not written takes no memory
        received_ns = np.fromiter([message[1] for message in messages], np.int64, n)
        count = read_messages(
            address(joined), ends, received_ns, self._future_ns, self._max_bytes, self._table.addresses,
            address(self._rows),
        )  # fmt: skip
        rows = self._rows[:count]
        slow = self._read_slow(rows, bodies, received_ns) if (rows["verdict"] == SLOW).any() else {}
        self._count(count, len(slow))
        return self._assemble(rows, slow, bodies, _offsets(messages), received_ns)

    def _assemble(
        self, rows: Rows, slow: dict[int, SlowRow], bodies: Sequence[bytes], offsets: I64, received_ns: I64
    ) -> Decoded:
        ids = self.dictionary.ids_at(rows["place"])
        good = rows["verdict"] == OK
        if good.all():
            return Decoded(_readings(rows, ids, offsets, received_ns), rows_in=len(rows))
        readings = _readings(rows[good], ids[good], offsets, received_ns)
        lost = ~good & (rows["verdict"] < SLOW)
        dead = DeadLetters(
            offsets[rows["message"][lost]], rows["line"][lost], received_ns[rows["message"][lost]],
            rows["verdict"][lost], ids[lost], _raw(rows[lost], bodies),
        )  # fmt: skip
        at_row = np.cumsum(good)
        ticks = [
            Tick(int(rows["time_ns"][r]), int(offsets[rows["message"][r]]), int(at_row[r]))
            for r in np.flatnonzero(rows["verdict"] == TICK).tolist()
        ]
        events = []
        for r, one in slow.items():
            if one.event is not None and one.reason is None:
                m = rows["message"][r]
                events.append(Event(
                    one.time_ns, one.asset, one.event, one.data, int(offsets[m]), int(received_ns[m]), int(at_row[r])
                ))  # fmt: skip
        return Decoded(readings, events, ticks, dead, len(rows) - len(ticks) - len(events))

    def _read_slow(self, rows: Rows, bodies: Sequence[bytes], received_ns: I64) -> dict[int, SlowRow]:
        """Let Python read the rows that the kernel left, and write what it found into their records."""
        left = np.flatnonzero(rows["verdict"] == SLOW)
        latest_ns = (received_ns[rows["message"][left]] + self._future_ns).tolist()
        found = {}
        for r, raw, latest in zip(left.tolist(), _raw(rows[left], bodies), latest_ns, strict=True):
            one = found[r] = read_row(raw, latest, self.dictionary, self._assets)
            rows["verdict"][r] = one.reason or (TICK if one.tick else OK if one.event is None else EVENT)
            rows["place"][r], rows["time_ns"][r], rows["value"][r] = one.place, one.time_ns, one.value
            rows["status"][r] = one.status
        return found

    def _count(self, rows: int, slow: int) -> None:
        self.rows_general += rows - slow
        self.rows_slow += slow
        self._general.inc(rows - slow)
        if slow:
            self._slow.inc(slow)


def _offsets(messages: Sequence[Message]) -> I64:
    """int64[m]; offsets grow and never repeat, so where the last is m - 1 after the first there is no need to look."""
    n, first = len(messages), messages[0].offset
    if messages[-1].offset - first == n - 1:
        return np.arange(first, first + n, dtype=np.int64)
    return np.fromiter([message[0] for message in messages], np.int64, n)


def _readings(rows: Rows, ids: I32, offsets: I64, received_ns: I64) -> Readings:
    """Columns of their own: the records are overwritten by the next call."""
    message = rows["message"]
    return Readings(
        rows["time_ns"].copy(), ids, rows["value"].copy(), rows["status"].copy(), offsets[message], received_ns[message]
    )


def _raw(rows: Rows, bodies: Sequence[bytes]) -> list[bytes]:
    """The bytes of rows; the message itself, not a copy, where it is one row."""
    spans = zip(rows["message"].tolist(), rows["start"].tolist(), rows["end"].tolist(), strict=True)
    return [bodies[m] if end - start == len(bodies[m]) else bodies[m][start:end] for m, start, end in spans]

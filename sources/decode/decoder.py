"""JSON messages to columns: `JsonDecoder`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from prometheus_client import Counter

from andon.plant import PlantModel
from andon.readings import (
    I32,
    NS_PER_MS,
    NS_PER_S,
    Block,
    DeadLetters,
    Decoded,
    Event,
    Message,
    Messages,
    Readings,
    Tick,
)
from andon.series import SeriesDictionary
from sources.decode.block import Wave, give_ids
from sources.decode.dead import dead_letters, survey
from sources.decode.framing import read_messages
from sources.decode.layout import BLOCK, OK, SLOW, TICK
from sources.decode.learning import Templates
from sources.decode.lookup import Lookup
from sources.decode.memory import address
from sources.decode.output import GoodRows, Scratch
from sources.decode.settle import BLOCK_ROWS, Job
from sources.decode.slow import SlowRow, read_row
from sources.decode.table import SeriesTable
from sources.decode.template import FOUND

ROWS = Counter("andon_decoded_rows_total", "Rows decoded, by path", ["shard", "path"])
_NO_DEAD = DeadLetters.empty()
_SINCE = re.compile(rb'"since"\s*:\s*(\d{1,12})\s*[,}]')  # of a tick, ms
_SPARE, _FADE = 1.1, 0.99  # room for good rows, in those that earlier calls had a byte; how these are forgotten
Records = NDArray[np.void]  # of layout.ROW


class JsonDecoder:
    """Decodes JSON messages (docs/wire-formats.md) of one shard.

    Has no state that changes a row but the dictionary of series ids, so any split of the messages into calls gives the
    same rows. Never raises on any bytes. rows_template, rows_general and rows_slow count the rows that were read by a
    learned template, by the general kernel, and by Python's json.
    Cost: a good row of 99 bytes, one a message, in calls of 1,000 and more, 0.04-0.06 us by a template, 0.1 us without.
    """

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel, shard: int) -> None:
        self.dictionary = dictionary
        own = [asset for asset in plant.assets if plant.shard_of(asset) == shard]
        self._assets = frozenset(own)
        self._foreign = frozenset(plant.assets) - self._assets
        self._table = SeriesTable(dictionary.declared, own, sorted(self._foreign))
        self._future_ns = round(plant.config.time.future_s * NS_PER_S)
        self._max_bytes = plant.config.sources.max_message_bytes
        self._lookup, self._templates = Lookup(self._table.addresses), Templates()
        self._found = np.zeros(BLOCK_ROWS, FOUND)
        self._found_at = address(self._found)
        self._scratch = Scratch(1024)
        self._rows_a_byte = 0.0  # of a call's text, when messages have several
        self._counters = [ROWS.labels(shard, path) for path in ("template", "general", "slow")]
        self.rows_template = self.rows_general = self.rows_slow = 0

    def decode(self, messages: Sequence[Message]) -> Decoded:
        """Columns of all rows, in the order of the log; what is no reading, event or tick is a dead letter."""
        if not messages:
            return Decoded(Readings.empty())
        bodies = Messages.of(messages)
        readings, other, slow, unseen, by_template = self._read(bodies)
        good, slow_rows, dead, dead_bytes = len(readings), 0, 0, 0
        place, records = self._scratch.place[:good], self._scratch.others[:other]
        found: Sequence[Event] = ()
        waves: Sequence[Wave] = ()
        if other:
            dead, dead_bytes, left = _survey(records, bodies, seen=False)
            slow |= left
        if slow:
            readings, place, records, found, waves, slow_rows = self._read_slow(readings, place, records, bodies)
            dead, dead_bytes, _ = _survey(records, bodies, seen=True)
        if unseen or slow:
            places = np.insert(place, records["at_row"], records["place"]) if other else place
            at = np.flatnonzero(records["verdict"] == BLOCK)
            give_ids(self.dictionary, places, (at + records["at_row"][at]).tolist())  # in the order of the log
            readings = replace(readings, series=self.dictionary.declared_ids[place])
        self._count(by_template, good + other - by_template - slow_rows, slow_rows)
        if not len(records):
            return Decoded(readings, dead=_NO_DEAD, rows_in=len(readings))
        ticks = self._ticks(records, bodies) if dead < len(records) else []
        letters = dead_letters(records, dead, dead_bytes, bodies, self.dictionary.declared_ids) if dead else _NO_DEAD
        blocks = self._blocks(records, waves) if waves else []
        return Decoded(readings, found, ticks, letters, len(readings) + dead, blocks)

    def _read(self, messages: Messages) -> tuple[Readings, int, int, int, int]:
        """Let the kernel read all messages; returns good rows, other, slow, unseen, good by template."""
        text, count = np.frombuffer(messages.text, np.uint8), len(messages)
        most = int(messages.ends[-1]) // 2 + count + 1
        if self._scratch.capacity < most:
            self._scratch = Scratch(most * 3 // 2)  # batches differ a little in size
        offsets, received_ns = (
            np.ascontiguousarray(part, np.int64) for part in (messages.offset, messages.received_ns)
        )
        begin = address(text)
        job = Job(
            begin, begin + len(text), address(offsets), address(received_ns), self._future_ns, self._max_bytes,
            self._templates.programs, len(self._templates), self._templates.hits, self._found_at,
        )  # fmt: skip
        capacity = max(count, int(len(text) * self._rows_a_byte))
        while True:
            rows = GoodRows(capacity)
            read_messages(
                messages.ends, job, self._table.addresses, self._lookup.addresses,
                self._scratch.output(self.dictionary.declared_ids, rows),
            )  # fmt: skip
            good, other, slow, unseen, by_template, _, _, message, start, end = self._scratch.counts[0].item()
            if good <= capacity:
                break
            capacity = good  # reading again is dear, but seldom
        if good > count or self._rows_a_byte:
            self._rows_a_byte = max(_SPARE * good / len(text), _FADE * self._rows_a_byte)
        if good > by_template and self._templates.missed(good - by_template):
            first = int(messages.ends[message - 1]) + 1 if message else 0
            self._templates.learn(messages.raw(first + start, first + end))
        return rows.readings(good), other, slow, unseen, by_template

    def _read_slow(
        self, readings: Readings, place: I32, records: Records, bodies: Messages
    ) -> tuple[Readings, I32, Records, list[Event], list[Wave], int]:
        """Let Python read the rows that the kernel left; readings among them move from the records to the columns.

        place: int32, of the readings' series; their ids are given later.
        """
        left = np.flatnonzero(records["verdict"] == SLOW)
        latest_ns = (records["received_ns"][left] + self._future_ns).tolist()
        rows = [
            read_row(raw, latest, self.dictionary, self._assets, self._foreign)
            for raw, latest in zip(_raw(records[left], bodies), latest_ns, strict=True)
        ]
        found: dict[int, SlowRow] = dict(zip(left.tolist(), rows, strict=True))
        records["verdict"][left] = [one.reason or one.kind for one in rows]  # a column at once, not a row
        for name in ("place", "time_ns", "value", "status"):
            records[name][left] = [getattr(one, name) for one in rows]
        good = records["verdict"] == OK
        if good.any():
            readings, place = _with_rows(readings, place, records[good])
            records["at_row"] += np.cumsum(good) - good
        events = [
            Event(
                one.time_ns, one.asset, one.event, one.data, int(records["offset"][r]),
                int(records["received_ns"][r]), int(records["at_row"][r]),
            )
            for r, one in found.items()
            if one.event is not None and one.reason is None
        ]  # fmt: skip
        waves = [one.wave for one in found.values() if one.wave is not None and one.reason is None]
        return readings, place, records[~good], events, waves, len(left)

    def _blocks(self, records: Records, waves: Sequence[Wave]) -> list[Block]:
        ids = self.dictionary.declared_ids
        return [
            Block(
                int(one["time_ns"]), int(ids[one["place"]]), wave.rate_hz, self.dictionary.declared[one["place"]].unit,
                wave.samples, int(one["status"]), int(one["offset"]), int(one["received_ns"]), int(one["at_row"]),
                wave.rpm,
            )
            for one, wave in zip(records[records["verdict"] == BLOCK], waves, strict=True)
        ]  # fmt: skip

    def _ticks(self, records: Records, bodies: Messages) -> list[Tick]:
        """A tick from the future of its log moves time to its receive time: nobody can move it further than that."""
        ticks = []
        for row in np.flatnonzero(records["verdict"] == TICK).tolist():  # few: columns would cost more
            at_ns, _, start, end, offset, latest_ns, message, _, _, at_row, *_ = records[row].item()
            first = int(bodies.ends[message - 1]) + 1 if message else 0
            since = _SINCE.search(bodies.raw(first + start, first + end))
            at_ns = latest_ns if at_ns > latest_ns + self._future_ns else at_ns
            since_ns = None if since is None else int(since[1]) * NS_PER_MS
            ticks.append(Tick(at_ns, offset, at_row, since_ns))
        return ticks

    def _count(self, template: int, general: int, slow: int) -> None:
        self.rows_template += template
        self.rows_general += general
        self.rows_slow += slow
        for counter, rows in zip(self._counters, (template, general, slow), strict=True):
            if rows:
                counter.inc(rows)


def _with_rows(readings: Readings, place: I32, more: Records) -> tuple[Readings, I32]:
    """The columns with some records among them, each before the row that it says."""
    at = more["at_row"]
    place = np.insert(place, at, more["place"])
    readings = Readings(
        np.insert(readings.time_ns, at, more["time_ns"]), place, np.insert(readings.value, at, more["value"]),
        np.insert(readings.status, at, more["status"]), np.insert(readings.offset, at, more["offset"]),
        np.insert(readings.received_ns, at, more["received_ns"]),
    )  # fmt: skip
    return readings, place


def _survey(records: Records, messages: Messages, *, seen: bool) -> tuple[int, int, int]:
    """`dead.survey` of a call's records."""
    text = np.frombuffer(messages.text, np.uint8)
    return survey(address(records), len(records), address(text), messages.ends, seen)


def _raw(records: Records, messages: Messages) -> list[bytes]:
    """The bytes of rows; start and end count from the beginning of their message."""
    message = records["message"]
    begins = np.where(message > 0, messages.ends[message - 1] + 1, 0)
    spans = zip((begins + records["start"]).tolist(), (begins + records["end"]).tolist(), strict=True)
    return messages.raws(spans)

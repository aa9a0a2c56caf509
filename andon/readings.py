"""The batch types that travel through the house: `Message`, `Readings`, `Event`, `Block`, `DeadLetters`.

A batch is the unit of work (1 to 16,000 rows); no step handles a single reading in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Status(IntEnum):
    """Quality of a reading after OPC UA severity."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Message(NamedTuple):
    """One message of a shard's log, as a source hands it on.

    offset      : position in the shard's log; grows by one or more, never repeats.
    received_ns : when the log took it in, ns since the epoch (the log's stamp, never now()).
    body        : the raw bytes.
    """

    offset: int
    received_ns: int
    body: bytes


TEXT_END = bytes(16)  # behind the text of `Messages`: kernels read eight bytes at a time


@dataclass(frozen=True, slots=True, eq=False)
class Messages(Sequence[Message]):
    """Messages of a log as columns of length n; a sequence of `Message` for who wants them one by one.

    text        : the bodies, each followed by one byte 0, then `TEXT_END`; read it by `np.frombuffer(text, np.uint8)`.
    ends        : int64, index in text of the byte 0 behind each body.
    offset      : int64, growing.
    received_ns : int64.

    A million `Message` tuples cost more to make than everything that is computed from them.
    """

    text: bytes | U8
    ends: I64
    offset: I64
    received_ns: I64

    @staticmethod
    def of(messages: Sequence[Message]) -> Messages:
        """Columns of single messages; what is columns already stays as it is.

        >>> two = Messages.of([Message(7, 5, b"{}"), Message(8, 6, b"[1]")])
        >>> two.ends.tolist(), two.body(1), two[0]
        ([2, 6], b'[1]', Message(offset=7, received_ns=5, body=b'{}'))
        """
        if isinstance(messages, Messages):
            return messages
        n = len(messages)
        offset = np.fromiter([message.offset for message in messages], np.int64, n)
        received_ns = np.fromiter([message.received_ns for message in messages], np.int64, n)
        return Messages.of_columns([message.body for message in messages], offset, received_ns)

    @staticmethod
    def of_columns(bodies: Sequence[bytes], offset: I64, received_ns: I64) -> Messages:
        """Columns of n bodies with their offsets and stamps.

        >>> Messages.of_columns([b"", b"[1]"], np.array([7, 8]), np.array([5, 6])).ends.tolist()
        [0, 4]
        """
        ends = np.fromiter(map(len, bodies), np.int64, len(bodies))
        np.cumsum(ends + 1, out=ends)
        return Messages(b"\0".join([*bodies, TEXT_END]) if bodies else TEXT_END, ends - 1, offset, received_ns)

    @staticmethod
    def joined(parts: Sequence[Messages]) -> Messages:
        """All messages of the parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        sizes = np.array([0, *(len(part.text) - len(TEXT_END) for part in parts)]).cumsum()
        texts = [part._view()[: len(part.text) - len(TEXT_END)] for part in parts]  # noqa: SLF001 - its own class
        return Messages(
            b"".join([*texts, TEXT_END]),
            np.concatenate([part.ends + start for part, start in zip(parts, sizes.tolist(), strict=False)]),
            np.concatenate([part.offset for part in parts]),
            np.concatenate([part.received_ns for part in parts]),
        )

    def part(self, begin: int, end: int) -> Messages:
        """Messages begin .. end - 1, 0 <= begin < end <= n."""
        if begin == 0 and end == len(self):
            return self
        start, stop = self._start(begin), int(self.ends[end - 1]) + 1
        text = b"".join([self._view()[start:stop], TEXT_END])
        return Messages(text, self.ends[begin:end] - start, self.offset[begin:end], self.received_ns[begin:end])

    def picked(self, at: NDArray[np.intp]) -> Messages:
        """The messages at these indices, int[k], k > 0, ascending.

        >>> Messages.of([Message(7, 5, b"{}"), Message(8, 6, b"[1]"), Message(9, 6, b"1")]).picked(np.array([0, 2]))[1]
        Message(offset=9, received_ns=6, body=b'1')
        """
        begins = np.concatenate([[0], self.ends + 1])[at]
        sizes = self.ends[at] + 1 - begins
        cuts = [0, *(np.flatnonzero(np.diff(at) != 1) + 1).tolist(), len(at)]
        view, stops = self._view(), begins + sizes
        runs = [view[begins[first] : stops[end - 1]] for first, end in pairwise(cuts)]
        return Messages(b"".join([*runs, TEXT_END]), np.cumsum(sizes) - 1, self.offset[at], self.received_ns[at])

    def body(self, at: int) -> bytes:
        """The bytes of one message, 0 <= at < n."""
        return self.raw(self._start(at), int(self.ends[at]))

    def raw(self, begin: int, end: int) -> bytes:
        """The bytes begin .. end - 1 of text, whatever buffer that is.

        >>> Messages.of([Message(7, 5, b"{}"), Message(8, 6, b"[1]")]).raw(3, 5)
        b'[1'
        """
        return bytes(self._view()[begin:end])

    def raws(self, spans: Iterable[tuple[int, int]]) -> list[bytes]:
        """`raw` of many pieces."""
        view = self._view()
        return [bytes(view[begin:end]) for begin, end in spans]

    def _view(self) -> memoryview:
        return memoryview(self.text)  # type: ignore[arg-type]  # numpy's arrays are buffers, their types do not say so

    def _start(self, at: int) -> int:
        return int(self.ends[at - 1]) + 1 if at else 0

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, at: int) -> Message: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Message]: ...
    def __getitem__(self, at: int | slice) -> Message | Sequence[Message]:
        if isinstance(at, slice):
            begin, end, step = at.indices(len(self))
            if step == 1 and begin < end:
                return self.part(begin, end)
            return [self[one] for one in range(begin, end, step)]
        one = range(len(self))[at]
        return Message(int(self.offset[one]), int(self.received_ns[one]), self.body(one))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # arrays have none


@dataclass(frozen=True, slots=True)
class Readings:
    """Columns of one batch, all of length n, in log order.

    time_ns     : int64, event time, ns since the epoch, UTC.
    series      : int32, dense id of (asset path, tag) in the shard's dictionary.
    value       : float64; booleans are 0/1, states their number; NaN only with status bad.
    status      : uint8, `Status`.
    offset      : int64, offset of the message a row came in.
    received_ns : int64, the log's stamp of that message.
    """

    time_ns: I64
    series: I32
    value: F64
    status: U8
    offset: I64
    received_ns: I64

    def __len__(self) -> int:
        return len(self.time_ns)

    def rows(self, where: slice | NDArray[np.bool_] | NDArray[np.intp]) -> Readings:
        """The rows picked by a slice, a mask or indices, in the same order."""
        return Readings(
            self.time_ns[where],
            self.series[where],
            self.value[where],
            self.status[where],
            self.offset[where],
            self.received_ns[where],
        )

    @staticmethod
    def empty() -> Readings:
        """A batch of no rows."""
        zero = np.empty(0, np.int64)
        return Readings(zero, np.empty(0, np.int32), np.empty(0, np.float64), np.empty(0, np.uint8), zero, zero)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an asset: order, product, lot, shift, maintenance, calibration.

    at_row is the number of readings of the same batch that stand before it in the log.
    """

    time_ns: int
    asset: str
    event: str
    data: Mapping[str, object]
    offset: int
    received_ns: int
    at_row: int


@dataclass(frozen=True, slots=True)
class Tick:
    """The passing of time as the log saw it; time_ns is the ticker's clock. at_row as in `Event`.

    since_ns: how long after the tick before it by a clock that nobody sets; None where the ticker did not say.
    """

    time_ns: int
    offset: int
    at_row: int
    since_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A waveform: rate_hz samples per second of `unit` from t0_ns on, float32[n], n >= 1, all finite.

    series has the kind waveform. status, offset, received_ns as in `Readings`, at_row as in `Event`.
    rpm: of the shaft at the begin and at the end of the block, {rev}/min, where the device told it.
    """

    t0_ns: int
    series: int
    rate_hz: float
    unit: str
    samples: NDArray[np.float32]
    status: int = Status.GOOD
    offset: int = 0
    received_ns: int = 0
    at_row: int = 0
    rpm: tuple[float, float] | None = None


#: What a block's figures are called: tag of the waveform + one of these, where the plant declares such a series.
BLOCK_FIGURES = (
    ".rms", ".peak", ".crest", ".kurtosis", ".velocity", ".speed", ".envelope", ".ftf", ".bpfo", ".bpfi", ".bsf",
    ".speed_from", ".speed_change",
)  # fmt: skip


class Reason(IntEnum):
    """Why something could not become a reading. The names are the codes users see."""

    not_json = 1  # bytes that are not UTF-8 JSON
    not_an_object = 2  # JSON, but no object (or array of objects)
    missing_field = 3  # no ts, asset, tag, value
    wrong_type = 4  # a field of a type that is not allowed
    unknown_series = 5  # asset and tag are not in the plant's configuration
    unit_mismatch = 6  # unit given and not the configured one
    stamp_unreadable = 7  # neither milliseconds nor RFC 3339 with a zone
    stamp_naive = 8  # a date and time without a zone
    stamp_in_future = 9  # more than time.future_s ahead of the receive time
    stamp_too_old = 10  # further behind its series than time.correct_for_h
    unknown_state = 11  # a state's name that the series does not have
    too_large = 12  # message longer than sources.max_message_bytes
    unknown_event = 13  # an event without asset, or of an asset not configured
    poison = 14  # a step failed on this message
    wrong_partition = 15  # the asset is configured, and belongs to another shard
    no_birth = 16  # Sparkplug data of an edge node or device whose birth the log has not shown, or after its death
    garbled = 17  # a binary message that is not what its first bytes say
    unknown_schema = 18  # a schema that the registry does not have, or that no reading can be read by


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Rows that could not become readings, as columns of length n, in log order.

    line is the index of the row inside its message (0 for a single object). series is its dense id
    where asset and tag could be read, else -1. raw[i] is the row's (or the whole message's) bytes.
    """

    offset: I64
    line: I32
    received_ns: I64
    reason: U8
    series: I32
    raw: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.offset)

    def in_log_order(self) -> DeadLetters:
        """The same rows sorted by offset; those of one message keep their order."""
        if not len(self) or bool((self.offset[1:] >= self.offset[:-1]).all()):
            return self
        order = np.argsort(self.offset, kind="stable")
        return DeadLetters(
            offset=self.offset[order],
            line=self.line[order],
            received_ns=self.received_ns[order],
            reason=self.reason[order],
            series=self.series[order],
            raw=[self.raw[at] for at in order.tolist()],
        )

    @staticmethod
    def joined(parts: Sequence[DeadLetters]) -> DeadLetters:
        """All rows of the parts, in their order."""
        filled = [part for part in parts if len(part)]
        if len(filled) < 2:
            return filled[0] if filled else DeadLetters.empty()
        return DeadLetters(
            offset=np.concatenate([part.offset for part in filled]),
            line=np.concatenate([part.line for part in filled]),
            received_ns=np.concatenate([part.received_ns for part in filled]),
            reason=np.concatenate([part.reason for part in filled]),
            series=np.concatenate([part.series for part in filled]),
            raw=[raw for part in filled for raw in part.raw],
        )

    @staticmethod
    def empty() -> DeadLetters:
        """No dead letters."""
        zero = np.empty(0, np.int64)
        none = np.empty(0, np.int32)
        return DeadLetters(zero, none, zero, np.empty(0, np.uint8), none, ())


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder makes of a list of messages. rows_in counts every row seen, readable or not.

    blocks are in log order. rebirths: Sparkplug edge nodes (group, node) whose births have to be asked for again.
    """

    readings: Readings
    events: Sequence[Event] = ()
    ticks: Sequence[Tick] = ()
    dead: DeadLetters = field(default_factory=DeadLetters.empty)
    rows_in: int = 0
    blocks: Sequence[Block] = ()
    rebirths: Sequence[tuple[str, str]] = ()

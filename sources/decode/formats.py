"""Which format a message of a log has, after its first bytes; and what a decoder of one of them offers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from andon.readings import I64, NS_PER_MS, U8, DeadLetters, Decoded, Messages, Readings, Tick
from sources.decode.memory import address, byte_at

_TICK = re.compile(  # as the ticker writes it, in the years 2001 to 2200
    rb'\{"ts": ([1-6]\d{12}), (?:"since": (0|[1-9]\d{0,11}), )?"event": "tick"\}'
)
_TICK_BYTES = 64  # and no longer than this
JSON = 0  # of everything that begins like no other format


class FormatDecoder(Protocol):
    """Decodes the messages of one format. State is what births, schemas and the like told it, plain and picklable.

    Any split of the messages into calls gives the same rows. Never raises on any bytes.
    """

    def decode(self, messages: Messages) -> Decoded:
        """Rows, events, dead letters of messages of this format only, in log order; at least one message."""
        ...

    def snapshot(self) -> tuple[Any, ...]:
        """All state, independent of this object; () for a decoder without any."""
        ...

    def restore(self, state: tuple[Any, ...]) -> None:
        """Take over a snapshot, of this or the previous layout."""
        ...


class FirstBytes:
    r"""Tells formats apart by the bytes that their messages begin with.

    prefixes: of format 1, 2 and so on, 1 to 8 bytes each; of those that hold for a message the first one counts.

    >>> from andon.readings import Message
    >>> first_bytes = FirstBytes([b"\xff\xff\xff\xff", b"*"])
    >>> first_bytes.formats(Messages.of([Message(1, 5, b"{}"), Message(2, 5, b"*1"), Message(3, 5, b"")]))
    array([0, 2, 0], dtype=uint8)
    """

    def __init__(self, prefixes: Sequence[bytes]) -> None:
        self._candidates = np.zeros(256, np.uint8)  # the first format with this first byte, else JSON
        for number, prefix in reversed(list(enumerate(prefixes, 1))):
            self._candidates[prefix[0]] = number
        self._prefixes = np.frombuffer(b"".join(prefix.ljust(8, b"\0") for prefix in prefixes), np.uint8).reshape(-1, 8)
        self._sizes = np.array([len(prefix) for prefix in prefixes], np.int64)

    def formats(self, messages: Messages) -> U8:
        """uint8[n], the format of each message. Cost: 1 ns a message and a cache line of it."""
        found = np.zeros(len(messages), np.uint8)
        text = address(np.frombuffer(messages.text, np.uint8))
        _classify(text, messages.ends, self._candidates, self._prefixes, self._sizes, found)
        return found


@njit(nogil=True, cache=True, error_model="numpy")
def _classify(text: int, ends: I64, candidates: U8, prefixes: NDArray[np.uint8], sizes: I64, found: U8) -> None:
    """text, ends: address of the text, and ends, of `Messages`. prefixes: uint8[formats, 8]. Writes found: uint8[n]."""
    begin = 0
    for m in range(ends.shape[0]):
        size = ends[m] - begin
        first = candidates[byte_at(text + begin)]  # of an empty message the byte 0 behind it
        if first != JSON and size > 0:
            for number in range(first, sizes.shape[0] + 1):
                at = 0
                while at < min(sizes[number - 1], size) and byte_at(text + begin + at) == prefixes[number - 1, at]:
                    at += 1
                if at == sizes[number - 1]:
                    found[m] = number
                    break
        begin = ends[m] + 1


def read_ticks(messages: Messages, at: NDArray[np.intp], future_ns: int) -> list[Tick] | None:
    """These messages, at int[k], where all of them are ticks of the ticker and nothing else.

    A tick further than future_ns ahead of the log moves time to its receive time, as in JSON.
    """
    if int((np.diff(messages.ends, prepend=-1)[at]).max()) > _TICK_BYTES:
        return None
    ticks = []
    for one in at.tolist():
        found = _TICK.fullmatch(messages.body(one))
        if found is None:
            return None
        at_ns, latest_ns = int(found[1]) * NS_PER_MS, int(messages.received_ns[one])
        since_ns = None if found[2] is None else int(found[2]) * NS_PER_MS
        at_ns = latest_ns if at_ns > latest_ns + future_ns else at_ns
        ticks.append(Tick(at_ns, int(messages.offset[one]), 0, since_ns))
    return ticks


def with_ticks(rows: Decoded, ticks: Sequence[Tick]) -> Decoded:
    """Rows of other formats and the ticks, in log order, that stood between their messages."""
    places = np.searchsorted(rows.readings.offset, [tick.offset for tick in ticks]).tolist()
    between = [Tick(tick.time_ns, tick.offset, place, tick.since_ns) for tick, place in zip(ticks, places, strict=True)]
    return replace(rows, ticks=sorted([*rows.ticks, *between], key=lambda tick: tick.offset))


def joined(runs: Sequence[Decoded]) -> Decoded:
    """One batch out of what stood one after the other in the log."""
    rows = np.cumsum([0, *(len(run.readings) for run in runs)]).tolist()
    moved = list(zip(rows, runs, strict=False))
    filled = [run.readings for run in runs if len(run.readings)]
    return Decoded(
        readings=_joined_readings(filled),
        events=[replace(event, at_row=event.at_row + first) for first, run in moved for event in run.events],
        ticks=[replace(tick, at_row=tick.at_row + first) for first, run in moved for tick in run.ticks],
        dead=DeadLetters.joined([run.dead for run in runs]),
        rows_in=sum(run.rows_in for run in runs),
        blocks=[replace(block, at_row=block.at_row + first) for first, run in moved for block in run.blocks],
        rebirths=[node for run in runs for node in run.rebirths],
    )


def _joined_readings(parts: Sequence[Readings]) -> Readings:
    if len(parts) < 2:
        return parts[0] if parts else Readings.empty()
    return Readings(
        time_ns=np.concatenate([part.time_ns for part in parts]),
        series=np.concatenate([part.series for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        status=np.concatenate([part.status for part in parts]),
        offset=np.concatenate([part.offset for part in parts]),
        received_ns=np.concatenate([part.received_ns for part in parts]),
    )

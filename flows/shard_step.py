"""What one step of a shard's engine works with beside its state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from andon.conditions import ConditionChange
from andon.outputs import Figure, LedgerRows, SpanRows, WindowRows
from andon.readings import I32, U8, DeadLetters, Event, Message, Messages, Tick
from detectors.contract import Scored


class Judged(NamedTuple):
    """What is known of the rows of a step before time passes in it: verdict uint8[n] by memory, what detectors say.

    ask int32[k]: the rows, ascending, of which the journal may know more. scored: empty where no series is scored.
    held uint8[n]: 1 where an alarm of its detector, told before or there, goes on.
    """

    verdict: U8
    ask: I32
    scored: Scored
    held: U8

    def rows(self, begin: int, end: int) -> tuple[U8, Scored, U8]:
        """Verdicts, scores, alarms of a stretch; views."""
        return self.verdict[begin:end], self.scored.rows(slice(begin, end)), self.held[begin:end]

    def asked(self, begin: int, end: int) -> I32:
        """`ask` of a stretch, from its begin."""
        if not len(self.ask):
            return self.ask
        first, last = np.searchsorted(self.ask, (begin, end))
        return self.ask[first:last] - np.int32(begin)


class Collected:
    """What one step gathers before it is handed on."""

    def __init__(self, dead: list[DeadLetters] | None = None) -> None:
        self.windows: list[WindowRows] = []
        self.spans: list[SpanRows] = []
        self.figures: list[Figure] = []
        self.changes: list[ConditionChange] = []
        self.ledger: list[LedgerRows] = []
        self.dead: list[DeadLetters] = dead or []
        self.rebirths: Sequence[tuple[str, str]] = ()
        self.events: list[Event] = []
        self.readings = 0


def in_log_order(ticks: Sequence[Tick], events: Sequence[Event]) -> Sequence[Tick | Event]:
    """Both as they stand in the log; each of the two is in its order already."""
    if not events:
        return ticks
    return sorted((*ticks, *events), key=lambda one: (one.offset, one.at_row))


def ends_of(messages: Sequence[Message]) -> tuple[int, int]:
    """First and last offset, 0 where there is none. A message of `Messages` is a copy of its body."""
    if not len(messages):
        return 0, 0
    if isinstance(messages, Messages):
        return int(messages.offset[0]), int(messages.offset[-1])
    return messages[0].offset, messages[-1].offset


def cited_ns(change: ConditionChange) -> tuple[int, int]:
    """First and last event time that a change is about; of a revised one also those that it was told of first."""
    if change.kind != "revised" and change.begun_ns is None:
        return change.start_ns, change.confirmed_ns if change.cleared_ns is None else change.cleared_ns
    begun_ns = change.start_ns if change.begun_ns is None else change.begun_ns
    told_ns = change.start_ns + change.confirmed_ns - begun_ns  # when it was confirmed as it was told first
    ends = [change.confirmed_ns, told_ns, *([] if change.cleared_ns is None else [change.cleared_ns])]
    return min(change.start_ns, begun_ns), max(ends)

"""Each protection of the product, switched off inside a process before its part starts: what the controls are made of.

A control that the checker does not see would mean that the checker, or the protection, is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def _slots() -> None:
    """A snapshot's cells are written over by the next one, though it names those that have not changed."""
    from andon import slots

    class InPlace(slots.SlotFiles):
        def hold(self, named: Iterable[int]) -> None:
            super().hold(named)
            self._named.clear()
            self._find_free()

    import flows.plant

    flows.plant.SlotFiles = InPlace  # type: ignore[misc]  # a control takes a protection away


def _state() -> None:
    """The flow goes on at its offset with an engine that remembers nothing."""
    from flows import stage

    opened = stage.EngineStage.__init__

    def forget(self: Any, _state: object, *more: Any) -> None:
        opened(self, None, *more)

    stage.EngineStage.__init__ = forget  # type: ignore[method-assign]  # as above


def _ledger() -> None:
    """Counts of a stretch that is read again are added again."""
    from sinks import history

    history._LEDGER = history._LEDGER.replace("where excluded.as_of > as_of", "")


def _dead_letters() -> None:
    """Dead letters of a stretch that is read again stay where they are."""
    from sinks import dead_letters

    dead_letters.DeadLetterStore.truncate_after = lambda _self, _offset: None  # type: ignore[method-assign]  # as above


def _journal() -> None:
    """Accepted readings after the snapshot stay in the journal, and the replay adds them again."""
    from sinks import journal

    restore = journal.Journal.restore

    def keep(self: Any, position: journal.Position | None) -> None:
        if position is None:
            restore(self, None)
            return
        segment, _, total = position
        rows = self._rows_of(segment, 2**31)
        restore(self, (segment, len(rows), total + len(rows) - position[1]))

    journal.Journal.restore = keep  # type: ignore[method-assign]  # as above


def _alarm_key() -> None:
    """An alarm's key and the mark of what was applied hold the process that decided, as a drawn id would."""
    import os

    from andon.records import alarms

    key, digest = alarms.alarm_key, alarms.digest
    alarms.alarm_key = lambda *path: key(str(os.getpid()), *path[1:])
    alarms.digest = lambda content: digest([os.getpid(), content])


OFF: dict[str, Callable[[], None]] = {
    "slots": _slots,
    "state": _state,
    "ledger": _ledger,
    "dead-letters": _dead_letters,
    "journal": _journal,
    "alarm-key": _alarm_key,
}


def _read_back() -> None:
    """The forwarder begins behind what its own file knows, not behind what the topic holds; on a slow disk."""
    import time

    from sources.kafka import held

    keep = held.Memory.keep

    def slowly(self: Any, places: Any) -> bool:
        time.sleep(0.3)
        return keep(self, places)

    held.Memory.keep = slowly  # type: ignore[method-assign]  # as above
    held.Topic.newest = lambda _self, _shard, since, *_: since  # type: ignore[method-assign]  # as above


def _segments() -> None:
    """Lines for InfluxDB are dropped from the queue when they are read, not when InfluxDB has them."""
    from sinks.segments import SegmentReader

    read = SegmentReader.read

    def taken(self: Any, max_bytes: int, max_rows: int | None = None) -> Any:
        lines, position = read(self, max_bytes, max_rows)
        if lines:
            self.done(position)
        return lines, position

    SegmentReader.read = taken  # type: ignore[method-assign]  # as above


PLANT: dict[str, Callable[[], None]] = {"read-back": _read_back, "influx-queue": _segments}
BY_ARGUMENT = ("erp-key",)  # switched off by an argument of the part itself
ALL = (*OFF, *BY_ARGUMENT)

# Which kills each protection is there for: the parts, and what they are aimed at (nothing: random instants).
FLOWS = ("flow-0", "flow-1")
KILLS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "slots": (FLOWS, ("snapshot",)),
    "state": (FLOWS, ()),
    "ledger": (FLOWS, ()),
    "dead-letters": (FLOWS, ("dead letters",)),
    "journal": (FLOWS, ("journal",)),
    "alarm-key": (FLOWS, ("decision",)),
    "erp-key": (("sender",), ("order on its way",)),
    "read-back": (("forwarder",), ()),
    "influx-queue": (("influx-sender", "influxd"), ()),
}


def switch_off(names: tuple[str, ...]) -> None:
    """Switch off what is named, for this process."""
    for name in names:
        off = OFF.get(name) or PLANT.get(name)
        if off is not None:
            off()

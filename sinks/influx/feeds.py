"""What the sender itself puts into its queue: alarms from the records, totals of the hour from the history.

Each feed keeps how far it is in one small file, written after its lines are on disk; so lines may come twice, never
not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from andon.datafolder import write_durably
from andon.readings import NS_PER_S
from andon.records import Records
from sinks.history_reader import HistoryReader, LedgerTotals
from sinks.influx.lines import LedgerHour, alarm_lines, ledger_line
from sinks.influx.schema import LEDGER_FIELDS
from sinks.segments import SegmentWriter

HOUR_NS = 3600 * NS_PER_S
RECENT_NS = 3 * HOUR_NS
ALL_EVERY = 60  # looks


class Positions:
    """How far the feeds are: a JSON file; a broken one is the beginning, since lines may come twice."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError):
            found = {}
        self._values: dict[str, Any] = found if isinstance(found, dict) else {}

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, name: str) -> Any:
        """A feed's position; None before its first."""
        return self._values.get(name)

    def put(self, name: str, value: object) -> None:
        """Keep a feed's position; on disk when it returns."""
        self._values[name] = value
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(self._path, json.dumps(self._values).encode() + b"\n")


class AlarmFeed:
    """Alarms in the order of their changes. An alarm that changes again is written again, as a whole.

    plant_ns : the plant's time at a time of the machine.
    """

    name = "alarms"

    def __init__(self, records: Records, positions: Positions, plant_ns: Callable[[int], int]) -> None:
        self._records, self._positions, self._plant_ns = records, positions, plant_ns

    def feed(self, writer: SegmentWriter, limit: int = 200) -> int:
        """Queue the alarms that changed since the last call; returns how many. Raises RecordsError."""
        after = self._positions.get(self.name)
        after = after if isinstance(after, int) else 0
        if after > self._records.change_head():  # the records were put back from an older backup
            after = 0
        changed = self._records.changes_since(after, limit)
        if not changed:
            return 0
        for alarm in changed:
            lines = alarm_lines(alarm, self._records.transitions(alarm.key), self._plant_ns)
            writer.write(lines, lines.count(b"\n"))
        writer.flush()
        self._positions.put(self.name, changed[-1].change_seq)
        return len(changed)

    def again(self) -> None:
        """Begin from the first alarm: some of its lines were given up."""
        self._positions.put(self.name, 0)


class LedgerFeed:
    """Totals of the hours that grew: recent hours at every look, all of them at every `ALL_EVERY`-th.

    histories : a reader of each shard's file; a series' total is the sum over all of them.
    """

    name = "ledger"

    def __init__(self, site: str, histories: Mapping[int, HistoryReader], positions: Positions) -> None:
        self._site, self._histories, self._positions = site, histories, positions
        found = positions.get(self.name)
        self._all: dict[str, int] = dict(found) if isinstance(found, dict) else {}
        self._recent = dict(self._all)
        self._looks = 0

    def feed(self, writer: SegmentWriter, limit: int = 5000) -> int:
        """Queue the hours that changed since the last call; returns how many. Raises sqlite3.Error."""
        whole, looks = self._looks % ALL_EVERY == 0, self._looks + 1
        changed: set[tuple[str, str, int]] = set()
        everything, recent = dict(self._all), dict(self._recent)  # kept once the lines are on disk, not before
        positions = everything if whole else recent
        for shard, history in self._histories.items():
            from_ns = -(2**63) if whole else (history.watermark_ns() or 0) - RECENT_NS
            mark, hours = history.ledger_changes(positions.get(str(shard), 0), from_ns, limit)
            positions[str(shard)] = mark
            recent[str(shard)] = max(mark, recent.get(str(shard), 0))
            changed |= hours
            if whole and len(hours) >= limit:
                looks = 0  # more of it at the next look
        lines = [ledger_line(self._site, self._total(*hour)) for hour in sorted(changed)]
        if lines:
            writer.write(b"".join(lines), len(lines))
            writer.flush()
        if everything != self._all:
            self._positions.put(self.name, everything)
        self._all, self._recent, self._looks = everything, recent, looks
        return len(lines)

    def again(self) -> None:
        """Begin from the first hour: some of its lines were given up."""
        self._all, self._recent, self._looks = {}, {}, 0
        self._positions.put(self.name, {})

    def _total(self, asset: str, tag: str, hour_ns: int) -> LedgerHour:
        shards: Sequence[LedgerTotals] = [
            totals
            for history in self._histories.values()
            for _, totals in history.ledger_hours(asset, tag, hour_ns, hour_ns + 1)
        ]
        counts = tuple(sum(getattr(one, name) for one in shards) for name in LEDGER_FIELDS)
        return LedgerHour(asset, tag, hour_ns, counts)

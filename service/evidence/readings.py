"""The readings around an alarm: cited by row number and hash, shown thinned where there are too many."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from andon.datafolder import DataFolder
from andon.readings import I64, NS_PER_S, Status
from andon.records import AlarmRecord
from sinks.journal_reader import Found, JournalReader

BEFORE_NS = 600 * NS_PER_S  # of the series before the alarm's start, as `flows.shard` cites it
AFTER_NS = 600 * NS_PER_S
MOST = 1_200  # readings shown; the hash is over all of them
FOR_EVER = 2**62
Json = dict[str, Any]
NO_READINGS: Json = {"journal": None, "rows": 0, "shown": 0, "columns": {}, "told": None}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a series stands: its shard's journal and its number there."""

    shard: int
    journal: JournalReader
    series: int


def place_of(data: DataFolder | None, shards: int, asset: str, tag: str) -> Place | None:
    """The journal that names the series; None where none does."""
    if data is None:
        return None
    for shard in range(shards):
        journal = JournalReader(data.journal(shard))
        number = journal.series().get(f"{asset}/{tag}")
        if number is not None:
            return Place(shard, journal, number)
    return None


def span_of(alarm: AlarmRecord) -> tuple[int, int]:
    """[start, end) of the readings that belong to an alarm, event time; open alarms go on."""
    begun_ns = min(alarm.start_ns, alarm.begun_ns if alarm.begun_ns is not None else alarm.start_ns)
    return begun_ns - BEFORE_NS, FOR_EVER if alarm.cleared_ns is None else alarm.cleared_ns + AFTER_NS + 1


def readings_json(place: Place, found: Found, span: tuple[int, int], evidence: Mapping[str, Any]) -> Json:
    """What the bundle says of the readings of the alarm's series. evidence: what the alarm's record cites.

    sha256 is over every row found, `columns` show at most `MOST` of them (`shown` says how many). `ranges` are row
    numbers of the journal: nothing that comes later changes what was found in them.
    """
    index = thinned(found)
    shown = found.where(np.isin(np.arange(len(found)), index))
    return {
        "journal": place.shard, "series": place.series, "start_ns": span[0], "end_ns": span[1],
        "rows": len(found), "shown": len(shown), "skipped_segments": found.skipped, "ranges": ranges_of(found),
        "sha256": found.sha256(), "late": int(is_late(found).sum()),
        "bad": int((found.rows["status"] == Status.BAD).sum()),
        "segments": [
            {"segment": one.segment, "first_row": one.first_row, "sha256": one.sha256 or None,
             **({"rows": one.rows, "previous": one.previous} if one.sha256 else {})}
            for one in found.segments
        ],
        "columns": columns_of(shown),
        "told": told_json(evidence, found, span),
    }  # fmt: skip


def columns_of(found: Found) -> dict[str, list[Any]]:
    """row (number in the journal), offset, time_ns, received_ns, value, status, late (1 or 0), by column."""
    columns: dict[str, list[Any]] = {"row": found.number.tolist()}
    for name in ("offset", "time_ns", "received_ns", "value", "status"):
        columns[name] = found.rows[name].tolist()
    columns["late"] = is_late(found).astype(int).tolist()
    return columns


def is_late(found: Found) -> Any:
    """bool[n]: the series was closed beyond the row's time when it came, and it could be used."""
    return (found.rows["time_ns"] < found.rows["closed_ns"]) & (found.rows["status"] != Status.BAD)


def thinned(found: Found, most: int = MOST) -> I64:
    """Index of the rows that are shown: all, or first, last, lowest and highest of each of `most` / 4 stretches."""
    count = len(found)
    if count <= most:
        return np.arange(count)
    value = found.rows["value"]
    kept: set[int] = set()
    for part in np.array_split(np.arange(count), most // 4):
        finite = part[np.isfinite(value[part])]
        kept |= {int(part[0]), int(part[-1])}
        if len(finite):
            kept |= {int(finite[value[finite].argmin()]), int(finite[value[finite].argmax()])}
    return np.array(sorted(kept), np.int64)


def ranges_of(found: Found) -> list[tuple[int, int]]:
    """Row numbers [first, last] between which every row of the series in the stretch was found.

    Two of them where segments in between were left out, none where nothing was found.
    """
    if not len(found):
        return []
    number = np.sort(found.number)
    parts = (number[number < found.resumed_row], number[number >= found.resumed_row])
    return [(int(part[0]), int(part[-1])) for part in parts if len(part)]


def told_digest(found: Found, start_ns: int, end_ns: int, last_offset: int) -> tuple[int, str]:
    """(rows, sha256) as the flow cited them with the alarm: usable rows of the stretch that had come by an offset."""
    rows = found.rows
    mine = (rows["time_ns"] >= start_ns) & (rows["time_ns"] < end_ns) & (rows["offset"] <= last_offset)
    rows = rows[mine & (rows["status"] != Status.BAD)]
    digest = hashlib.sha256()
    for name, kind in (("time_ns", "<i8"), ("value", "<f8"), ("status", "u1"), ("offset", "<i8")):
        digest.update(np.ascontiguousarray(rows[name].astype(kind)).tobytes())
    return len(rows), digest.hexdigest()


def told_json(evidence: Mapping[str, Any], found: Found, span: tuple[int, int]) -> Json | None:
    """What the alarm's record cites of the journal, and whether the journal still has it so.

    agrees is null where that cannot be said: rows were left out, or the citation is of another stretch.
    """
    cited = evidence.get("journal")
    if not isinstance(cited, Mapping) or not {"rows", "start_ns", "end_ns", "sha256", "last_offset"} <= cited.keys():
        return None
    start_ns, end_ns = int(cited["start_ns"]), int(cited["end_ns"])
    if found.skipped or start_ns < span[0] or end_ns > span[1]:
        return {**cited, "agrees": None}
    last_offset = -1 if cited["last_offset"] is None else int(cited["last_offset"])
    here = told_digest(found, start_ns, end_ns, last_offset)
    return {**cited, "agrees": here == (int(cited["rows"]), cited["sha256"])}

"""The readings of an evidence file against the journal: all that belong to the alarm, and as they came."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from andon.readings import NS_PER_S
from andon.records import AlarmRecord
from andon.records.canonical import canonical
from service.evidence.bundle import Bundle
from service.evidence.collect import same
from service.evidence.readings import NO_READINGS, Place, columns_of, place_of, readings_json, span_of
from service.evidence.verdict import Verdict
from service.web.alarm_view import FROM_LOG
from service.web.room import Room
from sinks.journal_reader import MOST_SEGMENTS, Found

MOST_NAMED = 5
LAG_NS = 60 * NS_PER_S  # so long after its receipt a row may not be in the journal's file yet
FOLLOW = ("ranges", "shown", "skipped_segments", "late", "bad", "columns", "told")  # from the rows and the alarm
Json = dict[str, Any]


def check_readings(room: Room, bundle: Bundle, alarm: AlarmRecord, verdict: Verdict) -> None:
    """Every reading of the alarm's span that the file had to know is in it, and nothing else."""
    told, span = bundle.sections["readings"], span_of(alarm)
    place = place_of(room.data, room.plant.config.transport.shards, alarm.asset, alarm.tag)
    if told["journal"] is None:
        _check_none(bundle, place, alarm, verdict)
        return
    if place is None or (place.shard, place.series) != (told["journal"], told["series"]):
        verdict.fault("no_journal", series=f"{alarm.asset}/{alarm.tag}")
        return
    if (int(told["start_ns"]), int(told["end_ns"])) != span:
        verdict.fault("span")
        return
    expected = _expected(place, told, span)
    if expected is None:
        verdict.fault("readings_differ", part="skipped_segments")
        return
    _compare_rows(told, expected, verdict)
    fresh = json.loads(canonical(readings_json(place, expected, span, alarm.evidence)))
    for part in FOLLOW:
        if not same(told[part], fresh[part]):
            verdict.fault("readings_differ", part=part)
    _check_segments(place, told, fresh, verdict)
    _check_later(bundle, alarm, expected, _after(place, told, span), verdict)


def _check_none(bundle: Bundle, place: Place | None, alarm: AlarmRecord, verdict: Verdict) -> None:
    """A file without readings: the journal had none of the series then."""
    if not same(bundle.sections["readings"], NO_READINGS):
        verdict.fault("readings_differ", part="journal")
    verdict.note("no_readings")
    if place is not None:
        later = place.journal.find([place.series], *span_of(alarm))
        _check_later(bundle, alarm, later.where(np.zeros(len(later), np.bool_)), later, verdict)


def _last_row(told: Json) -> int:
    return max((int(last) for _, last in told["ranges"]), default=-1)


def _expected(place: Place, told: Json, span: tuple[int, int]) -> Found | None:
    """The rows that were there up to the file's last one; None where it left out what it had no reason to."""
    last, skipped = _last_row(told), int(told["skipped_segments"])
    if not skipped:
        return place.journal.within([(0, last)], [place.series], *span)
    sealed = place.journal.sealed().values()
    overlap = [one for one in sealed if one.max_ns >= span[0] and one.min_ns < span[1]]
    half = MOST_SEGMENTS // 2
    resumed = half + skipped
    if skipped < 0 or resumed + MOST_SEGMENTS - half > len(overlap):
        return None
    row = overlap[resumed].first_row
    ranges = [(0, overlap[half].first_row - 1), (row, last)]
    return replace(place.journal.within(ranges, [place.series], *span), skipped=skipped, resumed_row=row)


def _after(place: Place, told: Json, span: tuple[int, int]) -> Found:
    """Rows of the span behind the file's last one."""
    found = place.journal.find([place.series], *span)
    return found.where(found.number > _last_row(told))


def _compare_rows(told: Json, found: Found, verdict: Verdict) -> None:
    """Every reading shown, value by value; and the hash and number of all of them."""
    here = {row[0]: row for row in zip(*columns_of(found).values(), strict=True)}
    names = list(columns_of(found))
    shown = [[_number(one) for one in told["columns"][name]] for name in names]
    if len({len(column) for column in shown} | {told["shown"]}) != 1:
        verdict.fault("count", told=told["shown"], found=len(shown[0]))
        return
    wrong = [row for row in zip(*shown, strict=True) if not _equal(row, here.get(row[0]))]
    for row in wrong[:MOST_NAMED]:
        now = here.get(row[0])
        verdict.fault("reading", row=row[0], told=row[4], found="-" if now is None else now[4])
    if wrong[MOST_NAMED:]:
        verdict.fault("more_readings", count=len(wrong) - MOST_NAMED)
    if (told["rows"], told["sha256"]) != (len(found), found.sha256()):
        verdict.fault("rows", told=told["rows"], found=len(found))


def _check_segments(place: Place, told: Json, fresh: Json, verdict: Verdict) -> None:
    """The segments are the journal's, whole as its manifest says, and named as they are."""
    segments = {one["segment"]: one["sha256"] for one in told["segments"] if one["sha256"]}
    for number in place.journal.broken(segments):
        verdict.fault("segment", segment=number)
    sealed = place.journal.sealed()
    anew = {number for number, sha256 in segments.items() if number not in sealed or sealed[number].sha256 != sha256}
    for number in sorted(anew):
        verdict.note("sealed_anew", segment=number)
    last = _last_row(told)
    here = {one["segment"]: one for one in fresh["segments"] if one["first_row"] <= last}
    named = {one["segment"]: one for one in told["segments"]}
    odd = [number for number, one in named.items() if one["sha256"] and number in here and one != here[number]]
    if not anew and (len(named) != len(told["segments"]) or named.keys() != here.keys() or odd):
        verdict.fault("readings_differ", part="segments")


def _check_later(bundle: Bundle, alarm: AlarmRecord, known: Found, later: Found, verdict: Verdict) -> None:
    """Rows behind the file's last one: it had to know what the alarm's decision cites, and what had been received.

    A file that is on record as exported held what there was.
    """
    offset = _cited_offset(alarm)
    rows = later.rows
    due = (rows["offset"] <= offset) | (rows["received_ns"] <= _received_by(bundle, known, offset))
    missing = 0 if verdict.exported else int(due.sum())
    if missing:
        verdict.fault("missing", count=missing)
    if len(later) > missing:
        verdict.note("later_rows", count=len(later) - missing)


def _cited_offset(alarm: AlarmRecord) -> int:
    cited = alarm.evidence.get("journal")
    last = cited.get("last_offset") if isinstance(cited, dict) else None
    return -1 if last is None else int(last)


def _received_by(bundle: Bundle, known: Found, offset: int) -> int:
    """What was received by then was in the journal when the file was made, ns of the log's clock.

    The records' clock need not be the log's (a replay, a log that is caught up with): from the decision on, for which
    both are known, as much time has passed in the log as in the records at least.
    """
    decided = [int(one["recorded_ns"]) for one in bundle.sections["transitions"] if one["kind"] in FROM_LOG]
    received = known.rows["received_ns"][known.rows["offset"] <= offset]
    if not decided or not len(received):
        return -1
    times: Sequence[int] = [int(one["at_ns"]) for one in bundle.sections["audit"]]
    return int(received.max()) + max(times, default=0) - decided[-1] - LAG_NS


def _number(value: object) -> float | int:
    """A number as the bundle has it: texts stand for what JSON has no number for."""
    if isinstance(value, str):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return value


def _equal(told: tuple[float | int, ...], now: tuple[Any, ...] | None) -> bool:
    """Whether a reading is the same in every column; NaN is NaN."""
    if now is None:
        return False
    pairs = zip(told, now, strict=True)
    return all(one == other or (math.isnan(one) and math.isnan(other)) for one, other in pairs)

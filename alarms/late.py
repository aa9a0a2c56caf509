"""What late rows mean for the conditions of one series: its stretch judged anew, against what was told.

docs/alarm-rules.md says for people what is decided here. Every rule version that told something in the stretch judges
it, each its own; the rule of now judges what is left, so that an edited rule never tells one excursion twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alarms.anew import Found, Told, Verdict, fresh_lane, judge, matched, settled
from alarms.kernels import ANOMALY, BEYOND, IDLE, LANE, LONG_AGO, NONE, OPEN, OPEN_END, STALE, STUCK
from alarms.stretches import Points, Rows, Stretch, after_ended, begin_of, usable
from alarms.told import ToldTable


class Telling(NamedTuple):
    """One thing to be told: what has become of a condition, as it stands now."""

    kind: Literal["raised", "cleared", "revised"]
    told: Told


def judged_kind(kind: int) -> bool:
    """Scores belong to the order in which rows came, silence to when they came: late rows change neither."""
    return kind not in (ANOMALY, STALE)


def judge_lane(
    points: Points, stretch: Stretch, lane: Any, rule_id: str, table: NDArray[np.void], told: ToldTable
) -> list[Telling]:
    """Judge the stretch under one rule; `lane` (a LANE record) and `told` follow.

    Nothing where the journal no longer keeps the first rows of a condition in it: that one stays as it was told.
    Cost: the rows from the start of what is open there, or a delay before the first late row, until nothing is.
    """
    mine = [one for one in told.of(stretch.series, rule_id) if judged_kind(table[one.rule]["kind"])]
    alive = [one for one in mine if not one.voided]
    places = _places(lane, alive, table)
    floor = told.floor.get((stretch.series, rule_id), LONG_AGO)
    if not places or stretch.last <= floor:
        return []
    begin = max(begin_of(points, stretch, alive, table[places]), floor + 1)
    if begin < stretch.oldest and any(one.begun == begin for one in alive):
        return []
    begin = after_ended(points, stretch, begin, mine, places, table)
    if begin == OPEN_END:
        return []
    stretch = replace(stretch, until=max(stretch.until, _granted(lane, table)))
    found = _look(points, stretch, begin, places, int(lane["next"]), alive, table)
    if found is None:
        return []
    verdicts, end = found
    tellings = []
    identities = {one.start for one in told.of(stretch.series, rule_id)}
    for place, verdict in verdicts.items():
        here = [one for one in mine if one.rule == place and begin <= one.begun <= end]
        tellings += _compare(here, verdict.found, place, identities)
    for kind, one in tellings:
        if kind == "raised":
            told.add(stretch.series, rule_id, one)
    told.touch(stretch.series, rule_id)
    if end == OPEN_END:
        _follow(lane, verdicts, told.of(stretch.series, rule_id))
    return [Telling(kind, replace(one)) for kind, one in tellings]


def note_quiet(points: Points, stretch: Stretch, lane: Any, table: NDArray[np.void], told: Sequence[Told]) -> None:
    """After a judgement: rows before the end of anything told are not quiet, whatever they are by themselves.

    A rule that is new to rows the journal holds cannot know of them: for it all is quiet behind the last of these.
    """
    ends = max((max(one.start, one.begun, one.cleared or 0) for one in told), default=LONG_AGO)
    if lane["quiet"] != OPEN_END:
        lane["quiet"] = max(int(lane["quiet"]), ends + 1)
        return
    rule = int(lane["rule"])
    older = {one.rule for one in told} - {rule}
    known = rule == lane["next"] and (lane["phase"] == IDLE or not judged_kind(table[rule]["kind"]))
    if not known or any(table[one]["kind"] == STUCK for one in older):
        return
    rows = points(stretch.series, stretch.newest, OPEN_END)
    newest = max(stretch.newest, int(rows["time_ns"][-1])) if len(rows) else stretch.newest
    lane["quiet"] = max(newest, ends) + 1 + max((int(table[one]["on_ns"]) for one in older), default=0)


def _granted(lane: Any, table: NDArray[np.void]) -> int:
    """Until when the ticks have held the newest value already, where it says what it said then.

    A row that was on its way is ahead of the newest one and still behind that time; with it the ticks' time of the
    series runs from a place before it once more.
    """
    if lane["phase"] == IDLE:
        return int(lane["decided"])
    if lane["phase"] == OPEN and lane["held"] == BEYOND:
        return int(lane["start"]) + int(table[lane["rule"]]["on_ns"])
    return LONG_AGO


def _places(lane: Any, alive: Sequence[Told], table: NDArray[np.void]) -> list[int]:
    """The rules that judge: older versions first, the rule of now last."""
    now = int(lane["next"])
    older = {one.rule for one in alive if one.rule != now}
    if lane["rule"] not in (NONE, now):
        older.add(int(lane["rule"]))
    first = {place: min((one.begun for one in alive if one.rule == place), default=OPEN_END) for place in older}
    places = sorted(older, key=lambda place: (first[place], place)) + ([now] if now != NONE else [])
    return [place for place in places if judged_kind(table[place]["kind"])]


def _look(
    points: Points, stretch: Stretch, begin: int, places: Sequence[int], now: int, alive: Sequence[Told],
    table: NDArray[np.void],
) -> tuple[dict[int, Verdict], int] | None:  # fmt: skip
    """Verdicts by rule, and the time up to which they count: where nothing is open under any, or OPEN_END: to now."""
    ahead = max(stretch.near_ns, int((table[list(places)]["on_ns"] + table[list(places)]["off_ns"]).max()))
    while True:
        end = min(stretch.last + ahead, stretch.newest)
        rows = usable(points(stretch.series, begin, end + 1))
        if any(one.begun == begin for one in alive) and (not len(rows.time) or rows.time[0] != begin):
            return None  # older than what the journal keeps
        until = stretch.until if end == stretch.newest else None
        verdicts = _verdicts(rows, places, now, alive, table, until)
        cut = _settled_at(rows, verdicts, alive, table, stretch.last)
        if cut is not None:
            cut -= int((table[list(places)]["kind"] == STUCK).any())  # the row is the reference of what may follow
            return {place: _cut(verdict, cut) for place, verdict in verdicts.items()}, cut
        if end == stretch.newest:
            return verdicts, OPEN_END
        ahead *= 4


def _verdicts(
    rows: Rows, places: Sequence[int], now: int, alive: Sequence[Told], table: NDArray[np.void], until: int | None
) -> dict[int, Verdict]:
    """Of older versions only what they told of; each version sees the rows outside of what those before it told."""
    verdicts: dict[int, Verdict] = {}
    taken = np.zeros(len(rows.time), bool)
    for place in places:
        if place == now:
            verdicts[place] = _judge_parts(rows, ~taken, table[[place]], until)
            continue
        verdict = _judge_parts(rows, ~taken, table[[place]], until)
        known = [one for one in alive if one.rule == place]
        kept = [one for one in verdict.found if any(other.overlaps(one) for other in known)]
        for one in kept:
            taken |= (rows.time >= one.start) & (one.cleared is None or rows.time < one.cleared)
        goes_on = bool(kept) and kept[-1].cleared is None and verdict.lane[0]["phase"] == OPEN
        lane = verdict.lane if goes_on else fresh_lane()
        phase = np.where(taken, np.uint8(OPEN), np.uint8(IDLE))
        verdicts[place] = Verdict(kept, phase, lane)
    return verdicts


def _judge_parts(rows: Rows, mask: NDArray[np.bool_], rule: NDArray[np.void], until: int | None) -> Verdict:
    """As `judge`, of the rows in the mask, anew after every row that is not."""
    if mask.all():
        return judge(rows.time, rows.value, rule, until)
    found: list[Found] = []
    phase, lane = np.full(len(rows.time), OPEN, np.uint8), fresh_lane()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    for first, after in edges.reshape(-1, 2).tolist():
        last = after == len(mask)
        ends = until if last else int(rows.time[after])
        verdict = judge(rows.time[first:after], rows.value[first:after], rule, ends)
        found += [one if one.cleared is not None or last else one._replace(cleared=ends) for one in verdict.found]
        phase[first:after] = verdict.phase
        if last:
            lane = verdict.lane
    return Verdict(found, phase, lane)


def _settled_at(
    rows: Rows, verdicts: Mapping[int, Verdict], alive: Sequence[Told], table: NDArray[np.void], last: int
) -> int | None:
    """Time of the first row behind `last` from which on what was told is right; None where there is none."""
    good = rows.time > last
    good[:-1] &= rows.time[1:] > rows.time[:-1]
    for place, verdict in verdicts.items():
        good &= settled(rows.time, rows.value, table[place], verdict.phase)
        if table[place]["kind"] == STUCK:
            good[1:] &= rows.time[:-1] > last  # else the jump may be one from a late row, unknown until now
    for one in alive:
        good &= ~((rows.time >= one.begun) & (one.cleared is None or rows.time <= one.cleared))
    where = np.flatnonzero(good)
    return int(rows.time[where[0]]) if len(where) else None


def _cut(verdict: Verdict, end: int) -> Verdict:
    return verdict._replace(found=[one for one in verdict.found if one.start <= end])


def _compare(
    told: Sequence[Told], found: Sequence[Found], place: int, identities: set[int]
) -> list[tuple[Literal["raised", "cleared", "revised"], Told]]:
    """What is to be told, by start; the told ones are changed, new ones made (raised, and cleared where they are)."""
    owners, parts = matched(told, found)
    out: list[tuple[Literal["raised", "cleared", "revised"], Told]] = []
    for one, owner in zip(found, owners, strict=True):
        if owner is not None:
            out += _revised(owner, one)
            continue
        start = one.start
        while start in identities:  # of one that is something else by now
            start += 1
        identities.add(start)
        fresh = Told(place, start, one.start, one.cleared, one.peak, one.out, one.upper, late=True)
        out.append(("raised", fresh))
        if one.cleared is not None:
            out.append(("cleared", fresh))
    kept = {id(owner) for owner in owners}
    for gone in told:
        if id(gone) in kept or gone.voided:
            continue
        gone.voided, gone.out = True, 0
        gone.cleared = gone.begun if gone.cleared is None else gone.cleared
        if gone.start in parts:
            gone.merged_into = parts[gone.start].start
        out.append(("revised", gone))
    return out


def _revised(told: Told, found: Found) -> list[tuple[Literal["raised", "cleared", "revised"], Told]]:
    """The told one as it was found; nothing to tell where only the peak or the time of an open one is another."""
    moved = told.begun != found.start or told.voided
    ended = told.cleared is None and found.cleared is not None
    known = not np.isnan(told.peak)
    other = told.cleared != found.cleared or (
        told.cleared is not None and known and (told.peak != found.peak or told.out != found.out)
    )
    told.begun, told.cleared, told.voided, told.merged_into = found.start, found.cleared, False, None
    told.upper, told.peak, told.out = found.upper, found.peak, found.out
    if ended and not moved:
        return [("cleared", told)]
    return [("revised", told)] if moved or other else []


def _follow(lane: Any, verdicts: Mapping[int, Verdict], told: Sequence[Told]) -> None:
    """The live lane goes on from what was judged up to now."""
    now, ran = int(lane["next"]), int(lane["rule"])
    if ran not in verdicts:
        return
    open_place = next((place for place, one in verdicts.items() if one.lane[0]["phase"] == OPEN), now)
    if open_place not in verdicts:  # no rule of now that could be judged, and what the old one had open is over
        lane["phase"], lane["held"], lane["rule"] = IDLE, 0, now
        return
    state = verdicts[open_place].lane[0]
    started = int(lane["told_start"])
    for name in LANE.names or ():
        if name not in ("rule", "next", "told_start", "quiet"):
            lane[name] = state[name]
    lane["rule"] = open_place
    if state["phase"] == OPEN:
        begun = int(state["start"])
        lane["told_start"] = next(
            (one.start for one in told if one.begun == begun and not one.voided and one.cleared is None), begun
        )
    else:
        lane["told_start"] = max([started, *(one.start for one in told)])

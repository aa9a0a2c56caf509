"""What both reports tell in the same way: figures, alarms, instruments, data that came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from andon.outputs import Figure
from andon.readings import NS_PER_MS, NS_PER_S, Status
from operators.calibration import Measured
from operators.lots import OPEN_END
from service.calibrations import Calibrations
from service.evidence.readings import place_of, thinned
from service.web.history_view import trend_json
from service.web.room import Room, ms
from sinks.history_reader import HistoryReader

Json = dict[str, Any]
MOST_ALARMS = 1000
MOST_FIGURES = 5000
PAGE = 10_000  # figures read at once where all of a stretch are looked through
CURVE_POINTS = 480
COUNTED = ("received", "counted", "late", "duplicate", "bad", "dead", "conflict")


@dataclass(frozen=True)
class Sources:
    """What a report is made from. as_of_ns: only what was known then, plant time; None: what is known now."""

    room: Room
    as_of_ns: int | None = None

    @property
    def history(self) -> HistoryReader:
        """Where figures are."""
        return self.room.history

    def figures(self, kind: str, start_ns: int, end_ns: int, asset: str) -> list[Figure]:
        """Figures that overlap the stretch, those that late data took away left out."""
        return self.history.figures(kind, start_ns, end_ns, asset, MOST_FIGURES, as_of_ns=self.as_of_ns)

    def newest_first(self, kind: str, start_ns: int, end_ns: int, asset: str) -> Iterator[Figure]:
        """The same of any number, each once, from the latest start back; `PAGE` of them are in memory at a time."""
        most, seen = PAGE, set[tuple[str, int]]()
        while True:
            page = self.history.figures(kind, start_ns, end_ns, asset, most, as_of_ns=self.as_of_ns)[-most:]
            yield from (one for one in reversed(page) if (one.tag, one.start_ns) not in seen)
            if len(page) < most:
                return
            oldest_ns = page[0].start_ns  # others that begin then may be cut off: the next page begins with them
            last = {(one.tag, one.start_ns) for one in page if one.start_ns == oldest_ns}
            if oldest_ns + 1 < end_ns:
                seen, end_ns = last, oldest_ns + 1
            else:
                seen, most = seen | last, 2 * most

    def calibrations(self) -> Calibrations:
        """Certificates of the plant's instruments."""
        return Calibrations(self.room.plant, self.history)


def site_json(sources: Sources) -> Json:
    """Who tells it, and as of when: the plant's time that the data had reached, or the one asked for."""
    site, reached_ns = sources.room.plant.config.site, sources.history.watermark_ns()
    return {
        "id": site.id, "name": site.name or site.id, "timezone": site.timezone,
        "as_of_ms": ms(sources.as_of_ns), "reached_ms": ms(reached_ns),
    }  # fmt: skip


def figure_json(one: Figure) -> Json:
    """A figure with its revision and when that was known."""
    return {
        "kind": one.kind, "asset": one.asset, "tag": one.tag, "start_ms": ms(one.start_ns), "end_ms": ms(one.end_ns),
        "revision": one.revision, "final": one.final, "known_ms": ms(one.known_ns) if one.known_ns else None,
        "parts": dict(one.parts), "about": dict(one.about),
    }  # fmt: skip


def alarms_json(sources: Sources, asset: str, stretches: Sequence[tuple[int, int]]) -> list[Json]:
    """The asset's alarms that overlap the stretches, oldest first; not those that late data took back."""
    last_ns = max(end for _, end in stretches)
    known = {rule.id for rule in sources.room.plant.config.rule}
    found = [
        one for one in sources.room.records.alarms(asset=asset, limit=MOST_ALARMS, before_ns=last_ns)
        if one.merged_into is None and not one.evidence.get("voided") and one.rule_id in known
        and any(one.start_ns < end and (one.cleared_ns or OPEN_END) > start for start, end in stretches)
    ]  # fmt: skip
    return [
        {
            "key": one.key, "asset": one.asset, "tag": one.tag, "rule": one.rule_id, "priority": one.priority,
            "state": str(one.state), "start_ms": ms(one.start_ns), "cleared_ms": ms(one.cleared_ns),
            "limit": one.limit, "peak": one.peak, "unit": one.unit, "out_s": one.out_s,
        }
        for one in reversed(found)
    ]  # fmt: skip


def instrument(one: Measured) -> tuple[object, ...]:
    """What tells an instrument of a report from others: its series, its certificate and how it stood."""
    return one.tag, one.certificate, one.state


def measured_json(calibrations: Calibrations, figures: Iterable[Figure]) -> list[Json]:
    """Instruments of figures, each once with the worst it was told of, in order of the tags."""
    found = {instrument(one): one for figure in figures for one in calibrations.measured(figure)}
    return [
        {
            "tag": one.tag, "certificate": one.certificate, "state": str(one.state), "expanded": one.expanded,
            "k": one.k, "in_doubt": one.in_doubt,
        }
        for _, one in sorted(found.items(), key=lambda item: tuple(map(str, item[0])))
    ]  # fmt: skip


def rows_json(sources: Sources, assets: Iterable[str], start_ns: int, end_ns: int) -> dict[str, list[Json]]:
    """Rows of each series by what became of them, of the hours that the stretch touches; by asset."""
    hour_ns = 3600 * NS_PER_S
    wanted = set(assets)
    found: dict[str, list[Json]] = {asset: [] for asset in wanted}
    for one in sources.history.ledger(start_ns // hour_ns * hour_ns, end_ns):
        if one.asset in wanted:
            found[one.asset].append({"tag": one.tag, **{name: getattr(one, name) for name in COUNTED}})
    return found


def curve_json(sources: Sources, asset: str, tag: str, start_ns: int, end_ns: int) -> Json | None:
    """Windows of a series for a picture; None where the plant has no such series any more."""
    spec = sources.room.plant.series.get((asset, tag))
    if spec is None or end_ns <= start_ns:
        return None
    told = trend_json(sources.room, spec, start_ns, end_ns, CURVE_POINTS, None)
    names = ("tag", "unit", "size_s", "start_ms", "minimum", "maximum", "mean")
    return {**{name: told[name] for name in names}, "every_s": told["size_s"]}


def readings_json(sources: Sources, asset: str, tag: str, start_ns: int, end_ns: int) -> Json | None:
    """The readings themselves in the form of `curve_json`, size_s 0, thinned where there are too many.

    Windows where the journal does not hold them any more.
    """
    room = sources.room
    spec = room.plant.series.get((asset, tag))
    place = place_of(room.data, room.plant.config.transport.shards, asset, tag)
    if spec is None or place is None:
        return curve_json(sources, asset, tag, start_ns, end_ns)
    found = place.journal.find([place.series], start_ns, end_ns)
    usable = found.where((found.rows["status"] != Status.BAD) & np.isfinite(found.rows["value"]))
    if found.skipped or not len(usable):
        return curve_json(sources, asset, tag, start_ns, end_ns)
    rows = usable.rows[thinned(usable)]
    rows = rows[np.argsort(rows["time_ns"], kind="stable")]
    value = [float(f"{one:.6g}") for one in rows["value"].tolist()]
    told = {"start_ms": (rows["time_ns"] // NS_PER_MS).tolist(), "minimum": value, "maximum": value, "mean": value}
    return {"tag": tag, "unit": spec.unit, "size_s": 0.0, "every_s": spec.every_s, **told}

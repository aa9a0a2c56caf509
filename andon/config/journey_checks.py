"""Checks of [[place]], [[journey_plan]] and [template.journey]: fences that enclose something, names that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shapely.geometry import Polygon

from andon.config.journey import GeoPlace, Journey, JourneyPlan
from andon.config.models import Series
from andon.config.problems import Loc, Problem, Words, shown, unknown_name
from andon.config.validate import Draft

UNITS: Mapping[str, tuple[str, ...]] = {
    "latitude": ("deg",), "longitude": ("deg",), "accuracy": ("m",), "speed": ("km/h", "m/s"),
    "shock": ("m/s2", "[g]"),
}  # fmt: skip
CORNERS = 3
WIDEST_DEG = 180.0  # a polygon over the date line looks wider than half the earth


def check_journey(draft: Draft) -> Iterator[Problem]:
    """Faults of every place, plan and journey that is valid by itself."""
    for loc, place in draft.lists["place"]:
        yield from _place(draft, loc, place)
    places, plans = draft.named("place", "id"), draft.named("journey_plan", "id")
    for loc, plan in draft.lists["journey_plan"]:
        yield from _plan(draft, loc, plan, places)
    for loc, template in draft.lists["template"]:
        if template.journey is not None:
            at: Loc = (*loc, "journey")
            yield from _series(draft, at, template.journey, {one.tag: one for one in template.series})
            for number, name in enumerate(template.journey.plans):
                if name not in plans:
                    where = draft.document.place((*at, "plans", number))
                    yield unknown_name(where, name, Words("config.word.journey_plan"), plans)


def _place(draft: Draft, loc: Loc, place: GeoPlace) -> Iterator[Problem]:
    where = draft.document.place(loc)
    if (place.centre is None) == (not place.corners):
        yield Problem("config.place_shape", where, name=place.id)
    elif place.corners:
        lats, lons = zip(*place.corners, strict=True)
        wide = max(lons) - min(lons) > WIDEST_DEG
        if len(place.corners) < CORNERS or wide or not _encloses(list(zip(lons, lats, strict=True))):
            yield Problem("config.place_corners", where, name=place.id, found=shown(place.corners))


def _encloses(corners: list[tuple[float, float]]) -> bool:
    polygon = Polygon(corners)
    return bool(polygon.is_valid) and float(polygon.area) > 0.0


def _plan(draft: Draft, loc: Loc, plan: JourneyPlan, places: set[str]) -> Iterator[Problem]:
    if plan.begins not in places:
        yield unknown_name(draft.document.place((*loc, "begins")), plan.begins, Words("config.word.place"), places)
    for number, stop in enumerate(plan.stop):
        at: Loc = (*loc, "stop", number)
        if stop.place not in places:
            yield unknown_name(draft.document.place((*at, "place")), stop.place, Words("config.word.place"), places)
        if stop.earliest_min is not None and stop.latest_min is not None and stop.earliest_min >= stop.latest_min:
            found = shown((stop.earliest_min, stop.latest_min))
            yield Problem("config.order", draft.document.place((*at, "earliest_min")), found=found)


def _series(draft: Draft, loc: Loc, declared: Journey, series: Mapping[str, Series]) -> Iterator[Problem]:
    named: dict[str, str] = {}
    for key, tag in declared.tags().items():
        name, _, number = key.rstrip("]").partition("[")
        place = draft.document.place((*loc, name, int(number)) if number else (*loc, name))
        if tag in named:
            yield Problem("config.twice", place, found=shown(tag), first=named[tag])
        named.setdefault(tag, str(place))
        if tag not in series:
            yield unknown_name(place, tag, Words("config.word.series"), series)
        elif series[tag].kind != "number":
            yield Problem("config.wrong_kind", place, found=shown(tag), kind=series[tag].kind, wanted="number")
        elif series[tag].unit not in UNITS[name]:
            allowed = ", ".join(UNITS[name])
            yield Problem("config.journey_unit", place, tag=tag, found=shown(series[tag].unit), allowed=allowed)

"""[[place]], [[journey_plan]] and [template.journey]: where a truck or a shipper is, and where it should be when."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from andon.config.base import Section, Slug, Tag

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Point = tuple[Latitude, Longitude]


class GeoPlace(Section):
    """[[place]]: a fence on the map, a circle (`centre`, `radius_m`) or a polygon (`corners`)."""

    id: Slug = Field(description="What plans and events name.")
    name: str = Field("", max_length=64, description="Shown to people.")
    source: str = Field("", max_length=200, description="Where the coordinates come from.")
    centre: Point | None = Field(None, description="Of a circle: latitude, longitude, degrees (WGS 84).")
    radius_m: float = Field(100.0, gt=0, description="Of a circle, m. Usual value, to be confirmed.")
    corners: tuple[Point, ...] = Field(
        (), description="Of a polygon: latitude, longitude of each corner, degrees; not over a pole or the date line."
    )


class PlannedStop(Section):
    """[[journey_plan.stop]]: a stop of a plan, in order."""

    place: Slug = Field(description="Id of a [[place]].")
    via: tuple[Point, ...] = Field((), description="Points of the way to it: latitude, longitude, degrees.")
    earliest_min: float | None = Field(None, ge=0, description="Arrival window from so long after the start, min.")
    latest_min: float | None = Field(None, ge=0, description="Arrival window up to so long after the start, min.")
    stays_min: float = Field(0.0, ge=0, description="How long it is meant to stand there, min; part of the time of "
                             "arrival at later stops.")  # fmt: skip


class JourneyPlan(Section):
    """[[journey_plan]]: a way with its stops. A journey on it begins by event or where `begins` is left."""

    id: Slug = Field(description="What templates and events name.")
    begins: Slug = Field(description="Id of the [[place]] where it begins.")
    stop: tuple[PlannedStop, ...] = Field(description="Its stops; the last one ends the journey.", min_length=1)
    corridor_m: float | None = Field(
        None, gt=0, description="Time further than this from the way is told, m; none: the way is free."
    )


class Journey(Section):
    """[template.journey]: given, the ways, stops and shocks of such an asset are told."""

    latitude: Tag = Field(description="Series of kind number, deg (WGS 84); figures stand under it.")
    longitude: Tag = Field(description="Series of kind number, deg (WGS 84).")
    accuracy: Tag | None = Field(None, description="Accuracy of the position as the receiver tells it, m.")
    speed: Tag | None = Field(None, description="Measured speed, km/h or m/s: gives the highest one.")
    shock: tuple[Tag, ...] = Field(
        (), max_length=3, description="Acceleration by axis, gravity taken off, m/s2 or [g]; gives the kind shock."
    )
    plans: tuple[Slug, ...] = Field((), description="Ids of the [[journey_plan]] that begin where their first place is "
                                    "left and no journey runs; others begin by the event journey.started.")  # fmt: skip
    stop_s: float = Field(
        180.0,
        gt=0,
        description="It stops where it stays within `drift_m` for so long, s. Usual, to be confirmed.",
    )
    drift_m: float = Field(50.0, gt=0, description="See `stop_s`, m. Above the noise of the position.")
    chord_m: float = Field(
        50.0, gt=0, description="The way is measured in straight pieces of at least this length, m, so that noise "
        "makes no way.",
    )  # fmt: skip
    fence_out_m: float = Field(
        50.0, ge=0, description="A place is left so far outside of its fence, m: a vehicle at the fence does not "
        "come and go.",
    )  # fmt: skip
    fixes: int = Field(2, ge=1, le=100, description="Positions in a row that enter or leave a place.")
    most_accuracy_m: float = Field(
        50.0, gt=0, description="Positions of a worse accuracy are left out, m. Usual value, to be confirmed."
    )
    fastest_km_h: float = Field(
        200.0, gt=0, description="A position that would need a higher speed is left out, unless three in a row agree."
    )
    pair_s: float = Field(0.5, ge=0, description="Most between latitude and longitude of one position, s.")
    shock_g: float = Field(
        2.0, gt=0, description="A shock is an acceleration of at least this, standard gravities. Set it after the "
        "fragility of the goods.",
    )  # fmt: skip
    longest_h: float = Field(72.0, gt=0, le=720, description="A journey is cut after so long, h.")
    speed_over_min: float = Field(
        10.0, gt=0, description="Speed is measured over stretches of so much driving, min; the time of arrival rests "
        "on the newest twelve.",
    )  # fmt: skip

    def tags(self) -> dict[str, str]:
        """Every series that it names, by the field that does: `shock[0]` for one of several."""
        named = {key: getattr(self, key) for key in ("latitude", "longitude", "accuracy", "speed")}
        named |= {f"shock[{place}]": tag for place, tag in enumerate(self.shock)}
        return {key: tag for key, tag in named.items() if tag is not None}

    def carrying(self, kind: str) -> tuple[str, ...]:
        """The tags that figures of a kind stand under; none of a kind that is not a journey's."""
        if kind == "shock":
            return self.shock
        return (self.latitude,) if kind in ("journey", "journey_stop") else ()

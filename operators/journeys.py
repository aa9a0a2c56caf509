"""Journeys of a truck or a shipper and their stops: the way against its plan, arrival, what is left, shocks.

A journey begins by the event `journey.started` {journey, plan, stops} or, where the template names plans, as the first
place of one is left. It ends where it stands at the last stop, by `journey.ended`, as another one starts, or after
`longest_h`. A stop is sure once it has lasted `stop_s`; it begins with the first position of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from operators import journey_way as way
from operators.event_data import text_of
from operators.journey_plan import Driven, Planned, Point, legs_of, line_of, planned, told_stops
from operators.journey_run import NEVER, Journey, Stop, Totals, ahead_of
from operators.journey_setup import JourneySetup
from operators.machines import Happened, Inputs, Made
from operators.shock_machine import Pulses

LAYOUT = 1
NS_PER_H = 3_600 * 10**9
NO_LINE = np.empty((0, 2))


class JourneyMachine:
    """One figure a journey (`stops` False) or a stop (True). Inputs as `JourneySetup.roles` says."""

    def __init__(self, begin_ns: int, setup: JourneySetup, *, stops: bool) -> None:
        self._begin_ns = self._upto_ns = begin_ns
        self._setup, self._tells_stops = setup, stops
        self._roles = np.array(setup.roles, np.int64)
        self._way = way.fresh_way(begin_ns, len(setup.places))
        self._pulses = Pulses(setup.shocks, sum(role != way.SHOCK for role in setup.roles))
        self._journey: Journey | None = None
        self._stop: Stop | None = None
        self._terms, self._line, self._legs = setup.terms(), NO_LINE, tuple[tuple[Point, ...], ...]()

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `operators.machines.Machine`."""
        made: list[Made] = []
        row = 0
        for event in inputs.events:
            row = self._rows(inputs, row, event.time_ns, made)
            self._happened(event, made)
        self._rows(inputs, row, upto_ns, made)
        self._upto_ns = upto_ns
        return [one for one in made if one.end_ns > self._begin_ns and one.end_ns > one.start_ns]

    def _rows(self, inputs: Inputs, row: int, upto_ns: int, made: list[Made]) -> int:
        """Rows before upto_ns, and the end of a journey that lasts too long; returns the number of the next row."""
        while True:
            until_ns = min(upto_ns, self._cut_ns)
            end = int(np.searchsorted(inputs.time_ns, until_ns))
            while row < end:
                row = self._some(inputs, row, end, until_ns, made)
                if self._cut_ns < until_ns:
                    break
            else:
                self._shake(inputs, end, end, until_ns)
                if self._journey is not None and until_ns == self._cut_ns:
                    self._end(self._journey, until_ns, "too_long", made)
                if until_ns == upto_ns:
                    return row

    @property
    def _cut_ns(self) -> int:
        """When the journey that runs is cut."""
        journey = self._journey
        return NEVER if journey is None else journey.start_ns + round(self._setup.declared.longest_h * NS_PER_H)

    def _some(self, inputs: Inputs, row: int, end: int, until_ns: int, made: list[Made]) -> int:
        after = int(way.drive(
            self._way, self._setup.ground, self._setup.numbers, self._terms, self._line, self._roles, inputs.time_ns,
            inputs.input, inputs.value, inputs.status, row, end,
        ))  # fmt: skip
        flags = int(self._way.ints[way.FLAGS])
        self._shake(inputs, row, after, int(inputs.time_ns[after - 1]) if flags else until_ns)
        if flags & way.LEFT:
            self._left(made)
        if flags & way.FENCED:
            self._fenced(made)
        if flags & way.STANDS:
            self._stands(made)
        return after

    def _shake(self, inputs: Inputs, row: int, end: int, upto_ns: int) -> None:
        found = self._pulses.take(inputs.time_ns, inputs.input, inputs.value, row, end, upto_ns)
        if found and self._journey is not None:
            self._journey = self._journey.shaken([one.shock.peak_g for one in found])

    def _left(self, made: list[Made]) -> None:
        """A stop ended with the position before the one that left it."""
        ints, floats = self._way.ints, self._way.floats
        if self._stop is None:
            return
        end_ns, at = int(ints[way.STOP_END]), (float(floats[way.STOP_LAT]), float(floats[way.STOP_LON]))
        if self._tells_stops:
            made.append(self._stop.made(end_ns, int(ints[way.STOP_GAP]), at))
        if self._journey is not None:
            self._journey = self._journey.left(self._stop, end_ns)
        self._stop = None

    def _fenced(self, made: list[Made]) -> None:
        """Places were entered or left: without a journey, one may begin."""
        if self._journey is not None:
            return
        gone = {one.id for one, how in zip(self._setup.places, self._way.changed.tolist(), strict=True) if how < 0}
        for name in self._setup.declared.plans:
            plan = self._setup.plan_of.get(name)
            if plan is not None and plan.begins in gone:
                at_ns = int(self._way.ints[way.FIX_NS])
                self._start(at_ns, "", name, planned(plan, at_ns), made)
                return

    def _stands(self, made: list[Made]) -> None:
        """A stop is sure; the last one of a journey ends it, at its beginning."""
        ints = self._way.ints
        start_ns, place = int(ints[way.STAND_NS]), self._place()
        if self._journey is None:
            self._stop = Stop(start_ns, place)
            return
        if start_ns < self._journey.start_ns:  # it stood there before the journey: that is no arrival
            self._stop = Stop(start_ns, place)
            return
        plan = self._setup.plan_of.get(self._journey.plan)
        self._journey, self._stop = self._journey.stopped(start_ns, place, plan.begins if plan else "")
        if self._journey.done:
            arrived_ns = max(start_ns, self._journey.start_ns)
            at_arrival = (int(ints[way.STAND_GAP]), int(ints[way.STAND_OUT]))
            self._end(self._journey, arrived_ns, "arrived", made, at_arrival)

    def _place(self) -> str:
        """Where it stands, after `fixes` or not: a place still to come first, else the first around it; else empty."""
        inside = [self._setup.places[number].id for number in np.flatnonzero(self._way.fences.any(axis=1)).tolist()]
        ahead = self._journey.stops[self._journey.next :] if self._journey is not None else ()
        return next((one.place for one in ahead if one.place in inside), inside[0] if inside else "")

    def _happened(self, event: Happened, made: list[Made]) -> None:
        data, at_ns = event.data, event.time_ns
        if event.event == "journey.started":
            name, plan = text_of(data, "journey"), self._setup.plan_of.get(text_of(data, "plan"))
            stops = told_stops(data) or (planned(plan, at_ns) if plan else ())
            if self._journey is None or self._journey.start_ns < at_ns:
                self._start(at_ns, name, text_of(data, "plan"), stops, made)
        journey = self._journey
        if event.event == "journey.ended" and journey and text_of(data, "journey") in ("", journey.name):
            self._end(journey, at_ns, "event", made)

    def _start(self, at_ns: int, name: str, plan: str, stops: tuple[Planned, ...], made: list[Made]) -> None:
        if self._journey is not None:
            self._end(self._journey, at_ns, "next", made)
        ints, floats = self._way.ints, self._way.floats
        totals = self._totals(at_ns)
        before = (totals.gap_ns, totals.fixes, totals.left_out, totals.uncertain)
        self._journey = Journey(at_ns, name, plan, stops, before)
        ints[[way.OUTSIDE, way.IS_OUT, way.STAND_OUT, way.SLOT_NS, way.SLOTS]] = 0
        floats[[way.KM, way.BLIND_KM, way.SLOT_KM]] = 0.0
        floats[way.TOP_SPEED] = -1.0
        ints[way.STEP_NS], ints[way.STEP_BLIND] = ints[way.FIX_NS], 0
        floats[[way.STEP_LAT, way.STEP_LON]] = floats[[way.FIX_LAT, way.FIX_LON]]
        self._lay()

    def _lay(self) -> None:
        """The way of the journey that runs."""
        journey, setup = self._journey, self._setup
        self._terms, self._line, self._legs = setup.terms(), NO_LINE, ()
        if journey is None:
            return
        plan = setup.plan_of.get(journey.plan)
        self._legs = legs_of(plan, [one.place for one in journey.stops], setup.centres)
        if plan is not None and [one.place for one in plan.stop] == [one.place for one in journey.stops]:
            self._terms, self._line = setup.terms(plan.corridor_m), line_of(self._legs)

    def _end(
        self, journey: Journey, end_ns: int, how: str, made: list[Made], at_arrival: tuple[int, int] | None = None
    ) -> None:
        """The journey is over; at_arrival: gap and time outside as they were at an end before the last position."""
        totals = self._totals(end_ns)
        if at_arrival is not None:
            totals = replace(totals, gap_ns=at_arrival[0], outside_ns=at_arrival[1])
        if self._stop is not None:
            journey = journey.left(self._stop, end_ns)
        self._told(journey, end_ns, totals, how, made)
        self._journey = None
        self._lay()

    def _told(self, journey: Journey, end_ns: int, totals: Totals, how: str, made: list[Made]) -> None:
        if self._tells_stops:
            return
        ints, floats = self._way.ints, self._way.floats
        known = bool(ints[way.HAVE]) and end_ns - int(ints[way.FIX_NS]) < self._setup.gap_ns
        at = (float(floats[way.FIX_LAT]), float(floats[way.FIX_LON])) if known and not how else None
        more = ahead_of(journey, end_ns, at, self._legs, self._driven())
        unknown = [one.place for one, leg in zip(journey.stops, self._legs, strict=True) if not leg]
        one = journey.made(end_ns, totals, how, more, free=self._terms[way.CORRIDOR_KM] <= 0.0)
        about = {**one.about, "unknown": ", ".join(unknown)[:64]} if unknown else one.about
        made.append(replace(one, about=about))

    def _driven(self) -> Driven:
        closed = min(int(self._way.ints[way.SLOTS]), way.SLOTS_KEPT)
        hours = int(self._way.ints[way.SLOT_NS]) / NS_PER_H
        return Driven(self._way.slots[:closed], float(self._way.floats[way.SLOT_KM]), hours)

    def _totals(self, at_ns: int) -> Totals:
        """As of an instant that is not before the last position."""
        ints, floats = self._way.ints, self._way.floats
        since = at_ns - int(ints[way.FIX_NS])
        gap = int(ints[way.GAP]) + max(0, since - self._setup.gap_ns)
        outside = int(ints[way.OUTSIDE]) + (max(0, min(since, self._setup.gap_ns)) if ints[way.IS_OUT] else 0)
        fixes, left_out, uncertain = (int(ints[place]) for place in (way.FIXES, way.LEFT_OUT, way.UNCERTAIN))
        km, blind, top = (float(floats[place]) for place in (way.KM, way.BLIND_KM, way.TOP_SPEED))
        return Totals(km, blind, gap, outside, fixes, left_out, uncertain, top)

    def running(self) -> list[Made]:
        """See `operators.machines.Machine`."""
        now_ns, made = self._upto_ns, list[Made]()
        stop, ints, floats, totals = self._stop, self._way.ints, self._way.floats, self._totals(now_ns)
        if self._tells_stops and stop is not None and now_ns > stop.start_ns:
            at = (float(floats[way.STAND_LAT]), float(floats[way.STAND_LON]))
            made.append(stop.made(now_ns, totals.gap_ns - int(ints[way.STAND_GAP]), at))
        journey = self._journey
        if journey is not None and now_ns > journey.start_ns:
            self._told(journey.left(stop, now_ns) if stop else journey, now_ns, totals, "", made)
        return made

    def snapshot(self) -> tuple[Any, ...]:
        """See `operators.machines.Machine`."""
        journey, stop = self._journey and self._journey.plain(), self._stop and self._stop.plain()
        arrays = tuple(one.tobytes() for one in self._way)
        return (LAYOUT, self._upto_ns, arrays, self._pulses.snapshot(), journey, stop)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """See `operators.machines.Machine`."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"journey: layout {snapshot[0]}, {LAYOUT} is known")
        _, self._upto_ns, arrays, pulses, journey, stop = snapshot
        for one, kept in zip(self._way, arrays, strict=True):
            one[...] = np.frombuffer(kept, one.dtype).reshape(one.shape)
        self._pulses.restore(pulses)
        self._journey = None if journey is None else Journey.of(journey)
        self._stop = None if stop is None else Stop(*stop)
        self._lay()

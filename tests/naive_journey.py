"""Journeys, stops and shocks the slow way: all positions first, then everything counted from the whole list."""

from __future__ import annotations

import math
from itertools import pairwise

from shapely.geometry import LineString, Point

from operators.geo import KM_PER_DEGREE, Area, Fence, distance_km
from operators.journey_plan import planned

NS = 10**9


def at(fix):
    return fix[1], fix[2]


def positions(rows, declared, gap_ns):
    """rows: (time_ns, role, value, status), sorted; gives (time, lat, lon, uncertain, jumped), and times left out."""
    newest, used, left_out, wild, paired = {}, [], [], [], -(2**62)
    for time, role, value, status in rows:
        newest[role] = (time, value, status)
        if role not in ("lat", "lon"):
            continue
        other = newest.get("lon" if role == "lat" else "lat")
        if other is None or time <= paired or other[0] <= paired or time - other[0] > declared.pair_s * NS:
            continue
        paired = time
        lat, lon = newest["lat"][1], newest["lon"][1]
        fix = (time, lat, lon, 1 in (newest["lat"][2], newest["lon"][2]), False)
        accuracy = newest.get("acc")
        poor = accuracy and time - accuracy[0] < gap_ns and accuracy[1] > declared.most_accuracy_m
        if poor or abs(lat) > 90 or abs(lon) > 180 or (lat, lon) == (0.0, 0.0):
            left_out.append(time)
        elif not used or follows(used[-1], fix, declared):
            used.append(fix)
            wild = []
        else:
            wild = [*wild, fix] if wild and follows(wild[-1], fix, declared) else [fix]
            if len(wild) == 3:
                used.append((*fix[:4], True))
                wild = []
            else:
                left_out.append(time)
    return used, left_out


def follows(one, other, declared):
    off = distance_km(at(one), at(other)) - declared.chord_m / 1000
    return off <= declared.fastest_km_h * (other[0] - one[0]) / 3.6e12


def stands(fixes, declared):
    """Stops: (start, end, time at which it was sure, end is known, position)."""
    found, first = [], 0
    while first < len(fixes):
        block = [fixes[first]]
        for fix in fixes[first + 1 :]:
            if distance_km(at(fixes[first]), at(fix)) > declared.drift_m / 1000:
                break
            block.append(fix)
        sure = next((fix[0] for fix in block if fix[0] - block[0][0] >= declared.stop_s * NS), None)
        if sure is not None:
            found.append((block[0][0], block[-1][0], sure, first + len(block) < len(fixes), at(block[0])))
        first += len(block)
    return found


def crossings(fixes, setup):
    """(time, place, True: entered) in order of time, then place; and what was entered by a time."""
    found = []
    for number, place in enumerate(setup.places):
        out = setup.declared.fence_out_m / 1000
        if place.corners:
            fence, area = Fence(1e-9, max(1e-9, out), setup.declared.fixes), Area(place.corners)
            off = [area.distance_km(at(fix)) for fix in fixes]
        else:
            radius = place.radius_m / 1000
            fence = Fence(radius, radius + out, setup.declared.fixes)
            off = [distance_km(place.centre, at(fix)) for fix in fixes]
        for fix, apart in zip(fixes, off, strict=True):
            changed = fence.step(apart)
            if changed is not None:
                found.append((fix[0], number, place.id, changed))
    return sorted(found)


def off_km(place, fix):
    """From a place, km; 0 and below inside of it."""
    if place.corners:
        return Area(place.corners).distance_km(at(fix))
    return distance_km(place.centre, at(fix)) - place.radius_m / 1000


def blind_ns(fixes, begin, start, end, gap_ns):
    """Time of [start, end) more than gap_ns behind the last position."""
    times = [begin, *(fix[0] for fix in fixes if fix[0] < end)]
    whole = 0
    for one, other in pairwise([*times, end]):
        whole += max(0, min(other, end) - max(one + gap_ns, start))
    return whole


class Trip:
    """Plain attributes of a journey that runs."""

    def __init__(self, start, by_event, name, plan, stops):
        self.start, self.by_event, self.name, self.plan, self.stops = start, by_event, name, plan, list(stops)
        self.next = self.missed = self.off = self.stood = self.unplanned = 0
        self.early = self.late = 0.0
        self.standing = self.unplanned_ns = 0

    def mine(self, time):
        return time >= self.start if self.by_event else time > self.start


def journeys(rows, events, setup, upto, begin=0):
    """Finished journeys and stops as (start, end, parts, about). events: (time, name, data with Planned in `stops`)."""
    fixes, left_out = positions(rows, setup.declared, setup.gap_ns)
    stops, fences = stands(fixes, setup.declared), crossings(fixes, setup)
    happened = [(time, 0, number, "event", (name, data)) for number, (time, name, data) in enumerate(events)]
    happened += [(after(fixes, one[1]), 1, 0, "left", one) for one in stops if one[3]]
    happened += [(time, 1, 1, "fence", (place, entered)) for time, _, place, entered in fences]
    happened += [(one[2], 1, 2, "sure", one) for one in stops]
    order = {(place.id, entered): number for number, place in enumerate(setup.places) for entered in (True, False)}
    happened.sort(key=lambda one: (one[:3], order.get(one[4], 0) if one[3] == "fence" else 0))
    trip, stop, told, told_stops, inside = None, None, [], [], set()

    def finish(end, how, until, included, arrived=None):
        nonlocal trip
        one = trip
        if stop is not None:
            stood = max(0, end - max(stop["start"], one.start))
            one.standing += stood
            one.unplanned_ns += stood if stop["planned"] is False else 0
        if end > one.start:
            told.append(figure(one, end, how, until, included, fixes, left_out, rows, setup, begin))
        trip = None

    for time, _, _, what, told_of in [*happened, (upto, 2, 0, "end", None)]:
        if trip is not None and (cut := trip.start + round(setup.declared.longest_h * 3600) * NS) <= time:
            finish(cut, "too_long", cut, False)
        if what == "event":
            name, data = told_of
            if name == "journey.started" and (trip is None or trip.start < time):
                if trip is not None:
                    finish(time, "next", time, False)
                trip = Trip(time, True, data.get("journey", ""), data.get("plan", ""), data["stops"])
            elif name == "journey.ended" and trip is not None:
                finish(time, "event", time, False)
        elif what == "left" and stop is not None:
            end = told_of[1]
            if trip is not None:
                stood = max(0, end - max(stop["start"], trip.start))
                trip.standing += stood
                trip.unplanned_ns += stood if stop["planned"] is False else 0
            told_stops.append((stop["start"], end, stop, blind_ns(fixes, begin, stop["start"], end, setup.gap_ns)))
            stop = None
        elif what == "fence":
            place, entered = told_of
            (inside.add if entered else inside.discard)(place)
        elif what == "sure":
            fix = next(one for one in fixes if one[0] == time)
            here = [one.id for one in setup.places if one.id in inside or off_km(one, fix) <= 0.0]
            start = told_of[0]
            ahead = [one.place for one in trip.stops[trip.next :]] if trip else []
            place = next((one for one in ahead if one in here), here[0] if here else "")
            stop = {"start": start, "place": place, "planned": None, "early": None, "late": None, "plan": ""}
            if trip is not None and start >= trip.start:
                arrive(trip, stop, setup)
                if trip.stops and trip.next == len(trip.stops):
                    finish(start, "arrived", time, True)
        if what == "fence" and trip is None and not told_of[1]:
            same = [one[4][0] for one in happened if one[0] == time and one[3] == "fence" and not one[4][1]]
            plan = next((name for name in setup.declared.plans if setup.plan_of[name].begins in same), None)
            if plan:
                trip = Trip(time, False, "", plan, planned(setup.plan_of[plan], time))
    return told, told_stops


def arrive(trip, stop, setup):
    trip.stood += 1
    stop["plan"] = trip.plan
    begins = setup.plan_of[trip.plan].begins if trip.plan in setup.plan_of else ""
    names = [one.place for one in trip.stops]
    if stop["place"] in names[trip.next :]:
        number = names.index(stop["place"], trip.next)
        early, late = window(trip.stops[number], stop["start"])
        trip.missed += number - trip.next
        trip.off += sum(one.from_ns is not None or one.to_ns is not None for one in trip.stops[trip.next : number])
        trip.off += bool(early or late)
        trip.early, trip.late = max(trip.early, early or 0.0), max(trip.late, late or 0.0)
        trip.next = number + 1
        stop |= {"planned": True, "early": early, "late": late}
    elif names:
        stop["planned"] = stop["place"] != "" and stop["place"] in (*names, begins)
        trip.unplanned += not stop["planned"]


def window(one, arrived):
    if one.from_ns is None and one.to_ns is None:
        return None, None
    early = max(0.0, (one.from_ns - arrived) / NS) if one.from_ns is not None else 0.0
    return early, max(0.0, (arrived - one.to_ns) / NS) if one.to_ns is not None else 0.0


def after(fixes, time):
    return next(fix[0] for fix in fixes if fix[0] > time)


def figure(trip, end, how, until, included, fixes, left_out, rows, setup, begin):
    """included: positions of the instant `until` belong to it."""

    def mine(time):
        return trip.mine(time) and (time <= until if included else time < until)

    before = [fix for fix in fixes if not trip.mine(fix[0])]
    own = [fix for fix in fixes if mine(fix[0])]
    km, blind, speed = chords(before[-1:], own, setup)
    windowed = [one for one in trip.stops if one.from_ns is not None or one.to_ns is not None]
    ahead = [one for one in trip.stops[trip.next :] if one in windowed]
    overdue = max([0.0, *(window(one, end)[1] for one in ahead)])
    off = trip.off + len(ahead)
    speeds = [value for time, role, value, _ in rows if role == "speed" and mine_row(trip, time, until, included)]
    return (trip.start, end, {
        "distance_km": km, "blind_km": blind, "speed_km_h": speed, "duration_s": (end - trip.start) / NS,
        "standing_s": trip.standing / NS, "unplanned_s": trip.unplanned_ns / NS,
        "gap_s": blind_ns(fixes, begin, trip.start, end, setup.gap_ns) / NS, "stops": trip.stood,
        "unplanned": trip.unplanned, "reached": trip.next - trip.missed, "missed": trip.missed,
        "left": len(trip.stops) - trip.next, "arrived": float(trip.next == len(trip.stops) > 0),
        "on_time": float(not off and not overdue) if windowed else None,
        "late_s": max(trip.late, overdue) if windowed else None, "early_s": trip.early if windowed else None,
        "positions": len(own), "uncertain": sum(fix[3] for fix in own), "left_out": sum(map(mine, left_out)),
        "outside_s": outside(trip, own, end, setup), "speed_max_km_h": max(speeds) if speeds else None,
    }, how)  # fmt: skip


def mine_row(trip, time, until, included):
    return trip.mine(time) and (time <= until if included else time < until)


def chords(anchor, own, setup):
    declared, km, blind_km = setup.declared, 0.0, 0.0
    slots, slot_km, slot_ns, blind = [], 0.0, 0, False
    anchor, last = (anchor[0], anchor[0][0]) if anchor else (None, None)
    for fix in own:
        blind = blind or (last is not None and fix[0] - last > setup.gap_ns)
        last = fix[0]
        if anchor is None or fix[4]:
            anchor, blind = fix, False
            continue
        piece, took = distance_km(at(anchor), at(fix)), fix[0] - anchor[0]
        if piece < declared.chord_m / 1000:
            continue
        km += piece
        if blind:
            blind_km += piece
        elif took < declared.stop_s * NS:
            slot_km, slot_ns = slot_km + piece, slot_ns + took
            if slot_ns >= declared.speed_over_min * 60 * NS:
                slots.append((slot_km, slot_ns))
                slot_km, slot_ns = 0.0, 0
        anchor, blind = fix, False
    newest = [*slots[-12:], (slot_km, slot_ns)]
    hours = sum(ns for _, ns in newest) / 3.6e12
    return km, blind_km, sum(one for one, _ in newest) / hours if hours >= 1 / 60 else None


def outside(trip, own, end, setup):
    plan = setup.plan_of.get(trip.plan)
    same = plan and [one.place for one in plan.stop] == [one.place for one in trip.stops]
    if not same or plan.corridor_m is None:
        return None
    points = [setup.centres[plan.begins]]
    for one in plan.stop:
        points += [*one.via, setup.centres[one.place]]
    whole = 0
    for number, fix in enumerate(own):
        until = own[number + 1][0] if number + 1 < len(own) else end
        if Line(points).off_km(at(fix)) > plan.corridor_m / 1000:
            whole += max(0, min(until, fix[0] + setup.gap_ns, end) - fix[0])
    return whole / NS


class Line(Area):
    """A way instead of a polygon, by shapely."""

    def off_km(self, here):
        east = KM_PER_DEGREE * math.cos(math.radians(here[0]))
        flat = [((lon - here[1]) * east, (lat - here[0]) * KM_PER_DEGREE) for lat, lon in self.corners]
        return LineString(flat).distance(Point(0.0, 0.0))

"""How the instruments of an asset stand, window by window: a figure of each calibrated series.

Certificates come from the configuration and from events `calibration.done`. Rules on the figure raise what is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from andon.config.calibration import day_end_ns, moment_ns, moment_text
from andon.plant import PlantModel
from operators.calibration import COVERAGE, DAY_NS, Calibration, State, in_force, state_at, told_once
from operators.event_data import LONGEST, number_of
from operators.machines import Bounds, Happened, Inputs, Machine, MachineSpec, Made

LAYOUT = 1
KEPT = 16  # certificates told by events that are remembered of a series
DONE = "calibration.done"
VALID = {State.VALID: 1.0, State.DOUBTFUL: None, State.OVERDUE: 0.0, State.FAILED: 0.0, State.NONE: 0.0}
Known = Mapping[str, tuple[Calibration, ...]]


def declared(plant: PlantModel, asset: str) -> dict[str, tuple[Calibration, ...]]:
    """Calibrations of an asset by tag, as configured; an empty tuple where they come by events alone."""
    found: dict[str, list[Calibration]] = {}
    zone = ZoneInfo(plant.config.site.timezone)
    for one in plant.config.calibration:
        if one.asset != asset:
            continue
        mine = found.setdefault(one.tag, [])
        if one.at and one.due:
            mine.append(
                Calibration(
                    one.certificate, moment_ns(one.at, zone), moment_ns(one.due, zone), one.error, one.left,
                    one.uncertainty, one.k, one.mpe, day_end_ns(one.at, zone),
                )
            )  # fmt: skip
    return {tag: tuple(mine) for tag, mine in found.items()}


def permitted(plant: PlantModel, asset: str) -> dict[str, float]:
    """Largest permitted error by tag: what an event without one is judged by."""
    return {one.tag: one.mpe for one in plant.config.calibration if one.asset == asset and one.mpe is not None}


def told(event: Happened, tag: str, mpe: float | None, zone: tzinfo = UTC) -> Calibration | None:
    """The calibration of a series that an event tells; None for another event, another series, or one without due.

    data: tag (none: every calibrated series of the asset), calibration (certificate), due, error, left, uncertainty, k,
    mpe. What is no number is not known. zone: of a due that names none.
    """
    data = event.data
    due = data.get("due") or data.get("calibration_due")
    if event.event != DONE or data.get("tag", tag) != tag or not isinstance(due, str):
        return None
    try:
        due_ns = moment_ns(due, zone)
    except (ValueError, OverflowError):
        return None
    k, own, spread = number_of(data, "k"), number_of(data, "mpe"), number_of(data, "uncertainty")
    return Calibration(
        certificate=str(data.get("calibration") or data.get("certificate") or "")[:LONGEST],
        at_ns=event.time_ns,
        due_ns=due_ns,
        error=number_of(data, "error"),
        left=number_of(data, "left"),
        expanded=spread if spread is None or spread >= 0 else None,
        k=k if k and k > 0 else COVERAGE,
        mpe=own if own and own > 0 else mpe,
    )


class CalibrationMachine:
    """A `Made` for each calibrated series at the end of every window. State: the certificates that events told."""

    def __init__(
        self, begin_ns: int, bounds: Bounds, known: Known, mpe: Mapping[str, float], zone: tzinfo = UTC
    ) -> None:  # fmt: skip
        self._begin_ns, self._bounds, self._known, self._mpe, self._zone = begin_ns, bounds, known, mpe, zone
        self._events: dict[str, tuple[Calibration, ...]] = dict.fromkeys(known, ())
        self._now_ns = begin_ns

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `operators.machines.Machine`. The rows only bring time."""
        made: list[Made] = []
        for event in inputs.events:
            made += self._windows(event.time_ns)
            for tag in self._known:
                one = told(event, tag, self._mpe.get(tag), self._zone)
                if one is not None:
                    self._events[tag] = (*self._events[tag], one)[-KEPT:]
        made += self._windows(upto_ns)
        self._now_ns = max(self._now_ns, upto_ns)
        return made

    def _windows(self, upto_ns: int) -> list[Made]:
        """Every window that ended by then."""
        made: list[Made] = []
        while (end_ns := self._bounds.after(self._begin_ns)) <= upto_ns:
            made += self._made(end_ns)
            self._begin_ns = end_ns
        return made

    def running(self) -> list[Made]:
        """The window that has begun, as of now."""
        return self._made(self._now_ns) if self._now_ns > self._begin_ns else []

    def _made(self, end_ns: int) -> list[Made]:
        return [self._figure(tag, end_ns) for tag in self._known]

    def _figure(self, tag: str, end_ns: int) -> Made:
        begin_ns, last_ns = self._begin_ns, end_ns - 1
        mine = told_once(self._known[tag], self._events[tag])
        one, state = in_force(mine, last_ns), state_at(mine, last_ns)
        failed = sum(begin_ns <= other.at_ns < end_ns and other.found_good is False for other in mine)
        parts: dict[str, float | None] = {
            "valid": VALID[state], "days_left": None if one is None else (one.due_ns - end_ns) / DAY_NS,
            "uncertainty": one.expanded if one else None, "error": one.error if one else None,
            "permitted": one.mpe if one else None,
            "failed": float(failed),
        }  # fmt: skip
        about = {"state": str(state)}
        if one is not None:
            about |= {"certificate": one.certificate[:LONGEST], "due": moment_text(one.due_ns)}
        return Made(begin_ns, end_ns, parts, {key: text for key, text in about.items() if text}, tag)

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        events = tuple((tag, tuple(_plain(one) for one in mine)) for tag, mine in sorted(self._events.items()))
        return LAYOUT, self._begin_ns, self._now_ns, events

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"calibration machine of layout {snapshot[0]}; this version reads {LAYOUT}")
        _, self._begin_ns, self._now_ns, events = snapshot
        self._events = dict.fromkeys(self._known, ())
        self._events |= {tag: tuple(Calibration(*one) for one in mine) for tag, mine in events if tag in self._known}


def _plain(one: Calibration) -> tuple[Any, ...]:
    return (one.certificate, one.at_ns, one.due_ns, one.error, one.left, one.expanded, one.k, one.mpe)


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """One machine for an asset with calibrated series."""
    known, mpe, zone = declared(plant, asset), permitted(plant, asset), ZoneInfo(plant.config.site.timezone)
    if not known:
        return []

    def make(begin_ns: int, bounds: Bounds) -> Machine:
        return CalibrationMachine(begin_ns, bounds, known, mpe, zone)

    paths = tuple((asset, tag) for tag in known)
    version = repr((LAYOUT, sorted(known.items()), sorted(mpe.items()), zone.key))
    return [MachineSpec("calibration", asset, paths[0][1], paths, version, make, DAY_NS, events=True)]

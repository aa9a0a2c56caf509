"""Single stops of a unit with their reason: what a Pareto and a list of stops are made of.

A stop is a stretch of one category of time that is neither producing, planned nor unknown. Stops of at most
micro_stop_s are counted in the OEE and not told one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from andon.calendars import NO_STRETCH
from andon.plant import PlantModel
from andon.readings import NS_PER_S
from operators import oee_kernel as at
from operators.event_data import text_of
from operators.machines import Bounds, Every, Happened, Inputs, Machine, MachineSpec, Made
from operators.oee_machine import REACH_NS, OeeMachine
from operators.oee_setup import ROLES, OeeSetup, inputs_of, setup_of, version_of
from operators.stops_kernel import EDGES_A_ROW, RUN_BEGIN, RUN_CATEGORY, RUN_REASON, stretches
from operators.time_model import CATEGORIES, DOWN, INTERNAL, PLANNED, PRODUCING, UNKNOWN

OWN = (INTERNAL, DOWN)
NO_STOP = (-1, PRODUCING, PLANNED, UNKNOWN)
NEVER = Every(2**62)  # a stop has its own ends


class StopsMachine(OeeMachine):
    """Stops of one unit, each told when it ends.

    The reason is that of the last `stop.reason` in it, else what its reason series said last in it.
    """

    def __init__(self, begin_ns: int, setup: OeeSetup, reasons: Sequence[str] = ()) -> None:
        super().__init__(begin_ns, NEVER, setup)
        self._first_ns = begin_ns
        self._run, self._reasons = np.array([0, -1, -1, -1], np.int64), reasons
        self._reason = ""

    def running(self) -> list[Made]:
        """See `operators.machines.Machine`."""
        begin_ns, category, code = (int(self._run[place]) for place in (RUN_BEGIN, RUN_CATEGORY, RUN_REASON))
        return self._stop(begin_ns, int(self._clock[at.NOW]), category, self._reason or self._named(code))

    def _take(self, inputs: Inputs, begin: int, end: int, upto_ns: int) -> Sequence[Made]:
        setup, before = self._setup, int(self._run[RUN_BEGIN])
        out = np.empty((EDGES_A_ROW * (end - begin + 1), 4), np.int64)
        found = stretches(
            self._clock, self._limits, setup.starts, setup.categories, setup.modes, setup.roles, inputs.time_ns,
            inputs.input, inputs.value, begin, end, upto_ns, self._run, out,
        )  # fmt: skip
        made: list[Made] = []
        for start_ns, end_ns, category, code in out[:found].tolist():
            told = self._reason if start_ns == before else ""
            made += self._stop(start_ns, end_ns, category, told or self._named(code))
        if found:
            self._reason = ""
        return made

    def _named(self, code: int) -> str:
        """The reason that a code of the reason series stands for."""
        return self._reasons[code] if 0 <= code < len(self._reasons) else ""

    def _event(self, event: Happened, made: list[Made]) -> None:
        if event.event == "stop.reason":
            if int(self._run[RUN_CATEGORY]) not in NO_STOP:
                self._reason = text_of(event.data, "reason")
            return
        super()._event(event, made)

    def _stop(self, start_ns: int, end_ns: int, category: int, reason: str) -> list[Made]:
        """The figure of a stop that ended after the machine's begin."""
        short = end_ns - start_ns <= self._setup.micro_ns
        if category in NO_STOP or short or end_ns <= self._first_ns:
            return []
        calendar = self._setup.calendar
        stretch = calendar.stretch_at(start_ns) if calendar else NO_STRETCH
        about = {
            "reason": reason, "category": CATEGORIES[category], "product": self._product, "order": self._order,
            "shift": stretch.shift, "day": stretch.day,
        }  # fmt: skip
        parts = {"length_s": (end_ns - start_ns) / NS_PER_S, "own": float(category in OWN)}
        return [Made(start_ns, end_ns, parts, {name: text for name, text in about.items() if text})]

    def _figure(self, _end_ns: int) -> list[Made]:
        """Stops have their own ends."""
        return []

    def snapshot(self) -> tuple[Any, ...]:
        """See `operators.machines.Machine`."""
        return (*super().snapshot(), (tuple(self._run.tolist()), self._reason))

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """See `operators.machines.Machine`."""
        super().restore(snapshot[:3])
        run, self._reason = snapshot[3]
        self._run[:] = run


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """The stops of an asset with an OEE, unless its template says otherwise."""
    declared, tags = plant.oee_of(asset), inputs_of(plant, asset)
    if declared is None or not declared.stops:
        return []
    setup = setup_of(plant, asset)
    wanted = [name for name in tags if name in ("state", "mode", "reason")]
    setup = replace(setup, roles=np.array([ROLES[name] for name in wanted], np.int64))
    reasons = plant.series[asset, tags["reason"]].states if "reason" in tags else ()

    def make(begin_ns: int, _bounds: Bounds) -> Machine:
        return StopsMachine(begin_ns, setup, reasons)

    paths = tuple((asset, tags[name]) for name in wanted)
    version = version_of(plant, asset)
    return [MachineSpec("oee_stop", asset, tags["state"], paths, version, make, REACH_NS, events=True)]

"""Zone and trend of a series (figure `health`); running hours and cycles of an asset (figure `running`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

import numpy as np

from andon.readings import I32, NS_PER_S
from operators.event_data import number_of
from operators.gate import Gate, GateSpec
from operators.machines import Bounds, Happened, Inputs, Made
from operators.meter import ZERO, Meter, MeterSpec, Reading
from operators.wear import COUNT, MOST, Wear, WearSpec, mean_of

HEALTH_LAYOUT, RUNNING_LAYOUT = 2, 1
HOUR_NS = 3_600 * NS_PER_S
TOLD_BY = ("block", "tachometer", "line", "nominal")  # the codes of `operators.vibration`, from 1 on
LIFE = "life.reported"
MAINTAINED, FAILED, SET, INSPECTED = "maintenance.ended", "failure.reported", "meter.set", "inspection.done"


class Windows(ABC):
    """Base of machines whose figures end at bounds: cuts what comes at bounds and events."""

    def __init__(self, begin_ns: int, bounds: Bounds) -> None:
        self._bounds = bounds
        self._start_ns, self._end_ns, self._now_ns = begin_ns, bounds.after(begin_ns), begin_ns

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """As `Machine.step`."""
        made = []
        while self._end_ns <= upto_ns:
            part, inputs = inputs.before(self._end_ns)
            self._take(part)
            made.append(self._closed())
            self._start_ns, self._end_ns = self._end_ns, self._bounds.after(self._end_ns)
        self._take(inputs)
        self._now_ns = upto_ns
        return made

    def _take(self, inputs: Inputs) -> None:
        for event in inputs.events:
            rows, inputs = inputs.before(event.time_ns)
            self._rows(rows)
            self._happened(event)
        self._rows(inputs)

    @abstractmethod
    def _rows(self, inputs: Inputs) -> None:
        """Rows between two events."""

    @abstractmethod
    def _happened(self, event: Happened) -> None:
        """One event."""

    @abstractmethod
    def _closed(self) -> Made:
        """The window that ends at _end_ns, all of which was taken."""


def renews(event: Happened, modes: Collection[str]) -> bool:
    """Whether a part is as new after an event: maintenance that ended, of one of these failure modes or of all.

    `data.mode` names the failure mode, none means all; `data.renews = false` says that nothing was made new.
    """
    if event.event != MAINTAINED or event.data.get("renews") is False:
        return False
    mode = event.data.get("mode")
    return mode is None or str(mode) in modes


class HealthMachine(Windows):
    """Figure `health` of one series. Inputs: the series, then (with `gate`) the state that says when it runs.

    modes: failure modes whose maintenance renews it. speed: the last input says who told the shaft's speed.
    """

    def __init__(
        self, begin_ns: int, bounds: Bounds, spec: WearSpec, modes: Collection[str], about: str,
        gate: GateSpec | None = None, *, speed: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(begin_ns, bounds)
        self._gate = Gate(gate) if gate else None
        self._wear, self._modes = Wear(spec), modes
        self._about = {"zones": about} if about else {}
        self._zone_before = 0
        self._speed = (2 if gate else 1) if speed else None
        self._told_by = 0  # of the window, a bit each

    def _rows(self, inputs: Inputs) -> None:
        if self._speed is not None:
            at, told_by = inputs.of(self._speed)
            for one in np.unique(told_by[at >= self._start_ns]).tolist():
                self._told_by |= 1 << int(one) if 0 < one <= len(TOLD_BY) else 0
        if self._gate is not None:
            inputs = self._gate.passing(inputs, 0, 1)
        elif self._speed is not None:
            mine = inputs.input == 0
            columns = (inputs.time_ns[mine], inputs.input[mine], inputs.value[mine], inputs.status[mine])
            inputs = Inputs(*columns)
        self._wear.take(inputs.time_ns, inputs.value, inputs.status, self._start_ns)

    def _happened(self, event: Happened) -> None:
        if renews(event, self._modes):
            self._wear.reset()
            self._zone_before = 0

    def _closed(self) -> Made:
        wear = self._wear
        samples, uncertain = float(wear.window[COUNT]), float(wear.uncertain)
        mean, most = wear.close(self._end_ns)
        zone = wear.zone if mean is not None else 0
        made = self._made(self._end_ns, (mean, most, samples, uncertain), zone)
        self._told_by = 0
        self._zone_before = zone or self._zone_before
        return made

    def running(self) -> list[Made]:
        """As `Machine.running`; the trend is that of the last window."""
        wear, mean = self._wear, mean_of(self._wear.window)
        if self._now_ns <= self._start_ns:
            return []
        most = float(wear.window[MOST]) if mean is not None else None
        zone = wear.zone_at(mean) if mean is not None else 0
        return [self._made(self._now_ns, (mean, most, float(wear.window[COUNT]), float(wear.uncertain)), zone)]

    def _made(self, end_ns: int, now: tuple[float | None, float | None, float, float], zone: int) -> Made:
        wear, before = self._wear, self._zone_before
        has_zones = bool(wear.spec.bounds) and zone > 0
        slope, slope_low, slope_high = wear.slopes()
        days, days_low, days_high = wear.days_to_limit(end_ns)
        parts = {
            "value": now[0], "maximum": now[1], "samples": now[2], "uncertain": now[3],
            "zone": float(zone) if has_zones else None,
            "zone_change": float(zone - before) if has_zones and before else None,
            "limit": wear.spec.limit, "slope_per_d": slope, "slope_low": slope_low, "slope_high": slope_high,
            "days_to_limit": days, "days_low": days_low, "days_high": days_high, "means": float(wear.bins),
            "baseline": wear.baseline, "alarm": wear.alarm, "novelty": wear.novelty(now[0]),
            "over_baseline": None if now[0] is None or wear.alarm is None else float(bool(wear.over_at(now[0]))),
        }  # fmt: skip
        told_by = " ".join(name for place, name in enumerate(TOLD_BY, 1) if self._told_by >> place & 1)
        return Made(self._start_ns, end_ns, parts, self._about | ({"speed": told_by} if told_by else {}))

    def snapshot(self) -> tuple[Any, ...]:
        """As `Machine.snapshot`."""
        gate = self._gate and self._gate.snapshot()
        now = self._start_ns, self._end_ns, self._now_ns, self._zone_before
        told_by = () if self._speed is None else (self._told_by,)
        return HEALTH_LAYOUT, *now, self._wear.snapshot(), gate, *told_by

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """As `Machine.restore`."""
        if snapshot[0] != HEALTH_LAYOUT:
            raise ValueError(f"layout {snapshot[0]} of the figure health, not {HEALTH_LAYOUT}")
        _, self._start_ns, self._end_ns, self._now_ns, self._zone_before, wear, gate, *told_by = snapshot
        self._told_by = told_by[0] if told_by else 0
        self._wear.restore(wear)
        if self._gate is not None:
            self._gate.restore(gate)


class RunningMachine(Windows):
    """Figure `running` of an asset. Inputs: state, and the counter where there is one."""

    def __init__(self, begin_ns: int, bounds: Bounds, spec: MeterSpec, *, counts: bool) -> None:
        super().__init__(begin_ns, bounds)
        self._meter, self._counts, self._failures = Meter(spec), counts, 0
        self._before = ZERO  # at the begin of the window
        self._total = (0.0, 0.0)  # hours and cycles that the meter does not know of

    def _rows(self, inputs: Inputs) -> None:
        if not len(inputs):
            return
        early, inputs = inputs.before(self._start_ns)
        if len(early):  # of before the first window: what stands and counts on there
            self._meter.take(early.time_ns, early.input, early.value)
            self._before = self._meter.at(self._start_ns)
        self._meter.take(inputs.time_ns, inputs.input, inputs.value)

    def _happened(self, event: Happened) -> None:
        if event.event == FAILED:
            self._failures += event.time_ns >= self._start_ns
        elif event.event == SET and event.data.get("mode") is None:
            now = self._meter.at(event.time_ns)
            hours, cycles = (number_of(event.data, name) for name in ("hours", "cycles"))
            self._set(
                self._total[0] + now.hours if hours is None else hours,
                self._total[1] + now.cycles if cycles is None else cycles,
                now,
            )

    def _set(self, hours: float, cycles: float, now: Reading) -> None:
        self._total = hours - now.hours, cycles - now.cycles

    def _closed(self) -> Made:
        made = self._made(self._end_ns)
        self._before, self._failures = self._meter.at(self._end_ns), 0
        return made

    def running(self) -> list[Made]:
        """As `Machine.running`."""
        return [self._made(self._now_ns)] if self._now_ns > self._start_ns else []

    def _made(self, end_ns: int) -> Made:
        now = self._meter.at(end_ns)
        more = now.since(self._before)
        parts = {
            "running_s": more.running_ns / NS_PER_S, "known_s": more.known_ns / NS_PER_S, "starts": float(more.starts),
            "cycles": more.cycles if self._counts else None, "failures": float(self._failures),
            "total_h": self._total[0] + now.hours,
            "total_cycles": self._total[1] + now.cycles if self._counts else None,
        }  # fmt: skip
        return Made(self._start_ns, end_ns, parts)

    def snapshot(self) -> tuple[Any, ...]:
        """As `Machine.snapshot`."""
        state = self._meter.snapshot(), reading_row(self._before), self._total, self._failures
        return RUNNING_LAYOUT, self._start_ns, self._end_ns, self._now_ns, *state

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """As `Machine.restore`."""
        if snapshot[0] != RUNNING_LAYOUT:
            raise ValueError(f"layout {snapshot[0]} of the figure running, not {RUNNING_LAYOUT}")
        _, self._start_ns, self._end_ns, self._now_ns, meter, before, total, self._failures = snapshot
        self._meter.restore(meter)
        self._before, self._total = Reading(*before), (total[0], total[1])


def reading_row(reading: Reading) -> tuple[int, int, int, float]:
    """Plain numbers of a meter's reading."""
    return reading.running_ns, reading.known_ns, reading.starts, reading.cycles


def places(inputs: Inputs, first: int) -> I32:
    """The inputs' numbers counted from `first`."""
    of: I32 = inputs.input - np.int32(first)
    return of

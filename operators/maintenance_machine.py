"""Figure `maintenance` of a failure mode: its triggers, the ages of its parts, and when to inspect."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from andon.config.health import FailureMode
from operators.event_data import number_of
from operators.gate import Gate, GateSpec
from operators.machines import Bounds, Happened, Inputs, Made
from operators.maintenance import Condition, Since, holding, inspection_in_d, is_known
from operators.meter import ZERO, Meter, MeterSpec, Reading
from operators.wear import DAY_NS, Wear, WearSpec, mean_of
from operators.wear_machines import (
    FAILED,
    INSPECTED,
    LIFE,
    MAINTAINED,
    SET,
    Windows,
    places,
    reading_row,
    renews,
)
from operators.weibull import mtbf_interval, weibull_fit

LAYOUT = 2
CONFIDENCE = 0.9
MOST_LIVES = 200  # the newest: a fleet's statistics are the ERP's


class MaintenanceMachine(Windows):
    """One failure mode of an asset. Inputs: the watched series (with `wear`), then state and counter (with `meter`).

    One key, and so one condition and one order, for all its triggers together.
    """

    def __init__(
        self, begin_ns: int, bounds: Bounds, mode: FailureMode, wear: WearSpec | None, meter: MeterSpec | None,
        gate: GateSpec | None = None,
    ) -> None:  # fmt: skip
        super().__init__(begin_ns, bounds)
        self._gate = Gate(gate) if gate else None
        self._mode = mode
        self._wear = Wear(wear) if wear else None
        self._meter = Meter(meter) if meter else None
        self._triggers: tuple[str, ...] = ()
        self._since_ns = self._inspected_ns = begin_ns  # of the part's age, of the plan
        self._since = self._inspected = ZERO
        self._grown = (0.0, 0.0)  # hours and cycles at _since
        self._is_failed = False
        self._failed: tuple[float, ...] = ()
        self._replaced: tuple[float, ...] = ()

    def _rows(self, inputs: Inputs) -> None:
        if not len(inputs):
            return
        first = 0
        if self._wear is not None:
            mine, first = inputs.input == 0, 1
            seen = self._gate.passing(inputs, 0, 1) if self._gate else inputs
            own = slice(None) if self._gate else mine
            self._wear.take(seen.time_ns[own], seen.value[own], seen.status[own], self._start_ns)
        if self._meter is not None:
            early, inputs = inputs.before(self._start_ns)
            if len(early):  # of before the first window: what stands and counts on there
                self._meter.take(early.time_ns, places(early, first), early.value)
                now = self._meter.at(self._start_ns)
                self._since = now if self._since_ns == self._start_ns else self._since
                self._inspected = now if self._inspected_ns == self._start_ns else self._inspected
            self._meter.take(inputs.time_ns, places(inputs, first), inputs.value)

    def _happened(self, event: Happened) -> None:
        mode = event.data.get("mode")
        if mode is not None and str(mode) != self._mode.id:
            return
        now = self._shown(event.time_ns)
        if event.event == FAILED and mode is not None and not self._is_failed:
            self._is_failed = True
            self._failed = (*self._failed, self._age(now)[0])[-MOST_LIVES:]
        elif event.event in (INSPECTED, MAINTAINED):
            self._inspected_ns, self._inspected = event.time_ns, now
        if event.event == LIFE and mode is not None:
            self._lived(event)
        elif event.event == SET and mode is not None:  # without one it is the machine's meter, and makes no part old
            hours, cycles = (number_of(event.data, name) for name in ("hours", "cycles"))
            age = self._age(now)
            self._grown = age[0] if hours is None else hours, age[1] if cycles is None else cycles
            self._since = now
        elif renews(event, (self._mode.id,)):
            self._renewed(event.time_ns, now)

    def _lived(self, event: Happened) -> None:
        """A life of before Andon, or of the same part elsewhere: data.hours, and data.failed (true where left out)."""
        hours = number_of(event.data, "hours")
        if hours is None or hours <= 0.0:
            return
        if event.data.get("failed") is False:
            self._replaced = (*self._replaced, hours)[-MOST_LIVES:]
        else:
            self._failed = (*self._failed, hours)[-MOST_LIVES:]

    def _renewed(self, at_ns: int, now: Reading) -> None:
        if not self._is_failed:
            self._replaced = (*self._replaced, self._age(now)[0])[-MOST_LIVES:]
        self._is_failed, self._grown, self._triggers = False, (0.0, 0.0), ()
        self._since_ns, self._since = at_ns, now
        if self._wear is not None:
            self._wear.reset()

    def _shown(self, at_ns: int) -> Reading:
        return self._meter.at(at_ns) if self._meter else ZERO

    def _age(self, now: Reading) -> tuple[float, float]:
        """Running hours and cycles of the part."""
        more = now.since(self._since)
        return self._grown[0] + more.hours, self._grown[1] + more.cycles

    def _known_age(self, now: Reading) -> tuple[float | None, float | None]:
        """The same; None for what no row has shown yet."""
        hours, cycles = self._age(now)
        meter = self._meter
        return hours if meter and now.known_ns else None, cycles if meter and meter.counts else None

    def _closed(self) -> Made:
        mean = self._wear.close(self._end_ns)[0] if self._wear else None
        lives = self._lives(self._known_age(self._shown(self._end_ns))[0])
        condition = self._condition(self._end_ns, mean, lives["age_share"])
        self._triggers = holding(self._mode, condition, self._triggers)
        return self._made(self._end_ns, condition, lives)

    def running(self) -> list[Made]:
        """As `Machine.running`; the triggers are those of the last window."""
        if self._now_ns <= self._start_ns:
            return []
        mean = mean_of(self._wear.window) if self._wear else None
        lives = self._lives(self._known_age(self._shown(self._now_ns))[0])
        return [self._made(self._now_ns, self._condition(self._now_ns, mean, lives["age_share"]), lives)]

    def _condition(self, now_ns: int, mean: float | None, share: float | None) -> Condition:
        hours, cycles = self._known_age(self._shown(now_ns))
        wear = self._wear
        if wear is None:
            return Condition(hours=hours, cycles=cycles, share=share)
        return Condition(
            (wear.zone_at(mean) or None) if mean is not None else None, wear.trend() is not None, wear.slopes()[0],
            wear.days_to_limit(now_ns)[0], hours, cycles, share, wear.novelty(mean), wear.over_at(mean),
        )  # fmt: skip

    def _lives(self, hours: float | None) -> dict[str, float | None]:
        """Mean time between failures and Weibull of the lives so far, in running hours."""
        failures = len(self._failed)
        none = dict.fromkeys(("mtbf_h", "mtbf_low_h", "mtbf_high_h", "age_share", "beta", "eta_h", "b10_h"))
        if hours is None:
            return none
        age = () if self._is_failed else (hours,)
        total = math.fsum((*self._failed, *self._replaced, *age))
        if total <= 0.0:
            return none
        low, high = mtbf_interval(total, failures, CONFIDENCE)
        mtbf = total / failures if failures else None
        fit = weibull_fit(self._failed, (*self._replaced, *age))
        return {
            "mtbf_h": mtbf, "mtbf_low_h": low, "mtbf_high_h": high,
            "age_share": hours / mtbf if mtbf else None, "beta": fit.beta if fit else None,
            "eta_h": fit.eta if fit else None, "b10_h": fit.quantile(0.1) if fit else None,
        }  # fmt: skip

    def _made(self, end_ns: int, condition: Condition, lives: Mapping[str, float | None]) -> Made:
        now, triggers = self._shown(end_ns), self._triggers
        used = now.since(self._inspected)
        counts = self._meter is not None and self._meter.counts
        since = Since(
            (end_ns - self._inspected_ns) / DAY_NS, used.hours if now.known_ns else None,
            used.cycles if counts else None,
        )  # fmt: skip
        due = float(bool(triggers)) if triggers or is_known(self._mode, condition) else None
        in_d = inspection_in_d(self._mode, since)
        parts = {
            "due": due, "age_d": (end_ns - self._since_ns) / DAY_NS, "age_h": condition.hours,
            "age_cycles": condition.cycles, "inspection_due": None if in_d is None else float(in_d == 0.0),
            "inspection_in_d": in_d, "failures": float(len(self._failed)), **lives,
        }  # fmt: skip
        return Made(self._start_ns, end_ns, parts, {"mode": self._mode.id, "triggers": "+".join(triggers)})

    def snapshot(self) -> tuple[Any, ...]:
        """As `Machine.snapshot`."""
        return (
            LAYOUT, self._start_ns, self._end_ns, self._now_ns, self._triggers, self._since_ns, self._inspected_ns,
            reading_row(self._since), reading_row(self._inspected), self._grown, self._is_failed, self._failed,
            self._replaced, self._wear and self._wear.snapshot(), self._meter and self._meter.snapshot(),
            self._gate and self._gate.snapshot(),
        )  # fmt: skip

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """As `Machine.restore`."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"layout {snapshot[0]} of the figure maintenance, not {LAYOUT}")
        _, self._start_ns, self._end_ns, self._now_ns, triggers, self._since_ns, self._inspected_ns = snapshot[:7]
        since, inspected, grown, self._is_failed, failed, replaced, wear, meter, gate = snapshot[7:]
        self._triggers, self._failed, self._replaced = tuple(triggers), tuple(failed), tuple(replaced)
        self._since, self._inspected, self._grown = Reading(*since), Reading(*inspected), (grown[0], grown[1])
        if self._wear is not None:
            self._wear.restore(wear)
        if self._meter is not None:
            self._meter.restore(meter)
        if self._gate is not None:
            self._gate.restore(gate)

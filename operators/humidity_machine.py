"""Windows of humidity: relative humidity, dew point, absolute humidity, and how near the goods are to condensation.

Dew point and absolute humidity are computed at each reading of humidity, from the temperature that stands there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from andon.readings import F64, I64, NS_PER_S, U8
from operators.bounds import last_bound
from operators.held import ABOVE, BELOW, COVERED, FLOATS, INTS, MAXIMUM, MINIMUM, UNCERTAIN, Held, Limits
from operators.humidity_kernel import COLUMNS, POWER, SERIES, SHARE, condense, stand
from operators.machines import Bounds, Inputs, Made

LAYOUT = 1
KEPT_ROWS = 4096  # room of a machine; a step of more rows, as after late data, has room of its own
PLAIN = Limits(activation_j_mol=0.0)
RISK = Limits(low=float(np.nextafter(0.0, 1.0)), activation_j_mol=0.0)  # at the dew point itself water condenses


class HumidityMachine:
    """Input 0: relative humidity, %; 1: temperature of the air, Cel; 2: of the goods, Cel, where there is one.

    gaps: how long a value of each stands, ns. Humidity outside 0 to 100 % is left out. Empty windows are not given.
    """

    def __init__(self, begin_ns: int, bounds: Bounds, limits: Limits, gaps: list[int]) -> None:
        self._bounds = bounds
        self._all = tuple(Held(begin_ns, gaps[0], one) for one in (limits, PLAIN, PLAIN, RISK))
        self._ints, self._floats = np.zeros((SERIES, INTS), np.int64), np.zeros((SERIES, FLOATS))
        self._limits = np.stack([one.limits.packed() for one in self._all])
        self._gap_ns, self._gaps = gaps[0], np.array([*gaps, 0][:3], np.int64)
        self._goods = len(gaps) > 2
        self._stood_ns, self._stood = np.zeros(2, np.int64), np.full(2, np.nan)  # newest row of air and goods
        self._kept = _room(64)
        self._share_records()
        self._start_ns: int | None = None
        self._end_ns = self._upto_ns = begin_ns

    def _share_records(self) -> None:
        """The four series keep their records in one block, for one call of the kernel."""
        for held, ints, floats in zip(self._all, self._ints, self._floats, strict=True):
            held.keep_in(ints, floats)

    def step(self, inputs: Inputs, upto_ns: int) -> list[Made]:
        """See `Machine.step`."""
        made: list[Made] = []
        while self._end_ns <= upto_ns:
            self._skip(int(inputs.time_ns[0]) if len(inputs) else upto_ns, upto_ns)
            if self._end_ns > upto_ns:
                break
            if len(inputs):
                before, inputs = inputs.before(self._end_ns)
                self._take(before)
            for held in self._all:
                held.settle(self._end_ns)
            if self._start_ns is not None:
                made += self._made(self._all, self._start_ns, self._end_ns, self._end_ns)
            for held in self._all:
                held.begin(self._end_ns)
            self._start_ns, self._end_ns = self._end_ns, self._bounds.after(self._end_ns)
        self._take(inputs)
        self._upto_ns = upto_ns
        return made

    def _skip(self, rows_ns: int, upto_ns: int) -> None:
        """Pass over windows of which nothing can be known: a clock that was set leaves a quarter of a million hours."""
        if self._start_ns is None or not all(held.idle(self._start_ns) for held in self._all):
            return
        start_ns = last_bound(self._bounds.after, self._start_ns, min(rows_ns, upto_ns))
        if start_ns > self._start_ns:
            self._start_ns, self._end_ns = start_ns, self._bounds.after(start_ns)
            for held in self._all:
                held.begin(start_ns)

    def _take(self, inputs: Inputs) -> None:
        if not len(inputs):
            return
        if len(self._kept[0]) < len(inputs) <= KEPT_ROWS:
            self._kept = _room(min(2 * len(inputs), KEPT_ROWS))
        times, status, work, exponent = self._kept if len(inputs) <= KEPT_ROWS else _room(len(inputs))
        count = stand(
            inputs.time_ns, inputs.input, inputs.value, inputs.status, self._gaps, self._stood_ns, self._stood, times,
            status, work,
        )  # fmt: skip
        if not count:
            return
        share, power = work[SHARE, :count], work[POWER, :count]
        exponent[:count] = power
        np.log10(share, share)
        np.power(10.0, power, power)
        condense(count, exponent, times, status, work, self._gap_ns, self._limits, self._ints, self._floats)

    def _made(self, held: tuple[Held, ...], start_ns: int, end_ns: int, known_to_ns: int) -> list[Made]:
        humid, dew, water, margin = held
        covered_s = humid.seconds(COVERED)
        if not covered_s:
            return []
        parts = {
            "mean": humid.mean, "minimum": humid.number(MINIMUM), "maximum": humid.number(MAXIMUM),
            "above_s": humid.seconds(ABOVE), "below_s": humid.seconds(BELOW), "covered_s": covered_s,
            "gap_s": (known_to_ns - start_ns) / NS_PER_S - covered_s, "uncertain_s": humid.seconds(UNCERTAIN),
            "dew_point": dew.mean, "dew_point_max": dew.number(MAXIMUM), "absolute": water.mean,
            "condensing_s": margin.seconds(BELOW) if margin.known else None,
        }  # fmt: skip
        return [Made(start_ns, end_ns, parts)]

    def running(self) -> list[Made]:
        """The window so far."""
        if self._start_ns is None or self._upto_ns <= self._start_ns:
            return []
        held = tuple(one.at(self._upto_ns) for one in self._all)
        return self._made(held, self._start_ns, self._end_ns, self._upto_ns)

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, window, what stands and is counted."""
        held, goods = tuple(one.snapshot() for one in self._all), self._newest(1) if self._goods else None
        return (LAYOUT, self._start_ns, self._end_ns, self._upto_ns, held, self._newest(0), goods)

    def _newest(self, place: int) -> tuple[bytes, bytes]:
        """Time and value of the newest row of air or goods; empty where there was none."""
        part = slice(place, place + int(not np.isnan(self._stood[place])))
        return self._stood_ns[part].tobytes(), self._stood[part].tobytes()

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"humidity: layout {snapshot[0]}, {LAYOUT} is known")
        _, self._start_ns, self._end_ns, self._upto_ns, held, air, goods = snapshot
        for one, kept in zip(self._all, held, strict=True):
            one.restore(kept)
        self._share_records()
        self._stood_ns[:], self._stood[:] = 0, np.nan
        for place, newest in enumerate((air, goods)):
            if newest and newest[0] and (place == 0 or self._goods):
                self._stood_ns[place], self._stood[place] = (
                    np.frombuffer(newest[0], np.int64)[0],
                    np.frombuffer(newest[1])[0],
                )


def _room(rows: int) -> tuple[I64, U8, F64, F64]:
    """Where the kernels put so many rows: stamps, status, work and exponent of humidity_kernel.py."""
    return np.empty(rows, np.int64), np.empty(rows, np.uint8), np.empty((COLUMNS, rows)), np.empty(rows)

"""What a series was over a stretch of time while each value stands until the next one: the kernel of the cold chain.

Time is counted in whole nanoseconds, temperatures around the stretch's first value, Arrhenius rates relative to the
warmest one (log-sum-exp). A stretch is added to at rows and at its end only, so that any split of the rows into steps
gives the same bits. The weighting rule (held, at most `gap_ns`) is that of operators/points.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from andon.plant import SeriesSpec
from andon.readings import F64, I64, NS_PER_S, U8, Status
from operators.cold_chain import ACTIVATION_J_MOL, GAS_CONSTANT, HOTTEST_C, ZERO_CELSIUS

LAYOUT = 1
HOLD_INTERVALS = 3  # a value stands for so many expected intervals; beyond it nothing is known
NS_PER_MIN = 60.0 * NS_PER_S
#: Places in the int64 record.
KNOWN, STANDING_NS, STATUS, SETTLED_NS, COVERED, ABOVE, BELOW, BEYOND, UNCERTAIN, SAMPLES, BLIND_OUT, INTS = range(12)
#: Places in the float64 record.
STANDING, PIVOT, INTEGRAL, TOP, RATES, MINIMUM, MAXIMUM, ABOVE_MIN, BELOW_MIN, LIFE_S, FLOATS = range(11)
#: Places in the float64 limits.
LOW, HIGH, ALLOWED_LOW, ALLOWED_HIGH, KELVIN, LABEL, LN_Q10, FLOOR, CEILING, LIMITS = range(10)
_KEPT_INTS, _KEPT_FLOATS = SETTLED_NS + 1, STANDING + 1  # what goes on into the next stretch
_UNCERTAIN = int(Status.UNCERTAIN)
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def settle(ints: I64, floats: F64, limits: F64, gap_ns: int, until_ns: int) -> None:
    """Count the standing value up to until_ns."""
    begin = ints[SETTLED_NS]
    ints[SETTLED_NS] = max(begin, until_ns)
    if ints[KNOWN] == 0:
        return
    expires = ints[STANDING_NS] + gap_ns
    value = floats[STANDING]
    if value > limits[HIGH] and until_ns > expires:  # nothing says that it came back
        ints[BLIND_OUT] += max(until_ns - max(begin, expires), 0)
    held = min(until_ns, expires) - max(begin, ints[STANDING_NS])
    if held <= 0:
        return
    if ints[COVERED] == 0:
        floats[PIVOT] = value
    ints[COVERED] += held
    seconds = held / 1e9
    floats[INTEGRAL] += (value - floats[PIVOT]) * seconds
    floats[MINIMUM] = min(floats[MINIMUM], value)
    floats[MAXIMUM] = max(floats[MAXIMUM], value)
    if value > limits[HIGH]:
        ints[ABOVE] += held
        floats[ABOVE_MIN] += (value - limits[HIGH]) * seconds / 60.0
    elif value < limits[LOW]:
        ints[BELOW] += held
        floats[BELOW_MIN] += (limits[LOW] - value) * seconds / 60.0
    if value > limits[ALLOWED_HIGH] or value < limits[ALLOWED_LOW]:
        ints[BEYOND] += held
    if ints[STATUS] == _UNCERTAIN:
        ints[UNCERTAIN] += held
    kelvin = value + ZERO_CELSIUS
    if limits[KELVIN] > 0.0:
        exponent = -limits[KELVIN] / kelvin
        if exponent > floats[TOP]:
            floats[RATES] = floats[RATES] * math.exp(floats[TOP] - exponent) + seconds
            floats[TOP] = exponent
        else:
            floats[RATES] += seconds * math.exp(exponent - floats[TOP])
    label = limits[LABEL]
    if label == label:  # NaN: no shelf life is counted
        if limits[LN_Q10] == limits[LN_Q10]:
            floats[LIFE_S] += seconds * math.exp(limits[LN_Q10] * (value - label) / 10.0)
        else:
            floats[LIFE_S] += seconds * math.exp(-limits[KELVIN] * (1.0 / kelvin - 1.0 / (label + ZERO_CELSIUS)))


@_jit
def fold(ints: I64, floats: F64, limits: F64, gap_ns: int, time_ns: I64, value: F64, status: U8) -> None:
    """Rows in order of time; of equal stamps the last one stands."""
    for row in range(len(time_ns)):
        if not limits[FLOOR] < value[row] < limits[CEILING]:  # NaN too
            continue
        settle(ints, floats, limits, gap_ns, time_ns[row])
        ints[KNOWN] = 1
        ints[STANDING_NS] = time_ns[row]
        ints[STATUS] = status[row]
        ints[SAMPLES] += 1
        floats[STANDING] = value[row]
        floats[MINIMUM] = min(floats[MINIMUM], value[row])
        floats[MAXIMUM] = max(floats[MAXIMUM], value[row])


@dataclass(frozen=True, slots=True)
class Limits:
    """What is counted. low, high: label range, the limits are inside; allowed_*: range of allowed excursions.

    All in the unit of the series. activation_j_mol: of mean kinetic temperature, J/mol; 0: not a temperature in Cel,
    no such mean. label_c: temperature of the labelled life, Cel; NaN: none is counted. q10: its acceleration factor per
    10 K; NaN: Arrhenius with the activation energy.
    """

    low: float = -math.inf
    high: float = math.inf
    allowed_low: float = -math.inf
    allowed_high: float = math.inf
    activation_j_mol: float = ACTIVATION_J_MOL
    label_c: float = math.nan
    q10: float = math.nan

    def packed(self) -> F64:
        """float64[LIMITS] as the kernel reads it."""
        ln_q10 = math.log(self.q10) if self.q10 > 0.0 else math.nan
        read = (-ZERO_CELSIUS, HOTTEST_C) if self.activation_j_mol > 0.0 else (-math.inf, math.inf)
        kelvin = self.activation_j_mol / GAS_CONSTANT
        ranges = (self.low, self.high, self.allowed_low, self.allowed_high)
        return np.array([*ranges, kelvin, self.label_c, ln_q10, *read])


class Held:
    """One series over a stretch that begins where the one before it ended; what stands goes on."""

    def __init__(self, begin_ns: int, gap_ns: int, limits: Limits) -> None:
        self.gap_ns = gap_ns
        self.limits = limits
        self._packed = limits.packed()
        self._ints, self._floats = np.zeros(INTS, np.int64), np.zeros(FLOATS)
        self.begin(begin_ns)

    def begin(self, at_ns: int) -> None:
        """A new stretch begins; call `settle` for the end of the one before first."""
        self._ints[_KEPT_INTS:] = 0
        self._floats[_KEPT_FLOATS:] = 0.0
        self._floats[TOP], self._floats[MINIMUM], self._floats[MAXIMUM] = -np.inf, np.inf, -np.inf
        self._ints[SETTLED_NS] = self._begin_ns = at_ns

    def keep_in(self, ints: I64, floats: F64) -> None:
        """Move the record into arrays that somebody else fills too: int64[INTS], float64[FLOATS]."""
        ints[:], floats[:] = self._ints, self._floats
        self._ints, self._floats = ints, floats

    def rows(self, time_ns: I64, value: F64, status: U8) -> None:
        """Rows of the stretch, columns of one length, in order of time; what is not a temperature is left out."""
        if len(time_ns):
            fold(self._ints, self._floats, self._packed, self.gap_ns, time_ns, value, status)

    def settle(self, until_ns: int) -> None:
        """Count what stands up to until_ns, where the stretch ends."""
        settle(self._ints, self._floats, self._packed, self.gap_ns, until_ns)

    def fork(self, at_ns: int, limits: Limits) -> Held:
        """A stretch of its own that begins at at_ns with what stands, under other limits."""
        copy = Held(at_ns, self.gap_ns, limits)
        copy._ints, copy._floats = self._ints.copy(), self._floats.copy()
        copy.begin(at_ns)
        return copy

    def at(self, until_ns: int) -> Held:
        """A copy that ends at until_ns."""
        copy = Held(self._begin_ns, self.gap_ns, self.limits)
        copy._ints, copy._floats = self._ints.copy(), self._floats.copy()
        copy.settle(until_ns)
        return copy

    @property
    def standing(self) -> float | None:
        """The newest value, however old."""
        return float(self._floats[STANDING]) if self._ints[KNOWN] else None

    def idle(self, since_ns: int) -> bool:
        """Whether nothing is counted and nothing stands from since_ns on."""
        stands = self._ints[KNOWN] and self._ints[STANDING_NS] + self.gap_ns > since_ns
        return not (self.known or stands)

    @property
    def known(self) -> bool:
        """Whether any time of the stretch is counted, or stands to be."""
        return bool(self._ints[COVERED] or self._ints[SAMPLES])

    def seconds(self, place: int) -> float:
        """One of COVERED, ABOVE, BELOW, BEYOND, UNCERTAIN, BLIND_OUT (without data after a value above), s."""
        return int(self._ints[place]) / NS_PER_S

    def number(self, place: int) -> float | None:
        """One of MINIMUM, MAXIMUM; None where nothing is known."""
        return float(self._floats[place]) if self._ints[COVERED] else None

    def amount(self, place: int) -> float:
        """One of ABOVE_MIN, BELOW_MIN (unit times min), LIFE_S (s at the label's temperature)."""
        return float(self._floats[place])

    @property
    def samples(self) -> float:
        """Rows of the stretch."""
        return float(self._ints[SAMPLES])

    @property
    def integral(self) -> float:
        """Value times time, unit times s."""
        return float(self._floats[PIVOT]) * self.seconds(COVERED) + float(self._floats[INTEGRAL])

    @property
    def mean(self) -> float | None:
        """Weighted by time; None where nothing is known."""
        return self.integral / self.seconds(COVERED) if self._ints[COVERED] else None

    @property
    def arrhenius_log(self) -> float | None:
        """ln of the time integral of exp(-dH/RT), s; None where nothing is known."""
        if not self._ints[COVERED] or not self._packed[KELVIN]:
            return None
        return float(self._floats[TOP]) + math.log(float(self._floats[RATES]))

    @property
    def mkt(self) -> float | None:
        """Mean kinetic temperature, Cel; None where nothing is known."""
        log = self.arrhenius_log
        return None if log is None else mkt_of(log, self.seconds(COVERED), self.limits.activation_j_mol)

    def snapshot(self) -> tuple[Any, ...]:
        """Layout, begin, records."""
        return (LAYOUT, self._begin_ns, self._ints.tobytes(), self._floats.tobytes())

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout."""
        if snapshot[0] != LAYOUT:
            raise ValueError(f"held: layout {snapshot[0]}, {LAYOUT} is known")
        _, self._begin_ns, ints, floats = snapshot
        self._ints, self._floats = np.frombuffer(ints, np.int64).copy(), np.frombuffer(floats).copy()


def mkt_of(arrhenius_log: float, covered_s: float, activation_j_mol: float) -> float:
    """Mean kinetic temperature, Cel, of ln of the time integral of exp(-dH/RT) over covered_s > 0."""
    return activation_j_mol / GAS_CONSTANT / (math.log(covered_s) - arrhenius_log) - ZERO_CELSIUS


def gap_of(series: SeriesSpec) -> int:
    """The longest time one value of the series may stand for, ns."""
    return round(HOLD_INTERVALS * series.every_s * NS_PER_S)

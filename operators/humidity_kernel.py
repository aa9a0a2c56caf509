"""Kernels of the humidity machine: what stands at each reading of humidity, and what comes of it.

Logarithm and power are numpy's, between the two: compiled ones differ from it in the last digit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64, U8
from operators.cold_chain import HOTTEST_C, ZERO_CELSIUS
from operators.held import FLOATS, INTS, LIMITS, fold
from operators.humidity import A_HPA, C_GK_J, TN, M

HUMID, AIR, GOODS, SHARE, POWER, COLUMNS = range(6)  # of the work
HUMIDITY, DEW, WATER, MARGIN, SERIES = range(5)  # of the records
_jit = njit(nogil=True, cache=True, error_model="numpy")


@_jit
def stand(
    time_ns: I64, number: I32, value: F64, status: U8, gaps: I64, stood_ns: I64, stood: F64, time_out: I64,
    status_out: U8, work: F64,
) -> int:  # fmt: skip
    """The rows of humidity with the temperatures that stand there; returns how many.

    time_ns int64[n], number int32[n], value float64[n], status uint8[n]: as `Inputs`. gaps int64[3], ns. stood_ns
    int64[2], stood float64[2], changed: newest row of air and goods, NaN for none. time_out int64[m], status_out
    uint8[m], work float64[COLUMNS, m], m >= n, get humidity, air and goods (NaN where nothing stands), humidity as a
    share (NaN at 0) and the exponent of the saturation pressure. Of equal stamps the last temperature stands.
    """
    count, row, rows = 0, 0, len(time_ns)
    while row < rows:
        at, end = time_ns[row], row
        while end < rows and time_ns[end] == at:
            if number[end] > 0 and -ZERO_CELSIUS < value[end] < HOTTEST_C:
                stood_ns[number[end] - 1], stood[number[end] - 1] = at, value[end]
            end += 1
        for one in range(row, end):
            if number[one] != 0 or not 0.0 <= value[one] <= 100.0:
                continue
            air = stood[0] if at - stood_ns[0] < gaps[1] else math.nan
            time_out[count], status_out[count] = at, status[one]
            work[HUMID, count], work[AIR, count] = value[one], air
            work[GOODS, count] = stood[1] if at - stood_ns[1] < gaps[2] else math.nan
            work[SHARE, count] = value[one] / 100.0 if value[one] > 0.0 else math.nan
            work[POWER, count] = M * air / (air + TN)
            count += 1
        row = end
    return count


@_jit
def condense(
    count: int, exponent: F64, time_ns: I64, status: U8, work: F64, gap_ns: int, limits: F64, ints: I64, floats: F64
) -> None:
    """Dew point, water and margin of `count` rows, into the records of the four series.

    exponent float64[m]: as `stand` gave it; work: as of `stand`, with the logarithm of the share and the power of ten
    in its last columns, changed. limits, ints, floats [SERIES, :]: as operators/held.py has them; the last two changed.
    """
    for row in range(count):
        humid, air = work[HUMID, row], work[AIR, row]
        share = exponent[row] + work[SHARE, row]
        dew = air if humid == 100.0 else TN * share / (M - share)
        water = C_GK_J * (A_HPA * work[POWER, row]) * humid / (air + ZERO_CELSIUS) if humid > 0.0 else math.nan
        work[SHARE, row], work[POWER, row] = dew, water
        work[GOODS, row] = work[GOODS, row] - dew
    for series, column in ((HUMIDITY, HUMID), (DEW, SHARE), (WATER, POWER), (MARGIN, GOODS)):
        fold(
            ints[series], floats[series], limits[series], gap_ns, time_ns[:count], work[column, :count], status[:count]
        )  # fmt: skip


def compile_kernels() -> None:
    """For the cache: no rows."""
    times, status, work = np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros((COLUMNS, 0))
    stood_ns, stood = np.zeros(2, np.int64), np.full(2, math.nan)
    stand(
        times, np.zeros(0, np.int32), np.zeros(0), status, np.zeros(3, np.int64), stood_ns, stood, times, status, work
    )
    records = np.zeros((SERIES, INTS), np.int64), np.zeros((SERIES, FLOATS))
    condense(0, np.zeros(0), times, status, work, 1, np.zeros((SERIES, LIMITS)), *records)

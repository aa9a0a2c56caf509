"""Waveforms: rows whose series has the kind waveform, and samples in place of a value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from andon.readings import BLOCK_FIGURES, I32, I64
from andon.series import SeriesDictionary
from andon.units import Conversion

FASTEST_HZ = 1e9
FASTEST_RPM = 1e9
SAMPLES = b'"samples"'  # what JSON of a waveform has somewhere


class Wave(NamedTuple):
    """What a row says of a waveform besides stamp, series and quality: samples is float32[n], n >= 1, finite."""

    rate_hz: float
    samples: NDArray[np.float32]
    rpm: tuple[float, float] | None = None


def read_wave(samples: object, rate_hz: object, change: Conversion | None = None, rpm: object = None) -> Wave | None:
    """A waveform out of JSON-like fields; None where they are none.

    samples: a list of finite numbers within float32, or float32 little endian as bytes. rate_hz: 0 < rate_hz <= 1e9.
    change: into the unit of the series. rpm: a finite number of 0 and more, two of them (begin, end), or None.
    """
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, (int, float)) or not 0 < rate_hz <= FASTEST_HZ:
        return None
    turns = None if rpm is None else _turns(rpm)
    if rpm is not None and turns is None:
        return None
    if isinstance(samples, bytes):
        if len(samples) % 4:
            return None
        values = np.frombuffer(samples, "<f4").astype(np.float32)
    elif isinstance(samples, list):
        if not all(type(one) in (int, float) and math.isfinite(one) for one in samples):
            return None
        with np.errstate(over="ignore"):
            values = np.array(samples, np.float64).astype(np.float32)
    else:
        return None
    if change is not None:
        with np.errstate(over="ignore"):
            values = change(values.astype(np.float64)).astype(np.float32)
    return Wave(float(rate_hz), values, turns) if len(values) and bool(np.isfinite(values).all()) else None


def _turns(rpm: Any) -> tuple[float, float] | None:
    """(begin, end) of a number or two of them; None where they are no speeds."""
    both = rpm if isinstance(rpm, list) else [rpm, rpm]
    if len(both) != 2 or not all(type(one) in (int, float) and 0.0 <= one < FASTEST_RPM for one in both):
        return None
    return float(both[0]), float(both[1])


def give_ids(dictionary: SeriesDictionary, places: I32 | I64, waves: Sequence[int]) -> None:
    """Give ids to the series of rows in their order: of each waveform its own, then those of its figures.

    places: int[n], indices into `declared`, -1 none. waves: which rows are waveforms, growing.
    """
    begin = 0
    for row in waves:
        dictionary.ids_at(places[begin : row + 1])
        spec = dictionary.declared[int(places[row])]
        for figure in BLOCK_FIGURES:
            dictionary.id_of(spec.asset, spec.tag + figure)
        begin = row + 1
    dictionary.ids_at(places[begin:])

"""What tachometers said lately: the speed of a shaft while a block of its vibration lasted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from andon.config.health import SPEED
from andon.readings import NS_PER_S, Block, Readings, Status
from andon.series import SeriesDictionary
from operators.vibration import BLOCK, TACHOMETER, Shaft

KEPT = 256  # readings of a tachometer: those in a block, the one before it, and those until the block is there
GAP_INTERVALS = 3  # a speed stands for so many expected intervals; beyond it nothing is known
Path = tuple[str, str]


class Speeds:
    """The newest readings of every series that a [[template.vibration]] names as `speed_tag`, in the log's order."""

    def __init__(self, dictionary: SeriesDictionary) -> None:
        self._dictionary = dictionary
        waves = [(spec.asset, spec.wave) for spec in dictionary.declared if spec.wave is not None]
        self._wanted = {(asset, wave.settings.speed_tag) for asset, wave in waves if wave.settings.speed_tag}
        self._series: dict[int, Path] = {}
        self._is_wanted = np.zeros(0, np.bool_)  # by series
        self._looked = 0  # at so many ids of the dictionary
        self._told: dict[Path, list[tuple[int, float]]] = {}

    def take(self, readings: Readings, begin: int, end: int) -> None:
        """Rows [begin, end) of accepted or not yet judged readings: what is bad or behind its series says nothing."""
        if not self._wanted or begin == end:
            return
        self._look()
        if not self._series:
            return
        mine = np.flatnonzero(self._is_wanted[readings.series[begin:end]]) + begin
        for row in mine.tolist():
            time_ns, value = int(readings.time_ns[row]), float(readings.value[row])
            told = self._told.setdefault(self._series[int(readings.series[row])], [])
            is_usable = readings.status[row] != Status.BAD and value >= 0.0
            if is_usable and (not told or time_ns > told[-1][0]):
                told.append((time_ns, value))
                del told[:-KEPT]

    def _look(self) -> None:
        """Ids that were given since."""
        if self._looked == len(self._dictionary):
            return
        for series in range(self._looked, len(self._dictionary)):
            spec = self._dictionary.spec(series)
            if (spec.asset, spec.tag) in self._wanted:
                self._series[series] = spec.asset, spec.tag
        self._looked = len(self._dictionary)
        self._is_wanted = np.zeros(self._looked, np.bool_)
        self._is_wanted[list(self._series)] = True

    def of(self, block: Block) -> Shaft | None:
        """What the block says itself, else its tachometer: the speed that stood at its begin and the last in it."""
        if block.rpm is not None:
            return Shaft(*block.rpm, BLOCK)
        spec = self._dictionary.spec(block.series)
        settings = spec.wave.settings if spec.wave else None
        if settings is None or settings.speed_tag is None:
            return None
        place = self._dictionary.place_of(spec.asset, settings.speed_tag)
        if place < 0:
            return None
        measured = self._dictionary.declared[place]
        told = self._told.get((spec.asset, settings.speed_tag), [])
        inside = _while(told, block, round(GAP_INTERVALS * measured.every_s * NS_PER_S))
        if not inside:
            return None
        factor = SPEED.get(measured.unit, np.nan) * settings.speed_factor
        return Shaft(inside[0] * factor, inside[-1] * factor, TACHOMETER)

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return tuple((path, tuple(told)) for path, told in sorted(self._told.items()))

    def restore(self, snapshot: Sequence[Any]) -> None:
        """Take over a snapshot."""
        self._told = {tuple(path): [tuple(one) for one in told] for path, told in snapshot}
        self._series, self._looked = {}, 0


def _while(told: Sequence[tuple[int, float]], block: Block, gap_ns: int) -> list[float]:
    """Speeds from the one that stood at the block's begin to the last in it."""
    begin_ns = block.t0_ns
    end_ns = begin_ns + round(len(block.samples) / block.rate_hz * NS_PER_S)
    before = [value for time_ns, value in told if begin_ns - gap_ns <= time_ns <= begin_ns]
    return before[-1:] + [value for time_ns, value in told if begin_ns < time_ns <= end_ns]

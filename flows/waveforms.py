"""Blocks of waveforms become readings of their figures, at their place in the log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from andon.readings import BLOCK_FIGURES, Block, Decoded, Readings, Status
from andon.series import SeriesDictionary
from flows.speeds import Speeds
from operators.vibration import LINES, Shaft, wave_figures

Row = tuple[int, int, int, float, int, int, int]  # at_row, then the columns of `Readings`


def with_figures(decoded: Decoded, dictionary: SeriesDictionary, speeds: Speeds | None = None) -> Decoded:
    """What was decoded, with a reading for each figure of each block that the plant declares as a series.

    A figure's stamp is the block's begin, its status that of the block; outside the range of its series, or without a
    value, it is bad; a bearing's line whose speed changed by more than `slip` is uncertain. Events and ticks keep their
    places among the rows. speeds: what tachometers said until then; takes these rows.
    """
    speeds, taken, figures = speeds or Speeds(dictionary), 0, []
    for block in decoded.blocks:
        speeds.take(decoded.readings, taken, block.at_row)
        taken = block.at_row
        figures.append(_rows(block, dictionary, speeds.of(block)))
    speeds.take(decoded.readings, taken, len(decoded.readings))
    if not figures:
        return decoded
    rows = [row for of_block in figures for row in of_block]
    blocks = [(block.at_row, block.offset) for block in decoded.blocks]
    before = np.cumsum([0, *map(len, figures)])

    def moved(at_row: int, offset: int) -> int:
        """Where a row of the log stands now: behind the figures of the blocks before it."""
        return at_row + int(before[sum(place <= (at_row, offset) for place in blocks)])

    return replace(
        decoded,
        readings=_inserted(decoded.readings, rows),
        events=[replace(event, at_row=moved(event.at_row, event.offset)) for event in decoded.events],
        ticks=[replace(tick, at_row=moved(tick.at_row, tick.offset)) for tick in decoded.ticks],
        rows_in=decoded.rows_in + len(rows),
    )


def _rows_of(block: Block, dictionary: SeriesDictionary) -> Sequence[tuple[str, int]]:
    """(figure, series) of the figures of a block that have a series."""
    spec = dictionary.spec(block.series)
    found = ((name, dictionary.id_of(spec.asset, spec.tag + name)) for name in BLOCK_FIGURES)
    return [(name, series) for name, series in found if series >= 0]


def _rows(block: Block, dictionary: SeriesDictionary, shaft: Shaft | None) -> list[Row]:
    wanted = _rows_of(block, dictionary)
    if not wanted:
        return []
    unit, wave = dictionary.spec(block.series).unit, dictionary.spec(block.series).wave
    figures = wave_figures(block.samples, block.rate_hz, unit, wave, [name for name, _ in wanted], shaft)
    smeared = wave is not None and shaft is not None and shaft.change > wave.settings.slip
    rows = []
    for name, series in wanted:
        if name not in figures:  # a series of that name which the device itself sends
            continue
        value, spec = figures[name], dictionary.spec(series)
        is_usable = not math.isnan(value) and spec.low <= value <= spec.high
        unsure = Status.UNCERTAIN if smeared and name in LINES else Status.GOOD
        status = max(block.status, unsure) if is_usable else Status.BAD
        rows.append((block.at_row, block.t0_ns, series, value, int(status), block.offset, block.received_ns))
    return rows


def _inserted(readings: Readings, rows: Sequence[Row]) -> Readings:
    if not rows:
        return readings
    at, time_ns, series, value, status, offset, received_ns = zip(*rows, strict=True)
    return Readings(
        np.insert(readings.time_ns, at, time_ns),
        np.insert(readings.series, at, series),
        np.insert(readings.value, at, value),
        np.insert(readings.status, at, status),
        np.insert(readings.offset, at, offset),
        np.insert(readings.received_ns, at, received_ns),
    )

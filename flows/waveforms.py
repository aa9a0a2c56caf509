"""Blocks of waveforms become readings of their figures, at their place in the log."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from andon.readings import BLOCK_FIGURES, Block, Decoded, Readings, Status
from andon.series import SeriesDictionary
from operators.waveform import block_figures

Row = tuple[int, int, int, float, int, int, int]  # at_row, then the columns of `Readings`


def with_figures(decoded: Decoded, dictionary: SeriesDictionary) -> Decoded:
    """What was decoded, with a reading for each figure of each block that the plant declares as a series.

    A figure's stamp is the block's begin, its status that of the block; outside the range of its series, or without a
    value, it is bad. Events and ticks keep their places among the rows.
    """
    if not decoded.blocks:
        return decoded
    figures = [_rows(block, dictionary) for block in decoded.blocks]
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


def _rows_of(block: Block, dictionary: SeriesDictionary) -> Sequence[tuple[int, int]]:
    """(figure, series) of the figures of a block that have a series."""
    spec = dictionary.spec(block.series)
    found = ((number, dictionary.id_of(spec.asset, spec.tag + name)) for number, name in enumerate(BLOCK_FIGURES))
    return [(number, series) for number, series in found if series >= 0]


def _rows(block: Block, dictionary: SeriesDictionary) -> list[Row]:
    wanted = _rows_of(block, dictionary)
    figures = block_figures(block.samples) if wanted else ()
    rows = []
    for number, series in wanted:
        value, spec = figures[number], dictionary.spec(series)
        is_usable = not math.isnan(value) and spec.low <= value <= spec.high
        status = block.status if is_usable else Status.BAD
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

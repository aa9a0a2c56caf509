"""The kernel that makes rows of Arrow columns against the same in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.decode.arrow_rows import DONE, NEW_NAMES, OUTSIDE, OWN_UNIT, UNSEEN, Chunks, Names, Stamps, Units, settle
from sources.decode.columns import UNREADABLE, WireRows
from sources.decode.layout import FALSE, NULL, OK, REAL, TRUE, UNIT_MISMATCH, WRONG_TYPE

TABLE = [0, 1, -5, UNSEEN, 2, -WRONG_TYPE]  # 3 assets of 2 tags
OWN, IDS = [0, 1, 0], [0, -2, OWN_UNIT]  # two units in the dictionary, the last is of null
TICK, FIRST, END = 1000, 10, 20
Row = tuple[int, int, int, int, float]  # asset, tag, stamp, unit, value


def naive(row: Row, kind: int) -> tuple[int, int, float, int, int] | int:
    """(place, time, value, kind, verdict), or `NEW_NAMES` or `OUTSIDE`."""
    asset, tag, ts, unit, value = row
    if not (-1 <= asset < 3 and -1 <= tag < 2 and -1 <= unit < 2):
        return OUTSIDE
    found = -WRONG_TYPE if min(asset, tag) < 0 else TABLE[2 * asset + tag]
    if found == UNSEEN:
        return NEW_NAMES
    verdict = OK if found >= 0 else -found
    if found >= 0 and IDS[unit] not in (OWN_UNIT, OWN[found]):
        verdict = UNIT_MISMATCH
    if math.isnan(value):
        kind = NULL
    elif kind == TRUE and value == 0:
        kind = FALSE
    return max(found, -1), ts * TICK if FIRST <= ts < END else UNREADABLE, value, kind, verdict


CODES = st.tuples(
    st.integers(-1, 2), st.integers(-1, 1), st.integers(8, 21), st.integers(-1, 1),
    st.sampled_from([0.0, 1.0, math.nan]),
)  # fmt: skip
WILD = st.tuples(st.integers(-2, 3), st.integers(-2, 2), st.just(11), st.integers(-2, 2), st.just(1.0))


@given(
    st.lists(st.lists(CODES, max_size=6), min_size=1, max_size=3),
    st.sampled_from([TRUE, REAL]),
    st.lists(WILD, max_size=1),
)
def test_rows(chunks: list[list[Row]], kind: int, wild: list[Row]) -> None:
    chunks = [*chunks[:-1], [*chunks[-1], *wild]]
    rows = [row for chunk in chunks for row in chunk]
    asset, tag, ts, unit = (np.array([row[k] for row in rows], np.int64) for k in range(4))
    names = Names(asset, tag, 3, 2, np.array(TABLE, np.int32))
    places = Chunks(*np.array([(len(chunk), 7 + at, 3 * at) for at, chunk in enumerate(chunks)], np.int64).T.copy())
    out = WireRows.empty(len(rows))
    units = Units(unit, np.array(IDS, np.int32), np.array(OWN, np.int32))
    state = settle(names, Stamps(ts, TICK, FIRST, END), units, np.array([row[4] for row in rows]), kind, places, out)
    if not rows:
        assert state == DONE
        return
    expected = [naive(row, kind) for row in rows]
    assert state == max(one if isinstance(one, int) else DONE for one in expected)
    if state == DONE:
        found = zip(out.place, out.time_ns, out.value, out.kind, out.verdict, strict=True)
        assert repr([tuple(one.item() for one in row) for row in found]) == repr(expected)
        lines = [(7 + at, 3 * at + k) for at, chunk in enumerate(chunks) for k in range(len(chunk))]
        assert list(zip(out.message.tolist(), out.line.tolist(), strict=True)) == lines


@pytest.mark.parametrize(("given_unit", "verdicts"), [(OWN_UNIT, [OK, OK]), (1, [UNIT_MISMATCH, OK])])
def test_paths_and_one_unit_for_all(given_unit: int, verdicts: list[int]) -> None:
    none, two = np.empty(0, np.int64), np.array([0, 1])
    names = Names(two, none, 2, 1, np.array([0, 1], np.int32))
    units = Units(none, np.array([given_unit], np.int32), np.array(OWN, np.int32))
    out = WireRows.empty(2)
    one = np.ones(1, np.int64)
    chunks = Chunks(2 * one, one, one)
    assert settle(names, Stamps(two + 11, TICK, FIRST, END), units, np.ones(2), REAL, chunks, out) == DONE
    assert out.verdict.tolist() == verdicts
    assert out.place.tolist() == [0, 1]

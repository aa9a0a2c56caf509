"""Columns of an Arrow run to rows, in a kernel: which series, which stamp, which unit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from andon.readings import F64, I32, I64
from sources.decode.columns import UNREADABLE, WireRows
from sources.decode.layout import FALSE, NULL, OK, TRUE, UNIT_MISMATCH, WRONG_TYPE

UNSEEN = -9  # in `Names.table`: a pair of names that no row had so far
OWN_UNIT = -3  # in `Units.ids`: a row that says none
DONE, NEW_NAMES, OUTSIDE = range(3)


class Names(NamedTuple):
    """Codes of the rows, -1 for null, and what pairs of them mean.

    asset, tag : int64[n]; tag is empty where the asset's codes are those of whole paths.
    assets,tags: how many names; tags is 1 where tag is empty.
    table      : int32[assets * tags], place of a series, or minus the Reason why there is none, or `UNSEEN`.
    """

    asset: I64
    tag: I64
    assets: int
    tags: int
    table: I32


class Stamps(NamedTuple):
    """ts: int64[n], ticks of tick_ns since 1970; readable are first .. end - 1."""

    ts: I64
    tick_ns: int
    first: int
    end: int


class Units(NamedTuple):
    """code: int64[n], -1 for null, or empty. ids: int32, of a code, the last of null and of rows without a code.

    own: int32, by place.
    """

    code: I64
    ids: I32
    own: I32


class Chunks(NamedTuple):
    """int64[chunks]: rows, message, line of the first row."""

    rows: I64
    message: I64
    line: I64


@njit(nogil=True, cache=True, error_model="numpy")
def settle(names: Names, stamps: Stamps, units: Units, value: F64, kind: int, chunks: Chunks, out: WireRows) -> int:
    """Rows of all chunks; writes out but for the status. value: float64[n], NaN for null. kind: what they were.

    returns: `DONE`; `NEW_NAMES` where a pair of names is `UNSEEN`, whose row is not right then; `OUTSIDE` for a code
        that is none.
    """
    # every access of a tuple's array in the loop would count its references, 5 ns each time
    asset, tag, assets, tags, table = names
    ts, tick_ns, first, end = stamps
    code, ids, own = units
    places, times, values, kinds, verdicts, _, messages, lines = out
    has_tag, has_code, unit_codes, state = tag.shape[0] > 0, code.shape[0] > 0, ids.shape[0] - 1, DONE
    given = ids[unit_codes]
    i = 0
    for c in range(chunks.rows.shape[0]):
        rows, message, line = chunks.rows[c], chunks.message[c], chunks.line[c]
        for k in range(rows):
            a, t = asset[i], tag[i] if has_tag else 0
            if not (-1 <= a < assets and -1 <= t < tags):
                return OUTSIDE
            found = table[a * tags + t] if a >= 0 and t >= 0 else -WRONG_TYPE
            if found == UNSEEN:
                state, found = NEW_NAMES, -1
            if has_code:
                u = code[i]
                if not -1 <= u < unit_codes:
                    return OUTSIDE
                given = ids[u if u >= 0 else unit_codes]
            verdict = -found if found < 0 else OK
            if found >= 0 and given != OWN_UNIT and given != own[found]:
                verdict = UNIT_MISMATCH
            x = value[i]
            places[i], verdicts[i], values[i] = max(found, -1), verdict, x
            times[i] = ts[i] * tick_ns if first <= ts[i] < end else UNREADABLE
            kinds[i] = NULL if np.isnan(x) else FALSE if kind == TRUE and x == 0.0 else kind
            messages[i], lines[i] = message, line + k
            i += 1
    return state

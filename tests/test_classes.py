"""The class of a row, against the rules as they are written down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.readings import Status
from operators import duplicates, ledger
from operators.classes import admit, classify, scorers

NEVER = np.iinfo(np.int64).min
row = st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 9), st.integers(0, 9))


def naive(verdict, good, time_ns, closed_ns):
    """(class, conflict, late): the first sentence that fits."""
    clash = verdict == duplicates.CONFLICT and good
    if verdict == duplicates.DUPLICATE:
        return ledger.DUPLICATE, clash, False
    if verdict == duplicates.TOO_OLD:
        return ledger.DEAD, clash, False
    if not good:
        return ledger.BAD, clash, False
    return (ledger.LATE, clash, True) if time_ns < closed_ns else (ledger.COUNTED, clash, False)


@given(st.lists(row))
def test_every_row_has_the_class_that_the_rules_say(rows):
    verdict, good, time_ns, closed_ns = np.array(rows, np.int64).reshape(-1, 4).T.copy()
    rejected = (verdict == duplicates.DUPLICATE) | (verdict == duplicates.TOO_OLD)
    found = classify(verdict.astype(np.uint8), (good > 0) & ~rejected, time_ns, closed_ns)
    expected = [naive(*one) for one in rows]
    assert list(zip(found.of.tolist(), found.conflict.tolist(), found.late.tolist(), strict=True)) == expected
    assert found.duplicates == sum(one[0] == ledger.DUPLICATE for one in expected)
    assert found.dead == sum(one[0] == ledger.DEAD for one in expected)
    assert found.lates == sum(one[2] for one in expected)
    usable = [
        time for (_, _, time, _), one in zip(rows, expected, strict=True) if one[0] in (ledger.COUNTED, ledger.LATE)
    ]
    assert found.newest_ns == max(usable, default=np.iinfo(np.int64).min)
    assert found.conflicts == (verdict == duplicates.CONFLICT).sum()


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(list(Status)), st.integers(0, 2), st.integers(0, 9))))
def test_what_is_computed_with_and_what_is_scored(rows):
    """Behind its series and before its whole windows: too old. Only rows ahead of their series are scored."""
    verdict, status, series, time_ns = np.array(rows, np.int64).reshape(-1, 4).T.copy()
    verdict, status, series = verdict.astype(np.uint8), status.astype(np.uint8), series.astype(np.int32)
    whole_from, detects = (NEVER, 4, 9), (1, 0, 2)
    scored_by = scorers(series, status, verdict, np.array(detects, np.uint8))
    usable = admit(series, time_ns, status, np.array(whole_from), verdict)
    for at, (told, good, one, time) in enumerate(rows):
        too_old = told == duplicates.TOO_OLD or (told != duplicates.AHEAD and time < whole_from[one])
        assert verdict[at] == (duplicates.TOO_OLD if too_old else told)
        assert usable[at] == (good != Status.BAD and told != duplicates.DUPLICATE and not too_old)
        assert scored_by[at] == (detects[one] if told == duplicates.AHEAD and good != Status.BAD else 0)


def test_columns_of_different_lengths_are_refused():
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    with pytest.raises(ValueError, match="columns of 1, 1, 1 and 2 rows"):
        classify(one.astype(np.uint8), one.astype(bool), one, two)
    with pytest.raises(ValueError, match="columns of 1, 2, 1 and 1 rows"):
        admit(one.astype(np.int32), two, one.astype(np.uint8), one, one.astype(np.uint8))
    with pytest.raises(ValueError, match="columns of 1, 2 and 1 rows"):
        scorers(one.astype(np.int32), two.astype(np.uint8), one.astype(np.uint8), one.astype(np.uint8))

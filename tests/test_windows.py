"""Windows against their naive twin; any split of the log gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.windows import WindowOperator, WindowSpec, window_of_points
from tests.naive_windows import NaiveWindows, figures

S = 1_000_000_000
SPEC = WindowSpec.of(5.0, [(10.0, 10.0), (60.0, 5.0), (5.0, 5.0)])
START_NS = 1_767_225_600 * S


@st.composite
def logs(draw):
    """Rows and ticks: mostly forward, some late, some after long silence, several series."""
    now, events = 0, []
    for _ in range(draw(st.integers(1, 80))):
        now += draw(st.sampled_from([0, 1, 1, 2, 3, 7, 40, 400]))
        if draw(st.integers(0, 5)) == 0:
            events.append(("tick", START_NS + now * S))
        else:
            behind = draw(st.sampled_from([0, 0, 0, 0, 2, 6, 12, 90, 5000]))
            value = draw(st.sampled_from([0.0, 1.0, -3.5, 101_325.0, 101_325.1, 7.25]))
            events.append(("row", draw(st.integers(0, 2)), START_NS + (now - behind) * S, value, START_NS + now * S))
    return events


def run(events, cuts=()):
    operator = WindowOperator(SPEC, 5.0, 30.0)
    for _ in range(3):
        operator.bind(emits=True)
    out, late, pending = {}, [], []

    def flush():
        if not pending:
            return
        series, times, values, received = (np.array(column) for column in zip(*pending, strict=True))
        rows, closed = operator.step(
            times, series.astype(np.int32), values.astype(float), np.ones(len(times), bool),
            np.full(len(times), np.nan), received,
        )  # fmt: skip
        late.extend((times < closed).tolist())
        collect(rows)
        pending.clear()

    def collect(rows):
        for at in range(len(rows)):
            key = (int(rows.series[at]), int(rows.size_ns[at]), int(rows.start_ns[at]))
            assert key not in out, "a window was emitted twice"
            out[key] = (
                int(rows.count[at]), rows.minimum[at], rows.maximum[at], rows.mean[at], rows.std[at], rows.first[at],
                rows.last[at],
            )  # fmt: skip

    for at, event in enumerate(events):
        if event[0] == "tick":
            flush()
            collect(operator.tick(event[1]))
        else:
            pending.append(event[1:])
            if at in cuts:
                flush()
                snapshot = operator.snapshot()
                operator = WindowOperator(SPEC, 5.0, 30.0)
                operator.restore(snapshot)
    flush()
    return out, late


@given(logs())
@settings(max_examples=150, deadline=None)
def test_equals_the_naive_twin(events):
    naive = NaiveWindows(SPEC, 5 * S, 30 * S)
    naive_late = []
    for event in events:
        if event[0] == "tick":
            naive.tick(event[1])
        else:
            _, series, time_ns, value, received = event
            naive_late.append(naive.row(series, time_ns, value, received))
    out, late = run(events)
    assert late == naive_late
    assert out.keys() == naive.out.keys()
    for key, row in out.items():
        assert row == pytest.approx(naive.out[key], rel=1e-12, abs=1e-9)


@given(logs(), st.sets(st.integers(0, 79)))
@settings(max_examples=100, deadline=None)
def test_any_split_and_restart_gives_the_same_bits(events, cuts):
    assert run(events) == run(events, cuts)


def test_std_survives_a_large_operating_level():
    rng = np.random.default_rng(1)
    value = 101_325.0 + rng.normal(0.0, 0.1, 10_000)
    pane = window_of_points(np.arange(10_000, dtype=np.int64), value)[0]
    std = np.sqrt(pane["m2"] / pane["count"])
    assert std == pytest.approx(np.std(value), rel=1e-9)
    expected = figures(list(enumerate(value.tolist())))
    assert (pane["mean"], std) == pytest.approx((expected[3], expected[4]), rel=1e-9)


def test_sizes_must_be_whole_panes():
    with pytest.raises(ValueError, match=r"7\.0 s is not a whole number of panes of 5\.0 s"):
        WindowSpec.of(5.0, [(7.0, 7.0)])


def test_many_windows_at_once_do_not_overflow_the_buffer():
    operator = WindowOperator(SPEC, 5.0, 30.0)
    for _ in range(300):
        operator.bind(emits=True)
    n = 300 * 400
    times = START_NS + np.repeat(np.arange(400), 300) * 5 * S
    series = np.tile(np.arange(300, dtype=np.int32), 400)
    rows, _ = operator.step(times, series, np.ones(n), np.ones(n, bool), np.full(n, np.nan), times)
    first = int(times[0]) // SPEC.pane_ns
    assert len(rows) == 300 * sum((end + first) % hop == 0 for end in range(1, 399) for hop in SPEC.hops)


def test_ids_out_of_range_are_refused():
    operator = WindowOperator(SPEC, 5.0, 30.0)
    one = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="series ids must be"):
        operator.step(one, np.array([3], np.int32), np.ones(1), np.ones(1, bool), np.ones(1), one)

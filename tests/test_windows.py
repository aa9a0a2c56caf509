"""Windows against their naive twin; any split of the log gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon import arena
from operators.window_kernel import CHUNK, PANE, SERIES, survey
from operators.window_points import POINTS
from operators.window_state import SERIES_1
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


def restarted(operator, kept, *, whole):
    """A new operator with the state of another; kept: blocks so far by number."""
    fresh = WindowOperator(SPEC, 5.0, 30.0)
    about, changed = operator.blocks()
    kept.update((number, block.tobytes()) for number, block in changed)
    if whole:
        fresh.restore(operator.snapshot())
        list(fresh.blocks()[1])
    else:
        fresh.restore_blocks(about, list(kept), kept.__getitem__)
    return fresh


def run(events, cuts=(), *, whole=True):
    kept = {}
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
            np.where(values == 7.25, 1.5, np.nan), received,
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
                rows.last[at], repr(float(rows.score[at])),
            )  # fmt: skip

    for at, event in enumerate(events):
        if event[0] == "tick":
            flush()
            collect(operator.tick(event[1]))
        else:
            pending.append(event[1:])
            if at in cuts:
                flush()
                operator = restarted(operator, kept, whole=whole)
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
        assert row[:7] == pytest.approx(naive.out[key], rel=1e-12, abs=1e-9)
        inside = [value for at, value in naive.rows[key[0]] if key[2] <= at < key[1] + key[2]]
        assert row[7] == "nan" or (row[7] == "1.5" and 7.25 in inside)


@given(logs(), st.sets(st.integers(0, 79)), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_split_and_restart_gives_the_same_bits(events, cuts, whole):
    """whole: state as one snapshot, else only the blocks that changed since the one before."""
    assert run(events) == run(events, cuts, whole=whole)


@given(st.lists(st.tuples(st.integers(-3, 9), st.integers(-5, 5), st.booleans(), st.booleans()), min_size=1))
def test_a_survey_says_what_the_columns_say(rows):
    series, time_ns, use, scored = (np.array(column) for column in zip(*rows, strict=True))
    score, received_ns = np.where(scored, 1.0, np.nan), time_ns * 7
    newest = max([0, *(at for _, at, used, _ in rows if used)])
    columns = (time_ns, series.astype(np.int32), use, score, received_ns)
    extremes = (series.min(), series.max(), received_ns.min(), received_ns.max())
    assert survey(*columns) == (*extremes, newest, scored.any())


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


@pytest.mark.parametrize("level", [101_325.0, 1e9, -1e9])
@pytest.mark.parametrize("first", [0.0, None])
def test_live_windows_keep_their_digits_at_a_large_level(level, first):
    """Also where the first row of all, or of a pane, is far from the others, late or not."""
    rng = np.random.default_rng(2)
    n = 3000
    times = START_NS + np.arange(n) * S // 10
    value = level + rng.normal(0.0, 0.1, n)
    if first is not None:
        value[:: n // 3] = first
    times[100:110] -= 7 * S
    operator = WindowOperator(SPEC, 5.0, 30.0)
    operator.bind(emits=True)
    rows, _ = operator.step(times, np.zeros(n, np.int32), value, np.ones(n, bool), np.full(n, np.nan), times)
    late = np.zeros(n, bool)
    late[100:110] = True
    checked = 0
    for at in range(len(rows)):
        inside = (times >= rows.start_ns[at]) & (times < rows.start_ns[at] + rows.size_ns[at])
        if (inside & late).any():
            continue
        expected = np.array(figures(list(zip(times[inside].tolist(), value[inside].tolist(), strict=True))))
        assert (rows.mean[at], rows.std[at]) == pytest.approx((expected[3], expected[4]), rel=1e-8)
        checked += 1
    assert checked > 50


def test_state_of_rings_too_short_for_a_longer_lateness_goes_on():
    short, long = WindowOperator(SPEC, 5.0, 30.0), WindowOperator(SPEC, 20.0, 30.0)
    rng = np.random.default_rng(3)
    n = 2000
    times = START_NS + np.sort(rng.integers(0, 300 * S, n))
    series, value = rng.integers(0, 50, n).astype(np.int32), rng.normal(0.0, 1.0, n)
    rest = slice(n // 2, n)
    begin = slice(0, n // 2)
    for operator in (short, long):
        operator.bind_all([True] * 50)
    columns = times, series, value, np.ones(n, bool), np.full(n, np.nan), times
    for operator in (short, long):
        operator.step(*(column[begin] for column in columns))
    moved = WindowOperator(SPEC, 20.0, 30.0)
    moved.restore(short.snapshot())
    shrunk = WindowOperator(SPEC, 5.0, 30.0)
    shrunk.restore(long.snapshot())
    found = [operator.step(*(column[rest] for column in columns))[0] for operator in (moved, long)]
    one, other = ({row[:3]: row[3:] for row in table(rows)} for rows in found)
    assert one.items() <= other.items()  # `long` still had to emit what `short` had emitted before
    assert len(one) > 500
    again, _ = shrunk.step(*(column[rest] for column in columns))
    assert {row[:3]: row[3:] for row in table(again)}.items() >= one.items()


def table(rows):
    names = [name for name in rows.__slots__ if name not in ("score", "revision")]
    return list(zip(*(getattr(rows, name).tolist() for name in names), strict=True))


def test_only_what_changed_is_given_out_and_growing_moves_nothing():
    operator = WindowOperator(SPEC, 5.0, 30.0)
    operator.bind_all([True] * 3 * CHUNK)
    list(operator.blocks()[1])
    newest = operator.newest_ns
    one = np.array([START_NS + 7 * S])
    operator.step(one, np.array([CHUNK + 5], np.int32), np.ones(1), np.ones(1, bool), np.full(1, np.nan), one)
    places = 1 + operator._ring
    assert [number // places for number, _ in operator.blocks()[1]] == [1, 1]
    assert list(operator.blocks()[1]) == []
    operator.bind_all([True] * 150_000)
    assert newest[CHUNK + 5] == one[0]
    assert operator.newest_ns.base is newest.base
    assert operator.nbytes < 1000 * operator.count


@pytest.mark.parametrize("refused", [True, False])
def test_more_series_than_reserved(monkeypatch, refused):
    """Then the arrays are copied when they double; refused: the system reserves no address space at all."""

    def no_memory(*_arguments, **_more):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(arena, "RESERVED", 256)
    if refused:
        monkeypatch.setattr(arena.mmap, "mmap", no_memory)
    operator, count = WindowOperator(SPEC, 5.0, 30.0), 5000
    times = np.full(100, START_NS)
    for begin in range(0, count, 100):
        operator.bind_all([True] * 100)
        series = np.arange(begin, begin + 100, dtype=np.int32)
        operator.step(times, series, np.ones(100), np.ones(100, bool), np.full(100, np.nan), times)
    assert len(operator.tick(START_NS + 20 * S)) == 0
    windows = operator.tick(START_NS + 200 * S)
    assert len(windows) == count * sum(size // hop for size, hop in zip(SPEC.sizes, SPEC.hops, strict=True))
    assert len(operator.tick(START_NS + 201 * S)) == 0


@pytest.mark.parametrize("stamps", ["in order", "back", "ahead of the tick"])
def test_ticks_find_the_silent_among_many_chunks(stamps):
    """Chunks that are not looked at hold nobody who has been silent for long enough."""
    rng = np.random.default_rng(4)
    count, naive = 3 * CHUNK, NaiveWindows(SPEC, 5 * S, 30 * S)
    operator = WindowOperator(SPEC, 5.0, 30.0)
    operator.bind_all([True] * count)
    talking = rng.choice(count, 60, replace=False)
    found = {}
    for second in range(150):
        now = START_NS + second * S
        some = rng.choice(talking[: 60 - second // 3], 5).astype(np.int32)
        received = (
            now + {"in order": 0, "back": -20 * S * (second % 40 == 39), "ahead of the tick": S * (second % 3)}[stamps]
        )
        times, stamp = np.full(5, now), np.full(5, received)
        rows, _ = operator.step(times, some, np.ones(5), np.ones(5, bool), np.full(5, np.nan), stamp)
        for one in some.tolist():
            naive.row(one, now, 1.0, received)
        naive.tick(now)
        for part in (rows, operator.tick(now)):
            found |= {row[:3]: row[3] for row in table(part)}
    assert found == {key: row[0] for key, row in naive.out.items()}
    assert len(found) > 400


@pytest.mark.parametrize("count", [1, 1025, 5000, arena.RESERVED + 1])
def test_an_array_without_a_reservation_is_as_long_as_asked(monkeypatch, count):
    def no_memory(*_arguments, **_more):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(arena.mmap, "mmap", no_memory)
    some = arena.Arena(np.int64)
    some.rows[0] = 7
    some.reach(count)
    assert len(some.rows) >= count
    assert some.rows[0] == 7


@pytest.mark.parametrize("late_s", [60.0, 120.0, 5.0])
def test_state_of_the_layout_before_goes_on_with_another_lateness(late_s):
    """Written with 60 s: panes that a smaller lateness would have closed are still open in it."""
    times = START_NS + np.arange(500) * S

    def feed(operator, some):
        of = np.zeros(len(some), np.int32), np.arange(len(some), dtype=float), np.ones(len(some), bool)
        return operator.step(some, *of, np.full(len(some), np.nan), some)[0]

    before = WindowOperator(SPEC, 60.0, 600.0)
    before.bind(emits=True)
    feed(before, times[:300])
    state = as_layout_1(before.snapshot())
    wanted, after = table(feed(before, times[300:])), WindowOperator(SPEC, late_s, 600.0)
    after.restore(state)
    found = {row[:3]: row[3:] for row in table(feed(after, times[300:]))}
    both = [row for row in wanted if row[:3] in found]
    assert len(both) == min(len(wanted), len(found)) > 20
    for row in both:
        assert found[row[:3]] == pytest.approx(row[3:], nan_ok=True), row[:3]


def as_layout_1(snapshot):
    """The same state as the version before wrote it: a ring of a power of two, places by the pane's number."""
    _, pane_ns, sizes, hops, ring, count, states, rings, _ = snapshot
    now, panes = np.frombuffer(states, SERIES), np.frombuffer(rings, PANE).reshape(-1, ring)
    ring_before = 1 << (ring - 1).bit_length()
    old, out = np.zeros(count, SERIES_1), np.zeros((count, ring_before), POINTS)
    out["score"] = np.nan
    for name in SERIES_1.names:
        old[name] = now[name]
    for back in range(ring):
        number = int(now["filled"][0]) - back
        pane, to = panes[0, (int(now["place"][0]) - back) % ring], out[0, number & (ring_before - 1)]
        if pane["count"]:
            for name in ("count", "minimum", "maximum", "first", "last"):
                to[name] = pane[name]
            for name in ("first", "last"):
                to[f"{name}_ns"] = number * pane_ns + int(pane[f"{name}_at"]) + (int(pane[f"{name}_high"]) << 32)
            to["mean"] = pane["first"] + pane["sum"] / pane["count"]
            to["m2"] = pane["squares"] - pane["sum"] ** 2 / pane["count"]
    return (
        1,
        pane_ns,
        sizes,
        hops,
        ring_before,
        count,
        old.tobytes(),
        out.tobytes(),
        now["emits"].astype(bool).tobytes(),
    )

"""Declared windows in the shard's engine: equal to their naive twin, however the log is cut, late rows included."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from andon.readings import Message
from flows.spans import DeclaredSpans
from tests import naive_spans as naive
from tests.engine_world import IN_MEMORY, START_NS, S, body, open_engine, plant, tick

NUMBER = ["count", "min", "max", "mean", "std", "first", "last", "time_weighted_mean", "integral", "covered_s", "rate",
          "p5", "p50", "p99.5"]  # fmt: skip
COUNTER = ["count", "increase", "rate"]
PLAIN = ["count", "first", "last", "p50"]
AIR, TOTAL = ("cold/room", "air"), ("line1/filler", "total")
WINDOWS = [
    {"id": "t60", "on": "cold/*/air", "kind": "tumbling", "size_s": 60.0, "statistics": NUMBER},
    {"id": "t15", "on": "cold/*/air", "kind": "tumbling", "size_s": 15.0, "statistics": PLAIN},
    {"id": "h60", "on": "cold/*/air", "kind": "hopping", "size_s": 60.0, "hop_s": 25.0, "statistics": NUMBER},
    {"id": "s20", "on": "cold/*/air", "kind": "session", "gap_s": 20.0, "max_s": 70.0, "statistics": PLAIN},
    {"id": "s40", "on": "cold/*/air", "kind": "session", "gap_s": 40.0, "statistics": NUMBER},
    {"id": "hour", "on": "cold/*/air", "kind": "calendar", "calendar": "hour", "statistics": NUMBER},
    {"id": "c30", "on": "line1/*/total", "kind": "tumbling", "size_s": 30.0, "statistics": COUNTER},
    {"id": "cs", "on": "line1/*/total", "kind": "session", "gap_s": 30.0, "statistics": COUNTER},
]  # fmt: skip
SITE = {"id": "s1", "timezone": "Asia/Kolkata"}
MODEL = plant(window=WINDOWS, site=SITE)
HOLD_NS = 3 * S
VALUES = [0.0, 1.0, -3.5, 7.25, 20.0, 20.1]


@st.composite
def logs(draw):
    """(received_ns, body) of readings and ticks: mostly forward, some late, some after a silence."""
    now, events = 0, []
    for _ in range(draw(st.integers(1, 60))):
        now += draw(st.sampled_from([0, 1, 1, 2, 3, 7, 19, 20, 40, 400]))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            events.append(("tick", now))
        else:
            behind = draw(st.sampled_from([0, 0, 0, 1, 2, 6, 12, 20, 41, 90, 130, 2000]))
            value = draw(st.sampled_from(VALUES))
            events.append(("air" if kind < 4 else "total", now, now - behind, value))
    return [*events, *(("tick", now + after) for after in (31, 60, 7300))]


def messages(events):
    log = []
    for event in events:
        now_ns = START_NS + event[1] * S
        if event[0] == "tick":
            log.append((now_ns, tick(now_ns)))
        else:
            path = AIR if event[0] == "air" else TOTAL
            log.append((now_ns, body(START_NS + event[2] * S, *path, event[3])))
    return log


def run(log, cut, *, model=MODEL, restart=False, models=()):
    """Rows of all declared windows in order: ((path), window, start_ns, end_ns, revision, count, {name: value})."""
    items = [Message(at + 1, received_ns, raw) for at, (received_ns, raw) in enumerate(log)]
    seen = []
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        engine = open_engine(model, Path(name))
        engine.restore(None)
        for step, begin in enumerate(range(0, len(items), cut)):
            outputs = engine.step(items[begin : begin + cut])
            rows = outputs.spans
            seen += [
                (outputs.paths[int(rows.series[at])], rows.window[at], int(rows.start_ns[at]), int(rows.end_ns[at]),
                 int(rows.revision[at]), int(rows.count[at]), rows.told(at))
                for at in range(len(rows))
            ]  # fmt: skip
            if restart:
                state = engine.snapshot()
                engine = open_engine(dict(models).get(step, model), Path(name))
                engine.restore(state)
    return seen


def final(rows):
    """The last version of each window that is there; revisions must grow."""
    last = {}
    for path, window, start, end, revision, count, told in rows:
        key = (path, window, start)
        assert key not in last or revision > last[key][0], f"{key}: revision {revision} after {last[key][0]}"
        last[key] = (revision, end, count, told)
    return {key: one[1:] for key, one in last.items() if one[1:][1] or one[1:][2]}


def expected(events):
    found = {}
    for which, path in (("air", AIR), ("total", TOTAL)):
        rows = [(START_NS + event[2] * S, event[3]) for event in events if event[0] == which]
        in_range = [row for row in rows if which == "total" or -30.0 <= row[1] <= 60.0]
        rows = naive.arranged(in_range)
        held, counted = naive.pieces(rows, HOLD_NS), naive.deltas(rows, None)
        for window in WINDOWS:
            if window["on"].endswith(which):
                for start, end in bounds(window, rows, held):
                    one = naive.statistics(
                        rows, held, counted, start, end, window["statistics"], counter=which == "total"
                    )
                    if one is not None:
                        found[path, window["id"], start] = (end, *one)
    return found


def bounds(window, rows, held):
    if window["kind"] == "session":
        return naive.sessions(rows, round(window["gap_s"] * S), round(window.get("max_s", 86_400.0) * S))
    if window["kind"] == "calendar":
        return naive.local_hours(rows, held, SITE["timezone"])
    size_ns = round(window["size_s"] * S)
    return naive.hopping(rows, held, size_ns, round(window.get("hop_s", window["size_s"]) * S))


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for key, (end, count, told) in wanted.items():
        assert found[key][:2] == (end, count), key
        assert found[key][2] == pytest.approx({n: v for n, v in told.items() if n != "count"}, rel=1e-9, abs=1e-9), key


@given(logs())
@settings(max_examples=60, deadline=None)
def test_equals_the_naive_twin(events):
    assert_same(final(run(messages(events), 25)), expected(events))


@given(logs(), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_any_split_and_restart_gives_the_same_bits(events, cut):
    log = messages(events)
    whole = run(log, len(log))
    assert repr(run(log, cut)) == repr(whole)
    assert repr(run(log, cut, restart=True)) == repr(whole)


def test_a_late_row_gives_the_figures_of_an_on_time_one_to_the_bit():
    order = list(range(0, 400, 2))
    late = [at for at in order if at % 14 == 4]
    events = [("air", at, at, VALUES[at % 5]) for at in order] + [("tick", 450), ("tick", 8000)]
    delayed = [("air", at, at, VALUES[at % 5]) for at in order if at not in late]
    delayed += [("tick", at) for at in range(20, 420, 20)]
    delayed.sort(key=lambda event: event[1])
    delayed += [("air", 440, at, VALUES[at % 5]) for at in late] + [("tick", 450), ("tick", 8000)]
    corrected = run(messages(delayed), 10)
    assert repr(final(corrected)) == repr(
        {key: one for key in final(corrected) for one in [final(run(messages(events), 50))[key]]}
    )
    assert max(row[4] for row in corrected) > 1


def test_two_sessions_that_a_late_row_joins():
    times = [0, 5, 10, 40, 45, 200]
    events = [("air", at, at, 1.0) for at in times] + [
        ("tick", 250),
        ("air", 260, 25, 2.0),
        ("tick", 270),
        ("tick", 400),
    ]
    seen = [(row[2] - START_NS, *row[4:6]) for row in run(messages(events), 5) if row[1] == "s20"]
    assert seen == [(0, 1, 3), (40 * S, 1, 2), (200 * S, 1, 1), (40 * S, 2, 0), (0, 2, 6)]


def test_percentiles_of_many_rows_are_within_the_rank_error_of_the_digest():
    window = [
        {"id": "m", "on": "*/vibration", "kind": "tumbling", "size_s": 3600.0, "statistics": ["p1", "p50", "p99"]}
    ]
    rng = np.random.default_rng(3)
    values = (101_325.0 + rng.normal(0.0, 0.1, 3600)).round(6)
    log = [
        (START_NS + at * S, body(START_NS + at * S, "util/pump", "vibration", float(value)))
        for at, value in enumerate(values)
    ]
    log += [(START_NS + 3700 * S, tick(START_NS + 3700 * S))]
    (row,) = run(log, 500, model=plant(window=window))
    for name, rank in (("p1", 0.01), ("p50", 0.5), ("p99", 0.99)):
        assert abs(np.mean(values <= row[6][name]) - rank) < (0.008 if rank == 0.5 else 0.0015)


def test_a_window_declared_later_begins_with_what_the_journal_has():
    log = [(START_NS + at * S, body(START_NS + at * S, *AIR, at % 7)) for at in range(100)]
    log = [one for at, pair in enumerate(log) for one in (pair, (pair[0], tick(START_NS + at * S)))]
    log += [(START_NS + at * S, tick(START_NS + at * S)) for at in (131, 200, 8000)]
    added = run(log, 50, model=plant(site=SITE), restart=True, models={1: MODEL, 2: MODEL, 3: MODEL, 4: MODEL})
    whole = {key: one for key, one in final(run(log, 50)).items() if one[0] > START_NS + 45 * S}
    assert {key: one for key, one in final(added).items() if key in whole} == whole


def counted(step_s):
    """A counter of one a second: live for 1 h, away for 2 h, live again, then its backlog; and the latest stamp."""
    window = [{"id": "c", "on": "line1/*/total", "kind": "tumbling", "size_s": 3600.0, "statistics": COUNTER}]
    live = [*range(0, 3600, 60), *range(10_800, 15_000, 60)]
    events = [one for at in live for one in (("total", at, at, float(at)), ("tick", at))]
    now = live[-1]
    for begin in range(3600, 10_800, 600):
        events += [("total", now, at, float(at)) for at in range(begin, begin + 600, step_s)]
        now += 1
        events.append(("tick", now))
    return plant(window=window, site=SITE), messages([*events, ("tick", now + 30)])


def test_a_counter_with_a_backlog_after_hours_ends_with_the_right_increase():
    """Revisions rise, which `final` looks at; the first window after it was counted over the gap until then."""
    model, log = counted(60)
    found = {start - START_NS: told for (_, _, start), (_, _, told) in final(run(log, 100, model=model)).items()}
    assert [found[hour * 3600 * S]["increase"] for hour in range(1, 4)] == [3600.0] * 3


def test_late_rows_read_the_journal_once_a_tick_and_series(monkeypatch):
    asked = []

    class Noting:
        """The journal as declared windows see it; others read it for each correction."""

        def __init__(self, journal):
            self.journal = journal

        def points(self, *given):
            asked.append(given)
            return self.journal.points(*given)

    def begin(self, plant, pane_ns, journal, real=DeclaredSpans.__init__):
        real(self, plant, pane_ns, Noting(journal))

    monkeypatch.setattr(DeclaredSpans, "__init__", begin)
    counts = []
    for step_s in (60, 6):  # 12 ticks with 10 late rows each, and with 100
        model, log = counted(step_s)
        asked.clear()
        run(log, len(log), model=model)
        counts.append(len(asked))
    assert 0 < counts[1] <= counts[0]


SHIFTS = [{"name": "early", "begins": "06:00"}, {"name": "late", "begins": "14:00"}]


@pytest.mark.parametrize(
    ("calendar", "then"),
    [
        ("shift", {"shift": [{"name": "early", "begins": "06:00"}, {"name": "late", "begins": "18:00"}]}),
        ("day", {"shift": SHIFTS, "site": {"id": "s1", "timezone": "UTC"}}),
    ],
)
def test_another_clock_or_other_shifts_begin_a_calendar_window_anew(calendar, then):
    """Its figures are those of the new bounds, with what the journal has; not those of the old ones."""
    window = [{"id": "k", "on": "cold/*/air", "kind": "calendar", "calendar": calendar, "statistics": ["count"]}]
    before = plant(window=window, site=SITE, shift=SHIFTS)
    after = plant(window=window, **{"site": SITE, **then})
    events = [one for at in range(0, 30 * 3600, 600) for one in (("air", at, at, 5.0), ("tick", at))]
    log = messages([*events, ("tick", 60 * 3600)])
    kept = len(log) // 2  # at 15 h: 20:30 in Kolkata
    changed = final(run(log, kept, model=before, restart=True, models={0: after, 1: after, 2: after}))
    whole = final(run(log, len(log), model=after))
    since = START_NS + 16 * 3600 * S
    wanted = {key: one for key, one in whole.items() if one[0] > since}
    assert wanted
    assert {key: one for key, one in changed.items() if one[0] > since} == wanted


def test_a_session_window_declared_later_knows_nothing_of_what_was_before():
    """A late row of then would be published as a session of its own, a fragment of what was never published."""
    window = [{"id": "s", "on": "cold/*/air", "kind": "session", "gap_s": 20.0, "statistics": ["count"]}]
    first = [one for at in [*range(0, 100, 2), *range(300, 400, 2)] for one in (("air", at, at, 5.0), ("tick", at))]
    log = messages([*first, ("air", 401, 51, 5.0), *(("tick", at) for at in (410, 450, 500))])
    later = plant(site=SITE, window=window)
    seen = run(log, len(first), model=plant(site=SITE), restart=True, models={0: later, 1: later})
    assert [(row[2] - START_NS, row[5]) for row in seen] == [(300 * S, 50)]

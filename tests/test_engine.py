"""The whole engine: one log, any cut, any crash, the same rows; late rows correct; every row is accounted for."""

from __future__ import annotations

import math
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine_world import START_NS, S, body, run, tick

SERIES = (
    ("cold/room", "air", [3.0, 5.5, 9.0, 12.0, None, 99.0]),
    ("util/pump", "vibration", [1.0, 1.25, 0.75, 30.0]),
    ("line1/filler", "state", ["Execute", "Held", "Aborted", 6, "Nonsense"]),
    ("line1/filler", "total", [0, 5, 9, 14]),
    ("line1/filler", "good", [0, 4, 9]),
)
DIRT = (b"", b"\\", b'"', b"{", b"9" * 25, b"\xf0", b"null", b"\n")
UNUSABLE = [b"{", b'{"ts":1}', b"\xff", b'{"ts":1,"event":"x"}', b"[1]"]


@st.composite
def logs(draw):
    """Readings of five series, in and out of order, twice, in conflict, unusable; ticks; silence."""
    now, messages = 0, []
    for _ in range(draw(st.integers(5, 120))):
        now += draw(st.sampled_from([0, 1, 1, 1, 2, 5, 70]))
        received_ns = START_NS + now * S
        kind = draw(st.integers(0, 9))
        if kind < 3:
            messages.append((received_ns, tick(received_ns)))
        elif kind == 3 and messages:
            messages.append((received_ns, draw(st.sampled_from(messages))[1]))  # the same again
        elif kind == 4:
            messages.append((received_ns, draw(st.sampled_from(UNUSABLE))))
        else:
            asset, tag, values = draw(st.sampled_from(SERIES))
            behind = draw(st.sampled_from([0, 0, 0, 1, 8, 45, 3600]))
            raw = body(START_NS + (now - behind) * S, asset, tag, draw(st.sampled_from(values)))
            messages.append((received_ns, raw))
    end_ns = START_NS + (now + 200) * S
    return [*messages, (end_ns, tick(end_ns)), (end_ns + S, tick(end_ns + S))]


@given(logs())
@settings(max_examples=25, deadline=None)
def test_any_cut_and_any_restart_gives_the_same_rows(messages):
    whole = run(messages, len(messages))
    for cut, restart in ((1, False), (7, False), (3, True), (1000, True)):
        other = run(messages, cut, restart=restart)
        assert other.windows == whole.windows
        assert other.figures == whole.figures
        assert other.conditions == whole.conditions
        assert other.ledger == whole.ledger
        assert other.dead == whole.dead


@given(logs())
@settings(max_examples=25, deadline=None)
def test_every_row_is_accounted_for(messages):
    seen = run(messages, 50)
    received = sum(row[3] for row in seen.ledger)
    counted, late, duplicate, bad, dead = (sum(row[at] for row in seen.ledger) for at in range(4, 9))
    ticks = sum(b'"tick"' in raw for _, raw in messages)
    assert received == counted + late + duplicate + bad + dead
    assert received == len(messages) - ticks  # one row a message, readable or not
    assert dead == len(seen.dead)
    assert seen.readings == counted + late + bad


def temperatures(late_from: int | None, hours: int = 0):
    """30 minutes of a cold room at 5 s; from `late_from` s on, two minutes of rows come `hours` later, in order."""
    on_time, delayed = [], []
    for second in range(0, 1800, 5):
        value = 5.0 + math.sin(second / 60.0)
        raw = body(START_NS + second * S, "cold/room", "air", value)
        held = late_from is not None and late_from <= second < late_from + 120
        (delayed if held else on_time).append((second, raw))
        on_time.append((second, tick(START_NS + second * S)))
    end = 1800 + hours * 3600
    if hours:
        on_time.append((end, body(START_NS + end * S, "cold/room", "air", 5.0)))
    log = on_time + [(end + 1 + at, raw) for at, (_, raw) in enumerate(delayed)]
    last = log[-1][0] + 400
    log += [(last + at, tick(START_NS + (last + at) * S)) for at in range(40)]  # corrections wait for a calm moment
    return [(START_NS + second * S, raw) for second, raw in log]


@pytest.mark.parametrize("hours", [0, 72])
def test_late_rows_give_the_windows_of_an_on_time_run(hours):
    on_time, late = run(temperatures(None, hours), 100), run(temperatures(600, hours), 100)
    expected, found = on_time.final_windows(), late.final_windows()
    assert found.keys() == expected.keys()
    for key, row in found.items():
        for one, two in zip(row[1:], expected[key][1:], strict=True):  # all but the revision
            assert float(one) == pytest.approx(float(two), rel=1e-12, nan_ok=True)
    corrected = {key for key, row in found.items() if row[0] != "1"}
    assert corrected, "no window was written again"
    last = {(one[0], one[1], one[2]): one[5] for one in on_time.figures if one[4]}
    assert {(one[0], one[1], one[2]): one[5] for one in late.figures if one[4]} == last


def test_a_correction_is_the_next_revision_and_says_so_once_a_tick():
    at = START_NS
    readings = [(at + s * S, body(at + s * S, "util/pump", "vibration", 1.0)) for s in range(0, 60, 2)]
    later = at + 60 * S
    late = [(later, body(at + 3 * S, "util/pump", "vibration", 7.0)), (later, tick(later)),
            (later + S, body(at + 5 * S, "util/pump", "vibration", 9.0)), (later + S, tick(later + S))]  # fmt: skip
    seen = run([*readings, *late], 1)
    first_ten = [row for row in seen.windows if row[1] == repr(10 * S) and row[2] == repr(at)]
    assert [(row[3], row[4], row[6]) for row in first_ten] == [("1", "5", "1.0"), ("2", "6", "7.0"), ("3", "7", "9.0")]


def test_an_excursion_raises_one_condition_with_evidence():
    rows = []
    for second in range(0, 200, 2):
        now = START_NS + second * S
        rows.append((now, body(now, "cold/room", "air", 9.5 if 20 <= second < 60 else 4.0)))
        rows.append((now, tick(now)))
    seen = run(rows, 13)
    warm = [change for change in seen.conditions if change["rule_id"] == "warm"]
    assert [(one["kind"], one["start_ns"], one["confirmed_ns"]) for one in warm] == [
        ("raised", START_NS + 20 * S, START_NS + 30 * S),
        ("cleared", START_NS + 20 * S, START_NS + 30 * S),
    ]
    assert warm[0]["evidence"]["journal"]["rows"] == 16  # 0 s to 30 s
    assert len(warm[0]["evidence"]["journal"]["sha256"]) == 64


def test_an_alarm_whose_start_moved_far_back_cites_the_rows_from_there_on():
    """From before where the crossing is now to where it was confirmed first."""

    def warm_at(*seconds):
        return [body(START_NS + second * S, "cold/room", "air", 9.5) for second in seconds]

    live = [body(START_NS, "cold/room", "air", 4.0), *warm_at(*range(2000, 2022, 2))]
    now = START_NS + 2022 * S
    rows = [(now, raw) for raw in (*live, *warm_at(*range(1000, 2000, 10)))]
    seen = run([*rows, *((now + at * S, tick(now + at * S)) for at in range(80))], 13)
    raised, revised = (one for one in seen.conditions if one["rule_id"] == "warm")
    assert (raised["kind"], raised["start_ns"]) == ("raised", START_NS + 2000 * S)
    assert (revised["kind"], revised["begun_ns"]) == ("revised", START_NS + 1000 * S)
    cited = revised["evidence"]["journal"]
    assert (cited["start_ns"], cited["end_ns"]) == (START_NS + 400 * S, START_NS + 2010 * S + 1)
    assert cited["rows"] == 100 + 6


def test_a_silent_sensor_is_told_by_ticks_alone():
    rows = [(START_NS, body(START_NS, "util/pump", "vibration", 1.0))]
    rows += [(START_NS + s * S, tick(START_NS + s * S)) for s in range(1, 100)]
    seen = run(rows, 10)
    (change,) = seen.conditions
    assert (change["rule_id"], change["kind"], change["start_ns"]) == ("silent", "raised", START_NS)


def test_rows_beyond_the_horizon_are_dead_letters():
    now = START_NS + 200 * 3600 * S
    rows = [(now, body(now, "util/pump", "vibration", 1.0)), (now, body(START_NS, "util/pump", "vibration", 2.0)),
            (now, tick(now))]  # fmt: skip
    seen = run(rows, 3)
    assert [(offset, reason) for offset, _, reason, _ in seen.dead] == [(2, 10)]
    assert [row[3:9] for row in seen.ledger if row[8]] == [(1, 0, 0, 0, 0, 1)]


def test_event_context_reaches_the_evidence():
    stamp = START_NS // 10**6
    started = orjson.dumps({"ts": stamp, "asset": "cold/room", "event": "lot.started", "data": {"lot": "L7"}})
    rows = [(START_NS, started)]
    for second in range(0, 40, 2):
        now = START_NS + second * S
        rows.append((now, body(now, "cold/room", "air", 9.5)))
    seen = run(rows, 5)
    assert seen.conditions[0]["evidence"]["context"] == {"lot": "L7"}


@pytest.mark.parametrize("cut", [1, 2, 3, 100])
def test_evidence_names_what_was_made_when_the_limit_was_crossed(cut):
    """Not what was made later in the same batch: an event counts from its own place in the log."""
    rows, stamp = [], START_NS // 10**6
    for second, lot in ((0, "L1"), (20, "L2"), (40, "L3")):
        now = START_NS + second * S
        event = {"ts": stamp, "asset": "cold/room", "event": "lot.started", "data": {"lot": lot}}
        rows += [(now, orjson.dumps(event)), (now, body(now, "cold/room", "air", 9.5 if second < 40 else 4.0))]
    raised = [one for one in run(rows, cut).conditions if one["kind"] == "raised"]
    assert [one["evidence"]["context"] for one in raised] == [{"lot": "L2"}]


def test_twenty_thousand_mutated_messages_crash_nothing_and_balance():
    rng = random.Random(20)
    spare = [body(START_NS, asset, tag, value, q=192) for asset, tag, values in SERIES for value in values]
    messages = []
    for at in range(20_000):
        now = START_NS + at * S // 20
        raw = bytearray(rng.choice(spare).replace(b"1767225600000", str(now // 10**6).encode()))
        for _ in range(rng.choice((0, 1, 1, 2, 5))):
            place = rng.randrange(len(raw))
            raw[place : place + rng.choice((0, 1, 1, 9))] = rng.choice(DIRT)
            raw = raw or bytearray(b" ")
        messages.append((now, bytes(raw)))
        if at % 100 == 99:
            messages.append((now, tick(now)))
    messages += [(now + 300 * S, tick(now + 300 * S))]
    whole, pieces = run(messages, 5000), run(messages, 997)
    assert whole == pieces
    received, counted, late, duplicate, bad, dead = (sum(row[at] for row in whole.ledger) for at in range(3, 9))
    ticks = len(messages) - 20_000
    assert received == counted + late + duplicate + bad + dead
    assert received >= len(messages) - ticks  # a line break may make two rows of one
    assert dead == len(whole.dead) > 5_000
    assert counted > 3_000


def test_a_conflict_is_kept_counted_and_alarmed_once():
    rows = []
    for second in range(10):
        now = START_NS + second * S
        rows += [(now, body(now, "util/pump", "vibration", 1.0)), (now, body(now, "util/pump", "vibration", 2.0))]
        rows += [(now, tick(now))]
    later = now + 3700 * S
    seen = run([*rows, (later, tick(later))], 4)
    conflicts = [change for change in seen.conditions if change["rule_id"] == "andon-conflict"]
    assert [(one["kind"], one["start_ns"], one["raises"]) for one in conflicts] == [
        ("raised", START_NS, "none"), ("cleared", START_NS, "none"),
    ]  # fmt: skip
    assert sum(row[9] for row in seen.ledger) == 10
    assert seen.final_windows()[("util/pump", "vibration"), repr(10 * S), repr(START_NS)][1] == "20"

"""Clocks that are set, as a shard's log shows them: through the whole engine, against the same log undisturbed."""

from __future__ import annotations

import pytest

from andon.conditions import ConditionChange
from andon.readings import Message, Reason
from sources.ticks import tick_body
from tests.engine_world import START_NS, S, body, open_engine, plant

HOUR = 3600 * S
SECONDS = 600
STEP_AT = 300
RULES = [
    {"id": "warm", "on": "cold/*/air", "above": 8.0, "delay_s": 10.0},
    {"id": "gone", "on": "cold/*/air", "stale_s": 120.0},
]


def value(second: int) -> float:
    return 9.0 if 100 <= second % 400 < 150 else 5.0


def stepped_log(
    step_ns: int, *, steady: bool = True, says: bool = True, silent_from: int = SECONDS, row_first: bool = False
) -> list[Message]:
    """A room that sends the true time once a second, into a log whose clock is set by step_ns at second 300.

    steady: the ticker's clock does not run back. says: its ticks tell what has passed. silent_from: when the room
    stops. row_first: a row comes before the first tick after the step.
    """
    out, newest_ns, tick_ns = [], 0, 0
    for second in range(SECONDS):
        true_ns = START_NS + second * S
        wall_ns = true_ns + (step_ns if second >= STEP_AT else 0)
        if steady and wall_ns < tick_ns:
            wall_ns = tick_ns + S * 9 // 10
        tick_ns = wall_ns
        newest_ns = max(newest_ns, wall_ns)
        bodies = [tick_body(tick_ns, S if says and second else None)]
        if second < silent_from:
            bodies.insert(0 if row_first else 1, body(true_ns, "cold/room", "air", value(second)))
        out += [Message(len(out) + number, newest_ns, one) for number, one in enumerate(bodies, start=1)]
    return out


def run(folder, log, *, pieces: int = 1):
    engine = open_engine(plant(rule=RULES), folder)
    engine.restore(None)
    size = -(-len(log) // pieces)
    outputs = [engine.step(log[begin : begin + size]) for begin in range(0, len(log), size)]
    windows = {}
    for one in outputs:
        w = one.windows
        for row in range(len(w)):
            windows[int(w.size_ns[row]), int(w.start_ns[row])] = (int(w.revision[row]), int(w.count[row]))
    changes: list[ConditionChange] = [change for one in outputs for change in one.conditions]
    dead = [reason for one in outputs for reason in one.dead.reason.tolist()]
    return windows, changes, dead


def told(changes):
    return [
        (one.kind, one.rule_id, (one.start_ns - START_NS) / S, (one.confirmed_ns - START_NS) / S) for one in changes
    ]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), stepped_log(0))


@pytest.mark.parametrize("hours", [1, -1, 24 * 365 * 10], ids=["forward", "back", "ten-years-forward"])
def test_a_step_of_the_clock_leaves_no_trace_in_what_comes_out(tmp_path, undisturbed, hours):
    windows, changes, dead = run(tmp_path, stepped_log(hours * HOUR))
    assert {revision for revision, _ in windows.values()} == {1}
    assert windows == undisturbed[0]
    assert told(changes) == told(undisturbed[1])
    assert {rule for _, rule, *_ in told(changes)} == {"warm"}
    assert dead == []


def test_ticks_that_do_not_say_what_has_passed_cry_wolf(tmp_path, undisturbed):
    """The control: a step forward then is an hour of silence, and the windows of an hour are corrected one by one."""
    windows, changes, _ = run(tmp_path, stepped_log(HOUR, says=False))
    assert "gone" in {one.rule_id for one in changes}
    assert max(revision for revision, _ in windows.values()) > 1
    assert {key: windows[key][1] for key in undisturbed[0]} == {
        key: count for key, (_, count) in undisturbed[0].items()
    }


def test_a_ticker_that_runs_back_makes_dead_letters_of_true_stamps(tmp_path):
    """The control: the log's time stands still for an hour, and after five minutes the devices are in its future."""
    log = stepped_log(-HOUR, steady=False)
    log = log[: 2 * STEP_AT] + [Message(m.offset, log[2 * STEP_AT - 1].received_ns, m.body) for m in log[2 * STEP_AT :]]
    late = [Message(len(log) + 1, log[-1].received_ns, body(START_NS + 700 * S, "cold/room", "air", 5.0))]
    _, _, dead = run(tmp_path, log + late)
    assert dead == [Reason.stamp_in_future]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_room_that_falls_silent_after_the_step_is_noticed_as_soon_as_ever(tmp_path, hours):
    quiet = STEP_AT + 20
    expected = told(run(tmp_path / "a", stepped_log(0, silent_from=quiet))[1])
    windows, changes, _ = run(tmp_path / "b", stepped_log(hours * HOUR, silent_from=quiet))
    assert [one for one in told(changes) if one[1] == "gone"] == [one for one in expected if one[1] == "gone"] != []
    assert (60 * S, START_NS + STEP_AT * S) in windows, "its last windows are closed by the ticks"


@pytest.mark.parametrize("hours", [1, -1])
def test_a_room_that_falls_silent_in_the_second_of_the_step(tmp_path, hours):
    """Its last row was received between the last tick before the step and the first after it."""
    windows, changes, _ = run(tmp_path, stepped_log(hours * HOUR, silent_from=STEP_AT + 1, row_first=True))
    assert [one.rule_id for one in changes if one.rule_id == "gone"] == ["gone"]
    assert (60 * S, START_NS + STEP_AT * S) in windows


@pytest.mark.parametrize("pieces", [2, 7, 1200])
@pytest.mark.parametrize("hours", [1, -1])
def test_any_split_of_a_stepped_log_gives_the_same(tmp_path, undisturbed, hours, pieces):
    assert run(tmp_path, stepped_log(hours * HOUR), pieces=pieces)[0] == undisturbed[0]


def test_the_corrected_time_survives_a_restart(tmp_path, undisturbed):
    """Snapshot between the step and the end; the second half goes on with the correction."""
    log = stepped_log(HOUR)
    engine = open_engine(plant(rule=RULES), tmp_path)
    engine.restore(None)
    first = engine.step(log[:700])
    state = engine.snapshot()
    again = open_engine(plant(rule=RULES), tmp_path)
    again.restore(state)
    second = again.step(log[700:])
    changes = [*first.conditions, *second.conditions]
    assert told(changes) == told(undisturbed[1])
    assert sum(len(one.windows) for one in (first, second)) == len(undisturbed[0])


def test_a_tick_from_the_future_moves_time_no_further_than_its_receive_time(tmp_path):
    """Whoever writes a tick ten years ahead closes nothing and silences nobody."""
    log = stepped_log(0)
    spoilt = [*log[:600], Message(601, log[599].received_ns, tick_body(START_NS + 10 * 365 * 24 * HOUR))]
    spoilt += [Message(m.offset + 1, m.received_ns, m.body) for m in log[600:]]
    clean, changes, _ = run(tmp_path / "a", log)
    windows, spoilt_changes, dead = run(tmp_path / "b", spoilt)
    assert windows == clean
    assert told(spoilt_changes) == told(changes)
    assert dead == []

"""The ISA-18.2 state machine against its vectors and against a twin written as plain rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.lifecycle import Move, Moved, Refused, State, step
from service.qualify.alarm import BINDINGS
from tests.vector_files import check, vectors


def twin(state: str, move: str, *, active: bool, latching: bool) -> str | None:
    """Slow and obvious: three facts (condition seen, acknowledged, latched) instead of a table. None: refused."""
    if state in ("shelved", "suppressed", "out_of_service"):
        own_way_back = {"shelved": "unshelve", "suppressed": "unsuppress", "out_of_service": "restore"}[state]
        waits_for_its_reset = latching and state == "shelved"
        if move == own_way_back:
            if active:
                return "unacknowledged"
            return "latched_unacknowledged" if waits_for_its_reset else "normal"
        if move == "clear":
            return state if waits_for_its_reset else "normal"
        return state if move == "raise" else None
    if move == "shelve" and (state.startswith("latched") or state == "returned_unacknowledged"):
        return None  # nothing is true that could be quietened
    if move in ("shelve", "suppress", "remove"):
        return {"shelve": "shelved", "suppress": "suppressed", "remove": "out_of_service"}[move]

    raised = state in ("unacknowledged", "acknowledged")
    latched = state.startswith("latched")
    acknowledged = state in ("normal", "acknowledged", "latched_acknowledged")
    if move == "raise" and not raised:
        raised, acknowledged, latched = True, False, False
    elif move == "clear" and raised:
        raised, latched = False, latching
    elif move == "ack" and not acknowledged:
        acknowledged = True
    elif move == "realarm" and state == "acknowledged":
        acknowledged = False
    elif move == "reset" and latched:
        latched = False
    else:
        return None
    if raised:
        return "acknowledged" if acknowledged else "unacknowledged"
    if latched:
        return "latched_acknowledged" if acknowledged else "latched_unacknowledged"
    return "normal" if acknowledged else "returned_unacknowledged"


@pytest.mark.parametrize("latching", [False, True])
@pytest.mark.parametrize("active", [False, True])
@pytest.mark.parametrize("move", list(Move))
@pytest.mark.parametrize("state", list(State))
def test_every_cell_of_the_table(state, move, active, latching):
    result = step(state, move, active=active, latching=latching)
    expected = twin(state.value, move.value, active=active, latching=latching)
    assert result == (Refused(state, move) if expected is None else Moved(State(expected)))


@given(st.lists(st.tuples(st.sampled_from(Move), st.booleans())), st.booleans())
def test_walks_keep_to_what_an_operator_may_rely_on(moves, latching):
    """However the moves come: nothing that was raised is ever forgotten without an acknowledgement or a set-aside."""
    state, owed = State.NORMAL, False
    for move, active in moves:
        result = step(state, move, active=active, latching=latching)
        if isinstance(result, Refused):
            assert result.state == state
            continue
        if result.state is State.UNACKNOWLEDGED:
            owed = True
        if move in (Move.ACKNOWLEDGE, Move.SHELVE, Move.SUPPRESS, Move.REMOVE):
            owed = False
        state = result.state
        assert not (owed and state in (State.NORMAL, State.ACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED))


EPISODES = {
    "seen-while-true": ([Move.RAISE, Move.ACKNOWLEDGE, Move.CLEAR], State.NORMAL),
    "seen-afterwards": ([Move.RAISE, Move.CLEAR, Move.ACKNOWLEDGE], State.NORMAL),
    "comes-again-unseen": ([Move.RAISE, Move.CLEAR, Move.RAISE], State.UNACKNOWLEDGED),
    "re-alarm": ([Move.RAISE, Move.ACKNOWLEDGE, Move.REALARM], State.UNACKNOWLEDGED),
    "shelved-through": ([Move.RAISE, Move.SHELVE, Move.CLEAR], State.NORMAL),
    "out-of-service-through": ([Move.RAISE, Move.REMOVE, Move.CLEAR], State.NORMAL),
}


@pytest.mark.parametrize(("moves", "end"), EPISODES.values(), ids=EPISODES.keys())
def test_episodes(moves, end):
    state = State.NORMAL
    for move in moves:
        result = step(state, move)
        assert isinstance(result, Moved)
        state = result.state
    assert state is end


@pytest.mark.parametrize("vector", vectors("alarm", "alarm_sm"))
def test_vector(vector):
    check(BINDINGS, vector)

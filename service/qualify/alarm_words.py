"""The alarm's life in the words of others: ISA-18.2's letters, OPC UA's and everyday names of states and moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from andon.lifecycle import Move, Moved, State, step

#: Names of a state; the first is its letter in ISA-18.2.
STATES = {
    State.NORMAL: "A norm",
    State.UNACKNOWLEDGED: "B unack unacked unack_active active_unack unack_alarm alarm_unack alarm active",
    State.ACKNOWLEDGED: "C acked ack ack_active active_ack active_acked acked_active ack_alarm alarm_acked",
    State.RETURNED_UNACKNOWLEDGED: "D rtn_unack rtn_unacked unack_rtn returned_unack returned_unacked returned rtn",
    State.LATCHED_UNACKNOWLEDGED: "E latched_unack latched_unacked latch_unack unack_latched",
    State.LATCHED_ACKNOWLEDGED: "F latched_ack latched_acked latch_ack latch_acked ack_latched acked_latched",
    State.SHELVED: "G shelf",
    State.SUPPRESSED: "H suppressed_by_design designed_suppression",
    State.OUT_OF_SERVICE: "I oos",
}
MOVES = {
    Move.RAISE: "alarm raised activate activated activation active occur occurs trip on condition_true recur",
    Move.CLEAR: "cleared return returned rtn return_to_normal normal inactive deactivate off condition_false",
    Move.ACKNOWLEDGE: "acknowledge acknowledged acked",
    Move.REALARM: "re_alarm realarm_timer re_alarm_timer realarm_timeout",
    Move.RESET: "unlatch reset_latch latch_reset operator_reset",
    Move.SHELVE: "shelved",
    Move.UNSHELVE: "unshelved un_shelve shelf_expired shelve_expired shelve_timeout unshelve_timeout shelving_expired",
    Move.SUPPRESS: "suppressed suppress_by_design designed_suppression",
    Move.UNSUPPRESS: "unsuppressed un_suppress designed_unsuppression",
    Move.REMOVE: "removed remove_from_service out_of_service take_out_of_service oos",
    Move.RESTORE: "restored return_to_service in_service into_service service",
}
_STATE = {name.lower(): state for state, names in STATES.items() for name in (state.value, *names.split())}
_MOVE = {name: move for move, names in MOVES.items() for name in (move.value, *names.split())}
#: A word behind a move that tells the condition as it is then, or that the rule's alarms latch.
_ACTIVE = {"active": True, "alarm": True, "abnormal": True, "normal": False, "inactive": False, "clear": False}
_LATCHING = ("latched", "latching", "latch")


def answers(steps: Sequence[Sequence[Any]]) -> list[str | None]:
    """Where each [state, move, more ...] leads; None where it is refused or no such thing.

    more: true or a word, whether the condition is active; or "latching". A state is named as the steps name it
    elsewhere; one they never name by its letter where they use letters, else by its own name.
    """
    named = {_STATE[_plain(state)]: str(state) for state, *_ in steps if _plain(state) in _STATE}
    letters = bool(named) and all(len(name) == 1 for name in named.values())
    words = {state: names.split()[0] if letters else state.value for state, names in STATES.items()} | named
    return [_answer(words, *one) for one in steps]


def _answer(words: dict[State, str], state: str, move: str, *more: Any) -> str | None:
    found, told = _move(_plain(move), [_plain(one) for one in more])
    known = _STATE.get(_plain(state))
    if known is None or found is None:
        return None
    active = any(one == "true" or _ACTIVE.get(one, False) for one in told)
    moved = step(known, found, active=active, latching=any(one in _LATCHING for one in told))
    return words[moved.state] if isinstance(moved, Moved) else None


def _move(name: str, told: list[str]) -> tuple[Move | None, list[str]]:
    """The move of a name such as unshelve_active, and what is told beside it."""
    if name in _MOVE:
        return _MOVE[name], told
    head, _, tail = name.rpartition("_")
    known = tail in _ACTIVE or tail in _LATCHING
    return (_MOVE.get(head), [*told, tail]) if known else (None, told)


def _plain(name: Any) -> str:
    return str(name).strip().lower().replace("-", "_").replace(" ", "_")

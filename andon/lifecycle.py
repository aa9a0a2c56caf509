"""The life of an alarm after ISA-18.2 / IEC 62682, as a pure state machine.

States A to F follow the condition and the operator; shelved (by the operator, for a time), suppressed (by design)
and out of service are left to whatever the live condition then asks for; one whose condition ends meanwhile is over,
unless it is shelved and latching. What is not in the table is refused.

It lies in the core because the records and the rules both need it; rooms import it as `alarms.lifecycle`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """Where an alarm stands; the letters are ISA-18.2's."""

    NORMAL = "normal"  # A
    UNACKNOWLEDGED = "unacknowledged"  # B
    ACKNOWLEDGED = "acknowledged"  # C
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"  # D
    LATCHED_UNACKNOWLEDGED = "latched_unacknowledged"  # E
    LATCHED_ACKNOWLEDGED = "latched_acknowledged"  # F
    SHELVED = "shelved"  # G
    SUPPRESSED = "suppressed"  # H
    OUT_OF_SERVICE = "out_of_service"  # I


class Move(StrEnum):
    """What can happen to an alarm."""

    RAISE = "raise"  # the condition became true (after its delay)
    CLEAR = "clear"  # the condition ended (after deadband and off-delay)
    ACKNOWLEDGE = "ack"
    REALARM = "realarm"  # acknowledged, still true, and the re-alarm time has passed
    RESET = "reset"  # the operator lets a latched alarm go
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    REMOVE = "remove"  # taken out of service
    RESTORE = "restore"  # put back into service


@dataclass(frozen=True, slots=True)
class Moved:
    """The move was legal; this is the new state."""

    state: State


@dataclass(frozen=True, slots=True)
class Refused:
    """The move is not in the table; the state stays, and the attempt is to be logged."""

    state: State
    move: Move


_A, _B, _C, _D = State.NORMAL, State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED
_E, _F = State.LATCHED_UNACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED

_MOVES: dict[tuple[State, Move], State] = {
    (_A, Move.RAISE): _B,
    (_B, Move.ACKNOWLEDGE): _C,
    (_B, Move.CLEAR): _D,  # _E when latching
    (_C, Move.CLEAR): _A,  # _F when latching
    (_C, Move.REALARM): _B,
    (_D, Move.ACKNOWLEDGE): _A,
    (_D, Move.RAISE): _B,
    (_E, Move.ACKNOWLEDGE): _F,
    (_E, Move.RESET): _D,
    (_E, Move.RAISE): _B,
    (_F, Move.RESET): _A,
    (_F, Move.RAISE): _B,
}
_LATCHED = {_B: _E, _C: _F}
ENDED = frozenset({_D, _E, _F})  # over, but somebody still has to acknowledge or reset it: nothing there to quieten
_ASIDE = {Move.SHELVE: State.SHELVED, Move.SUPPRESS: State.SUPPRESSED, Move.REMOVE: State.OUT_OF_SERVICE}
_BACK = {
    (State.SHELVED, Move.UNSHELVE),
    (State.SUPPRESSED, Move.UNSUPPRESS),
    (State.OUT_OF_SERVICE, Move.RESTORE),
}


def step(state: State, move: Move, *, active: bool = False, latching: bool = False) -> Moved | Refused:
    """The state after a move, or a refusal.

    active   : whether the condition is true now; decides where shelved, suppressed and out of service lead.
    latching : the rule's alarms stay until reset, though the condition has ended, on the shelf too.

    >>> step(State.NORMAL, Move.RAISE)
    Moved(state=<State.UNACKNOWLEDGED: 'unacknowledged'>)
    >>> step(State.NORMAL, Move.ACKNOWLEDGE)
    Refused(state=<State.NORMAL: 'normal'>, move=<Move.ACKNOWLEDGE: 'ack'>)
    """
    if state in _ASIDE.values():
        held = latching and state is State.SHELVED
        if (state, move) in _BACK:
            return Moved(_B if active else _E if held else _A)
        # The condition goes on living while its alarm is set aside.
        if move is Move.CLEAR:
            return Moved(state if held else _A)
        return Moved(state) if move is Move.RAISE else Refused(state, move)
    if move in _ASIDE:
        return Refused(state, move) if move is Move.SHELVE and state in ENDED else Moved(_ASIDE[move])
    if latching and move is Move.CLEAR and state in _LATCHED:
        return Moved(_LATCHED[state])
    after = _MOVES.get((state, move))
    return Refused(state, move) if after is None else Moved(after)

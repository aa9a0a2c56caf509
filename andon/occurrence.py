"""One occurrence of an alarm as it stands: its state, its live condition, and what has set its point aside.

`andon.lifecycle.step` is the table of ISA-18.2 for one alarm. This adds what the records need beside it: facts of the
log are never refused, people's acts are; a point that people have set aside (shelved, out of service) takes every
occurrence with it, the next one too; the design of a rule silences one occurrence for as long as its condition lasts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from andon.lifecycle import ENDED, Move, Refused, State, step

ASIDE = (State.SHELVED, State.OUT_OF_SERVICE)  # by people; `State.SUPPRESSED` is by design
_OF_POINTS = frozenset({Move.SHELVE, Move.UNSHELVE, Move.REMOVE, Move.RESTORE})


@dataclass(frozen=True, slots=True)
class Occurrence:
    """Where one occurrence of an alarm stands.

    active     : the condition is true now.
    latching   : it stays until it is reset.
    suppressed : its rule's design silences it now.
    aside      : what people have made of its point: shelved, out of service, or nothing.
    """

    state: State = State.NORMAL
    active: bool = False
    latching: bool = False
    suppressed: bool = False
    aside: State | None = None


def fact(one: Occurrence, move: Move) -> Occurrence:
    """The occurrence after what the log says: RAISE, CLEAR, SUPPRESS or UNSUPPRESS. None of them is ever refused.

    Raises ValueError for a move that only people or time make.

    >>> fact(Occurrence(aside=State.SHELVED), Move.RAISE).state
    <State.SHELVED: 'shelved'>
    """
    if move is Move.RAISE:
        return _settled(replace(one, active=True, state=step(one.state, move).state))
    if move is Move.CLEAR:
        # The design silences a condition; when that has ended there is nothing left to let out or to reset.
        state = step(one.state, move, latching=one.latching and not one.suppressed).state
        return replace(one, active=False, suppressed=False, state=state)
    if move is Move.SUPPRESS:
        if not one.active:
            return one
        state = one.state if one.state in ASIDE else State.SUPPRESSED
        return replace(one, suppressed=True, state=state)
    if move is Move.UNSUPPRESS:
        state = step(one.state, move, active=one.active).state
        return _settled(replace(one, suppressed=False, state=state))
    raise ValueError(f"fact: {move.value} is no fact of the log; allowed are raise, clear, suppress, unsuppress")


def act(one: Occurrence, move: Move) -> Occurrence | Refused:
    """The occurrence after what a person or the time does, or a refusal: what the table does not list.

    Setting aside and letting in are judged by the point: one that is shelved cannot be shelved again, whichever of
    its occurrences is named. An occurrence that is over stays over; shelving it is refused while somebody still has to
    acknowledge or reset it, which is possible whatever becomes of its point.
    """
    result = step(one.aside or one.state if move in _OF_POINTS else one.state, move, active=one.active)
    if isinstance(result, Refused):
        return result
    if move in (Move.SHELVE, Move.REMOVE):
        return set_aside(one, result.state)
    if move in (Move.UNSHELVE, Move.RESTORE):
        return let_in(one)
    return replace(one, state=result.state)


def set_aside(one: Occurrence, aside: State) -> Occurrence:
    """An occurrence of a point that people set aside: one that is true goes with it, silenced by design it stays so."""
    stays = one.state in (State.NORMAL, State.SUPPRESSED, *ENDED)
    return replace(one, aside=aside, state=one.state if stays else aside)


def let_in(one: Occurrence) -> Occurrence:
    """An occurrence of a point that people let in again: to A or B by its live condition, or to H by design.

    One that latched on the shelf goes to E: nobody has reset it.
    """
    if one.state not in ASIDE:
        return replace(one, aside=None)
    move = Move.UNSHELVE if one.state is State.SHELVED else Move.RESTORE
    state = step(one.state, move, active=one.active, latching=one.latching).state
    return _settled(replace(one, aside=None, state=state))


def withheld(one: Occurrence) -> bool:
    """Whether neither people nor the ERP are to hear of it: silenced by design, or out of service.

    A shelved alarm is still told to the ERP: who quiets an annunciation does not release the abnormality.
    """
    return one.suppressed or one.state is State.OUT_OF_SERVICE


def _settled(one: Occurrence) -> Occurrence:
    """What would be announced is not, while people or the design have set it aside; people's word comes first."""
    if one.state is not State.UNACKNOWLEDGED:
        return one
    if one.aside is not None:
        return replace(one, state=one.aside)
    return replace(one, state=State.SUPPRESSED) if one.suppressed else one

"""A shard's figures after a restart, also those of a version before and those that the configuration has anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from andon.readings import I64
from flows.figure_runner import Runner
from flows.figure_slots import FOREVER
from flows.figure_troubles import Guard

if TYPE_CHECKING:
    from flows.figure_board import FigureBoard

LAYOUT = 1
NEVER = np.iinfo(np.int64).min
Name = tuple[str, str, str]  # kind, asset, tag


def take_back(
    board: FigureBoard, snapshot: tuple[Any, ...] | None, closed_ns: I64, seen: I64, windows: tuple[Any, ...] | None
) -> None:
    """As `FigureBoard.restore`."""
    nothing = (LAYOUT, (), (), b"", (), board.pages.index(), (FOREVER, ((), ())))
    layout, keys, runners, fed, events, index, (waiting_ns, troubles) = snapshot or nothing
    if layout != LAYOUT:
        raise ValueError(f"state of figures has layout {layout}; expected {LAYOUT}")
    board.slots.all_bound()
    board.pages.restore_index(index)
    board.troubles.restore(troubles)
    for asset, packed in events:
        if asset in board.events:
            board.events[asset].restore(packed)
    stamps = np.frombuffer(fed, np.int64).tolist()
    known = {key[:3]: (key[3], one, at) for key, one, at in zip(keys, runners, stamps, strict=True)}
    target = np.full(len(board.runners), NEVER)
    for runner in board.runners:
        version, packed, fed_ns = known.get(_name(runner), ("", b"", NEVER))
        if packed:
            is_same = version == runner.spec.version
            _resume(board, runner, packed, fed_ns, same=is_same)
            target[runner.number] = fed_ns if is_same else runner.fed_ns
    if snapshot is None and windows is not None:
        _take_over(board, *windows)
    _adopt(board, closed_ns, seen, known.keys())
    _fill(board, target, waiting_ns)


def _name(runner: Runner) -> Name:
    return runner.spec.kind, runner.spec.asset, runner.spec.tag


def _resume(board: FigureBoard, runner: Runner, packed: bytes, fed_ns: int, *, same: bool) -> None:
    with board.guarded(runner) if same else Guard(None):  # of another version nothing need be read
        try:
            runner.restore(packed)
        except ValueError:
            same = False
    if not same:
        runner.anew(fed_ns)


def _take_over(board: FigureBoard, length_ns: int, due: Iterable[Any], dirty: Iterable[Any]) -> None:
    """Figures that a version before computed from the journal go on with their first window not yet final."""
    ends = {(asset, kind): due_ns for asset, kind, due_ns in due if due_ns is not None}
    for runner in board.runners:
        spec = runner.spec
        due_ns = ends.pop((spec.asset, spec.kind), None)  # one figure of a kind and asset had it
        if due_ns is None or length_ns != board.length_ns:
            continue
        runner.begin(due_ns)
        runner.foreign_ns = due_ns
        for asset, kind, at_ns in dirty:
            if (asset, kind) == (spec.asset, spec.kind) and at_ns < due_ns:
                runner.note_late(at_ns, at_ns, 0, rows=True)


def _adopt(board: FigureBoard, closed_ns: I64, seen: I64, known: Collection[Name]) -> None:
    """Machines that are declared while their inputs have rows begin where those are closed; not those known."""
    for runner in board.runners:
        if runner.has_begun or _name(runner) in known:
            continue
        mine = board.slots.read([runner.number])
        mine = mine[seen[mine] > 0]
        if len(mine):
            runner.begin(int(closed_ns[mine].min()))


def _fill(board: FigureBoard, target: I64, waiting_ns: int) -> None:
    """Rows of the journal that machines want, and up to target those are taken again without telling.

    waiting_ns: the earliest row that waited for a machine without rows before.
    """
    slots, runners = board.slots, board.runners
    for runner in runners:
        if runner.has_begun:
            board.stands(runner.number)
        if (heard := board.events.get(runner.spec.asset)) is not None and runner.spec.events:
            board.newest_event[runner.number] = heard.newest_ns
        if runner.job:
            board.late[runner.number] = runner
    wants = np.array([one.wants_ns if one.has_begun else waiting_ns for one in runners], np.int64)
    held = slots.series >= 0
    if not held.any() or (begin_ns := int(wants[slots.machine[held]].min())) == FOREVER:
        return
    series, time_ns, value, status = board.journal.several(slots.read(range(len(runners))), begin_ns, FOREVER)
    at, slot = slots.of(series)
    mine = time_ns[at] >= wants[slots.machine[slot]]
    at, slot = at[mine], slot[mine]
    slots.wait(slot, time_ns[at], value[at], status[at])
    board.feed(np.maximum(target, board.fed), [])

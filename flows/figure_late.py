"""What came late for the figures of a shard: stretches of the journal again, some at a tick, the oldest hour first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from andon.outputs import Figure
from flows.figure_runner import HOUR_NS, Runner

if TYPE_CHECKING:
    from flows.figure_board import FigureBoard

REST_TICKS = 3  # late rows are waited for until none came for so long,
MOST_TICKS = 60  # at most so long
READS = 4  # stretches of the journal that are read at a tick
READ_ROWS = 1_000_000  # no further one after so many rows


def correct(board: FigureBoard, tick: int, figures: list[Figure]) -> None:
    """Work on what is late at a tick; what differs goes to figures."""
    aside = board.troubles.aside
    rest = {
        number: runner for number, runner in sorted(board.late.items())
        if (job := runner.job) and number not in aside
        and (tick - job.last >= REST_TICKS or tick - job.first >= MOST_TICKS)
    }  # fmt: skip
    touched, rows = list(rest.values()), 0
    for _ in range(READS):
        if not rest or rows >= READ_ROWS:
            break
        rows += _read_again(board, rest, figures)
    for runner in touched:
        if runner.number not in aside:
            with board.guarded(runner):
                runner.checkpoint()


def _read_again(board: FigureBoard, rest: dict[int, Runner], figures: list[Figure]) -> int:
    """One stretch of the journal; returns how many rows it had. What is done goes out of rest."""
    stretches = {number: runner.stretch() for number, runner in rest.items()}
    hour = min(position_ns for _, position_ns, _ in stretches.values()) // HOUR_NS
    group = [number for number, (_, position_ns, _) in stretches.items() if position_ns // HOUR_NS == hour]
    begin_ns = min(stretches[one][0] for one in group)
    end_ns = max(stretches[one][2] for one in group)
    found = board.journal.several(board.slots.read(group), begin_ns, end_ns)
    for number in group:
        runner, (from_ns, _, until_ns) = rest[number], stretches[number]
        taken = board.slots.between(number, found, from_ns, until_ns)
        with board.guarded(runner):
            runner.again(taken.of(0, from_ns, board.heard(runner, from_ns, until_ns)), figures)
        if runner.job is None or number in board.troubles.aside:
            rest.pop(number)
            board.late.pop(number, None)
    return len(found[0])

"""How a steriliser's cycle goes from phase to phase, and how it ends or is cut."""

from __future__ import annotations

from numba import njit

from andon.readings import I64
from operators.plateau import close_plateau
from operators.sterilisation_layout import (
    ABORTED,
    BEGIN_NS,
    DURATION,
    END_NS,
    LONGEST_NS,
    OTHER,
    PHASED,
    ROLE,
    ROLE_NS,
    RUNNING,
    WAS_ABORTED,
)

_jit = njit(nogil=True, cache=True)


@_jit
def set_role(cyc: I64, role: int, at: int) -> None:
    """Another phase from `at` on."""
    cyc[DURATION + cyc[ROLE]] += at - cyc[ROLE_NS]
    cyc[ROLE], cyc[ROLE_NS] = role, at
    if role == ABORTED:
        cyc[WAS_ABORTED] = 1


@_jit
def end_cycle(cyc: I64, marks: I64, gap: I64, limits_i: I64, at: int) -> None:
    """The cycle ends at `at`, and with it its last phase and a plateau that nobody ended."""
    close_plateau(cyc, marks, gap, limits_i, at)
    if cyc[ROLE] >= 0:
        cyc[DURATION + cyc[ROLE]] += max(0, at - cyc[ROLE_NS])
    cyc[ROLE_NS] = at
    cyc[END_NS] = at
    cyc[RUNNING] = 0


@_jit
def cut_cycle(cyc: I64, marks: I64, gap: I64, limits_i: I64) -> None:
    """A cycle that nobody ended is cut; what goes on is of no cycle until the steriliser is idle."""
    end_cycle(cyc, marks, gap, limits_i, cyc[BEGIN_NS] + limits_i[LONGEST_NS])
    if not limits_i[PHASED]:
        cyc[ROLE] = OTHER

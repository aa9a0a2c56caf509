"""Which rows of a series count: those at which the machine ran, by its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from andon.readings import F64, I64, U8
from operators.machines import Inputs


@dataclass(frozen=True, slots=True)
class GateSpec:
    """codes: 1 for each state that runs. gap_ns: how long a state stands."""

    codes: tuple[int, ...]
    gap_ns: int


class Gate:
    """The state that stands, row after row; of one instant the state comes before the values."""

    def __init__(self, spec: GateSpec) -> None:
        self._spec = spec
        self._codes: U8 = np.array([*spec.codes, 0], np.uint8)
        self._at_ns, self._runs = 0, 0

    def passing(self, inputs: Inputs, watched: int, state: int) -> Inputs:
        """The rows of the input `watched` at which the input `state` says that the machine runs."""
        kept = self.kept(inputs, np.flatnonzero(inputs.input == watched), state)
        return Inputs(inputs.time_ns[kept], inputs.input[kept], inputs.value[kept], inputs.status[kept])

    def kept(self, inputs: Inputs, mine: NDArray[np.intp], state: int) -> NDArray[np.intp]:
        """Those of the rows `mine`, places in order, at which it runs. Takes the state's rows: once for all inputs."""
        at, code = inputs.of(state)
        stands = np.concatenate([[self._at_ns], at])
        runs = np.concatenate([[self._runs], self._ran(code)])
        if len(at):
            self._at_ns, self._runs = int(stands[-1]), int(runs[-1])
        time_ns: I64 = inputs.time_ns[mine]
        last = np.searchsorted(at, time_ns, side="right")
        kept: NDArray[np.intp] = mine[(runs[last] > 0) & (time_ns - stands[last] <= self._spec.gap_ns)]
        return kept

    def _ran(self, value: F64) -> U8:
        """1 for each state that runs; a code that no state has does not."""
        unknown = len(self._codes) - 1
        code = np.where((value >= 0) & (value < unknown), value, unknown).astype(np.int64)
        ran: U8 = self._codes[code]
        return ran

    def snapshot(self) -> tuple[int, int]:
        """Plain numbers."""
        return self._at_ns, self._runs

    def restore(self, snapshot: Sequence[Any]) -> None:
        """Take over a snapshot."""
        self._at_ns, self._runs = snapshot

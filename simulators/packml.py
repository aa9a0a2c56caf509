"""The PackML machine that the filler and the CNC cell share: Execute, and the ways out of it and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from simulators.device import State

Stop = Literal["starved", "held", "stopped"]

# Fixed seconds of each transition; None is the stop itself, whose length the caller gives.
PATHS: dict[Stop, tuple[tuple[str, int | None], ...]] = {
    "starved": (("Suspending", 2), ("Suspended", None), ("Unsuspending", 3)),
    "held": (("Holding", 2), ("Held", None), ("Unholding", 3)),
    "stopped": (("Stopping", 3), ("Stopped", None), ("Resetting", 4), ("Idle", 6), ("Starting", 5)),
}


@dataclass(slots=True)
class MachineState(State):
    """Where the machine is, for how long, and which states follow before Execute."""

    mode: str = "Idle"
    left_s: int = 5
    next_modes: list[str] = field(default_factory=lambda: ["Starting"])
    next_s: list[int] = field(default_factory=lambda: [5])

    @property
    def executing(self) -> bool:
        """Only in Execute are items made."""
        return self.mode == "Execute"

    def pass_second(self) -> bool:
        """Count down a state that ends by itself; True in Execute from its second second on, when it may be left."""
        if self.executing:
            return True
        self.left_s -= 1
        if self.left_s <= 0:
            self.mode = self.next_modes.pop(0) if self.next_modes else "Execute"
            self.left_s = self.next_s.pop(0) if self.next_s else 0
        return False

    def follow(self, path: list[tuple[str, int]]) -> None:
        """Leave the present state for the first of `path`; Execute comes after the last."""
        self.mode, self.left_s = path[0]
        self.next_modes = [mode for mode, _ in path[1:]]
        self.next_s = [seconds for _, seconds in path[1:]]

    def stop(self, kind: Stop, seconds: int) -> None:
        """Stop for `seconds` in the way of `kind`."""
        self.follow([(mode, seconds if fixed is None else fixed) for mode, fixed in PATHS[kind]])

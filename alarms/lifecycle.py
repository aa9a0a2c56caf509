"""The ISA-18.2 state machine. Its code is in the core (`andon.lifecycle`): the records may import nothing of alarms."""

from __future__ import annotations

from andon.lifecycle import Move, Moved, Refused, State, step

__all__ = ["Move", "Moved", "Refused", "State", "step"]

"""What people and systems tell about the demo plant beside its readings: lots in the cold room, reasons of stops."""

from __future__ import annotations

from typing import Any

from simulators.cold_room import ColdRoom
from simulators.device import HOUR_S, Device
from simulators.filler import Filler
from simulators.noise import unit

Happening = tuple[str, dict[str, Any]]  # name of the event and its data
LOT_HOURS, LOTS_THERE = 3, 2  # a lot comes every so many hours, and goes when so many others have come after it
REASON_LEFT_S = 5  # who starts the machine again enters the reason so many seconds before
REASONS = {
    "Held": ("stopper jam", "vial fallen over", "reject bin full"),
    "Suspended": ("no vials", "capper full"),
    "Stopped": ("dosing pump", "safety door"),
}


def goods(asset: str, second: int, seed: int) -> list[Happening]:
    """Lots that come into the cold room and go, in this second of the simulation."""
    if asset != ColdRoom.asset or second % (LOT_HOURS * HOUR_S):
        return []
    number = second // (LOT_HOURS * HOUR_S) + 1
    told: list[Happening] = [("lot.started", {"lot": _lot(seed, number), "product": "Vaccine A"})]
    if number > LOTS_THERE:
        told.append(("lot.ended", {"lot": _lot(seed, number - LOTS_THERE)}))
    return told


def _lot(seed: int, number: int) -> str:
    return f"V{seed:03d}-{number:04d}"


def stop_reasons(device: Device[Any], second: int, seed: int) -> list[Happening]:
    """Why the filler stands, told at the end of each stop; `device` as it is after `second`."""
    if not isinstance(device, Filler):
        return []
    state = device.state
    reasons = REASONS.get(state.mode, ())
    if not reasons or state.left_s != REASON_LEFT_S:
        return []
    return [("stop.reason", {"reason": reasons[int(unit(seed, "stop.reason", second) * len(reasons))]})]

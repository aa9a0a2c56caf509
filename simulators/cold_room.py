"""cold/room1: a walk-in cold room, 2 to 8 C, with a thermostat, stored goods and a door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from simulators.device import Cause, Device, Sample, State
from simulators.noise import between

OUTSIDE_C = 18.0
WALL_TAU_S, GOODS_TAU_S, GOODS_OWN_TAU_S, DOOR_TAU_S = 2400.0, 1800.0, 14_400.0, 420.0
COOLING_C_S = 0.0165  # what the unit takes out of the air, C/s
ON_C, OFF_C = 5.8, 3.8  # thermostat
HEATER_C_S = 0.0062  # a defrost heater that stays on
DOOR_CHANCE, DOOR_REST_S = 1 / 800, 480


@dataclass(slots=True)
class ColdRoomState(State):
    """air and goods in Cel; door_left_s > 0 while the door is open; rest_s until it may open again."""

    air: float = 4.8
    goods: float = 4.7
    cooling: bool = False
    humidity: float = 62.0
    door_left_s: int = 0
    rest_s: int = 240


class ColdRoom(Device[ColdRoomState]):
    """Air follows wall, goods, unit and door, each first-order; a door opening warms it by 1 to 1.5 C.

    Faults: cold_room_cooling_failure: the unit stops and its defrost heater stays on; after the repair it cools down.
    """

    asset = "cold/room1"
    units: ClassVar[Mapping[str, str]] = {"air": "Cel", "humidity": "%"}
    gauss, uniform = 2, 2
    state_type = ColdRoomState

    def first_state(self) -> ColdRoomState:
        """Somewhere inside the thermostat cycle."""
        return ColdRoomState(air=between(4.0, 5.6, self.seed, self.asset, "air"))

    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """One second of heat in and cooling out."""
        state = self.state
        air_noise, humidity_noise, chance, length = noise
        self._door(chance, length)
        failed = cause is not None and cause.name == "cold_room_cooling_failure"
        self._air(failed=failed)
        wet = 78.0 if state.door_left_s else 58.0 if state.cooling else 66.0
        state.humidity += (wet - state.humidity) / 90.0
        return [
            Sample("air", round(state.air + 0.04 * air_noise, 2)),
            Sample("humidity", round(state.humidity + 0.4 * humidity_noise, 1)),
            Sample("door", state.door_left_s > 0),
        ]

    def _door(self, chance: float, length: float) -> None:
        state = self.state
        if state.door_left_s:
            state.door_left_s -= 1
        elif state.rest_s:
            state.rest_s -= 1
        elif chance < DOOR_CHANCE:
            state.door_left_s, state.rest_s = 15 + int(25 * length), DOOR_REST_S

    def _air(self, *, failed: bool) -> None:
        state = self.state
        state.cooling = not failed and (state.air >= ON_C or (state.cooling and state.air > OFF_C))
        change = (OUTSIDE_C - state.air) / WALL_TAU_S + (state.goods - state.air) / GOODS_TAU_S
        if state.door_left_s:
            change += (OUTSIDE_C - state.air) / DOOR_TAU_S
        if failed:
            change += HEATER_C_S
        elif state.cooling:
            change -= COOLING_C_S
        state.goods += (state.air - state.goods) / GOODS_OWN_TAU_S
        state.air += change

"""What every simulated device is: a step a second, a state that is plain data, causes of trouble from a plan."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from andon.errors import SourceError
from simulators.noise import Noise
from simulators.wave import Block

Value = float | int | bool | str | Block
HOUR_S = 3600
SNAPSHOT_VERSION = 1


class Sample(NamedTuple):
    """A tag and its value: a number, a boolean, the name of a state, or a block of a waveform."""

    tag: str
    value: Value


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a device misbehaves in [start_s, end_s), seconds since the start of the simulation.

    size is a uniform number in [0, 1) that a device may use for direction or severity.
    """

    name: str
    asset: str
    start_s: int
    end_s: int
    size: float


CauseOf = Callable[[str, int], Cause | None]  # (asset, hour of the simulation) -> its cause, if any


def no_causes(_asset: str, _hour: int) -> Cause | None:
    """The plan of a plant in which nothing goes wrong."""
    return None


@dataclass(slots=True)
class State:
    """Base of a device's state: fields of plain JSON types only."""


S = TypeVar("S", bound=State)


class Device(ABC, Generic[S]):
    """One simulated asset. Deterministic: the samples of a second depend on the seed, the plan and the second.

    asset : path in plant.toml.
    units : UCUM unit of each tag that is a number; other tags are states, counters or booleans.
    """

    asset: ClassVar[str]
    units: ClassVar[Mapping[str, str]]
    gauss: ClassVar[int] = 4
    uniform: ClassVar[int] = 4
    state_type: ClassVar[type[State]]

    def __init__(self, seed: int, cause_of: CauseOf = no_causes) -> None:
        self.seed = seed
        self.second = 0  # the next one to compute
        self._cause_of = cause_of
        self._noise = Noise(seed, self.asset, gauss=self.gauss, uniform=self.uniform)
        self.state: S = self.first_state()

    @abstractmethod
    def first_state(self) -> S:
        """How the device stands before second 0."""

    @abstractmethod
    def advance(self, noise: list[float], cause: Cause | None) -> list[Sample]:
        """Move the state on by one second and give what the device sends for it."""

    def step(self) -> list[Sample]:
        """The samples of `self.second`; then the next second is due."""
        cause = self._cause_of(self.asset, self.second // HOUR_S)
        if cause is not None and not cause.start_s <= self.second < cause.end_s:
            cause = None
        samples = self.advance(self._noise.row(self.second), cause)
        self.second += 1
        return samples

    def snapshot(self) -> bytes:
        """The state as JSON, exact to the bit (floats are written so that they read back the same)."""
        data = {"version": SNAPSHOT_VERSION, "second": self.second, "state": dataclasses.asdict(self.state)}
        return json.dumps(data, separators=(",", ":")).encode()

    def restore(self, snapshot: bytes) -> None:
        """Stand where `snapshot` was taken. SourceError("simulators.snapshot") if it is of another version."""
        data: dict[str, Any] = json.loads(snapshot)
        if data.get("version") != SNAPSHOT_VERSION:
            raise SourceError(
                "simulators.snapshot", asset=self.asset, found=data.get("version"), allowed=SNAPSHOT_VERSION
            )
        self.second = data["second"]
        self.state = self.state_type(**data["state"])  # type: ignore[assignment]  # each class names its own S

    def clone(self) -> Self:
        """An independent device that stands at the same second and will do the same."""
        twin = type(self)(self.seed, self._cause_of)
        twin.restore(self.snapshot())
        return twin

"""Detectors by name, as the command line and configurations call them: of single series, and of groups of channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from andon.readings import F64, I64, U8
from detectors.contract import Detector, PausingDetector
from detectors.ensemble import EnsembleDetector
from detectors.ewma import EwmaDetector
from detectors.half_space import HalfSpaceDetector
from detectors.half_space_group import HalfSpaceGroupDetector
from detectors.mewma import REFERENCE_ROWS, MewmaDetector
from detectors.spectral import SpectralDetector


class GroupScored(Protocol):
    """What a detector of a group says of n rows.

    score  : float64[n], -log10 of how often so unusual a row comes, >= 0; NaN for a row without any value.
    alarm  : uint8[n], 1 while there is an alarm.
    channel: uint8[n], the channel that says most; contract.NO_PART where none says anything.
    """

    @property
    def score(self) -> F64: ...
    @property
    def alarm(self) -> U8: ...
    @property
    def channel(self) -> U8: ...


class GroupDetector(Protocol):
    """Scores rows of channels that belong together, each row before it learns from it."""

    def score_many(self, time_ns: I64, values: F64) -> GroupScored:
        """time_ns: int64[n], not falling; values: float64[n, channels], not finite where missing. None is changed."""


Make = Callable[[int], Detector]  # the argument is the capacity: ids of series are 0..capacity - 1
MakeGroup = Callable[[int, int], GroupDetector]  # channels, and rows from the beginning that are the reference

DEFAULT: Final = "ensemble"
OWN: Final[dict[str, Make]] = {
    "ensemble": EnsembleDetector, "ewma": EwmaDetector, "half_space": HalfSpaceDetector,
    "spectral": SpectralDetector,
}  # fmt: skip
#: Those that a flow runs: they can be told what not to learn.
IN_FLOWS: Final[dict[str, Callable[[int], PausingDetector]]] = {"ensemble": EnsembleDetector, "ewma": EwmaDetector}
DEFAULT_GROUP: Final = "mewma"
GROUPS: Final[dict[str, MakeGroup]] = {"mewma": MewmaDetector, "half_space_group": HalfSpaceGroupDetector}
GROUP_MOST: Final = 254  # channels of a group
GROUP_REFERENCE: Final = REFERENCE_ROWS
REFERENCE_LEAST: Final = 20
RIVER: Final = "river:"
# Of river's anomaly detectors those whose memory is bounded. LocalOutlierFactor keeps every row; QuantileFilter and
# ThresholdFilter only judge what another detector scores.
RIVER_MODELS: Final = (
    "GaussianScorer", "HalfSpaceTrees", "LODA", "OneClassSVM", "PredictiveAnomalyDetection",
    "StandardAbsoluteDeviation",
)  # fmt: skip


def names() -> tuple[str, ...]:
    """Every name that `maker` or `group_maker` knows.

    >>> names()[:6]
    ('ensemble', 'ewma', 'half_space', 'spectral', 'mewma', 'half_space_group')
    """
    return (*OWN, *GROUPS, *(RIVER + name for name in RIVER_MODELS))


def maker(name: str) -> Make:
    """What makes the detector of single series of that name.

    river's models are made with their defaults and, where they take one, seed 1; HalfSpaceTrees stands behind a
    MinMaxScaler, as its documentation asks. They cost 4 to 400 us a row.

    Raises: KeyError for another name.

    >>> maker("ewma")(1).PARTS
    ('mean',)
    """
    if name in OWN:
        return OWN[name]
    if name in GROUPS or name not in names():
        raise KeyError(name)
    from detectors.river_faces import RiverDetector  # river takes a second to load

    return partial(RiverDetector, make=partial(_river_model, name.removeprefix(RIVER)))


def group_maker(name: str) -> MakeGroup:
    """What makes the detector of that name for a group of channels. Raises: KeyError for another name."""
    return GROUPS[name]


def _river_model(name: str) -> Any:
    from river import anomaly, preprocessing

    if name == "HalfSpaceTrees":
        return preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1)
    return getattr(anomaly, name)(**({"seed": 1} if name == "LODA" else {}))

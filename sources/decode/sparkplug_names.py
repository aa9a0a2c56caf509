"""Which declared series a metric of an edge node or device is: the rule of [sources.sparkplug]."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import NamedTuple

from andon.plant import PlantModel
from andon.readings import Reason
from andon.series import SeriesDictionary
from andon.units import Conversion
from sources.decode.layout import OK
from sources.decode.sparkplug_births import Defined, Stream
from sources.decode.sparkplug_settle import IGNORED
from sources.decode.units import to_series

_OTHER = re.compile(r"[^a-z0-9._/-]")
_SLASHES = re.compile(r"//+")


class Meant(NamedTuple):
    """What a metric is: asset and tag after the rule; place -1 and the reason where it is no series of this shard."""

    asset: str
    tag: str
    place: int
    verdict: int
    change: Conversion | None = None  # into the unit of the series


class MetricNames:
    """Finds series by metric.

    >>> from andon.config.models import Plant
    >>> plant = PlantModel(
    ...     Plant.model_validate(
    ...         {
    ...             "schema": 1,
    ...             "enterprise": {"id": "e"},
    ...             "site": {"id": "s"},
    ...             "template": [{"name": "t", "series": [{"tag": "speed", "unit": "m/s"}]}],
    ...             "asset": [{"path": "hall/line1/filler2/belt", "template": "t"}],
    ...         }
    ...     )
    ... )
    >>> names = MetricNames(SeriesDictionary(plant, 0), plant, 0)
    >>> names.meant(Stream("Hall", "Line1", "Filler2"), Defined("Belt/Speed", 7, 10, "m/s"))
    Meant(asset='hall/line1/filler2/belt', tag='speed', place=0, verdict=0, change=None)
    """

    def __init__(self, dictionary: SeriesDictionary, plant: PlantModel, shard: int) -> None:
        self._dictionary = dictionary
        self._config = plant.config.sources.sparkplug
        self._foreign = frozenset(asset for asset in plant.assets if plant.shard_of(asset) != shard)

    def meant(self, stream: Stream, metric: Defined) -> Meant:
        """The series of a metric, or why it has none."""
        asset, tag = self.path_of(stream, metric.name)
        if any(fnmatchcase(metric.name, pattern) for pattern in self._config.ignore):
            return Meant(asset, tag, -1, IGNORED)
        place = self._dictionary.place_of(asset, tag)
        if place < 0:
            return Meant(asset, tag, -1, Reason.wrong_partition if asset in self._foreign else Reason.unknown_series)
        spec = self._dictionary.declared[place]
        if metric.unit is None or metric.unit == spec.unit:
            return Meant(asset, tag, place, OK)
        change = to_series(metric.unit, spec)
        return Meant(asset, tag, place, Reason.unit_mismatch if change is None else OK, change)

    def path_of(self, stream: Stream, name: str) -> tuple[str, str]:
        """Asset and tag of a metric, whether they are declared or not.

        Letters become lower case and what paths may not have a hyphen; folders in the name follow behind the asset.
        """
        exception = self._config.metrics.get(f"{stream.path}/{name}")
        if exception is not None:
            asset, _, tag = exception.rpartition("/")
            return asset, tag
        device = self._config.asset.format(**{part: text.lower() for part, text in stream._asdict().items()})
        folders, _, tag = name.lower().rpartition("/")
        path = _SLASHES.sub("/", _OTHER.sub("-", f"{device}/{folders}")).strip("/")
        return path, _OTHER.sub("-", tag)

"""How announcements are kept few: upsets, dependencies, chatter, floods.

An alarm is announced when it enters the unacknowledged state. An *incident* is one upset of one part of the plant, its
scope: people hear of the incident, not of each alarm in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from andon.config.models import Plant
from andon.readings import NS_PER_S

RANK = {"low": 0, "medium": 1, "high": 2, "critical": 3}
FLOOD = "/*"  # ends the scope of the incident that takes in what a flood brings


@dataclass(frozen=True, slots=True)
class Hides:
    """While an alarm at `asset` is active, those of the assets that match a glob of `hides` are not announced."""

    asset: str
    hides: tuple[str, ...]

    def covers(self, asset: str) -> bool:
        """Whether an asset's alarms are consequences of this one's."""
        return asset != self.asset and any(fnmatchcase(asset, glob) for glob in self.hides)


@dataclass(frozen=True, slots=True)
class Policy:
    """[incidents] and [[dependency]] as the records use them.

    level        : parts of an asset's path that make the scope: 1 area, 2 line.
    window_s     : an alarm that comes within so long of the last one of its scope belongs to it, s.
    longest_s    : an upset that goes on for longer is another one, s.
    flood_level  : parts of the path that one operator looks after; 0: the whole site.
    flood_most   : announcements of such a part in `flood_s` seconds at most. The last 4 places but one are kept for
                   critical alarms, the last one for the incident that takes in the rest.
    templates    : asset -> its template; assets of one template are sisters.
    chatter_most : so many raises of one point in `chatter_s` seconds are chatter, which ends after `calm_s` seconds
                   without a raise.

    >>> Policy(level=2).scope("filling/line1/filler2"), Policy(flood_level=0).flood_scope("filling/line1/filler2")
    ('filling/line1', '/*')
    """

    level: int = 2
    window_s: float = 600.0
    longest_s: float = 3600.0
    flood_level: int = 0
    flood_most: int = 10
    flood_s: float = 600.0
    chatter_most: int = 3
    chatter_s: float = 60.0
    calm_s: float = 300.0
    dependencies: tuple[Hides, ...] = ()
    templates: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Plant) -> Policy:
        """What a plant.toml says."""
        told = config.incidents
        return cls(
            told.level, told.window_s, told.longest_s, told.flood_level, told.flood_most, told.flood_s,
            told.chatter_most, told.chatter_s, told.calm_s,
            tuple(Hides(one.asset, one.hides) for one in config.dependency),
            {one.path: one.template for one in config.asset},
        )  # fmt: skip

    def scope(self, asset: str) -> str:
        """The part of the plant that an asset's upset is about."""
        return "/".join(asset.split("/")[: self.level])

    def flood_scope(self, asset: str) -> str:
        """The scope of a flood over everything that the operator of an asset looks after."""
        return "/".join(asset.split("/")[: self.flood_level]) + FLOOD

    def announcements_left(self, announced: int, priority: str) -> int:
        """How many more alarms of a priority may be announced when `announced` were in the last `flood_s` seconds."""
        kept = 1 if priority == "critical" else min(4, self.flood_most // 2)
        return max(0, self.flood_most - kept - announced)

    def causes(self, asset: str) -> list[str]:
        """The assets whose active alarms hide those of this one."""
        return [one.asset for one in self.dependencies if one.covers(asset)]

    def sisters(self, asset: str) -> frozenset[str]:
        """The other assets of its template.

        >>> sorted(Policy(templates={"a/p1": "pump", "a/p2": "pump", "a/fan": "fan"}).sisters("a/p1"))
        ['a/p2']
        """
        template = self.templates.get(asset)
        if template is None:
            return frozenset()
        return frozenset(one for one, its in self.templates.items() if its == template and one != asset)


def ns(seconds: float) -> int:
    """Seconds as ns."""
    return round(seconds * NS_PER_S)

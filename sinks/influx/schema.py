"""What stands in InfluxDB: measurements, tags and fields, fixed for ever. docs/influxdb.md is its page.

Every field is a float64 but those of `STRINGS`; tags are always all there, and no tag has the name of a field, so the
points are valid under InfluxDB 3 as well. Values without a bound (lots, order numbers, alarm keys) are fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from andon.figures import KINDS

TAGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "window": ("area", "asset", "series", "site", "size", "unit"),
    "oee": ("area", "asset", "site"),
    "cold_chain": ("area", "asset", "series", "site"),
    "state": ("area", "asset", "series", "site"),
    "ledger": ("area", "asset", "series", "site"),
    "alarm": ("area", "asset", "priority", "rule", "series", "site"),
    "pipeline": ("part", "site"),
})  # fmt: skip

FIGURE_TAGS: Final = ("area", "asset", "series", "site")  # of kinds of figures that are not in TAGS

STRINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "state": ("name",),
    "alarm": ("erp_number", "key", "state", "transition"),
})  # fmt: skip

WINDOW_FIELDS: Final = ("count", "min", "max", "mean", "std", "first", "last", "score", "revision")
SPAN_FIELDS: Final = (
    "time_weighted_mean",
    "integral",
    "covered_s",
    "increase",
    "rate",
    "seconds",
)  # of declared windows, besides those of all windows and percentiles as p50
LEDGER_FIELDS: Final = ("received", "counted", "late", "duplicate", "bad", "dead", "conflict")
FIGURE_FIELDS: Final = ("final", "revision", "seconds")
RATIOS: Final = ("availability", "performance", "quality", "oee")
ALARM_FIELDS: Final = ("level", "peak", "open")
PIPELINE_FIELDS: Final = (
    "lag_s", "offset", "backlog_bytes", "backlog_rows", "dead_letters", "restarts", "oldest_s",
)  # fmt: skip

ABOUT: Final = "about_"  # begins the names of a figure's string fields: product, order, lot, codes; no tag has them
VOID: Final = "void"  # 1 where late rows took a figure away, 0 where a later revision brought it back

NOTHING: Final = "-"  # a tag value cannot be empty
EXPRESSIBLE_NS: Final = (-(2**63) + 2, 2**63 - 3)  # times that InfluxDB takes


def tags_of(measurement: str) -> tuple[str, ...]:
    """The tags of a measurement, in the order of their keys. KeyError where there is none of that name.

    >>> tags_of("oee"), tags_of("ledger")
    (('area', 'asset', 'site'), ('area', 'asset', 'series', 'site'))
    """
    return FIGURE_TAGS if measurement in KINDS and measurement not in TAGS else TAGS[measurement]

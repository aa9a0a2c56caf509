"""Which series the metrics of Sparkplug edge nodes are."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from andon.config.base import Section

SeriesPath = Annotated[str, Field(pattern=r"^[a-z0-9._-]+(/[a-z0-9._-]+)*/[a-z0-9][a-z0-9._-]{0,63}$", max_length=264)]
MetricPath = Annotated[str, Field(pattern=r"^[^+#/]+/[^+#/]+(/[^+#]+)+$")]


class Sparkplug(Section):
    """[sources.sparkplug]: from group, edge node, device and metric to asset and tag (docs/wire-formats.md)."""

    asset: str = Field(
        "{group}/{node}/{device}",
        pattern=r"^([a-z0-9._/-]|\{group\}|\{node\}|\{device\})+$",
        description="Asset path of a device, in lower case. A part that is empty goes with its slash, as {device} does "
        "for metrics of the edge node itself. Folders in a metric's name follow behind it, its last part is the tag.",
    )
    metrics: dict[MetricPath, SeriesPath] = Field(
        {},
        description="Exceptions: group/node/device/metric, or group/node/metric, to asset/path/tag.",
    )
    ignore: tuple[str, ...] = Field(
        ("bdSeq", "Node Control/*", "Device Control/*", "Node Info/*", "Properties/*"),
        description="Patterns of metrics that are no readings: neither series nor dead letters.",
    )

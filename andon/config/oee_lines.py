"""[[line]]: the OEE of a line from the cells that stand in it."""

from __future__ import annotations

from pydantic import Field

from andon.config.base import AssetPath, Section


class Line(Section):
    """[[line]]: OEE of a line, by its bottleneck or by how many of its cells produce.

    A line is an [[asset]] of its own, which needs no series; it and its cells are in one shard. Orders and other events
    of a line are sent for its asset. Without a [[line]] the figures of the bottleneck stand for a line.
    """

    asset: AssetPath = Field(description="Path of the line's own [[asset]]; its template has no OEE.")
    cells: tuple[AssetPath, ...] = Field(
        min_length=1, description="Its cells in the order of the flow: assets with an OEE, each in one line."
    )
    bottleneck: AssetPath | None = Field(
        None, description="The cell whose items, cycle and limits are the line's; not where cells stand in parallel."
    )
    least_running: int | None = Field(
        None,
        ge=1,
        description="The line produces while at least so many cells do. None: its time is that of the bottleneck.",
    )
    parallel: bool = Field(
        False, description="Cells side by side make different items: their counts are added up. Ideal times need a "
        "[[cycle]] of the line's asset then.",
    )  # fmt: skip
    micro_stop_s: float | None = Field(
        None, ge=0, description="As of [template.oee]. None: the bottleneck's, in parallel the first cell's."
    )
    startup_s: float | None = Field(
        None, ge=0, description="As of [template.oee]. None: the bottleneck's, in parallel the first cell's."
    )

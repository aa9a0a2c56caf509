"""[[route]]: who gets what an alarm raises."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import Section


class Route(Section):
    """[[route]]: who gets what an alarm raises."""

    raises: Literal["quality_event", "maintenance_order"] = Field(description="The kind of record.")
    to: tuple[str, ...] = Field(("erp",), description="Receivers; erp is the only one so far.")

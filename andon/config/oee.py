"""[template.oee] and [[cycle]]: which series give the OEE of an asset, how its states count, how long an item takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from andon.config.base import AssetPath, Section, Tag

Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
Category = Literal[
    "producing", "internal_stop", "external_stop", "starved", "blocked", "down", "idle", "transition", "setup",
    "planned_down", "unknown",
]  # fmt: skip


class Oee(Section):
    """[template.oee]: which series give the OEE of an asset, and what its states mean."""

    state: Tag = Field(description="Series of kind state; with mapping umh of kind number.")
    total: Tag = Field(description="Series of kind counter: all items made.")
    good: Tag = Field(description="Series of kind counter: items good at first pass.")
    scrap: Tag | None = Field(None, description="Series of kind counter: items scrapped. None: scrap is not told.")
    rework: Tag | None = Field(
        None, description="Series of kind counter: items to be reworked; each counts once in total. None: not told."
    )
    mode: Tag | None = Field(None, description="Series of kind state: the unit mode. None: always production.")
    reason: Tag | None = Field(
        None, description="Series of kind state: the reason of a stop, for stops without a `stop.reason` event."
    )
    bottleneck: bool = Field(True, description="Its counts stand for its line.")
    mapping: Literal["packml", "opc-machinery", "plain", "umh"] = Field(
        "packml",
        description="Names of states by vendor. plain: the categories' own names and running, stopped, fault, "
        "changeover, maintenance, break, off. umh: codes in the ranges of United Manufacturing Hub.",
    )
    states: dict[str, Category] = Field(
        default_factory=dict,
        description="Own names of states, before the mapping's: what time in each is. A name that neither has is "
        "unknown time, outside the busy time and told as coverage.",
    )
    production_modes: tuple[int, ...] = Field(
        (1,), description="Values of the mode series that are production; any other mode is planned down time."
    )
    setup_modes: tuple[int, ...] = Field((), description="Values of the mode series that are setting up.")
    micro_stop_s: float = Field(
        300.0,
        ge=0,
        description="A stop by the unit's own cause of at most so many s is a minor stop (performance), a longer one a "
        "breakdown (availability). Usual: 120 to 300, to be confirmed for each asset.",
    )
    startup_s: float = Field(
        0.0, ge=0, description="Rejects so many s after a change of order or product are start-up loss; those made "
        "while setting up or starting always are.",
    )  # fmt: skip
    stops: bool = Field(True, description="Tell each stop longer than micro_stop_s by itself, with its reason.")


class Cycle(Section):
    """[[cycle]]: ideal time per item of a product on an asset."""

    asset: AssetPath = Field(description="Path of an [[asset]].")
    seconds: float = Field(gt=0, description="Planned run time per item, s.")
    product: str = Field("", description="Empty: any product that has no cycle of its own.")
    since: Day | None = Field(
        None, alias="from", description="First local day it is valid, YYYY-MM-DD. None: ever since."
    )
    until: Day | None = Field(None, description="First local day it is not valid any more. None: for ever.")

"""When the detectors of an asset do not learn, in plant.toml."""

from __future__ import annotations

from pydantic import Field

from andon.config.base import Section


class Learning(Section):
    """[template.learning]: when the detectors of such an asset do not learn. In maintenance they never do."""

    while_running: bool = Field(
        False, description="Only readings at which [template.running] says that it runs are learned, and can be "
        "anomalies.",
    )  # fmt: skip
    settle_s: float = Field(
        0.0, ge=0, le=86_400.0, description="With while_running: not so long after a start either, s."
    )
    change_s: float = Field(
        0.0, ge=0, le=86_400.0, description="Not so long after product.started, order.started or lot.started, s."
    )
    alarm_h: float = Field(
        0.0, ge=0, le=720.0, description="Not while an alarm of the detector goes on, for so many hours at most; 0: "
        "the detector itself decides what of a fault becomes usual.",
    )  # fmt: skip

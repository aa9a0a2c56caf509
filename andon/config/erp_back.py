"""[erp.back], [erp.reports] and [quality]: what comes back from the ERP, and what quality asks of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import Section

Priority = Literal["critical", "high", "medium", "low"]


class ErpBack(Section):
    """[erp.back]: what the ERP says of its records, asked for or told by a signed webhook."""

    poll_s: float = Field(
        60.0, ge=0, description="Each record that is not closed is asked about so often, s; 0: never."
    )
    secret_file: str | None = Field(
        None, description="File with the secret of webhooks that come in (whsec_...); or ANDON_ERP_BACK_SECRET. Two, a "
        "line each, while it is being changed. None: the address takes nothing.",
    )  # fmt: skip
    closed: tuple[str, ...] = Field((), description="Words of the ERP for a record that is done, beside its driver's.")
    verdicts: dict[str, Literal["true", "false", "known"]] = Field(
        default_factory=dict,
        description="Word of the ERP -> what it says of the alarm: true, false, known (real, nothing to be done).",
    )


class Reports(Section):
    """[erp.reports]: figures told to the ERP, each as a record of its own that late data corrects."""

    oee: bool = Field(False, description="OEE and downtime by reason of each asset and [[shift]] (or day) that ended.")
    cold_chain: bool = Field(False, description="Storage of each lot, when it has left an asset with a cold chain.")
    maintenance: bool = Field(False, description="Maintenance that an event maintenance.ended says is done.")
    calibration_d: float | None = Field(
        None, gt=0, description="Calibrations that fall due within so long, by the last calibration event's `due`, d."
    )
    inspections_d: float | None = Field(
        None, gt=0, description="Inspections of [[template.failure_mode]] that fall due within so long, d."
    )


class Quality(Section):
    """[quality]: what a quality event leads to."""

    hold: tuple[str, ...] = Field(
        (), description="Globs over ids of rules: their alarms ask the ERP to block the lots that were there."
    )
    capa_priorities: tuple[Priority, ...] = Field(
        ("critical",), description="A quality event of such a priority proposes a CAPA record; a person decides."
    )
    capa_repeats: int = Field(
        3, ge=0, description="So many quality events of one rule and series propose one; 0: never."
    )
    capa_within_d: float = Field(30.0, gt=0, description="Within so long, d.")

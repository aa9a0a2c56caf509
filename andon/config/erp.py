"""[erp]: the system that gets quality events and maintenance orders."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from andon.config.base import Section


class Erp(Section):
    """[erp]: the system that gets quality events and maintenance orders."""

    kind: Literal["webhook"] = Field("webhook", description="webhook: CloudEvents, signed after Standard Webhooks.")
    url: str = Field(description="Base address; https except on loopback.")
    secret_file: str | None = Field(None, description="File with the signing secret (whsec_...); or ANDON_ERP_SECRET.")
    timeout_s: float = Field(15.0, gt=0, description="For one answer, s.")

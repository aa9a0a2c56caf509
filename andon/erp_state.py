"""How a record stands in the ERP, as plain data that crosses from the drivers to the records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["", "true", "false", "known"]


@dataclass(frozen=True, slots=True)
class ErpState:
    """How a record stands in the ERP.

    status: in the ERP's own words. closed: nobody works on it any more. verdict: whether the alarm was right, where the
    ERP says so. changed_ns: when it came to stand so, where the ERP tells; before the last one's it is old news.
    """

    status: str
    closed: bool
    verdict: Verdict = ""
    comment: str = ""
    changed_ns: int | None = None

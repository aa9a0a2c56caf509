"""What a check of `andon doctor` finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from andon.i18n import translate

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: part, status, and a sentence as code and parameters."""

    part: str
    status: Status
    code: str
    params: dict[str, object] = field(default_factory=dict)

    def text(self, language: str | None = None) -> str:
        """The sentence in a language."""
        return translate(self.code, language, **self.params)


def finding(part: str, status: Status, code: str, **params: object) -> Finding:
    """A finding in the doctor's own words."""
    return Finding(part, status, f"doctor.{code}", params)

"""What the verification of an evidence file found: faults and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from andon.i18n import translate


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: a code of the catalogue with its parameters."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)

    def text(self, language: str | None = None) -> str:
        """The sentence."""
        return translate(f"evidence.verify.{self.code}", language, **self.params)


@dataclass
class Verdict:
    """What verification found. ok: no fault. exported: the audit trail has an export of exactly these bytes."""

    key: str
    sha256: str
    faults: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    exported: bool = False

    @property
    def ok(self) -> bool:
        """Whether the file proves what it says."""
        return not self.faults

    def fault(self, code: str, **params: object) -> None:
        """Add a fault."""
        self.faults.append(Finding(code, params))

    def note(self, code: str, **params: object) -> None:
        """Add a note."""
        self.notes.append(Finding(code, params))

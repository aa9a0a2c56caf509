"""A report as a document: canonical JSON with its hash, the same for as long as nothing it tells of changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from andon.errors import AndonError
from andon.records.canonical import canonical

FORMAT = "andon-report/1"
EXPORTS = "report"  # object type of the audit records of exports
EXPORTED = "report.exported"  # the action of such a record
Json = dict[str, Any]


class ReportError(AndonError):
    """A report cannot be made."""


@dataclass(frozen=True, slots=True)
class Document:
    """content: JSON; kind: shift or lot; subject: what the audit record and the file's name call it."""

    kind: str
    subject: str
    content: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Of the canonical content, hex."""
        return hashlib.sha256(canonical(self.content)).hexdigest()

    def data(self) -> bytes:
        """The file: the content and its hash, without a line end."""
        return canonical({"report": self.content, "sha256": self.sha256})

    def name(self, form: str) -> str:
        """A file's name that every system takes.

        >>> Document("lot", "L 26/01", {}).name("pdf")
        'andon-lot-L-26-01.pdf'
        """
        safe = "".join(one if one.isascii() and (one.isalnum() or one in "-_.") else "-" for one in self.subject)
        return f"andon-{self.kind}-{safe}.{form}"


def document(kind: str, subject: str, content: Mapping[str, object]) -> Document:
    """Of any record content; numbers and texts become what JSON has."""
    return Document(kind, subject, json.loads(canonical({"format": FORMAT, "kind": kind, **content})))

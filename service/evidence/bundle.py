"""An evidence bundle: one canonical JSON document with a hash of each section, and of them all.

Canonical means RFC 8785 after `andon.records.canonical.plain`: whole numbers that JSON cannot hold (times in ns) are
texts. So the same evidence is the same bytes, and a byte that was changed shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from andon.errors import AndonError
from andon.records.canonical import canonical

FORMAT = "andon-evidence/1"
EXPORTS = "evidence"  # object type of the audit records of exports: they tell of a copy, not of the alarm
EXPORTED = "evidence.exported"  # the action of such a record
LARGEST = 64 * 2**20  # bytes of a file that is read; ours have at most a few hundred kB
Section = Any  # JSON


class EvidenceError(AndonError):
    """An evidence file or report cannot be used or made."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Evidence of one alarm. sections: JSON by name; manifest: format, site, key, hash of each section, and of all."""

    sections: Mapping[str, Section]
    manifest: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """The hash that stands for the whole bundle, hex."""
        return str(self.manifest["sha256"])

    @property
    def key(self) -> str:
        """The alarm's."""
        return str(self.manifest["key"])

    def data(self) -> bytes:
        """The document, without a line end."""
        return canonical({"evidence": self.sections, "manifest": self.manifest})


def make_bundle(site: str, key: str, sections: Mapping[str, object]) -> Bundle:
    """Sections of any record content (numpy numbers, times in ns) as a bundle."""
    plain = {name: json.loads(canonical(section)) for name, section in sections.items()}
    return Bundle(plain, _manifest(site, key, {name: _sha256(one) for name, one in plain.items()}))


def read_bundle(data: bytes) -> tuple[Bundle, list[str]]:
    """A bundle from its bytes, and which hashes do not fit: names of sections, "manifest", or "form".

    form: the bytes are not the canonical ones of their content. Raises EvidenceError for what is no bundle at all.
    """
    try:
        document = json.loads(data)
        sections, manifest = dict(document["evidence"]), dict(document["manifest"])
        told = dict(manifest["sections"])
        found = manifest["format"]
        bundle = Bundle(sections, manifest)
        wrong = [] if canonical(document) == data.rstrip(b"\n") else ["form"]
        expected = _manifest(str(manifest["site"]), str(manifest["key"]), told)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceError("evidence.no_bundle", detail=type(error).__name__) from None
    if found != FORMAT:
        raise EvidenceError("evidence.other_format", found=str(found)[:40], known=FORMAT)
    wrong += [] if expected == manifest else ["manifest"]
    names = sections.keys() | told.keys()
    wrong += sorted(name for name in names if name not in sections or told.get(name) != _sha256(sections[name]))
    return bundle, wrong


def _manifest(site: str, key: str, hashes: Mapping[str, str]) -> dict[str, Any]:
    content = {"format": FORMAT, "site": site, "key": key, "sections": dict(hashes)}
    return {**content, "sha256": _sha256(content)}


def _sha256(content: object) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()

"""One fault of the configuration: which file, where in it, what was found, what is allowed, what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from andon.errors import AndonError
from andon.i18n import translate

Loc = tuple[str | int, ...]
"""Keys and indices from the top of the configuration, as Pydantic gives them: ("rule", 2, "above")."""


class Place(NamedTuple):
    """Where a fault is: file as the user wrote it, line where it could be found, path inside the file."""

    file: str
    line: int | None
    path: str

    def __str__(self) -> str:
        position = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{position}: {self.path}" if self.path else position


@dataclass(frozen=True)
class Words:
    """A part of a sentence that has to be translated itself; parameters may be `Words` again."""

    code: str
    params: dict[str, object] = field(default_factory=dict)

    def text(self, language: str | None = None) -> str:
        """The words in a language."""
        params = {k: v.text(language) if isinstance(v, Words) else v for k, v in self.params.items()}
        return translate(self.code, language, **params)


class Problem(AndonError):  # noqa: N818 - a finding that is collected, never raised alone
    """A fault at a `Place`; a parameter may be `Words`."""

    exit_status = 2

    def __init__(self, code: str, place: Place, **params: object) -> None:
        super().__init__(code, at=str(place), **params)
        self.place = place

    def text(self, language: str | None = None) -> str:
        """The sentence, with its parts in the same language."""
        return Words(self.code, self.params).text(language)

    def as_json(self, language: str | None = None) -> dict[str, object]:
        """For programs: code, file, line, path and the sentence."""
        return {
            "code": self.code,
            "file": self.place.file,
            "line": self.place.line,
            "path": self.place.path,
            "text": self.text(language),
        }


def path_text(loc: Sequence[str | int]) -> str:
    """A path as people read it.

    >>> path_text(("rule", 2, "outside", 0))
    'rule[2].outside[0]'
    """
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def closest(word: str, allowed: Iterable[str]) -> str | None:
    """What was probably meant, or None."""
    found = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return found[0] if found else None


def shown(value: object) -> str:
    """A found value as it may stand in a message: TOML notation, one line, not longer than 60 characters."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, dict):
        text = "{" + ", ".join(str(key) for key in value) + "}"
    elif isinstance(value, (list, tuple)):
        text = "[" + ", ".join(shown(one) for one in value) + "]"
    else:
        text = repr(value)
    text = re.sub(r"\s+", " ", text)
    return text if len(text) <= 60 else text[:57] + "..."


def unknown_key(place: Place, key: str, allowed: Iterable[str]) -> Problem:
    """`key` is not one of `allowed`: names the one that was meant, else lists them."""
    known = sorted(allowed)
    meant = closest(key, known)
    if meant is not None:
        return Problem("config.unknown_key", place, meant=meant)
    return Problem("config.unknown_key_of", place, allowed=", ".join(known))


def unknown_name(place: Place, found: str, what: Words, known: Iterable[str]) -> Problem:
    """A reference to something that does not exist."""
    names = list(known)
    meant = closest(found, names)
    if meant is not None:
        return Problem("config.unknown_name", place, found=shown(found), what=what, meant=meant)
    listed = ", ".join(sorted(names)[:8]) + (", ..." if len(names) > 8 else "")
    return Problem("config.unknown_name_of", place, found=shown(found), what=what, known=listed or "-")

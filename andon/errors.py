"""Errors that users meet: a code, its parameters, and a sentence from the catalogue in their language.

AndonError
  ConfigError        plant.toml and its includes; carries every problem at once
  DataFolderError    layout, rights, schema version, lock
  SourceError        spool, replay files
  RecordsError       operational database, audit chain
  DeliveryError      ERP and other receivers
  AccessError        anonymous, not allowed, wrong token
"""

from __future__ import annotations

from andon.i18n import translate


class AndonError(Exception):
    """Base of all errors shown to a user; `code` is a key of the catalogue."""

    exit_status = 1

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params

    def text(self, language: str | None = None) -> str:
        """The sentence: where, what was found, what is allowed, the likely cause."""
        return translate(self.code, language, **self.params)

    def __str__(self) -> str:
        return self.text()


class ConfigError(AndonError):
    """plant.toml cannot be used. `problems` holds (path, code, params), one for each fault found."""

    exit_status = 2

    def __init__(self, code: str, problems: list[AndonError] | None = None, **params: object) -> None:
        super().__init__(code, **params)
        self.problems = problems or []

    def text(self, language: str | None = None) -> str:
        lines = [super().text(language), *(problem.text(language) for problem in self.problems)]
        return "\n".join(lines)


class DataFolderError(AndonError):
    """The data folder is not usable."""


class SourceError(AndonError):
    """A way in does not work."""


class RecordsError(AndonError):
    """The operational database refused something."""


class DeliveryError(AndonError):
    """A receiver did not take something."""


class AccessError(AndonError):
    """Nobody, or somebody without the right."""

    exit_status = 3

"""From plant.toml to the plant: the one way a configuration comes in. Reads files, no network, no clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from andon.config.checks import check
from andon.config.files import Document, read_document
from andon.config.models import Plant
from andon.config.people import absolute
from andon.config.pins import read_pins
from andon.config.problems import Place, Problem
from andon.config.series_csv import add_series_files
from andon.config.validate import Draft, validate
from andon.errors import AndonError, ConfigError
from andon.plant import PlantModel


def load_plant(path: Path) -> PlantModel:
    """The checked plant of a plant.toml with everything it includes.

    File names inside (secret_file, password_file, tls_cert, tls_key) become absolute: they are relative to plant.toml.
    Raises ConfigError with every problem found, each naming file, line, path, what was found and what is allowed.
    """
    if not path.is_file():
        raise ConfigError("config.not_found", file=str(path))
    document = read_document(path)
    if not _readable(document):
        raise _error(path, document)
    add_series_files(document)
    draft = validate(document)
    document.problems.extend(check(draft))
    pins = read_pins(draft)
    if document.problems:
        raise _error(path, document)
    return PlantModel(_assemble(draft), pins)


def _readable(document: Document) -> bool:
    """Whether every file could be parsed: checking what half of them say would report what is not wrong."""
    unread = {"config.toml_syntax", "config.not_utf8", "config.unreadable"}
    return not any(problem.code in unread for problem in document.problems)


def _error(path: Path, document: Document) -> ConfigError:
    unique = {problem.text("en"): problem for problem in document.problems}
    ordered = sorted(unique.values(), key=_reading_order)
    problems: list[AndonError] = [*ordered]
    return ConfigError("config.invalid", problems, file=str(path), count=len(problems))


def _reading_order(problem: Problem) -> tuple[str, int, str]:
    place: Place = problem.place
    return place.file, place.line or 0, place.path


def _assemble(draft: Draft) -> Plant:
    folder = draft.document.folder
    parts: dict[str, Any] = {name: tuple(value for _, value in elements) for name, elements in draft.lists.items()}
    parts |= draft.tables
    for key in ("include", "series_csv"):
        parts[key] = tuple(parts.get(key, ()))
    if "erp" in parts and parts["erp"].secret_file is not None:
        parts["erp"] = parts["erp"].model_copy(update={"secret_file": str(folder / parts["erp"].secret_file)})
    if "records" in parts and parts["records"].password_file is not None:
        file = str(folder / parts["records"].password_file)
        parts["records"] = parts["records"].model_copy(update={"password_file": file})
    parts["person"] = tuple(absolute(person, folder) for person in parts["person"])
    if "web" in parts:
        files = {key: getattr(parts["web"], key) for key in ("tls_cert", "tls_key")}
        found = {key: str(folder / name) for key, name in files.items() if name is not None}
        parts["web"] = parts["web"].model_copy(update=found)
    kafka = parts["transport"].kafka if "transport" in parts else None
    if kafka is not None:
        files = {key: getattr(kafka, key) for key in ("ca_file", "cert_file", "key_file", "password_file")}
        found = {key: str(folder / name) for key, name in files.items() if name is not None}
        parts["transport"] = parts["transport"].model_copy(update={"kafka": kafka.model_copy(update=found)})
    registry = parts["sources"].schema_registry if "sources" in parts else None
    if registry is not None:
        files = {key: getattr(registry, key) for key in ("ca_file", "password_file", "token_file")}
        found = {key: str(folder / name) for key, name in files.items() if name is not None}
        parts["sources"] = parts["sources"].model_copy(update={"schema_registry": registry.model_copy(update=found)})
    return Plant(**parts)

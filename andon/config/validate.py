"""Pydantic's findings as `Problem`s, section by section, so that one broken section hides no other's faults."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from andon.config.files import LISTS, Document
from andon.config.models import Plant, Section, Series
from andon.config.problems import Loc, Place, Problem, Words, shown, unknown_key

TYPES = {
    "float_type": "number", "int_type": "whole", "int_from_float": "whole", "string_type": "text",
    "bool_type": "boolean", "tuple_type": "list", "list_type": "list", "dict_type": "table",
    "model_type": "table", "model_attributes_type": "table", "finite_number": "finite",
}  # fmt: skip
PATTERNS = {
    r"^[a-z0-9][a-z0-9._-]{0,63}$": "slug",
    r"^[a-z0-9._-]+(/[a-z0-9._-]+)*$": "path",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "local_time",
}
PAIR = 2  # entries of the only lists of a fixed length
LIMITS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}


@dataclass
class Draft:
    """What is valid so far. `broken` names list sections with an element that is not."""

    document: Document
    tables: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, list[tuple[Loc, Any]]] = field(default_factory=dict)
    series: dict[Loc, list[tuple[int, Series]]] = field(default_factory=dict)  # by template or asset, valid or not
    broken: set[str] = field(default_factory=set)

    def section(self, key: str, default: Any) -> Any:
        """A table that was checked: `default` where it is not given, None where it was refused."""
        return self.tables.get(key) if key in self.document.raw else default

    def named(self, section: str, key: str) -> set[str]:
        """Every name that elements of a section give themselves, valid or not: enough to resolve references."""
        return {name for _, name in self.texts(section, key)}

    def texts(self, section: str, key: str) -> Iterator[tuple[Place, str]]:
        """Where and what each element of a section says under a key, where that is a text."""
        for index, one in enumerate(self.document.raw.get(section, [])):
            if isinstance(one, dict) and isinstance(one.get(key), str):
                yield self.document.place((section, index, key)), one[key]


def validate(document: Document) -> Draft:
    """Check the shape of every section; problems go to `document.problems`."""
    draft = Draft(document, lists={name: [] for name in LISTS})
    fields = {info.alias or name: info for name, info in Plant.model_fields.items()}
    for key in document.raw:
        if key not in fields:
            document.problems.append(unknown_key(document.place((key,)), key, fields))
    for key, info in fields.items():
        if key in LISTS:
            _validate_list(draft, key, _model_of(info.annotation), required=info.is_required())
        elif key not in document.raw:
            if info.is_required():
                document.problems.append(Problem("config.missing", document.place((key,))))
        elif issubclass(_model_of(info.annotation), Section):
            model = _model_of(info.annotation)
            value = _checked(document, model, document.raw[key], (key,))
            if value is not None:
                draft.tables[key] = value
        elif key == "schema" and document.raw[key] != 1:
            place = document.place((key,))
            document.problems.append(Problem("config.schema", place, found=shown(document.raw[key])))
        else:
            draft.tables[key] = document.raw[key]
    return draft


def _validate_list(draft: Draft, key: str, model: type[BaseModel], *, required: bool) -> None:
    elements = draft.document.raw.get(key, [])
    if required and not elements:
        draft.document.problems.append(Problem("config.none_given", draft.document.place(()), key=key))
    for index, element in enumerate(elements):
        loc: Loc = (key, index)
        value = _checked(draft.document, model, element, loc)
        if "series" in model.model_fields and isinstance(element, dict) and isinstance(element.get("series"), list):
            draft.series[loc] = list(_valid_series(element["series"]))
        if value is None:
            draft.broken.add(key)
        else:
            draft.lists[key].append((loc, value))


def _valid_series(raw: list[object]) -> Iterator[tuple[int, Series]]:
    for index, one in enumerate(raw):
        with contextlib.suppress(ValidationError):  # already reported with its template or asset
            yield index, Series.model_validate(_frozen(one), strict=True)


def _checked(document: Document, model: type[BaseModel], raw: object, loc: Loc) -> BaseModel | None:
    try:
        # Strict: "8" is not 8. Tuples, because Pydantic's strict tuple refuses the lists of TOML.
        return model.model_validate(_frozen(raw), strict=True)
    except ValidationError as error:
        by_path: dict[Loc, list[ErrorDetails]] = {}
        for detail in error.errors(include_url=False):
            path = _real_path(detail, raw)
            if not _follows(detail, raw, path):
                by_path.setdefault(path, []).append(detail)
        for path, details in by_path.items():
            document.problems.append(_problem(document, model, raw, (loc, path), details))
        return None


def _follows(detail: ErrorDetails, raw: object, path: Loc) -> bool:
    """Whether a list is too short only because Pydantic counts its valid entries: the others are told by themselves."""
    if detail["type"] != "too_short":
        return False
    found = _at(raw, path)
    return isinstance(found, list) and len(found) >= detail["ctx"]["min_length"]


def _frozen(raw: object) -> object:
    if isinstance(raw, list):
        return tuple(_frozen(one) for one in raw)
    if isinstance(raw, dict):
        return {key: _frozen(value) for key, value in raw.items()}
    return raw


def _real_path(detail: ErrorDetails, raw: object) -> Loc:
    """The error's path without the steps Pydantic adds for unions and keys, which are not in the file."""
    path: Loc = ()
    here: Any = raw
    for step in detail["loc"]:
        inside = (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        )
        if inside:
            path, here = (*path, step), here[step]
        elif detail["type"] == "missing" and isinstance(here, dict):
            return (*path, step)
        else:
            break
    return path


def _problem(
    document: Document, model: type[BaseModel], raw: object, where: tuple[Loc, Loc], details: list[ErrorDetails]
) -> Problem:
    loc, path = where
    place = document.place((*loc, *path))
    first = details[0]
    if first["type"] == "extra_forbidden":
        owner = _model_at(model, path[:-1])
        return unknown_key(place, str(path[-1]), owner.model_fields)
    if first["type"] == "missing" and isinstance(_at(raw, path[:-1]), dict) and first["loc"][-1] == path[-1]:
        return Problem("config.missing", place)
    allowed = [_allowed(detail) for detail in details]
    words = Words("config.or", {"a": allowed[0], "b": allowed[1]}) if len(allowed) > 1 else allowed[0]
    return Problem("config.not_allowed", place, found=shown(_at(raw, path)), allowed=words)


def _allowed(detail: ErrorDetails) -> Words:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in TYPES:
        return Words(f"config.type.{TYPES[kind]}")
    if kind in LIMITS:
        return Words("config.limit", {"sign": LIMITS[kind], "limit": shown(next(iter(context.values())))})
    if kind == "literal_error":
        return Words("config.one_of", {"values": str(context["expected"]).replace(" or ", ", ")})
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        name = PATTERNS.get(pattern)
        return Words(f"config.pattern.{name}") if name else Words("config.pattern", {"pattern": pattern})
    if kind == "too_short":
        return Words("config.type.least", {"least": context["min_length"]})
    if kind == "too_long" and context["max_length"] != PAIR:
        return Words("config.type.most", {"most": context["max_length"]})
    if kind in {"missing", "too_long"}:
        return Words("config.type.pair")
    return Words("config.other", {"detail": detail["msg"]})


def _at(raw: object, path: Loc) -> object:
    here: Any = raw
    for step in path:
        here = here[step]
    return here


def _model_of(annotation: object) -> type[BaseModel]:
    """The section model inside `Model`, `Model | None` or `tuple[Model, ...]`; BaseModel itself where there is none."""
    return next(_models(annotation), BaseModel)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in {tuple, Union} or type(annotation).__name__ == "UnionType":
        for one in get_args(annotation):
            yield from _models(one)


def _model_at(model: type[BaseModel], path: Loc) -> type[BaseModel]:
    for step in path:
        if isinstance(step, str):
            model = _model_of(model.model_fields[step].annotation)
    return model

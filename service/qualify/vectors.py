"""Test vectors: what is given to a function, what must come out, how near, and who says so."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from andon.errors import AndonError

SCHEMA = 1
KINDS = ("published", "standard", "derived")
NEEDED = {"id": str, "area": str, "fn": str, "inputs": dict}


class QualifyError(AndonError):
    """A file of vectors or a report cannot be used or made."""


@dataclass(frozen=True, slots=True)
class Vector:
    """One vector. expected: JSON; of an object only the keys that are named count. tol: abs, rel or exact.

    kind: published (a worked example), standard (follows from a norm's text) or derived (computed another way).
    """

    id: str
    area: str
    fn: str
    inputs: Mapping[str, Any]
    expected: Any
    tol: Mapping[str, Any]
    kind: str = ""
    source: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """Vectors in the order of their file; sha256 of its bytes, hex; name as told in reports."""

    name: str
    sha256: str
    vectors: tuple[Vector, ...]


def own() -> VectorFile:
    """The vectors that are shipped with this release."""
    return parse(resources.files("service.qualify").joinpath("vectors.json").read_bytes(), "vectors.json")


def read(path: Path) -> VectorFile:
    """A file in the same form. Raises QualifyError with where it is wrong, OSError."""
    return parse(path.read_bytes(), path.name)


def parse(data: bytes, name: str) -> VectorFile:
    """An object with a list `vectors`, or the list.

    Raises QualifyError: no JSON, another schema, a vector without what it needs, an id twice.
    """
    try:
        told = json.loads(data)
    except ValueError as error:
        raise QualifyError("qualify.no_json", file=name, detail=str(error)[:200]) from None
    if isinstance(told, list):
        told = {"vectors": told}
    schema = told.get("schema", SCHEMA) if isinstance(told, dict) else type(told).__name__
    # A text describes the form; a number is its version.
    if not isinstance(told, dict) or not (schema == SCHEMA or isinstance(schema, str)):
        raise QualifyError("qualify.form", file=name, found=schema, known=SCHEMA)
    if not isinstance(told.get("vectors"), list):
        raise QualifyError("qualify.form", file=name, found=schema, known=SCHEMA)
    vectors = tuple(_vector(one, place, name) for place, one in enumerate(told["vectors"], 1))
    seen: set[str] = set()
    for one in vectors:
        if one.id in seen:
            raise QualifyError("qualify.twice", file=name, id=one.id)
        seen.add(one.id)
    return VectorFile(name, hashlib.sha256(data).hexdigest(), vectors)


def _vector(told: Any, place: int, name: str) -> Vector:
    missing = [
        key for key, kind in NEEDED.items() if not isinstance(told, dict) or not isinstance(told.get(key), kind)
    ]  # fmt: skip
    if missing or "expected" not in told or not _compares(told["expected"]):
        raise QualifyError("qualify.vector", file=name, place=place, keys=", ".join(missing or ["expected"]))
    tol = told.get("tol", {"exact": True})
    if not isinstance(tol, dict) or not all(_is_size(tol[key]) for key in ("abs", "rel") if key in tol):
        raise QualifyError("qualify.vector", file=name, place=place, keys="tol")
    texts = {key: str(told.get(key) or "") for key in ("kind", "source", "note")}
    return Vector(told["id"], told["area"], told["fn"], told["inputs"], told["expected"], tol, **texts)


def _compares(expected: Any) -> bool:
    """Whether an answer can differ from this: `{}` fits every object, and nothing is within reach of infinity."""
    if isinstance(expected, dict):
        return bool(expected) and all(map(_compares, expected.values()))
    if isinstance(expected, list):
        return all(map(_compares, expected))
    return not isinstance(expected, float) or math.isfinite(expected)


def _is_size(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")

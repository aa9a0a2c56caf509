"""The field's published and derived vectors, for the tests of the code that is bound to them.

Their file is no part of the project: it is looked for at ANDON_VECTORS, else at ../shared/vectors/domain.json.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from service.qualify.binding import Binding
from service.qualify.compare import differences, identical, plain
from service.qualify.run import ALL
from service.qualify.vectors import Vector, VectorFile, parse
from tests.tree import ROOT

FILE = Path(os.environ.get("ANDON_VECTORS") or ROOT.parent / "shared" / "vectors" / "domain.json")
needs_file = pytest.mark.skipif(
    not FILE.exists(), reason=f"no vectors at {FILE}; set ANDON_VECTORS to the path of domain.json"
)
BATCHES = (1, 3, ALL)  # rows


@cache
def _file() -> VectorFile:
    return parse(FILE.read_bytes(), FILE.name)


def vectors(area: str, *fns: str) -> list[Any]:
    """Parameters of a test: the vectors of an area, or of some of its functions; one that is left out without the file.

    ValueError: the file has none, so the test would check nothing.
    """
    if not FILE.exists():
        return [pytest.param(None, marks=needs_file, id="no-vectors")]
    found = [one for one in _file().vectors if one.area == area and (not fns or one.fn in fns)]
    if missing := {*fns} - {one.fn for one in found} or not found:
        raise ValueError(f"{FILE} has no vectors of {area}: {missing}")
    return [pytest.param(one, id=one.id) for one in found]


def answer(binding: Binding, given: Mapping[str, Any]) -> Any:
    """What a binding gives, as JSON knows it; of what streams the same in every batch, or AssertionError."""
    if binding.batches is None:
        assert binding.call is not None, binding.where
        return plain(binding.call(given))
    found = [plain(binding.batches(given, rows)) for rows in BATCHES]
    assert all(identical(found[0], one) for one in found), (binding.where, found)
    return found[0]


def agrees(got: Any, expected: Any, tol: Mapping[str, Any]) -> bool:
    """As `andon qualify` judges an answer."""
    return not list(differences(plain(got), plain(expected), tol))


def check(bindings: Mapping[str, Binding], vector: Vector) -> None:
    """AssertionError where an answer is not the vector's."""
    got = answer(bindings[vector.fn], vector.inputs)
    assert agrees(got, vector.expected, vector.tol), (got, vector.expected, vector.source)

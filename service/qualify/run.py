"""Runs vectors against the installed code: formulas once, figures of the flow in batches of 1 and all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from service.qualify.binding import Binding
from service.qualify.compare import differences, identical, plain
from service.qualify.vectors import Vector

ALL = 2**31 - 1  # rows a batch: everything at once
MOST_TOLD = 5  # places that differ


class Verdict(StrEnum):
    """Of one vector."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_IMPLEMENTED = "not_implemented"


@dataclass(frozen=True, slots=True)
class Result:
    """What came out for a vector.

    got   : plain JSON; None too where nothing came out. where: dotted name of the code, empty where there is none.
    detail: a code `qualify.detail.<detail>` of why it failed, empty where it passed; about: what the sentence names.
    """

    vector: Vector
    verdict: Verdict
    got: Any = None
    where: str = ""
    detail: str = ""
    about: str = ""


def run(vectors: Sequence[Vector], bindings: Mapping[tuple[str, str], Binding]) -> list[Result]:
    """A result for each vector, in order. bindings: by (area, fn); what is not there is not implemented."""
    return [_judge(one, bindings.get((one.area, one.fn))) for one in vectors]


def counts(results: Sequence[Result]) -> dict[Verdict, int]:
    """How many of each verdict."""
    found = Counter(one.verdict for one in results)
    return {verdict: found[verdict] for verdict in Verdict}


def last_line(results: Sequence[Result]) -> str:
    """The same in every language: programs read it."""
    found = counts(results)
    return (
        f"{found[Verdict.PASSED]} passed, {found[Verdict.FAILED]} failed, "
        f"{found[Verdict.NOT_IMPLEMENTED]} not implemented"
    )


def _judge(vector: Vector, binding: Binding | None) -> Result:
    if binding is None:
        return Result(vector, Verdict.NOT_IMPLEMENTED)
    try:
        got, other = _answers(vector, binding)
    except Exception as error:  # noqa: BLE001 - whatever the code does, the other vectors are still run and this one failed
        return Result(vector, Verdict.FAILED, None, binding.where, "raised", f"{type(error).__name__}: {error}"[:300])
    wrong = list(differences(got, vector.expected, vector.tol))
    if wrong:
        about = ", ".join(one or "." for one in wrong[:MOST_TOLD])
        return Result(vector, Verdict.FAILED, got, binding.where, "differs", about)
    if not identical(got, other):
        return Result(vector, Verdict.FAILED, got, binding.where, "batches", repr(other)[:300])
    return Result(vector, Verdict.PASSED, got, binding.where)


def _answers(vector: Vector, binding: Binding) -> tuple[Any, Any]:
    """The answer, and the one in batches of one row; of a formula twice the same."""
    if binding.batches is not None:
        return plain(binding.batches(vector.inputs, ALL)), plain(binding.batches(vector.inputs, 1))
    if binding.call is None:
        raise TypeError(f"{binding.where} is bound without a call")
    got = plain(binding.call(vector.inputs))
    return got, got

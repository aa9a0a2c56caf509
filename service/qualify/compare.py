"""Whether an answer is what a vector expects. Nothing passes by accident: types count, NaN equals nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """An answer as JSON knows it: numpy, tuples, sets, dataclasses and enums become numbers, lists, objects and texts.

    NaN and infinities stay floats: they are no answer to anything but show in the report. Anything else is its text.
    """
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(one) for one in value), key=repr)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def differences(got: Any, expected: Any, tol: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Where a plain answer differs: paths such as `.phases[2].end`; the answer itself is an empty path.

    An object may have more keys than expected, a list not. A number agrees within the larger of tol.abs and
    tol.rel * |expected|; exactly where there is neither, or where tol.exact says so. True is not 1. An empty object
    compares nothing and differs from everything.
    """
    if isinstance(expected, dict):
        if not isinstance(got, dict) or not expected:
            yield at
            return
        for key, one in expected.items():
            if key not in got:
                yield f"{at}.{key}"
            else:
                yield from differences(got[key], one, tol, f"{at}.{key}")
    elif isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            yield at
            return
        for place, (mine, one) in enumerate(zip(got, expected, strict=True)):
            yield from differences(mine, one, tol, f"{at}[{place}]")
    elif not _same(got, expected, tol):
        yield at


def _same(got: Any, expected: Any, tol: Mapping[str, Any]) -> bool:
    if _is_number(expected) and _is_number(got):
        if not math.isfinite(got) or not math.isfinite(expected):
            return False
        exact = tol.get("exact") is True
        within = 0.0 if exact else max(tol.get("abs", 0.0), tol.get("rel", 0.0) * abs(expected))
        return bool(got == expected) or abs(got - expected) <= within
    return type(got) is type(expected) and bool(got == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def identical(one: Any, other: Any) -> bool:
    """Bit for bit, of plain answers; NaN is NaN here.

    >>> identical([0.1 + 0.2, None], [0.3, None])
    False
    """
    return repr(one) == repr(other)

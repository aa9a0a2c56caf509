"""What an event's data says: texts and numbers as figures keep them, whatever a producer sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

LONGEST: Final = 64  # characters of a text of a figure: a name, a lot, a certificate, a reason
MOST: Final = math.nextafter(math.inf, 0.0)


def text_of(data: Mapping[str, Any], key: str) -> str:
    """What is said under a key, cut to what is kept; empty where nothing is said.

    >>> text_of({"lot": 7, "order": None}, "lot"), text_of({"lot": 7, "order": None}, "order")
    ('7', '')
    """
    told = data.get(key)
    return "" if told is None else str(told)[:LONGEST]


def number_of(data: Mapping[str, Any], key: str, least: float = -MOST, most: float = MOST) -> float | None:
    """The finite number in [least, most] that is said under a key; None where there is none. True is no number.

    >>> [number_of({"hours": told}, "hours", 0.0) for told in (2, -1, True, "2", float("inf"), None)]
    [2.0, None, None, None, None, None]
    """
    told = data.get(key)
    if isinstance(told, int | float) and not isinstance(told, bool) and least <= told <= most:
        return float(told)
    return None

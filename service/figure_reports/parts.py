"""Arithmetic of figures' parts."""

from __future__ import annotations

from collections.abc import Mapping


def total(parts: Mapping[str, float | None], *names: str) -> float | None:
    """Sum of parts; None where one is not known."""
    told = [parts.get(name) for name in names]
    return None if None in told else sum(one for one in told if one is not None)

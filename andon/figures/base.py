"""How a kind of figure and its parts are declared."""

from __future__ import annotations

from dataclasses import dataclass

OF_SERIES = "{series}"  # an annotation: the unit is that of the series that the figure is of


@dataclass(frozen=True, slots=True)
class Part:
    """A number of a figure. unit: UCUM, or `OF_SERIES` (andon/figures/units.py tells which that is).

    additive: sums over windows and assets mean something.
    at_read: a ratio that is divided when it is read, and so not kept. judged: rules may name it.
    """

    name: str
    unit: str = "1"
    additive: bool = False
    at_read: bool = False
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of figure. about: what it tells beside numbers, keys of `Figure.about`."""

    name: str
    parts: tuple[Part, ...]
    about: tuple[str, ...] = ()


def seconds(*names: str) -> tuple[Part, ...]:
    """Additive parts in s."""
    return tuple(Part(name, "s", additive=True) for name in names)

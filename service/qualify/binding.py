"""How a vector's `fn` is bound to the code that a site runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Given = Mapping[str, Any]  # the vector's inputs


@dataclass(frozen=True, slots=True)
class Binding:
    """where: dotted name of the code it runs. Exactly one of the two:

    call   : inputs -> answer, of a formula.
    batches: (inputs, rows a batch) -> answer, of a figure that the flow computes: through the same `step`.
    """

    where: str
    call: Callable[[Given], Any] | None = None
    batches: Callable[[Given, int], Any] | None = None


def defined(formula: Callable[..., Any], *given: Any) -> Any:
    """What a formula answers; None where an input is missing (None, NaN) or lies where it has no answer.

    A formula refuses such an input by ValueError or divides by zero; the flow asks it nothing there.
    """
    if any(one is None or (isinstance(one, float) and math.isnan(one)) for one in given):
        return None
    try:
        return formula(*given)
    except (ValueError, ZeroDivisionError):
        return None

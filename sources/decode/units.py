"""Values in another unit than their series': converted here, once, before anything is done with them.

All formats judge a row the same way: what does not convert is a dead letter `unit_mismatch`, whatever its value is;
what does is judged as if it had come in the unit of its series, to the bit.
"""

from __future__ import annotations

from prometheus_client import Counter

from andon.plant import SeriesSpec
from andon.units import Conversion, conversion

ROWS = Counter("andon_converted_rows_total", "Rows converted into the unit of their series", ["format"])
MEASURED = frozenset({"number", "counter", "waveform"})


def to_series(unit: str, spec: SeriesSpec) -> Conversion | None:
    """How values of a unit become values of a series; None where they do not, or it has no measured values."""
    return conversion(unit, spec.unit) if spec.kind in MEASURED else None

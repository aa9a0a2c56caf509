"""Guard bands of rules beside what the certificates say: a note of `andon check`, no fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from andon.plant import PlantModel


class Narrow(NamedTuple):
    """A rule whose guard band is smaller than U of a series that it judges; uncertainty None: none is given."""

    rule: str
    series: str
    guard_band: float
    uncertainty: float | None


def narrow_guard_bands(plant: PlantModel) -> Iterator[Narrow]:
    """Of every rule with a guard band on readings and each of its series, by series: w < U, or no U at all.

    U: of the certificate of the series that was done last, as configured. Those that come by event are not known here.
    A figure has no certificate of its own: rules on figures are left out.
    """
    newest: dict[tuple[str, str], tuple[str, float]] = {}
    for one in plant.config.calibration:
        if one.uncertainty is not None:
            newest[one.asset, one.tag] = max(newest.get((one.asset, one.tag), ("", 0.0)), (one.at, one.uncertainty))
    for path, spec in plant.series.items():
        for rule in plant.rules_for(spec):
            if not rule.guard_band or rule.figure is not None:
                continue
            _, uncertainty = newest.get(path, ("", None))
            if uncertainty is None or rule.guard_band < uncertainty:
                yield Narrow(rule.id, spec.path, rule.guard_band, uncertainty)

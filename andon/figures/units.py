"""Units of figures whose parts are declared in the unit of their series."""

from __future__ import annotations

from andon.plant import PlantModel

SHARES = ("p", "u", "cusum")  # charts that plot a ratio, or sigmas
NUMBERS = ("np", "c")


def series_unit(plant: PlantModel, kind: str, asset: str, tag: str) -> str:
    """UCUM unit that `OF_SERIES` stands for in a figure of asset/tag; "1" where it is of no series.

    A control chart of shares, of sigmas or of transformed values has no unit, one of defects counts items.
    """
    if kind in ("spc", "capability"):
        charts = plant.template_of(asset).chart if asset in plant.assets else ()
        chart = next((one for one in charts if one.place == tag), None)
        if chart is None or chart.kind in SHARES or chart.box_cox is not None:
            return "1"
        if chart.kind in NUMBERS:
            return "{items}"
        tag = chart.tag
    series = plant.series.get((asset, tag))
    return series.unit if series else "1"

"""Control charts and capability (operators/spc_machines.py). Values are in the unit of the charted series."""

from __future__ import annotations

from andon.figures.base import OF_SERIES, Kind, Part

RULES = (*(f"nelson_{number}" for number in range(1, 9)), *(f"we_{number}" for number in range(1, 5)))
MADE = ("order", "lot", "product")
INDICES = ("cp", "cpk", "cpl", "cpu", "pp", "ppk", "cpm")

SPC = (
    Kind(
        "spc",
        (
            *(Part(name, OF_SERIES) for name in ("value", "centre", "lower", "upper")),
            *(Part(name, OF_SERIES) for name in ("spread", "spread_centre", "spread_lower", "spread_upper")),
            Part("z"), Part("c_plus"), Part("c_minus"), Part("n_plus", "{items}"), Part("n_minus", "{items}"),
            Part("n", "{items}", additive=True), Part("inspected", "{items}", additive=True),
            *(Part(name, additive=True) for name in ("signal", "beyond", "spread_beyond", *RULES)),
            *(Part(name, "{items}", additive=True) for name in ("uncertain", "excluded", "left_out")),
        ),
        ("version", "phase", "ended", "rules", "cause", "warning", *MADE),
    ),
    Kind(
        "capability",
        (
            *(Part(name) for name in INDICES),
            *(Part(f"{name}_{end}") for name in ("cp", "cpk", "pp", "ppk") for end in ("low", "high")),
            *(Part(name, OF_SERIES) for name in ("mean", "sigma_within", "sigma_overall")),
            Part("lag_1"), Part("autocorrelated"), Part("stable"), Part("enough"),
            *(Part(name, "{items}", additive=True) for name in ("n", "subgroups", "outside", "uncertain")),
            *(Part(name, "{items}", additive=True) for name in ("excluded", "left_out")),
        ),
        ("version", *MADE),
    ),
)  # fmt: skip

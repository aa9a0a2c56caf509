"""Cold chain (operators/cold_chain_machine.py and its neighbours)."""

from __future__ import annotations

from andon.figures.base import Kind, Part, seconds

COLD_CHAIN = (
    Kind(
        "cold_chain",
        (
            Part("mkt", "Cel"), Part("mean", "Cel"), Part("minimum", "Cel"), Part("maximum", "Cel"),
            *seconds("above_s", "below_s", "gap_s", "covered_s", "uncertain_s", "door_s", "defrost_s"),
            Part("above_c_min", "Cel.min", additive=True), Part("below_c_min", "Cel.min", additive=True),
            Part("samples", "{items}", additive=True, judged=False),
        ),
        ("product", "profile"),
    ),
    Kind(
        "excursion",
        (
            *seconds("duration_s", "out_s", "blind_s", "uncertain_s", "beyond_s"),
            Part("hold_off_s", "s"), Part("peak", "Cel"), Part("mean", "Cel"), Part("mkt", "Cel"),
            Part("out_c_min", "Cel.min", additive=True),
            Part("above"), Part("door"), Part("defrost"), Part("unexplained"), Part("lots", "{items}"),
        ),
        ("side", "cause", "product", "profile", "lot"),
    ),
    Kind(
        "usp",
        (
            Part("mkt", "Cel"), Part("mean", "Cel"), Part("minimum", "Cel"), Part("maximum", "Cel"),
            *(Part(name, "s") for name in ("covered_s", "gap_s", "uncertain_s", "out_s", "spike_s")),
            Part("margin", "K"), Part("allowed"),
        ),
        ("product", "profile", "reason"),
    ),
    Kind(
        "lot_stay",
        (
            *seconds("stay_s", "covered_s", "gap_s", "uncertain_s", "above_s", "below_s", "beyond_s", "blind_out_s"),
            Part("above_c_min", "Cel.min", additive=True), Part("below_c_min", "Cel.min", additive=True),
            Part("minimum", "Cel"), Part("maximum", "Cel"), Part("mean", "Cel"), Part("mkt", "Cel"),
            Part("tor_used_s", "s"), Part("tor_left_s", "s"), Part("life_used_h", "h", additive=True),
            Part("life_total_h", "h"), Part("life_left_h", "h"), Part("within"),
        ),
        ("lot", "product", "profile"),
    ),
    Kind(
        "humidity",
        (
            Part("mean", "%"), Part("minimum", "%"), Part("maximum", "%"),
            *seconds("above_s", "below_s", "gap_s", "covered_s", "uncertain_s", "condensing_s"),
            Part("dew_point", "Cel"), Part("dew_point_max", "Cel"), Part("absolute", "g/m3"),
        ),
    ),
    Kind("who", (Part("alarm"), Part("beyond_s", "s"), Part("limit", "Cel")), ("rule",)),
)  # fmt: skip

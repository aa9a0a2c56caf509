"""Cycles of sterilisers and washer-disinfectors (operators/sterilisation_machine.py, operators/leak_machine.py)."""

from __future__ import annotations

from andon.figures.base import Kind, Part, seconds

LOAD = (
    "cycle", "load", "program", "program_version", "lot", "product", "order", "bi_lot", "ci_lot", "failed",
    "undecided", "departed",
)  # fmt: skip
_CELSIUS = tuple(Part(name, "Cel") for name in ("minimum", "maximum", "peak"))
_WHOLE = (
    Part("verdict"), Part("equilibration_ok"), Part("hold_ok"), Part("equilibration_s", "s"), Part("hold_s", "s"),
    Part("plateau_s", "s"), Part("outside_s", "s"), Part("missing_s", "s"), Part("uncertain", "{items}"),
    *seconds("cycle_s", "conditioning_s", "air_removal_s", "heating_s", "exposure_s", "exhaust_s", "drying_s"),
    *seconds("aeration_s", "other_s"), *_CELSIUS, Part("probe_ok"), Part("samples", "{items}", judged=False),
)  # fmt: skip
_LETHAL = (
    Part("lethality_ok"), Part("sampling"), Part("set_temperature", "Cel", judged=False),
    Part("t_ref", "Cel", judged=False), Part("z", "K", judged=False), Part("t_min", "Cel", judged=False),
)  # fmt: skip
_STEAM = (
    *(Part(f"{name}_ok") for name in ("spread", "saturation", "air_removal", "own_value")),
    *(Part(name, "min") for name in ("f0", "f0_reference", "f0_max", "own_f0", "own_difference")),
    *(Part(name, "K") for name in ("spread", "superheat_min", "superheat_max")),
    Part("pressure_min", "kPa"), Part("pressure_max", "kPa"), Part("pulses", "{items}"),
)  # fmt: skip
_LEAK = (
    Part("verdict"), Part("leak", "kPa/min"), Part("rise", "kPa"), Part("vacuum", "kPa"), Part("settling_s", "s"),
    Part("measured_s", "s"), Part("temperature_change", "K"), Part("missing_s", "s"), Part("uncertain", "{items}"),
    Part("cycle_s", "s", additive=True),
)  # fmt: skip
_EO = (
    Part("gas_ok"), Part("gas_rise", "kPa"), Part("gas", "mg/L"), Part("humidity_min", "%"), Part("humidity_max", "%"),
    Part("concentration_min", "mg/L"), Part("concentration_max", "mg/L"), Part("pressure_min", "kPa"),
    Part("pressure_max", "kPa"),
)  # fmt: skip
_RELEASE = (
    *(Part(name) for name in ("verdict", "cycle_verdict", "bi_verdict")),
    *(Part(name, "{items}") for name in ("bi_read", "bi_positive", "bi_missing", "bi_controls")),
    Part("released"), Part("unproven"), Part("failed_now"), Part("unproven_now"), Part("waited_s", "s"),
)  # fmt: skip
STERILISATION = (
    Kind("steam_cycle", (*_WHOLE, *_LETHAL, *_STEAM), (*LOAD, "slowest")),
    Kind("disinfection", (*_WHOLE, *_LETHAL, Part("a0", "s")), (*LOAD, "slowest")),
    Kind("eo_cycle", (*_WHOLE, *_EO), LOAD),
    Kind("leak_test", _LEAK, LOAD),
    Kind("load_release", _RELEASE, (*LOAD[:-1], "by")),
)

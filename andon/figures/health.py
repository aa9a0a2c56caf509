"""Machine health (operators/health_machine.py, operators/maintenance_machine.py)."""

from __future__ import annotations

from andon.figures.base import OF_SERIES, Kind, Part, seconds

HEALTH = (
    Kind(
        "health",
        (
            Part("value", OF_SERIES), Part("maximum", OF_SERIES),
            Part("samples", "{items}", additive=True, judged=False),
            Part("uncertain", "{items}", additive=True), Part("zone"), Part("zone_change"), Part("limit", OF_SERIES),
            Part("slope_per_d", "/d"), Part("slope_low", "/d"), Part("slope_high", "/d"),
            Part("days_to_limit", "d"), Part("days_low", "d"), Part("days_high", "d"),
            Part("means", "{items}", judged=False), Part("baseline", OF_SERIES), Part("alarm"), Part("novelty"),
            Part("over_baseline"),
        ),
        about=("zones", "speed"),
    ),
    Kind(
        "running",
        (
            *seconds("running_s", "known_s"), Part("starts", "{items}", additive=True),
            Part("cycles", "{items}", additive=True), Part("failures", "{items}", additive=True),
            Part("total_h", "h"), Part("total_cycles", "{items}"),
        ),
    ),
    Kind(
        "maintenance",
        (
            Part("due"), Part("age_d", "d"), Part("age_h", "h"), Part("age_cycles", "{items}"),
            Part("inspection_due"), Part("inspection_in_d", "d"), Part("failures", "{items}"), Part("mtbf_h", "h"),
            Part("mtbf_low_h", "h"), Part("mtbf_high_h", "h"), Part("age_share"), Part("beta"), Part("eta_h", "h"),
            Part("b10_h", "h"),
        ),
        about=("mode", "triggers"),
    ),
)  # fmt: skip

"""Journeys of trucks and shippers (operators/journey_machine.py, operators/shock_machine.py)."""

from __future__ import annotations

from andon.figures.base import Kind, Part, seconds

JOURNEY = (
    Kind(
        "journey",
        (
            Part("distance_km", "km", additive=True), Part("blind_km", "km", additive=True),
            *seconds("duration_s", "standing_s", "unplanned_s", "gap_s", "outside_s"),
            Part("stops", "{items}", additive=True), Part("unplanned", "{items}", additive=True),
            Part("reached", "{items}", additive=True), Part("missed", "{items}", additive=True),
            Part("left", "{items}"), Part("arrived"), Part("on_time"), Part("late_s", "s"), Part("early_s", "s"),
            Part("remaining_km", "km"), Part("speed_km_h", "km/h"), Part("speed_max_km_h", "km/h"),
            Part("next_s", "s"), Part("expected_late_s", "s"), Part("eta_s", "s"), Part("eta_low_s", "s"),
            Part("eta_high_s", "s"), Part("shocks", "{items}", additive=True), Part("shock_peak_g", "[g]"),
            Part("positions", "{items}", additive=True, judged=False),
            *(Part(name, "{items}", additive=True) for name in ("left_out", "uncertain")),
        ),
        ("journey", "plan", "next", "ended", "unknown"),
    ),
    Kind(
        "journey_stop",
        (
            *seconds("length_s", "gap_s"), Part("planned"), Part("on_time"), Part("late_s", "s"),
            Part("early_s", "s"), Part("latitude", "deg", judged=False), Part("longitude", "deg", judged=False),
        ),
        ("place", "journey", "plan"),
    ),
    Kind(
        "shock",
        (Part("peak_g", "[g]"), Part("duration_ms", "ms"), Part("change_m_s", "m/s"), Part("positive")),
    ),
)  # fmt: skip

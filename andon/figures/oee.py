"""Overall equipment effectiveness (operators/oee_machine.py) and single stops (operators/stops_machine.py)."""

from __future__ import annotations

from andon.figures.base import Kind, Part, seconds

RATIOS = ("availability", "performance", "quality", "oee", "teep", "coverage")
OEE = (
    Kind(
        "oee",
        (
            *(Part(name, at_read=True) for name in RATIOS),
            *seconds("calendar_s", "pbt_s", "apt_s", "internal_stop_s", "external_stop_s", "down_s", "idle_s"),
            *seconds("transition_s", "planned_down_s", "unknown_s"),
            Part("pq", "{items}", additive=True), Part("gq", "{items}", additive=True),
            *seconds("pri_pq_s", "pri_gq_s"),
            *seconds("setup_s", "starved_s", "blocked_s", "break_s", "no_shift_s", "uncertain_s"),
            *seconds("breakdown_s", "micro_stop_s", "speed_loss_s", "defect_loss_s", "startup_loss_s", "lost_s"),
            *seconds("aoet_s", "adet_s", "adot_s"),
            *(Part(name, "1", additive=True) for name in ("micro_stops", "failures", "repairs")),
            *(Part(name, "{items}", additive=True) for name in ("sq", "rq", "stop_pq")),
        ),
        about=("product", "order", "shift", "day", "cause", "rule", "bottleneck", "stopped_by"),
    ),
    Kind(
        "oee_stop",
        (*seconds("length_s"), Part("own")),
        about=("reason", "category", "product", "order", "shift", "day"),
    ),
)  # fmt: skip

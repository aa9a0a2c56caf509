"""Calibration of instruments (operators/calibration_machine.py)."""

from __future__ import annotations

from andon.figures.base import Kind, Part

CALIBRATION = (
    Kind(
        "calibration",
        (
            Part("valid"), Part("days_left", "d"), Part("uncertainty"), Part("error"), Part("permitted"),
            Part("failed", "{items}", additive=True),
        ),
        ("certificate", "state", "due"),
    ),
)  # fmt: skip

"""The instrument behind an alarm: the calibration in force at its decision, and what its uncertainty leaves open."""

from __future__ import annotations

from typing import Any

from andon.plant import PlantModel
from andon.records import AlarmRecord
from operators.calibration import Calibration, Outcome, false_accept, in_force, outcome, state_at
from service.calibrations import Calibrations
from sinks.history_reader import HistoryReader

LIMITS = ("above", "below", "outside")  # conditions that compare readings with a limit in the unit of the series
IN_BAND = (Outcome.PASSED_IN_BAND, Outcome.FAILED_IN_BAND)


def calibration_json(history: HistoryReader, plant: PlantModel, alarm: AlarmRecord) -> dict[str, Any] | None:
    """None where the series is not calibrated; all but `state` null where it never was by then.

    outcome: of the peak against the limit, by ILAC-G8 with w = U; in_guard_band: whether it is nearer than U;
    beyond: probability that the true value was beyond the limit. Null without U, and for other conditions.
    """
    mine = Calibrations(plant, history).of(alarm.asset).get(alarm.tag)
    if mine is None:
        return None
    one = in_force(mine, alarm.confirmed_ns)
    names = {} if one is None else {
        "certificate": one.certificate, "at_ns": one.at_ns, "due_ns": one.due_ns, "uncertainty": one.expanded,
        "k": one.k, "permitted": one.mpe,
    }  # fmt: skip
    found = dict.fromkeys(("certificate", "at_ns", "due_ns", "uncertainty", "k", "permitted"), None) | names
    return {"state": str(state_at(mine, alarm.confirmed_ns)), **found, **_decided(alarm, one)}


def _decided(alarm: AlarmRecord, one: Calibration | None) -> dict[str, Any]:
    if one is None or one.expanded is None or one.standard is None or alarm.condition not in LIMITS:
        return {"outcome": None, "in_guard_band": None, "beyond": None}
    if alarm.limit is None or alarm.peak is None:
        return {"outcome": None, "in_guard_band": None, "beyond": None}
    low, high = _specified(alarm, alarm.limit, alarm.peak)
    judged = outcome(alarm.peak, low, high, one.expanded)
    return {
        "outcome": None if judged is None else str(judged), "in_guard_band": judged in IN_BAND,
        "beyond": false_accept(alarm.peak, high, one.standard, low),
    }  # fmt: skip


def decision_json(alarm: AlarmRecord) -> dict[str, Any] | None:
    """How a rule with a guard band decided: the limit that is specified, w, where it was judged, and the outcome.

    outcome: of the peak, by ILAC-G8 with the rule's w. None for a rule without guard band.
    """
    width = alarm.evidence.get("guard_band")
    if not isinstance(width, int | float) or alarm.limit is None:
        return None
    low, high = (None, None) if alarm.peak is None else _specified(alarm, alarm.limit, alarm.peak)
    judged = None if alarm.peak is None else outcome(alarm.peak, low, high, width)
    return {
        "specified": alarm.evidence.get("specified"), "guard_band": width, "judged_at": alarm.limit,
        "outcome": None if judged is None else str(judged),
    }  # fmt: skip


def _specified(alarm: AlarmRecord, limit: float, peak: float) -> tuple[float | None, float | None]:
    """Low and high of the side that was crossed, without the rule's guard band."""
    told = alarm.evidence.get("specified")
    specified = float(told) if isinstance(told, int | float) else limit
    upper = alarm.condition == "above" or (alarm.condition != "below" and peak > limit)
    return (None, specified) if upper else (specified, None)

"""Vectors of alarms: conditions as the flow decides them, the lifecycle's table, figures of the alarm system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alarms.conditions import ConditionEngine
from alarms.kpis import chatters, floods, rates
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.plant import SeriesSpec
from andon.readings import NS_PER_S, Readings
from service.qualify import alarm_words
from service.qualify.binding import Binding, Given, defined


def decided(times_s: Sequence[float], values: Sequence[float], rows: int, **rule: Any) -> list[ConditionChange]:
    """What a rule decides on a good series of numbers, in batches of so many rows. Times in s, whole ns."""
    engine = ConditionEngine(lambda _: [Rule(id="vector", on="*", **rule)])
    engine.bind(0, SeriesSpec("asset", "tag", "number", "1", -1e12, 1e12, 1e6, (), None, "", True))
    time_ns = np.array([round(at * NS_PER_S) for at in times_s], np.int64)
    given, changes = np.array(values, np.float64), []
    for begin in range(0, len(given), rows):
        part = slice(begin, begin + rows)
        n = len(given[part])
        batch = Readings(
            time_ns[part], np.zeros(n, np.int32), given[part], np.zeros(n, np.uint8),
            np.arange(len(given), dtype=np.int64)[part], time_ns[part],
        )  # fmt: skip
        changes += engine.step(batch, np.full(n, np.nan))
    return changes


def _alarm_delay(given: Given, rows: int) -> Any:
    times_s = [place * given["dt"] for place in range(len(given["x"]))]
    limits = {
        "above": given.get("hi"), "deadband": given.get("deadband", 0.0), "delay_s": given.get("on", 0.0),
        "off_delay_s": given.get("off", 0.0),
    }  # fmt: skip
    if "lo" in given:
        limits["below"] = given["lo"]
    changes = decided(times_s, given["x"], rows, **limits)
    raised = next((one for one in changes if one.kind == "raised"), None)
    cleared = next((one for one in changes if one.cleared_ns is not None), None)
    return {
        "on_at": None if raised is None else raised.confirmed_ns / NS_PER_S,
        "off_at": None if cleared is None or cleared.cleared_ns is None else cleared.cleared_ns / NS_PER_S,
    }  # fmt: skip


def _alarm_sm(given: Given) -> Any:
    """Where each step leads, in the words that the vector itself has for that state; None where it is refused."""
    return alarm_words.answers(given["steps"])


def _flood(given: Given) -> Any:
    return floods(given["t_s"])


def _chatter(given: Given) -> Any:
    return chatters(given["t_s"])


def _rates(given: Given) -> Any:
    found = defined(rates, given["n"], given["days"], given.get("operators", 1))
    return found or dict.fromkeys(("per_day", "per_hour", "per_10min"))


BINDINGS: Mapping[str, Binding] = {
    "alarm_delay": Binding("alarms.conditions.ConditionEngine.step", batches=_alarm_delay),
    "alarm_sm": Binding("andon.lifecycle.step", call=_alarm_sm),
    "flood": Binding("alarms.kpis.floods", call=_flood),
    "chatter": Binding("alarms.kpis.chatters", call=_chatter),
    "rates": Binding("alarms.kpis.rates", call=_rates),
}

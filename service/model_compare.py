"""Two models side by side on one series: what both tell, what only one tells, and how that stands to what people say.

Alarms come from the history (told, or counted in shadow), verdicts from the records: the last word of a person or of
the ERP on an alarm of the series. What nobody has judged is counted as that and neither as right nor as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from andon.models import ModelAlarm
from andon.readings import NS_PER_S
from andon.records import Records
from andon.records.model_rows import JudgedAlarm
from sinks.history_reader import HistoryReader

TOLERANCE_NS: Final = 600 * NS_PER_S  # two models that tell the same thing rarely tell it in the same second
DAY_NS: Final = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Tally:
    """What one model did. recall: of the `true_ones` that people confirmed, None where there is none.

    false_alarms: its alarms that were judged false; false_per_day: of them, each day that the history holds of the
    series. delay_s: median from the begin of a true one to the model's alarm. not_judged: alarms of which nobody
    said anything.
    """

    model: str
    alarms: int
    true_ones: int
    found: int
    recall: float | None
    false_alarms: int
    false_per_day: float | None
    known: int
    not_judged: int
    delay_s: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Champion and challenger on a series in [from_ns, until_ns), event time; challenger None where there is none."""

    asset: str
    tag: str
    from_ns: int
    until_ns: int
    asset_days: float
    champion: Tally
    challenger: Tally | None
    both: int
    only_champion: int
    only_challenger: int


def compare(
    records: Records, history: HistoryReader, series: tuple[str, str], span_ns: tuple[int, int], champion: str,
    challenger: str | None,
) -> Comparison:  # fmt: skip
    """Both models on a series. span_ns: [from, until), event time."""
    alarms = history.model_alarms(span_ns[0] - 1, span_ns[1] - 1, *series)
    judged = records.judged_alarms(*series, *span_ns)
    days = days_held(history, series, span_ns)
    mine, other = ([one for one in alarms if one.model == name] for name in (champion, challenger))
    both = matched([one.time_ns for one in mine], [one.time_ns for one in other])
    return Comparison(
        *series, *span_ns, days, tally(champion, mine, judged, days),
        None if challenger is None else tally(challenger, other, judged, days), both, len(mine) - both,
        len(other) - both,
    )  # fmt: skip


def tally(model: str, alarms: Sequence[ModelAlarm], judged: Sequence[JudgedAlarm], days: float) -> Tally:
    """Alarms of one model against what was said. An alarm belongs to what was judged nearest before or around it."""
    said: dict[str, list[int]] = {"true": [], "false": [], "known": [], "": []}
    first: dict[str, int] = {}
    for alarm in sorted(alarms, key=lambda one: one.time_ns):
        about = _about(alarm.time_ns, judged)
        said["" if about is None else about.verdict].append(alarm.time_ns)
        if about is not None and about.verdict == "true":
            first.setdefault(about.key, alarm.time_ns - about.start_ns)
    true_ones = sum(one.verdict == "true" for one in judged)
    return Tally(
        model, len(alarms), true_ones, len(first), len(first) / true_ones if true_ones else None,
        len(said["false"]), len(said["false"]) / days if days else None, len(said["known"]), len(said[""]),
        median(first.values()) / NS_PER_S if first else None,
    )  # fmt: skip


def _about(time_ns: int, judged: Sequence[JudgedAlarm]) -> JudgedAlarm | None:
    """The judged alarm whose time, widened by the tolerance, holds the moment; of several the one that began last."""
    near = [
        one for one in judged if one.start_ns - TOLERANCE_NS <= time_ns <= max(one.start_ns, one.end_ns) + TOLERANCE_NS
    ]
    return max(near, key=lambda one: one.start_ns, default=None)


def matched(left: Sequence[int], right: Sequence[int], tolerance_ns: int = TOLERANCE_NS) -> int:
    """How many of both lists, ascending, tell the same: pairs at most so far apart, each used once.

    >>> matched([0, 100, 200], [90, 110, 500], tolerance_ns=20)
    1
    """
    i = j = pairs = 0
    while i < len(left) and j < len(right):
        if abs(left[i] - right[j]) <= tolerance_ns:
            i, j, pairs = i + 1, j + 1, pairs + 1
        elif left[i] < right[j]:
            i += 1
        else:
            j += 1
    return pairs


def days_held(history: HistoryReader, series: tuple[str, str], span_ns: tuple[int, int]) -> float:
    """Days of the series that the history holds: its smallest windows with a row in them."""
    sizes = history.sizes(*series)
    if not sizes:
        return 0.0
    held = history.windows(*series, sizes[0], *span_ns, limit=2**31)
    return sum(count > 0 for count in held.count) * sizes[0] / DAY_NS

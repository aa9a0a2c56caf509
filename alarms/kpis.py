"""How well an alarm system serves its operators: rates, floods, chatter, stale alarms, the worst sources, priorities.

Pure functions over announcements. Guide values after EEMUA 191 and ISA-18.2: 1 announcement in 10 min per operator is
acceptable, 2 are manageable; a flood begins with 10 in 10 min and ends below 5, less than 1 % of the time; priorities
about 80 % low, 15 % medium, 5 % high; the ten worst sources 1-5 % of all; fewer than 5 stale alarms; no chatter.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SPAN_S = 600.0
FLOOD_BEGINS, FLOOD_ENDS = 10, 5
CHATTER, CHATTER_S = 3, 60.0
STALE_S = 24 * 3600.0
DAY_S = 24 * 3600.0
TOP = 10
PRIORITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True, slots=True)
class Announcement:
    """An alarm that came up. at_s: when, s since any origin; source: what it came from; quiet: nobody was told."""

    at_s: float
    source: str
    priority: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """One source: how often it came up, its share of all (0-1), whether it chattered."""

    source: str
    count: int
    share: float
    chatters: bool


@dataclass(frozen=True, slots=True)
class AlarmFigures:
    """The figures of a span of time. Shares are 0-1; rates are announcements per operator.

    slots   : whole 10-min spans by what an operator heard in them: acceptable (<= 1), manageable (<= 2), beyond.
    floods  : (from, to) in the announcements' seconds; a flood that goes on ends with the span.
    raised  : what came up, told or quiet; announced: what people were told of.
    """

    raised: int
    announced: int
    rates: dict[str, float]
    most_in_10min: int
    slots: dict[str, int]
    floods: list[tuple[float, float]]
    flood_share: float
    priorities: dict[str, float]
    top: list[SourceFigures] = field(default_factory=list)
    top_share: float = 0.0
    chattering: list[str] = field(default_factory=list)


def rates(count: float, days: float, operators: int = 1) -> dict[str, float]:
    """Announcements per operator and day, hour and 10 min; `days` > 0.

    >>> rates(1008, 7)
    {'per_day': 144.0, 'per_hour': 6.0, 'per_10min': 1.0}
    """
    per_day = count / days / operators
    return {"per_day": per_day, "per_hour": per_day / 24, "per_10min": per_day / 144}


def floods(at_s: Iterable[float], until_s: float | None = None) -> list[tuple[float, float]]:
    """Spans of flood in rising times: from the 10th announcement within 10 min until fewer than 5 are in 10 min.

    An announcement counts for 10 min after it, that moment not included. A flood is cut at `until_s`, where given.
    """
    recent: deque[float] = deque()
    found: list[tuple[float, float]] = []
    begun: float | None = None

    def leave(now_s: float) -> None:
        nonlocal begun
        while recent and recent[0] + SPAN_S <= now_s:
            gone_s = recent.popleft() + SPAN_S
            if begun is not None and len(recent) < FLOOD_ENDS:
                found.append((begun, gone_s))
                begun = None

    for now_s in at_s:
        leave(now_s)
        recent.append(now_s)
        if begun is None and len(recent) >= FLOOD_BEGINS:
            begun = now_s
    leave(float("inf"))
    if until_s is None:
        return found
    return [(start, min(end, until_s)) for start, end in found if start < until_s]


def chatters(at_s: Sequence[float]) -> bool:
    """Whether one source came up 3 times or more within 60 s; rising times.

    >>> chatters([0, 10, 70, 75, 80, 200]), chatters([0, 31, 62])
    (True, False)
    """
    return any(last - first <= CHATTER_S for first, last in zip(at_s, at_s[CHATTER - 1 :], strict=False))


def most_within(at_s: Sequence[float], span_s: float = SPAN_S) -> int:
    """The most announcements in any `span_s` seconds; rising times."""
    most = first = 0
    for number, now_s in enumerate(at_s):
        while at_s[first] + span_s <= now_s:
            first += 1
        most = max(most, number - first + 1)
    return most


def slots(at_s: Iterable[float], since_s: float, until_s: float, operators: int = 1) -> dict[str, int]:
    """Whole 10-min spans from `since_s` on, by what each operator heard in them."""
    count = int((until_s - since_s) // SPAN_S)
    heard = Counter(int((now_s - since_s) // SPAN_S) for now_s in at_s)
    found = {"acceptable": 0, "manageable": 0, "beyond": 0}
    for number in range(count):
        load = heard.get(number, 0) / operators
        found["acceptable" if load <= 1 else "manageable" if load <= 2 else "beyond"] += 1
    return found


def priority_mix(priorities: Iterable[str]) -> dict[str, float]:
    """Share of each priority, 0-1; all 0 where there is nothing."""
    counts = Counter(priorities)
    total = sum(counts[name] for name in PRIORITIES) or 1
    return {name: counts[name] / total for name in PRIORITIES}


def stale(active_since_s: Iterable[float], now_s: float) -> int:
    """How many alarms have stood for more than 24 h."""
    return sum(now_s - since_s > STALE_S for since_s in active_since_s)


def figures(announcements: Sequence[Announcement], since_s: float, until_s: float, operators: int = 1) -> AlarmFigures:
    """The figures of [since_s, until_s) for so many operators, who share the announcements evenly.

    Chatter and the worst sources look at everything that came up, rates and floods at what people were told of.
    Raises ValueError for an empty span or less than one operator.
    """
    if not since_s < until_s or operators < 1:
        raise ValueError(f"figures: span [{since_s}, {until_s}) s and {operators} operators; need since < until, >= 1")
    inside = sorted((one for one in announcements if since_s <= one.at_s < until_s), key=lambda one: one.at_s)
    told = [one.at_s for one in inside if not one.quiet]
    by_source: dict[str, list[float]] = {}
    for one in inside:
        by_source.setdefault(one.source, []).append(one.at_s)
    ranked = sorted(by_source.items(), key=lambda item: (-len(item[1]), item[0]))
    top = [
        SourceFigures(source, len(times), len(times) / len(inside), chatters(times)) for source, times in ranked[:TOP]
    ]
    spans = floods(told, until_s)
    return AlarmFigures(
        raised=len(inside), announced=len(told), rates=rates(len(told), (until_s - since_s) / DAY_S, operators),
        most_in_10min=most_within(told), slots=slots(told, since_s, until_s, operators), floods=spans,
        flood_share=sum(end - start for start, end in spans) / (until_s - since_s),
        priorities=priority_mix(one.priority for one in inside if not one.quiet),
        top=top, top_share=sum(one.share for one in top),
        chattering=[source for source, times in ranked if chatters(times)],
    )  # fmt: skip

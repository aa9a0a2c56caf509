"""How alike two anomalies are: the component that said most, how far and which way, how long, and what was made.

An episode is what the evidence of an anomaly alarm tells (`andon.conditions.REASON` and its context). The distance
between two of them is a weighted sum of four parts, each 0 (the same) to 1; a part that only one of them knows counts
1. It is a metric: 0 for the same, symmetric, at most 1, and never longer by one way than round by another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from andon.readings import NS_PER_S

Relation = Literal["series", "rule", "sister"]
MOST: Final = 3
NEAR: Final = 0.3  # what is further is not similar: another component, or the other way, is 0.35 by itself
WORDS: Final = ((0.1, "alike"), (0.2, "near"), (NEAR, "loosely"))
COMPONENT, DEVIATION, RUN, CONTEXT = 0.35, 0.35, 0.15, 0.15
DOUBLINGS: Final = 3.0  # of the deviation that count as another deviation altogether
RUN_DOUBLINGS: Final = 6.0
MADE: Final = ("product", "mode", "state")


@dataclass(frozen=True, slots=True)
class Episode:
    """What is compared.

    component : the detector's component that said most, a code.
    deviation : (value - expected) / spread, how many usual distances from normal, with its direction; None: not known.
    run_s     : from the first unusual row to the alarm's confirmation, s; None: not known.
    made      : product, mode and state then, "" where not known.
    """

    component: str
    deviation: float | None
    run_s: float | None
    made: tuple[str, ...] = ("", "", "")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier alarm. relation: of the same series, else of the same rule, else of the same tag on a sister asset."""

    key: str
    start_ns: int
    relation: Relation
    episode: Episode


def episode_of(evidence: Mapping[str, Any], confirmed_ns: int) -> Episode | None:
    """The episode that an alarm's evidence tells; None where it names no component.

    >>> told = {"component": "step", "value": 3.0, "expected": 2.0, "spread": 0.25, "since_ns": "5000000000"}
    >>> episode_of({**told, "context": {"product": "VIAL-10"}}, 65_000_000_000)
    Episode(component='step', deviation=4.0, run_s=60.0, made=('VIAL-10', '', ''))
    """
    component, context = evidence.get("component"), evidence.get("context")
    if not isinstance(component, str) or not component:
        return None
    since_ns = stamp(evidence.get("since_ns"))
    made = context if isinstance(context, Mapping) else {}
    return Episode(
        component, deviation_of(evidence), None if since_ns is None else max(0, confirmed_ns - since_ns) / NS_PER_S,
        tuple(str(made.get(name, "")) for name in MADE),
    )  # fmt: skip


def deviation_of(evidence: Mapping[str, Any]) -> float | None:
    """(value - expected) / spread; None where one of them is not known, or the spread is 0."""
    value, expected, spread = (_number(evidence.get(name)) for name in ("value", "expected", "spread"))
    if value is None or expected is None or spread is None or spread <= 0.0:
        return None
    deviation = (value - expected) / spread
    return deviation if math.isfinite(deviation) else None


def distance(one: Episode, other: Episode) -> float:
    """0 (the same) to 1.

    >>> usual = Episode("step", 8.0, 60.0)
    >>> [round(distance(usual, Episode("step", *told)), 2) for told in ((8.0, 60.0), (16.0, 60.0), (-8.0, 60.0))]
    [0.0, 0.11, 0.35]
    """
    differing = sum(mine != its for mine, its in zip(one.made, other.made, strict=True)) / len(MADE)
    apart = COMPONENT * (one.component != other.component) + CONTEXT * differing
    apart += DEVIATION * _apart(one.deviation, other.deviation, DOUBLINGS)
    return min(1.0, apart + RUN * _apart(one.run_s, other.run_s, RUN_DOUBLINGS))


def nearness(apart: float) -> str:
    """A distance of at most `NEAR` as the code of a word: alike (to 0.1), near (to 0.2), loosely."""
    return next(word for most, word in WORDS if apart <= most)


def nearest(one: Episode, candidates: Iterable[Candidate], most: int = MOST) -> list[tuple[Candidate, float]]:
    """Up to `most` that are near, with their distance: those of the same series or rule first, then of sister assets.

    Of each the nearest first, of equals the newest; the order in which they are given does not matter.
    """
    told = ((each, distance(one, each.episode)) for each in candidates)
    near = [(each, apart) for each, apart in told if apart <= NEAR]
    return sorted(near, key=_order)[:most]


def best(told: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of the similar alarms that evidence tells the one to name where there is room for one: the first judged one."""
    return next((one for one in told if one.get("label")), told[0] if told else None)


def told_similar(evidence: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The similar alarms that an alarm's evidence tells, the nearest first."""
    told = evidence.get("similar")
    return [one for one in told if isinstance(one, Mapping)] if isinstance(told, list) else []


def stamp(value: object) -> int | None:
    """A time in ns as evidence tells it: a number, or its digits as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def _order(told: tuple[Candidate, float]) -> tuple[bool, float, int, str]:
    each, apart = told
    return each.relation == "sister", apart, -each.start_ns, each.key


def _apart(one: float | None, other: float | None, doublings: float) -> float:
    """How far two quantities are apart in doublings (of 1 + size, with its sign), as a share of so many, at most 1."""
    if one is None or other is None:
        return float(one is not other)
    return min(1.0, abs(_doubled(one) - _doubled(other)) / doublings)


def _doubled(value: float) -> float:
    return math.copysign(math.log1p(abs(value)) / math.log(2.0), value)


def _number(value: object) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None

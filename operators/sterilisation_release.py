"""What is known of a sterilised load after its cycle: biological indicators, who let it go, and on what proof. Pure.

A load is proved where its cycle passed and the indicators that its program asks for are read: as many exposed ones
without growth as it wants, and a control that grew. Growth of one exposed indicator fails it. Whatever is missing
leaves it undecided, which blocks release as a failure does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from andon.readings import NS_PER_S
from operators.event_data import LONGEST, text_of
from operators.sterilisation import Parts

MOST_INDICATORS = 512  # of a load, twice as many as a program may want; beyond them no further one is told apart
GREW = {"positive": True, "growth": True, "true": True, "negative": False, "no_growth": False, "false": False}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a program asks for beside its cycle. exposed: indicators without growth; control: one that grew."""

    exposed: int = 0
    control: bool = False


@dataclass(slots=True)
class Load:
    """A load and what was told of it.

    begin_ns, end_ns: of its cycle; end_ns None: none was seen. verdict, failed, undecided: as the cycle has them.
    results: by indicator (is a control, grew; None: told, and not to be read). released: None while nobody decided.
    was_failed, was_unproven: as the cycle's verdict or an earlier figure of the load said.
    """

    begin_ns: int
    end_ns: int | None
    verdict: float | None
    failed: str
    undecided: str
    wanted: Wanted
    texts: dict[str, str]
    results: dict[str, tuple[bool, bool | None]] = field(default_factory=dict)
    released: bool | None = None
    by: str = ""
    was_failed: bool = False
    was_unproven: bool = False

    def hear_result(self, data: Mapping[str, Any]) -> None:
        """A `bi.result`. The newest of an indicator stands; one without a name is a further indicator."""
        said = data.get("indicator")
        name = f"#{len(self.results)}" if said in (None, "") else str(said)[:LONGEST]
        if name in self.results or len(self.results) < MOST_INDICATORS:
            self.results[name] = str(data.get("kind", "exposed")).lower() == "control", grew(data.get("result"))

    def hear_decision(self, data: Mapping[str, Any], *, released: bool) -> None:
        """A `load.released` or `load.rejected`; `decision` in the data goes before it, another word says nothing."""
        said = str(data.get("decision") or "").lower()
        if said not in {"", "released", "rejected"}:
            return
        self.released = said == "released" if said else released
        self.by = text_of(data, "by")


def grew(result: Any) -> bool | None:
    """Whether an indicator grew; None where that cannot be read.

    >>> grew("Positive"), grew(False), grew("lost")
    (True, False, None)
    """
    return GREW.get(str(result).lower())


def indicators(load: Load) -> tuple[float | None, list[str]]:
    """(verdict of the indicators, what of them is not known). None and nothing: none is asked for and none was told."""
    exposed = [one for is_control, one in load.results.values() if not is_control]
    controls = [one for is_control, one in load.results.values() if is_control]
    if True in exposed:
        return 0.0, []
    if load.end_ns is None:
        return None, []  # what its program asks for is not known
    wanted = load.wanted
    open_ = ["bi"] if exposed.count(False) < wanted.exposed or None in exposed else []
    needed = wanted.control and wanted.exposed > 0
    if (needed and True not in controls) or False in controls:  # a control that does not grow: nothing would have
        open_.append("bi_control")
    if open_:
        return None, open_
    return (1.0, []) if exposed or wanted.exposed else (None, [])


def standing(load: Load, at_ns: int) -> tuple[Parts, dict[str, str]]:
    """(parts, about) of a load as it is known at an instant."""
    shown, missing = indicators(load)
    failed = [load.failed] * bool(load.failed) + ["bi"] * (shown == 0.0)
    open_ = [load.undecided] * bool(load.undecided) + missing
    verdict = 0.0 if 0.0 in (load.verdict, shown) else None if load.verdict is None or missing else 1.0
    exposed = [one for is_control, one in load.results.values() if not is_control]
    parts: Parts = {
        "verdict": verdict, "cycle_verdict": load.verdict, "bi_verdict": shown,
        "bi_read": float(len(exposed) - exposed.count(None)), "bi_positive": float(exposed.count(True)),
        "bi_missing": float(max(0, load.wanted.exposed - exposed.count(False) - exposed.count(True))),
        "bi_controls": float(sum(one is True for is_control, one in load.results.values() if is_control)),
        "released": None if load.released is None else float(load.released),
        "unproven": None if load.released is None else float(load.released and verdict != 1.0),
        "failed_now": float(verdict == 0.0 and not load.was_failed),
        "waited_s": None if load.end_ns is None else (at_ns - load.end_ns) / NS_PER_S,
    }  # fmt: skip
    parts["unproven_now"] = float(parts["unproven"] == 1.0 and not load.was_unproven)
    about = load.texts | {"failed": " ".join(failed)[:64], "undecided": " ".join(open_)[:64], "by": load.by}
    return parts, {name: text for name, text in about.items() if text}

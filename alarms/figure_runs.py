"""Windows beyond the limit of a rule on figures, one after the other, and what is told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from alarms.rules import Kind, guard_evidence, limit_of, unit_of, value_bounds
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.outputs import Figure
from andon.readings import NS_PER_S

NAMED = ("channel_", "contribution_", "statistic")  # what the evidence has of a figure of a group
UNDECIDED = "undecided"  # the condition of a figure that could not be decided


class Run(NamedTuple):
    """Windows beyond the limit, one after the other. start_ns None: there is none."""

    start_ns: int | None = None
    end_ns: int = 0  # of the last window beyond
    out_ns: int = 0
    peak: float | None = 0.0  # None: in none of them the figure could be decided
    upper: bool = False
    inside_ns: int | None = None  # where the clearing stretch began
    confirmed_ns: int | None = None  # None: not confirmed


class Judged(NamedTuple):
    """State of one (rule, figure): the newest window, the run before and after it, spans of ended conditions.

    rule: the one that it is judged by; while a condition is open that is the one it was confirmed by.
    """

    rule: Rule
    newest_ns: int
    before: Run
    after: Run
    told: tuple[tuple[int, int], ...] = ()


class Teller(NamedTuple):
    """Makes the changes of one rule and figure."""

    rule: Rule
    version: str
    figure: Figure
    offset: int
    value: float | None  # what is judged of the figure

    def raised(self, run: Run) -> ConditionChange:
        """The condition of a confirmed run."""
        rule, figure, decided = self.rule, self.figure, run.peak is not None or not self.rule.undecided
        evidence = {"figure": rule.figure, "value": run.peak, **guard_evidence(rule, upper=run.upper), **_named(figure)}
        return ConditionChange(
            kind="raised", asset=figure.asset, tag=figure.tag, rule_id=rule.id, rule_version=self.version,
            raises=rule.raises, priority=rule.priority, condition="figure" if decided else UNDECIDED,
            limit=limit_of(rule, upper=run.upper) if decided else None,
            unit=unit_of(Kind.FIGURE, ""), start_ns=run.start_ns or 0, confirmed_ns=run.confirmed_ns or 0,
            cleared_ns=None, peak=run.peak, out_s=run.out_ns / NS_PER_S, offset=self.offset, latching=rule.latching,
            evidence=evidence if decided else {"figure": rule.figure},
        )  # fmt: skip

    def cleared(self, run: Run, cleared_ns: int) -> ConditionChange:
        """The end of a run."""
        told = self.raised(run)
        kept = {name: one for name, one in told.evidence.items() if not name.startswith(NAMED)}  # of the raising only
        return replace(told, kind="cleared", cleared_ns=cleared_ns, evidence=kept)

    def step(self, before: Run, after: Run, at_ns: int | None) -> list[ConditionChange]:
        """What a new window made of a run; none both ends one and begins one."""
        if at_ns is not None:
            return [self.cleared(before, at_ns)]
        return self.opened(before, after)

    def opened(self, before: Run, after: Run) -> list[ConditionChange]:
        """What is now open: confirmed, or with another reason than was told: it could be decided, or no longer."""
        if after.confirmed_ns is None:
            return []
        if before.confirmed_ns is None:
            return [self.raised(after)]
        same = (before.peak is None) == (after.peak is None)
        return [] if same else [replace(self.raised(after), kind="revised")]


def _named(figure: Figure) -> dict[str, object]:
    """Which channels a figure of a group says moved, the one that says most first, and each contribution."""
    if figure.kind != "group":
        return {}
    told: dict[str, object] = {**figure.about, **figure.parts}
    return {name: one for name, one in sorted(told.items()) if name.startswith(NAMED) and one is not None}


def next_run(rule: Rule, run: Run, figure: Figure, value: float | None) -> Run:
    """The run after one more window; value None: it could not be decided, which is beyond."""
    low, high = value_bounds(rule)
    start_ns, end_ns = figure.start_ns, figure.end_ns
    if value is None or value > high or value < low:
        if run.start_ns is None:
            run = Run(start_ns, peak=None)
        if value is not None and (
            run.peak is None or max(value - high, low - value) > max(run.peak - high, low - run.peak)
        ):
            run = run._replace(peak=value, upper=value > high if run.peak is None else run.upper)
        run = run._replace(end_ns=end_ns, out_ns=run.out_ns + end_ns - start_ns, inside_ns=None)
        long_enough = end_ns - (run.start_ns or 0) >= rule.delay_s * NS_PER_S
        return run._replace(confirmed_ns=end_ns) if run.confirmed_ns is None and long_enough else run
    if run.confirmed_ns is None:
        return Run()
    if rule.deadband and not low + rule.deadband < value < high - rule.deadband:
        return run._replace(inside_ns=None)
    inside_ns = start_ns if run.inside_ns is None else run.inside_ns
    return Run() if end_ns - inside_ns >= rule.off_delay_s * NS_PER_S else run._replace(inside_ns=inside_ns)


def ended_ns(rule: Rule, before: Run, after: Run, figure: Figure) -> int | None:
    """When the confirmed run before ended, None where it goes on."""
    if before.confirmed_ns is None or after.start_ns == before.start_ns:
        return None
    inside_ns = figure.start_ns if before.inside_ns is None else before.inside_ns
    return inside_ns + round(rule.off_delay_s * NS_PER_S)

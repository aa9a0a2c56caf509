"""Rules on figures: OEE, cold chain, and whatever else an operator gives out as `Figure` rows.

A figure stands for its whole window and is judged once, when the window is final. Windows beyond the limit, one after
the other, are one condition: it starts with the first and is confirmed at its end at the earliest. A window without
the figure changes nothing. docs/alarm-rules.md says what corrections of a figure do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from alarms.rules import Kind, kind_of, limit_of, rule_text, unit_of, value_bounds
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.outputs import Figure
from andon.plant import rule_version
from andon.readings import NS_PER_S

LAYOUT = 1
REMEMBERED = 100  # spans told of a (rule, figure), so that no window is told twice
Values = Mapping[str, float | None]
Point = tuple[str, str, str]  # rule id, asset, tag


class Run(NamedTuple):
    """Windows beyond the limit, one after the other. start_ns None: there is none."""

    start_ns: int | None = None
    end_ns: int = 0  # of the last window beyond
    out_ns: int = 0
    peak: float = 0.0
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


class FigureRules:
    """All rules on figures of one shard.

    rules     : those with `figure`; others are left out.
    values_of : what can be judged of a figure, by the name behind the point in `rule.figure`.
    """

    def __init__(self, rules: Sequence[Rule], values_of: Callable[[Figure], Values]) -> None:
        self._rules = {rule.id: rule for rule in rules if kind_of(rule) == Kind.FIGURE}
        self._values_of = values_of
        self._state: dict[Point, Judged] = {}

    def take(self, figures: Sequence[Figure], offset: int) -> list[ConditionChange]:
        """Judge the final figures of a tick, in the order in which they came."""
        changes: list[ConditionChange] = []
        if not self._rules and not self._state:
            return changes
        known: dict[tuple[str, str], list[str]] = {}
        for rule_id, asset, tag in self._state:
            known.setdefault((asset, tag), []).append(rule_id)
        for figure in figures:
            if not figure.final:
                continue
            path, values = f"{figure.asset}/{figure.tag}", self._values_of(figure)
            wanted = [rule.id for rule in self._rules.values() if fnmatchcase(path, rule.on)]
            for rule_id in dict.fromkeys([*wanted, *known.get((figure.asset, figure.tag), ())]):
                today = self._rules[rule_id] if rule_id in wanted else None
                changes += self._judge(rule_id, today, figure, values, offset)
        return changes

    def _judge(
        self, rule_id: str, today: Rule | None, figure: Figure, values: Values, offset: int
    ) -> list[ConditionChange]:
        """today: the rule as configured now, None where it is removed."""
        point = (rule_id, figure.asset, figure.tag)
        known = self._state.get(point)
        rule = today if known is None or known.after.confirmed_ns is None else known.rule
        if rule is None:
            self._state.pop(point, None)
            return []
        kind, _, name = (rule.figure or "").partition(".")
        value = values.get(name) if kind == figure.kind else None
        if value is None:
            return []
        known = Judged(rule, -1, Run(), Run()) if known is None else known._replace(rule=rule)
        tell = _Teller(rule, rule_version(rule), figure, offset)
        if figure.start_ns < known.newest_ns:
            self._state[point], changes = _older(rule, known, figure, value, tell)
        elif figure.start_ns == known.newest_ns:
            after = _next(rule, known.before, figure, value)
            self._state[point], changes = _again(rule, known, after, figure, tell)
        else:
            after = _next(rule, known.after, figure, value)
            ended = _ended(rule, known.after, after, figure)
            told = (*known.told, *([(known.after.start_ns or 0, known.after.end_ns)] if ended is not None else []))
            self._state[point] = Judged(rule, figure.start_ns, known.after, after, told[-REMEMBERED:])
            changes = tell.step(known.after, after, ended)
        return changes

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return (
            LAYOUT,
            tuple(
                (point, rule_text(one.rule), one.newest_ns, tuple(one.before), tuple(one.after), one.told)
                for point, one in sorted(self._state.items())
            ),
        )

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; ValueError for another layout.

        Of a rule that was changed or removed, an open condition goes on under the old one until it clears; what was not
        confirmed is forgotten.
        """
        layout, states = snapshot
        if layout != LAYOUT:
            raise ValueError(f"state of figure rules of layout {layout}; this version reads layout {LAYOUT}")
        for point, text, newest_ns, before, after, told in states:
            state = Judged(Rule.model_validate_json(text), newest_ns, Run(*before), Run(*after), told)
            if state.rule != self._rules.get(point[0]) and state.after.confirmed_ns is None:
                state = state._replace(before=Run(), after=Run())
            self._state[tuple(point)] = state


class _Teller(NamedTuple):
    """Makes the changes of one rule and figure."""

    rule: Rule
    version: str
    figure: Figure
    offset: int

    def raised(self, run: Run) -> ConditionChange:
        """The condition of a confirmed run."""
        rule, figure = self.rule, self.figure
        return ConditionChange(
            kind="raised", asset=figure.asset, tag=figure.tag, rule_id=rule.id, rule_version=self.version,
            raises=rule.raises, priority=rule.priority, condition="figure", limit=limit_of(rule, upper=run.upper),
            unit=unit_of(Kind.FIGURE, ""), start_ns=run.start_ns or 0, confirmed_ns=run.confirmed_ns or 0,
            cleared_ns=None, peak=run.peak, out_s=run.out_ns / NS_PER_S, offset=self.offset, latching=rule.latching,
            evidence={"figure": rule.figure, "value": run.peak},
        )  # fmt: skip

    def cleared(self, run: Run, cleared_ns: int) -> ConditionChange:
        """The end of a run."""
        return replace(self.raised(run), kind="cleared", cleared_ns=cleared_ns)

    def step(self, before: Run, after: Run, ended_ns: int | None) -> list[ConditionChange]:
        """What a new window made of a run; none both ends one and begins one."""
        if ended_ns is not None:
            return [self.cleared(before, ended_ns)]
        return [self.raised(after)] if after.confirmed_ns is not None and before.confirmed_ns is None else []


def _next(rule: Rule, run: Run, figure: Figure, value: float) -> Run:
    """The run after one more window."""
    low, high = value_bounds(rule)
    start_ns, end_ns = figure.start_ns, figure.end_ns
    if value > high or value < low:
        if run.start_ns is None:
            run = Run(start_ns, peak=value, upper=value > high)
        peak = value if max(value - high, low - value) > max(run.peak - high, low - run.peak) else run.peak
        run = run._replace(end_ns=end_ns, out_ns=run.out_ns + end_ns - start_ns, peak=peak, inside_ns=None)
        long_enough = end_ns - (run.start_ns or 0) >= rule.delay_s * NS_PER_S
        return run._replace(confirmed_ns=end_ns) if run.confirmed_ns is None and long_enough else run
    if run.confirmed_ns is None:
        return Run()
    if rule.deadband and not low + rule.deadband < value < high - rule.deadband:
        return run._replace(inside_ns=None)
    inside_ns = start_ns if run.inside_ns is None else run.inside_ns
    return Run() if end_ns - inside_ns >= rule.off_delay_s * NS_PER_S else run._replace(inside_ns=inside_ns)


def _ended(rule: Rule, before: Run, after: Run, figure: Figure) -> int | None:
    """When the confirmed run before ended, None where it goes on."""
    if before.confirmed_ns is None or after.start_ns == before.start_ns:
        return None
    inside_ns = figure.start_ns if before.inside_ns is None else before.inside_ns
    return inside_ns + round(rule.off_delay_s * NS_PER_S)


def _again(
    rule: Rule, known: Judged, after: Run, figure: Figure, tell: _Teller
) -> tuple[Judged, list[ConditionChange]]:
    """The newest window has another value now: tell what is different from what was told."""
    was, now, before = known.after.confirmed_ns is not None, after.confirmed_ns is not None, known.before
    state = known._replace(after=after)
    if was and not now:
        if before.confirmed_ns is None:
            return state, [replace(tell.cleared(known.after, figure.end_ns), kind="revised", voided=True)]
        state = state._replace(told=(*known.told, (before.start_ns or 0, before.end_ns))[-REMEMBERED:])
        return state, tell.step(before, after, _ended(rule, before, after, figure))
    if now and not was:  # what goes on again has not ended
        state = state._replace(told=tuple(span for span in known.told if span[0] != after.start_ns))
        return state, [tell.raised(after)]
    return state, []


def _older(
    rule: Rule, known: Judged, figure: Figure, value: float, tell: _Teller
) -> tuple[Judged, list[ConditionChange]]:
    """A window before the newest was corrected: a condition of its own, or the end of one that was told so."""
    span = (figure.start_ns, figure.end_ns)
    alone = _next(rule, Run(), figure, value)
    if span in known.told and alone.start_ns is None:
        told = tuple(one for one in known.told if one != span)
        gone = Run(figure.start_ns, figure.end_ns, 0, value, False, None, figure.end_ns)
        return known._replace(told=told), [
            replace(tell.cleared(gone, figure.end_ns), kind="revised", voided=True, found_late=True)
        ]
    runs = [one for one in (known.before, known.after) if one.start_ns is not None]
    spans = [*known.told, *((run.start_ns or 0, run.end_ns) for run in runs)]
    if alone.confirmed_ns is None or any(begin <= figure.start_ns < end for begin, end in spans):
        return known, []
    changes = [tell.raised(alone), tell.cleared(alone, figure.end_ns)]
    told = (*known.told, span)[-REMEMBERED:]
    return known._replace(told=told), [replace(change, found_late=True) for change in changes]

"""Rules on figures: OEE, cold chain, and whatever else an operator gives out as `Figure` rows.

A figure stands for its whole window and is judged once, when the window is final. Windows beyond the limit, one after
the other, are one condition: it starts with the first and is confirmed at its end at the earliest. A window without
the figure changes nothing, unless the rule takes what cannot be decided as beyond. docs/alarm-rules.md says what
corrections of a figure do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from alarms.figure_runs import Judged, Run, Teller, ended_ns, next_run
from alarms.rules import Kind, kind_of, rule_text
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.outputs import Figure
from andon.plant import rule_version

LAYOUT = 1
REMEMBERED = 100  # spans told of a (rule, figure), so that no window is told twice
Values = Mapping[str, float | None]
Point = tuple[str, str, str]  # rule id, asset, tag


class _Written(NamedTuple):
    """A rule with its version, and as snapshots have it."""

    rule: Rule
    version: str
    text: str


class FigureRules:
    """All rules on figures of one shard.

    rules     : those with `figure`; others are left out.
    values_of : what can be judged of a figure, by the name behind the point in `rule.figure`.
    """

    def __init__(self, rules: Sequence[Rule], values_of: Callable[[Figure], Values]) -> None:
        self._rules = {rule.id: rule for rule in rules if kind_of(rule) == Kind.FIGURE}
        self._values_of = values_of
        self._state: dict[Point, Judged] = {}
        self._written: dict[int, _Written] = {}  # by id of the rule, which it keeps alive
        self._wanted: dict[tuple[str, str], tuple[str, ...]] = {}  # ids of rules by asset and tag, once asked for
        self._others: dict[tuple[str, str], list[str]] = {}  # the same, of restored states that no rule asks for today

    def take(self, figures: Sequence[Figure], offset: int) -> list[ConditionChange]:
        """Judge the final figures of a tick, in the order in which they came."""
        changes: list[ConditionChange] = []
        if not self._rules and not self._state:
            return changes
        for figure in figures:
            if not figure.final:
                continue
            wanted, others = self._asking(figure.asset, figure.tag), self._others.get((figure.asset, figure.tag), ())
            values = self._values_of(figure) if wanted or others else {}
            for rule_id in wanted:
                changes += self._judge(rule_id, self._rules[rule_id], figure, values, offset)
            for rule_id in others:
                changes += self._judge(rule_id, None, figure, values, offset)
        return changes

    def _asking(self, asset: str, tag: str) -> tuple[str, ...]:
        """Ids of the rules that judge figures of an asset and tag."""
        wanted = self._wanted.get((asset, tag))
        if wanted is None:
            path = f"{asset}/{tag}"
            wanted = tuple(rule.id for rule in self._rules.values() if fnmatchcase(path, rule.on))
            self._wanted[asset, tag] = wanted
        return wanted

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
        if kind != figure.kind or name not in values:
            return []
        value, gone = values[name], "void" in figure.about  # gone: late data took the window away
        if (known is None) if gone else (value is None and not rule.undecided):
            return []
        known = Judged(rule, -1, Run(), Run()) if known is None else known._replace(rule=rule)
        tell = Teller(rule, self._of(rule).version, figure, offset, value)
        alone = Run() if gone else next_run(rule, Run(), figure, value)
        if rule.each:
            self._state[point], changes = _each(known, figure, alone, tell)
        elif figure.start_ns < known.newest_ns:
            self._state[point], changes = _older(known, figure, alone, tell)
        elif figure.start_ns == known.newest_ns:
            after = known.before if gone else next_run(rule, known.before, figure, value)
            self._state[point], changes = _again(rule, known, after, figure, tell)
        elif gone:
            return []
        else:
            after = next_run(rule, known.after, figure, value)
            ended = ended_ns(rule, known.after, after, figure)
            told = (*known.told, *([(known.after.start_ns or 0, known.after.end_ns)] if ended is not None else []))
            self._state[point] = Judged(rule, figure.start_ns, known.after, after, told[-REMEMBERED:])
            changes = tell.step(known.after, after, ended)
        return changes

    def _of(self, rule: Rule) -> _Written:
        """Once a rule, not once a figure: it costs more than to judge one."""
        written = self._written.get(id(rule))
        if written is None:
            written = self._written[id(rule)] = _Written(rule, rule_version(rule), rule_text(rule))
        return written

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples."""
        return (
            LAYOUT,
            tuple(
                (point, self._of(one.rule).text, one.newest_ns, tuple(one.before), tuple(one.after), one.told)
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
        rules = {self._of(rule).text: rule for rule in self._rules.values()}
        for point, text, newest_ns, before, after, told in states:
            rule = rules.get(text) or rules.setdefault(text, Rule.model_validate_json(text))
            state = Judged(rule, newest_ns, Run(*before), Run(*after), told)
            if state.rule != self._rules.get(point[0]) and state.after.confirmed_ns is None:
                state = state._replace(before=Run(), after=Run())
            self._state[tuple(point)] = state
        self._others = {}
        for rule_id, asset, tag in self._state:
            if rule_id not in self._asking(asset, tag):
                self._others.setdefault((asset, tag), []).append(rule_id)


def _again(rule: Rule, known: Judged, after: Run, figure: Figure, tell: Teller) -> tuple[Judged, list[ConditionChange]]:
    """The newest window has another value now: tell what is different from what was told."""
    was, now, before = known.after.confirmed_ns is not None, after.confirmed_ns is not None, known.before
    state = known._replace(after=after)
    if was and not now:
        if before.confirmed_ns is None:
            return state, [replace(tell.cleared(known.after, figure.end_ns), kind="revised", voided=True)]
        state = state._replace(told=(*known.told, (before.start_ns or 0, before.end_ns))[-REMEMBERED:])
        return state, tell.step(before, after, ended_ns(rule, before, after, figure))
    if now and not was:  # what goes on again has not ended
        state = state._replace(told=tuple(span for span in known.told if span[0] != after.start_ns))
        return state, [tell.raised(after)]
    return state, tell.opened(known.after, after) if was and now and after.start_ns == known.after.start_ns else []


def _older(known: Judged, figure: Figure, alone: Run, tell: Teller) -> tuple[Judged, list[ConditionChange]]:
    """A window before the newest was corrected: a condition of its own, or the end of one that was told so.

    alone: the run that the window is by itself; none where it is inside, or gone.
    """
    span = (figure.start_ns, figure.end_ns)
    if span in known.told and alone.start_ns is None:
        told = tuple(one for one in known.told if one != span)
        gone = Run(figure.start_ns, figure.end_ns, 0, tell.value, False, None, figure.end_ns)
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


def _each(known: Judged, figure: Figure, alone: Run, tell: Teller) -> tuple[Judged, list[ConditionChange]]:
    """A window of a rule that judges each by itself: one condition, over at its end, whatever stands beside it."""
    span = (figure.start_ns, figure.end_ns)
    was = any(begin == figure.start_ns for begin, _ in known.told)
    told = tuple(one for one in known.told if one[0] != figure.start_ns)
    state = known._replace(newest_ns=max(known.newest_ns, figure.start_ns))
    if alone.start_ns is None:
        gone = Run(*span, 0, tell.value, False, None, figure.end_ns)
        taken_back = replace(tell.cleared(gone, figure.end_ns), kind="revised", voided=True)
        return state._replace(told=told), [taken_back] if was else []
    state = state._replace(told=(*told, span)[-REMEMBERED:])
    cleared = tell.cleared(alone, figure.end_ns)
    if was:
        return state, [replace(cleared, kind="revised")]
    late = figure.start_ns < known.newest_ns
    return state, [replace(one, found_late=late) for one in (tell.raised(alone), cleared)]

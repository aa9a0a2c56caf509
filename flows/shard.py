"""The engine of one shard: messages in log order in, everything the writers need out. No Bytewax, no clock, no network.

decode -> check -> windows, figures, detectors -> conditions; `step` reads top to bottom in that order. What comes out
depends on the log alone: any split into steps, a crash and a replay give the same rows under the same keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import orjson

from andon.conditions import ConditionChange
from andon.outputs import ShardOutputs, SpanRows, WindowRows
from andon.plant import PlantModel
from andon.readings import (
    NS_PER_MS,
    NS_PER_S,
    DeadLetters,
    Decoded,
    Event,
    Message,
    Readings,
    Reason,
    Tick,
)
from andon.slots import SlotFiles
from detectors.contract import Scored
from detectors.reasons import Deviation
from flows.shard_state import ShardState
from flows.shard_step import Collected, Judged, cited_ns, ends_of, in_log_order
from flows.waveforms import with_figures
from operators.classes import admit, classify
from operators.duplicates import CONFLICT, DUPLICATE, TOO_OLD
from operators.ledger import DEAD
from sinks.journal import Journal

EVIDENCE_BEFORE_NS = 600 * NS_PER_S  # how much of the series before the crossing an alarm cites


class ShardEngine(ShardState):
    """One shard, message by message. One instance a shard; `snapshot` makes everything so far durable."""

    def __init__(self, plant: PlantModel, shard: int, journal: Journal, slots: SlotFiles) -> None:
        super().__init__(plant, shard, journal, slots)
        self._last_too_old = (-1, 0)  # offset, rows of it; a message is never cut, so no snapshot needs it
        self._out = Collected()

    def step(self, messages: Sequence[Message]) -> ShardOutputs:
        """Take messages in log order. A message that cannot be used becomes dead letters, never an error."""
        decoded = with_figures(self._decoder.decode(messages), self.dictionary, self._speeds)
        self._bind()
        self._out, self._kept = Collected(dead=[decoded.dead]), None
        self._out.rebirths = decoded.rebirths
        readings, begin, dead_begin = decoded.readings, 0, 0
        verdict, ask = self._duplicates.remember(readings.time_ns, readings.series, readings.value)
        marks = in_log_order(decoded.ticks, decoded.events)
        scored = self._detection.score(readings, verdict, marks)
        judged = Judged(verdict, ask, scored, self._detection.take_held())
        self._drifts.note(self._detection.take_drifts())
        self._touched.add(readings, judged.scored.score, verdict)
        for one in marks:
            self._rows(decoded, judged, begin, one.at_row)
            begin = one.at_row
            if isinstance(one, Event):
                self._context.apply(one)
                self._machines.event(one, self._ticks)
                self._rules.event(one)
                self._out.events.append(one)
                continue
            dead_end = int(np.searchsorted(decoded.dead.offset, one.offset))
            self._count_dead(decoded.dead, dead_begin, dead_end)
            self._tick(one)
            dead_begin = dead_end
        self._rows(decoded, judged, begin, len(readings))
        self._count_dead(decoded.dead, dead_begin, len(decoded.dead))
        return self._outputs(messages)

    def set_aside(self, message: Message) -> ShardOutputs:
        """Make a message that failed before a dead letter, without touching any other state."""
        one = np.array([message.offset], np.int64), np.zeros(1, np.int32), np.array([message.received_ns], np.int64)
        dead = DeadLetters(*one, np.array([Reason.poison], np.uint8), np.array([-1], np.int32), (message.body,))
        self._out, self._kept = Collected(dead=[dead]), None
        self._count_dead(dead, 0, 1)
        return self._outputs([message])

    def _rows(self, decoded: Decoded, judged: Judged, begin: int, end: int) -> None:
        """Rows between two ticks or events."""
        if begin == end:
            return
        rows, verdict, scored, held = decoded.readings.rows(slice(begin, end)), *judged.rows(begin, end)
        came, score = rows, scored.score
        self._duplicates.ask_journal(judged.asked(begin, end), rows.time_ns, rows.series, rows.value, verdict)
        usable = admit(rows.series, rows.time_ns, rows.status, self._retention.whole_from_ns, verdict)
        received_ns = self._clock.received(rows.received_ns)
        windows, closed_ns = self._windows.step(rows.time_ns, rows.series, rows.value, usable, score, received_ns)
        self._out.windows.append(windows)
        if self._spans.any:
            self._spans.add(rows.time_ns, rows.series, rows.value, usable)
        self._machines.add(rows.time_ns, rows.series, rows.value, rows.status, usable, self._ticks)
        classes = classify(verdict, usable, rows.time_ns, closed_ns)
        self._ledger.add(rows.series, rows.time_ns, classes.of, classes.conflict)
        late, self._watermark_ns = classes.late, max(self._watermark_ns, classes.newest_ns)
        if classes.dead:
            self._out.dead.append(self._too_old(rows.rows(verdict == TOO_OLD)))
        if classes.dead or classes.duplicates:
            accepted = (verdict != DUPLICATE) & (verdict != TOO_OLD)
            rows, score, closed_ns = rows.rows(accepted), score[accepted], closed_ns[accepted]
            late, verdict, held = late[accepted], verdict[accepted], held[accepted]
        self.journal.append(rows, closed_ns, self._ticks)
        if classes.conflicts:
            self._conflicts.note(self._by_the_clock(rows.rows(np.flatnonzero(verdict == CONFLICT))))
        if classes.lates:
            self._corrections.note(rows.series[late], rows.time_ns[late], closed_ns[late])
        self._out.readings += len(rows)
        timed = self._by_the_clock(rows)
        changes = self._rules.step(timed, self._conditions.step(timed, score, held))
        self._out.changes += [self._with_evidence(self._with_reason(change, came, scored)) for change in changes]
        if self._detection.any:
            self._reasons.note(came.series, came.time_ns, came.value, scored)

    def _by_the_clock(self, rows: Readings) -> Readings:
        """The rows with receive times that can be compared with the ticks' passing of time."""
        if not self._clock.correction_ns:
            return rows
        return replace(rows, received_ns=self._clock.received(rows.received_ns))

    def _with_reason(self, change: ConditionChange, rows: Readings, scored: Scored) -> ConditionChange:
        """Why its detector finds the series unusual, of an anomaly. rows: those since the last tick, not noted yet."""
        if change.condition != "anomaly" or change.kind != "raised":
            return change
        series = self.dictionary.id_of(change.asset, change.tag)
        since = np.flatnonzero((rows.series == series) & (rows.offset <= change.offset))
        reason = self._reasons.as_of(series, rows.time_ns, rows.value, scored, since)
        return change if reason is None else replace(change, evidence={**change.evidence, **self._told(series, reason)})

    def _told(self, series: int, reason: Deviation) -> dict[str, object]:
        """A reason as evidence."""
        spec = self.dictionary.spec(series)
        return {
            "detector": self._detection.detector_of(series), "model": self._detection.model_of(series),
            "component": self._detection.part_of(series, reason.part), "value": reason.value,
            "value_unit": spec.unit, "expected": reason.expected, "spread": reason.spread,
            "since_ns": reason.since_ns, "at_ns": reason.at_ns,
        }  # fmt: skip

    def _count_dead(self, dead: DeadLetters, begin: int, end: int) -> None:
        if begin < end:
            classes = np.full(end - begin, DEAD, np.uint8)
            self._ledger.add(dead.series[begin:end], dead.received_ns[begin:end], classes, np.zeros_like(classes))

    def _too_old(self, rows: Readings) -> DeadLetters:
        """Readable rows that came too late to correct anything, written again as JSON for the people who look.

        Their lines in the message are not known any more: they count down from -1, so that keys stay unique.
        """
        raw, line = [], []
        for offset, time_ns, series, value in zip(
            rows.offset.tolist(), rows.time_ns.tolist(), rows.series.tolist(), rows.value.tolist(), strict=True
        ):
            spec = self.dictionary.spec(series)
            row = {"ts": time_ns // NS_PER_MS, "asset": spec.asset, "tag": spec.tag, "value": value}
            raw.append(orjson.dumps(row))
            last_offset, count = self._last_too_old
            self._last_too_old = (offset, count + 1 if offset == last_offset else 1)
            line.append(-self._last_too_old[1])
        reason = np.full(len(rows), Reason.stamp_too_old, np.uint8)
        return DeadLetters(rows.offset, np.array(line, np.int32), rows.received_ns, reason, rows.series, raw)

    def _tick(self, tick: Tick) -> None:
        """Time passed: close what is silent, publish corrections, figures and the ledger, complete delays."""
        self._ticks += 1
        out, passed_ns = self._out, self._clock.tick(tick)
        out.windows.append(self._windows.tick(passed_ns))
        out.windows.append(self._corrections.take())
        if self._spans.any:
            out.spans.append(self._spans.tick(self._windows.closed_ns))
        figures = self._machines.tick(self._ticks, tick.time_ns, self._windows.closed_ns, self._windows.seen)
        out.figures += figures
        changes = self._rules.tick(tick, passed_ns, figures, self._conditions.tick(passed_ns, tick.offset))
        no_rows = Readings.empty(), Scored.empty(0)
        out.changes += [self._with_evidence(self._with_reason(change, *no_rows)) for change in changes]
        out.changes += self._conflicts.tick(passed_ns, tick.offset)  # no evidence to gather: the ledger counts them
        out.changes += self._drifts.tick(passed_ns, tick.offset)
        out.changes += self._machines.changes(tick.offset)
        ledger = self._ledger.take(tick.offset)
        if ledger is not None:
            out.ledger.append(ledger)
        self._watermark_ns = max(self._watermark_ns, tick.time_ns)
        self._retention.tick(tick.time_ns, self._windows.newest_ns, self._windows.seen)

    def _with_evidence(self, change: ConditionChange) -> ConditionChange:
        """What the record of this change cites: rows of the journal by hash, and what the asset was making."""
        series = self.dictionary.id_of(change.asset, change.tag)
        start_ns, until_ns = cited_ns(change)
        evidence = {
            **change.evidence,
            "journal": self.journal.evidence(series, start_ns - EVIDENCE_BEFORE_NS, until_ns + 1, change.offset),
            "context": self._context.of(change.asset),
        }
        return replace(change, evidence=evidence)

    def _outputs(self, messages: Sequence[Message]) -> ShardOutputs:
        out = self._out
        first_offset, last_offset = ends_of(messages)
        return ShardOutputs(
            shard=self.shard,
            first_offset=first_offset,
            last_offset=last_offset,
            watermark_ns=self._watermark_ns,
            readings=out.readings,
            windows=WindowRows.joined(out.windows),
            spans=SpanRows.joined(out.spans),
            figures=out.figures,
            latest=self._touched.take_latest(),
            states=self._touched.take_states(),
            ledger=out.ledger,
            conditions=out.changes,
            dead=DeadLetters.joined(out.dead).in_log_order(),
            paths=self._paths,
            events=out.events,
            rebirths=out.rebirths,
            model_alarms=self._detection.take_alarms(),
            model_drifts=self._drifts.take(),
            learning_turns=self._detection.pauses.take_turns(),
        )

"""The engine of one shard: messages in log order in, everything the writers need out. No Bytewax, no clock, no network.

decode -> check -> windows, figures, detectors -> conditions; `step` reads top to bottom in that order. What comes out
depends on the log alone: any split into steps, a crash and a replay give the same rows under the same keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from alarms.conditions import ConditionEngine
from andon.conditions import ConditionChange
from andon.config.models import Rule
from andon.outputs import Figure, ShardOutputs, SpanRows, WindowRows
from andon.plant import PlantModel, SeriesSpec
from andon.readings import (
    F64,
    NS_PER_MS,
    NS_PER_S,
    U8,
    DeadLetters,
    Decoded,
    Event,
    Message,
    Readings,
    Reason,
    Tick,
)
from andon.series import SeriesDictionary
from andon.slots import SlotFiles
from detectors.ewma import EwmaDetector
from detectors.robust import RobustDetector
from flows.conflicts import ConflictWatch
from flows.context import ProductionContext
from flows.edits import under
from flows.figures import FigureBoard, figure_specs
from flows.logclock import LogClock
from flows.retention import JournalRetention
from flows.revisions import Corrections
from flows.rule_stages import RuleStages, rules_on
from flows.shard_step import Collected, Judged, cited_ns, ends_of, in_log_order
from flows.spans import DeclaredSpans
from flows.state import Root, StateFiles
from flows.touched import Touched
from flows.waveforms import with_figures
from operators.classes import admit, classify, scorers
from operators.duplicates import CONFLICT, DUPLICATE, TOO_OLD, DuplicateFilter
from operators.ledger import DEAD, Ledger
from operators.windows import WindowOperator, WindowSpec
from sinks.journal import Journal, Position
from sources.decode import LogDecoder
from sources.registry_files import SchemaFiles

LAYOUT = 3
DETECTORS = ("", "robust", "ewma")  # as `SeriesSpec.detect` names them
ROBUST, EWMA = 1, 2
EVIDENCE_BEFORE_NS = 600 * NS_PER_S  # how much of the series before the crossing an alarm cites
State = tuple[int, int, Position, Root]  # layout, shard, journal position, cells; layout 2 had one file as its last


class ShardEngine:
    """All state of one shard. One instance a shard; `snapshot` makes everything so far durable."""

    def __init__(self, plant: PlantModel, shard: int, journal: Journal, slots: SlotFiles) -> None:
        config = plant.config
        self.plant, self.shard, self.journal, self._state = plant, shard, journal, StateFiles(slots)
        self._beside = ThreadPoolExecutor(1, "journal")
        self._kept: State | None = None  # the last snapshot, while nothing has come since
        self._names = 0, b""  # of the dictionary, as the last snapshot wrote them: how many, a line each
        self.dictionary = SeriesDictionary(plant, shard)
        self._decoder = LogDecoder(self.dictionary, plant, shard, SchemaFiles(slots.folder.parent / "schemas"))
        tumbling = [(size, size) for size in config.windows.sizes_s]
        spec = WindowSpec.of(config.windows.pane_s, [*tumbling, *config.windows.hopping_s])
        self._windows = WindowOperator(spec, config.time.lateness_s, config.time.idle_s)
        self._duplicates = DuplicateFilter(config.time.correct_for_h * 3600.0, journal.known)
        self._corrections = Corrections(spec, journal)
        self._spans = DeclaredSpans(plant, spec.pane_ns, journal)
        figures = figure_specs(plant, shard)
        self._figures, self._any_figures = FigureBoard(figures, config.windows.figures_s, journal), bool(figures)
        self._detector = RobustDetector(256)
        self._ewma = EwmaDetector(0)
        self._conditions = ConditionEngine(self._rules_for, journal.points, config.time.correct_for_h * 3600.0)
        self._rules = RuleStages(plant, self.dictionary)
        self._conflicts = ConflictWatch(self.dictionary.spec)
        self._ledger = Ledger()
        self._context = ProductionContext()
        self._clock = LogClock()
        self._touched = Touched()
        self._retention = JournalRetention(
            journal, config.retention.journal_d * 86_400, config.time.future_s, plant.longest_s
        )
        self._detects: NDArray[np.uint8] = np.zeros(0, np.uint8)  # by series: 0, ROBUST or EWMA
        self._any_detects = self._any_robust = False
        self._paths: dict[int, tuple[str, str]] = {}
        self._last_too_old = (-1, 0)  # offset, rows of it; a message is never cut, so no snapshot needs it
        self._ticks = 0
        self._watermark_ns = 0
        self._out = Collected()

    def step(self, messages: Sequence[Message]) -> ShardOutputs:
        """Take messages in log order. A message that cannot be used becomes dead letters, never an error."""
        decoded = with_figures(self._decoder.decode(messages), self.dictionary)
        self._bind()
        self._out, self._kept = Collected(dead=[decoded.dead]), None
        self._out.rebirths = decoded.rebirths
        readings, begin, dead_begin = decoded.readings, 0, 0
        verdict, ask = self._duplicates.remember(readings.time_ns, readings.series, readings.value)
        judged = Judged(verdict, ask, self._score(readings, verdict))
        self._touched.add(readings, judged.score, verdict)
        for one in in_log_order(decoded.ticks, decoded.events):
            self._rows(decoded, judged, begin, one.at_row)
            begin = one.at_row
            if isinstance(one, Event):
                self._context.apply(one)
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

    def judge_by(self, rules: Sequence[Rule]) -> None:
        """Go over to other rules, as a start with another plant.toml does; nothing else changes."""
        conditions, stages = self._conditions.snapshot(), self._rules.snapshot()
        self.plant, self._kept = under(self.plant, rules), None
        self._conditions.restore(conditions, self.dictionary.specs)
        self._rules = RuleStages(self.plant, self.dictionary)
        self._rules.restore(stages)

    @property
    def newest_ns(self) -> int:
        """Newest event time of any series, ns; 0 before the first reading."""
        return self._windows.latest_ns

    @property
    def state_bytes(self) -> int:
        """Size of the last snapshot, bytes."""
        return self._state.nbytes

    def set_aside(self, message: Message) -> ShardOutputs:
        """Make a message that failed before a dead letter, without touching any other state."""
        one = np.array([message.offset], np.int64), np.zeros(1, np.int32), np.array([message.received_ns], np.int64)
        dead = DeadLetters(*one, np.array([Reason.poison], np.uint8), np.array([-1], np.int32), (message.body,))
        self._out, self._kept = Collected(dead=[dead]), None
        self._count_dead(dead, 0, 1)
        return self._outputs([message])

    def _bind(self) -> None:
        """Give every series that the decoder saw for the first time its place in all operators."""
        if self._windows.count == len(self.dictionary):
            return
        known = self._windows.count
        fresh = self.dictionary.specs[known:]
        self._windows.bind_all([spec.kind == "number" for spec in fresh])
        for series, spec in enumerate(fresh, known):
            self._duplicates.bind()
            self._conditions.bind(series, spec)
            self._figures.bind(series, spec.asset, spec.tag)
            self._spans.bind(series, spec)
        self._set_detects(fresh)
        self._touched.bind([spec.kind in ("state", "boolean") for spec in fresh])
        self._retention.bind(len(fresh))
        self._name(fresh)

    def _name(self, fresh: Sequence[SeriesSpec]) -> None:
        """Paths of the next series ids. Outputs in flight share the dictionary: it only ever grows."""
        self._paths.update(enumerate(((spec.asset, spec.tag) for spec in fresh), len(self._paths)))

    def _set_detects(self, fresh: Sequence[SeriesSpec]) -> None:
        """Which detector scores the next series ids."""
        detects = np.array([DETECTORS.index(spec.detect) for spec in fresh], np.uint8)
        self._detects = np.concatenate([self._detects, detects])
        self._any_detects, self._any_robust = bool(self._detects.any()), bool((self._detects == ROBUST).any())
        self._detector.grow(len(self._detects))
        if self._ewma.nbytes or (detects == EWMA).any():
            self._ewma.grow(len(self._detects))

    def _rules_for(self, spec: SeriesSpec) -> Sequence[Rule]:
        """Those that judge the readings themselves; the others are in `RuleStages`."""
        return rules_on(self.plant, spec, direct=True)

    def _rows(self, decoded: Decoded, judged: Judged, begin: int, end: int) -> None:
        """Rows between two ticks or events."""
        if begin == end:
            return
        rows, verdict, score = decoded.readings.rows(slice(begin, end)), *judged.rows(begin, end)
        self._duplicates.ask_journal(judged.asked(begin, end), rows.time_ns, rows.series, rows.value, verdict)
        usable = admit(rows.series, rows.time_ns, rows.status, self._retention.whole_from_ns, verdict)
        received_ns = self._clock.received(rows.received_ns)
        windows, closed_ns = self._windows.step(rows.time_ns, rows.series, rows.value, usable, score, received_ns)
        self._out.windows.append(windows)
        if self._spans.any:
            self._spans.add(rows.time_ns, rows.series, rows.value, usable)
        classes = classify(verdict, usable, rows.time_ns, closed_ns)
        self._ledger.add(rows.series, rows.time_ns, classes.of, classes.conflict)
        late, self._watermark_ns = classes.late, max(self._watermark_ns, classes.newest_ns)
        if classes.dead:
            self._out.dead.append(self._too_old(rows.rows(verdict == TOO_OLD)))
        if classes.dead or classes.duplicates:
            accepted = (verdict != DUPLICATE) & (verdict != TOO_OLD)
            rows, score, closed_ns = rows.rows(accepted), score[accepted], closed_ns[accepted]
            late, verdict = late[accepted], verdict[accepted]
        self.journal.append(rows, closed_ns, self._ticks)
        if classes.conflicts:
            self._conflicts.note(self._by_the_clock(rows.rows(np.flatnonzero(verdict == CONFLICT))))
        if classes.lates:
            self._corrections.note(rows.series[late], rows.time_ns[late], closed_ns[late])
            self._figures.note_late(rows.series[late], rows.time_ns[late])
        self._out.readings += len(rows)
        timed = self._by_the_clock(rows)
        changes = self._rules.step(timed, self._conditions.step(timed, score))
        self._out.changes += [self._with_evidence(change) for change in changes]

    def _by_the_clock(self, rows: Readings) -> Readings:
        """The rows with receive times that can be compared with the ticks' passing of time."""
        if not self._clock.correction_ns:
            return rows
        return replace(rows, received_ns=self._clock.received(rows.received_ns))

    def _score(self, rows: Readings, verdict: U8) -> F64:
        """Anomaly score of rows that move a scored series forward, NaN for all others. It does not know of ticks."""
        score = np.full(len(rows), np.nan)
        if not self._any_detects:
            return score
        by = scorers(rows.series, rows.status, verdict, self._detects)
        scored = np.flatnonzero(by == ROBUST) if self._any_robust else ()
        if len(scored):
            score[scored] = self._detector.step(rows.series[scored], rows.time_ns[scored], rows.value[scored])
        if self._ewma.nbytes:
            self._ewma.step_some(rows.series, rows.time_ns, rows.value, by, EWMA, score)
        return score

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
        figures: list[Figure] = []
        if self._any_figures:
            windows = self._windows
            figures = self._figures.tick(self._ticks, windows.newest_ns, windows.closed_ns, windows.seen)
            out.figures += figures
        changes = self._rules.tick(tick, passed_ns, figures, self._conditions.tick(passed_ns, tick.offset))
        out.changes += [self._with_evidence(change) for change in changes]
        out.changes += self._conflicts.tick(passed_ns, tick.offset)  # no evidence to gather: the ledger counts them
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
        )

    def snapshot(self) -> State:
        """Make the journal and all state durable; returns what the recovery store keeps."""
        if self._kept is not None:
            return self._kept
        rows = self._beside.submit(self.journal.flush)  # two waits for the disk at the same time
        parts = {name: part.snapshot() for name, part in self._parts().items() if name not in ("dictionary", "windows")}
        known, names = self._names
        if known < len(self.dictionary):
            names += "".join(f"{spec.path}\n" for spec in self.dictionary.specs[known:]).encode()
            self._names = len(self.dictionary), names
            self.journal.name_series(names)
        parts["dictionary"] = names
        parts["clock"] = self._clock.snapshot()
        parts["decoder"] = self._decoder.snapshot()
        parts["spans"] = self._spans.snapshot()
        parts["engine"] = (self._ticks, self._watermark_ns)
        root = self._state.write(parts, {"windows": self._windows})
        self._kept = (LAYOUT, self.shard, rows.result(), root)
        self._retention.remove()
        return self._kept

    def restore(self, state: State | None) -> None:
        """Go back to a snapshot; None starts a new log. ValueError for a layout that this version cannot read."""
        if state is None:
            self.journal.restore(None)
            return
        layout, shard, position, named = state
        if layout not in (2, LAYOUT) or shard != self.shard:
            raise ValueError(f"state of shard {shard}, layout {layout}; expected shard {self.shard}, layout {LAYOUT}")
        self.journal.restore(position)
        if layout == LAYOUT:
            parts = self._state.read(named, {"windows": self._windows})
            parts["dictionary"] = parts["dictionary"].decode().splitlines()
        else:
            parts = self._state.read_layout_2(named)
        self.dictionary.restore(parts["dictionary"])
        self._conditions.restore(parts["conditions"], self.dictionary.specs)
        for name, part in self._parts().items():
            if name not in ("dictionary", "conditions") and name in parts:  # an older version has fewer
                part.restore(parts[name])
        self._retention.bind(len(self.dictionary) - len(self._retention.whole_from_ns))  # state of before it was kept
        self._name(self.dictionary.specs)
        for series, spec in enumerate(self.dictionary.specs):
            self._figures.bind(series, spec.asset, spec.tag)
        if "clock" in parts:  # state of a version before it had one goes on as from a first tick
            self._clock.restore(parts["clock"])
        self._spans.restore(parts.get("spans"), self.dictionary.specs, self._windows.closed_ns)
        if "decoder" in parts:  # formats with state of their own came later
            self._decoder.restore(parts["decoder"])
        self._ticks, self._watermark_ns = parts["engine"][:2]
        self._set_detects(self.dictionary.specs)

    def _parts(self) -> dict[str, Any]:
        return {
            "dictionary": self.dictionary, "windows": self._windows, "duplicates": self._duplicates,
            "corrections": self._corrections, "figures": self._figures, "detector": self._detector, "ewma": self._ewma,
            "conditions": self._conditions, "rules": self._rules, "conflicts": self._conflicts, "ledger": self._ledger,
            "context": self._context, "touched": self._touched, "retention": self._retention,
        }  # fmt: skip

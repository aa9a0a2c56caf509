"""Everything that a shard remembers: its parts, made from the plant, and how they are kept and taken back.

What the engine does with messages is in flows/shard.py. A part that a snapshot of an earlier version lacks begins
empty; what an earlier version kept of figures goes to the machines that make them now.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from alarms.conditions import ConditionEngine
from andon.config.models import Rule
from andon.models import Assignment
from andon.plant import PlantModel, SeriesSpec
from andon.series import SeriesDictionary
from andon.slots import SlotFiles
from detectors.reasons import Reasons
from flows.conflicts import ConflictWatch
from flows.context import ProductionContext
from flows.detection import Detection
from flows.drift_alarms import DriftAlarms
from flows.edits import under
from flows.figure_board import FigureBoard
from flows.figure_specs import figure_bounds, machine_specs
from flows.learning import LearningPauses
from flows.logclock import LogClock
from flows.retention import JournalRetention
from flows.revisions import Corrections
from flows.rule_stages import RuleStages, rules_on
from flows.spans import DeclaredSpans
from flows.speeds import Speeds
from flows.state import Blocks, Root, StateFiles
from flows.touched import Touched
from operators.duplicates import DuplicateFilter
from operators.ledger import Ledger
from operators.windows import WindowOperator, WindowSpec
from sinks.journal import Journal, Position
from sources.decode import LogDecoder
from sources.registry_files import SchemaFiles

LAYOUT = 3
State = tuple[int, int, Position, Root]  # layout, shard, journal position, cells; layout 2 had one file as its last


class ShardState:
    """All state of one shard. plant: the rules may change while it runs (`judge_by`), nothing else of it."""

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
        self._machines = FigureBoard(
            machine_specs(plant, shard), figure_bounds(plant), config.windows.figures_s,
            config.time.correct_for_h * 3600.0, journal,
        )  # fmt: skip
        self._detection = Detection(
            lambda spec: any(rule.anomaly is True for rule in plant.rules_for(spec)), LearningPauses(plant)
        )
        self._reasons = Reasons(0)
        self._conditions = ConditionEngine(self._rules_for, journal.points, config.time.correct_for_h * 3600.0)
        self._rules = RuleStages(plant, self.dictionary)
        self._conflicts = ConflictWatch(self.dictionary.spec)
        self._drifts = DriftAlarms(lambda asset, tag: self.dictionary.spec(self.dictionary.id_of(asset, tag)))
        self._ledger = Ledger()
        self._context = ProductionContext()
        self._clock = LogClock()
        self._touched = Touched()
        self._speeds = Speeds(self.dictionary)
        self._retention = JournalRetention(
            journal, config.retention.journal_d * 86_400, config.time.future_s, plant.longest_s
        )
        self._paths: dict[int, tuple[str, str]] = {}
        self._ticks = 0
        self._watermark_ns = 0

    @property
    def newest_ns(self) -> int:
        """Newest event time of any series, ns; 0 before the first reading."""
        return self._windows.latest_ns

    @property
    def state_bytes(self) -> int:
        """Size of the last snapshot, bytes."""
        return self._state.nbytes

    def judge_by(self, rules: Sequence[Rule]) -> None:
        """Go over to other rules, as a start with another plant.toml does; nothing else changes."""
        conditions, stages = self._conditions.snapshot(), self._rules.snapshot()
        self.plant, self._kept = under(self.plant, rules), None
        self._conditions.restore(conditions, self.dictionary.specs)
        self._rules = RuleStages(self.plant, self.dictionary)
        self._rules.restore(stages)

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Which models judge which series, from when on."""
        self._detection.assign(assignments)

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
            self._machines.bind(series, spec.asset, spec.tag)
            self._spans.bind(series, spec)
        self._set_detects(fresh)
        self._touched.bind([spec.kind in ("state", "boolean") for spec in fresh])
        self._retention.bind(len(fresh))
        self._name(fresh)

    def _name(self, fresh: Sequence[SeriesSpec]) -> None:
        """Paths of the next series ids. Outputs in flight share the dictionary: it only ever grows."""
        self._paths.update(enumerate(((spec.asset, spec.tag) for spec in fresh), len(self._paths)))

    def _set_detects(self, fresh: Sequence[SeriesSpec]) -> None:
        """Which detectors score the next series ids."""
        self._detection.bind(fresh)
        if self._detection.any:
            self._reasons.grow(len(self.dictionary))

    def _rules_for(self, spec: SeriesSpec) -> Sequence[Rule]:
        """Those that judge the readings themselves; the others are in `RuleStages`."""
        return rules_on(self.plant, spec, direct=True)

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
        parts["machines"] = self._machines.snapshot()
        parts["engine"] = (self._ticks, self._watermark_ns)
        root = self._state.write(parts, self._blocks())
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
            parts = self._state.read(named, self._blocks())
            parts["dictionary"] = parts["dictionary"].decode().splitlines()
        else:
            parts = self._state.read_layout_2(named)
        self.dictionary.restore(parts["dictionary"])
        self._conditions.restore(parts["conditions"], self.dictionary.specs)
        if "detector" in parts:  # of a detector before these: what its components say has no name any more
            parts.pop("reasons", None)
        for name, part in self._parts().items():
            if name not in ("dictionary", "conditions") and name in parts:  # an older version has fewer
                part.restore(parts[name])
        self._retention.bind(len(self.dictionary) - len(self._retention.whole_from_ns))  # state of before it was kept
        self._name(self.dictionary.specs)
        for series, spec in enumerate(self.dictionary.specs):
            self._machines.bind(series, spec.asset, spec.tag)
        if "clock" in parts:  # state of a version before it had one goes on as from a first tick
            self._clock.restore(parts["clock"])
        self._spans.restore(parts.get("spans"), self.dictionary.specs, self._windows.closed_ns)
        self._machines.restore(parts.get("machines"), self._windows.closed_ns, self._windows.seen, parts.get("figures"))
        if "decoder" in parts:  # formats with state of their own came later
            self._decoder.restore(parts["decoder"])
        self._ticks, self._watermark_ns = parts["engine"][:2]
        self._set_detects(self.dictionary.specs)

    def _blocks(self) -> dict[str, Blocks]:
        return {"windows": self._windows, "machines": self._machines.pages}

    def _parts(self) -> dict[str, Any]:
        return {
            "dictionary": self.dictionary, "windows": self._windows, "duplicates": self._duplicates,
            "corrections": self._corrections, "ewma": self._detection.ewma,
            "ensemble": self._detection.ensemble, "reasons": self._reasons, "models": self._detection,
            "conditions": self._conditions, "rules": self._rules, "conflicts": self._conflicts, "ledger": self._ledger,
            "context": self._context, "touched": self._touched, "retention": self._retention,
            "speeds": self._speeds, "drift": self._detection.drift, "drift_alarms": self._drifts,
            "learning": self._detection.pauses,
        }  # fmt: skip

"""When the detectors of a shard do not learn: by the events of its assets, their state, and the detectors' own alarms.

In maintenance no series of the asset is learned; what else pauses it, `[template.learning]` says. A row that is not
learned is scored all the same. By what stands before a row in the log, so that it does not depend on how that is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from andon.models import LearningTurn
from andon.plant import PlantModel, SeriesSpec
from andon.readings import NS_PER_S, U8, Event, Readings, Tick
from operators.health_machine import running_gate
from operators.learning import GATE, LEARN, NEVER, SERIES, mark, turns

LAYOUT: Final = 1
HOUR_NS: Final = 3600 * NS_PER_S
CHANGES: Final = ("product.started", "order.started", "lot.started")
STARTED, ENDED = "maintenance.started", "maintenance.ended"
KEPT: Final = ("maintained_ns", "changed_ns", "since_ns", "told", "last")  # the other fields are of the configuration
KEPT_OF_GATES: Final = ("runs", "at_ns", "since_ns")


class LearningPauses:
    """Which rows are learned, in log order: `cuts` says where a batch must be cut, `take` what happened there."""

    def __init__(self, plant: PlantModel | None) -> None:
        """plant: None where nothing ever pauses."""
        self._plant = plant
        self._specs: list[SeriesSpec] = []
        self._states = np.zeros(0, SERIES)
        self._gates = np.zeros(0, GATE)
        self._codes: U8 = np.zeros((0, 1), np.uint8)
        self._gate_of: dict[str, int] = {}  # by asset
        self._maintained: dict[str, int] = {}  # by asset of the event, its time
        self._changed: dict[str, int] = {}
        self._turns: list[LearningTurn] = []
        self._kept: dict[str, tuple[int, ...]] = {}  # of gates of a snapshot, until their asset has a series
        self._in_alarm = self._busy = False

    def bind(self, fresh: Sequence[SeriesSpec]) -> None:
        """The next series ids."""
        first = len(self._specs)
        self._specs += fresh
        more = len(self._specs) - len(self._states)
        if more > 0:
            new = np.zeros(more, SERIES)
            new["since_ns"], new["last"] = NEVER, LEARN
            self._states = np.append(self._states, new)
        for series, spec in enumerate(fresh, first):
            self._set_up(series, spec)
            self._look_up(series, spec.asset)
        self._weigh()

    def _set_up(self, series: int, spec: SeriesSpec) -> None:
        """What the configuration says of a series; one that left it is always learned."""
        state = self._states[series]
        state["change_ns"], state["alarm_ns"], state["gate"], state["feeds"] = 0, 0, -1, -1
        if self._plant is None or (spec.asset, spec.tag) not in self._plant.series:
            return
        template = self._plant.template_of(spec.asset)
        learning, running = template.learning, template.running
        state["change_ns"] = round(learning.change_s * NS_PER_S)
        state["alarm_ns"] = round(learning.alarm_h * HOUR_NS)
        if learning.while_running and running is not None:
            if spec.asset not in self._gate_of:
                self._add_gate(spec.asset, self._plant)
            state["gate"] = self._gate_of[spec.asset]
            state["feeds"] = state["gate"] if spec.tag == running.state else -1

    def _add_gate(self, asset: str, plant: PlantModel) -> None:
        template = plant.template_of(asset)
        assert template.running is not None  # noqa: S101 - the caller has looked
        spec = running_gate(plant, asset, template.running)
        gate = np.zeros(1, GATE)
        gate["gap_ns"], gate["settle_ns"] = spec.gap_ns, round(template.learning.settle_s * NS_PER_S)
        gate["at_ns"] = gate["since_ns"] = NEVER
        if asset in self._kept:
            for name, value in zip(KEPT_OF_GATES, self._kept.pop(asset), strict=True):
                gate[name] = value
        self._gate_of[asset] = len(self._gates)
        self._gates = np.append(self._gates, gate)
        codes = np.zeros((len(self._gates), max(self._codes.shape[1], len(spec.codes))), np.uint8)
        codes[:-1, : self._codes.shape[1]] = self._codes
        codes[-1, : len(spec.codes)] = spec.codes
        self._codes = codes

    def _look_up(self, series: int, asset: str) -> None:
        """What the events of the asset, and of those it stands in, say of a series."""
        places = list(_and_above(asset))
        self._states["maintained_ns"][series] = max(self._maintained.get(one, NEVER) for one in places)
        self._states["changed_ns"][series] = max(self._changed.get(one, NEVER) for one in places)

    def _weigh(self) -> None:
        """Whether anything can pause now, and whether alarms ever do."""
        paused = bool((self._states["last"] != LEARN).any())
        self._in_alarm = bool((self._states["alarm_ns"] > 0).any())
        self._busy = bool(self._gate_of or self._maintained or self._changed or paused or self._states["told"].any())

    def cuts(self, marks: Iterable[Tick | Event]) -> list[Tick | Event]:
        """Those of the ticks and events of a batch at which anything may change."""
        return [
            one for one in marks
            if (one.event in (STARTED, ENDED, *CHANGES) if isinstance(one, Event) else self._in_alarm)
        ]  # fmt: skip

    def take(self, one: Tick | Event, told: U8) -> None:
        """What stands at a cut. told: uint8[series], 1 while an alarm of the champion goes on."""
        if isinstance(one, Tick):
            states = self._states[: len(told)]
            states["told"] = told & (states["alarm_ns"] > 0)
            states["since_ns"][told == 0] = NEVER
        elif one.event == ENDED:
            self._maintained.pop(one.asset, None)
        elif one.event == STARTED:
            self._maintained[one.asset] = one.time_ns
        elif self._states["change_ns"].any():
            self._changed[one.asset] = max(one.time_ns, self._changed.get(one.asset, NEVER))
        if isinstance(one, Event):
            for series, spec in enumerate(self._specs):
                if spec.asset == one.asset or spec.asset.startswith(f"{one.asset}/"):
                    self._look_up(series, spec.asset)
        self._weigh()

    def of(self, rows: Readings) -> U8 | None:
        """FORGET, LEARN or HOLD of each row, uint8[n]; None: all are learned."""
        if not self._busy:
            return None
        learn = np.empty(len(rows), np.uint8)
        mark(rows.series, rows.time_ns, rows.value, rows.status, self._states, self._gates, self._codes, learn)
        return learn

    def note(self, rows: Readings, learn: U8, judged: np.ndarray) -> None:
        """Where the series that detectors judge begin and end to be learned; judged: bool[n]."""
        found = np.empty(len(rows), np.int32)
        for row in found[: turns(rows.series, learn, judged, self._states, found)].tolist():
            spec = self._specs[rows.series[row]]
            self._turns.append(LearningTurn(spec.asset, spec.tag, int(rows.time_ns[row]), int(learn[row])))

    def take_turns(self) -> list[LearningTurn]:
        """Those since the last call, in log order."""
        taken, self._turns = self._turns, []
        return taken

    def snapshot(self) -> tuple[Any, ...]:
        """Plain tuples and bytes."""
        gates = {
            asset: tuple(int(self._gates[at][name]) for name in KEPT_OF_GATES) for asset, at in self._gate_of.items()
        }
        return (
            LAYOUT, tuple(self._states[name].tobytes() for name in KEPT), tuple(sorted((gates | self._kept).items())),
            tuple(sorted(self._maintained.items())), tuple(sorted(self._changed.items())),
        )  # fmt: skip

    def restore(self, snapshot: Any) -> None:
        """Know what `snapshot` knew; series are bound afterwards. Raises: ValueError on another layout."""
        layout, states, gates, maintained, changed = snapshot
        if layout != LAYOUT:
            raise ValueError(f"restore: found layout {layout} of learning pauses, this is {LAYOUT}")
        self._states = np.zeros(len(states[-1]), SERIES)
        for name, column in zip(KEPT, states, strict=True):
            self._states[name] = np.frombuffer(column, SERIES[name])
        self._kept, self._maintained, self._changed = dict(gates), dict(maintained), dict(changed)


def _and_above(asset: str) -> Iterable[str]:
    parts = asset.split("/")
    return ("/".join(parts[:count]) for count in range(len(parts), 0, -1))

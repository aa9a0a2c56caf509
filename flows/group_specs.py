"""Which groups of series the configuration asks to judge together, and the detectors that do."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from andon.config.groups import Group
from andon.plant import PlantModel
from andon.readings import F64, NS_PER_S
from detectors.alarm_manager import AlarmManager, AlarmSettings
from detectors.contract import NO_PART
from detectors.half_space_group import HalfSpaceGroupDetector
from detectors.mewma import MewmaDetector
from detectors.twin import TwinDetector
from operators.gate import GateSpec
from operators.group_machine import RANKS, GroupMachine, GroupSpec, Judge, Verdict
from operators.health_machine import running_gate
from operators.machines import MachineSpec

ALGORITHM = 1  # a new number starts every group anew
REACH_NS = 7 * 86_400 * NS_PER_S
STATISTICS = ("slow_shift", "fast_shift", "group_scatter", "channel_scatter")
_ONE = np.zeros(1, np.int32)
Ranked = tuple[tuple[str, float | None], ...]


def specs(plant: PlantModel, asset: str) -> list[MachineSpec]:
    """A machine of each [[template.group]]."""
    return [_spec(plant, asset, one) for one in plant.template_of(asset).group]


def _spec(plant: PlantModel, asset: str, group: Group) -> MachineSpec:
    running = plant.template_of(asset).running
    gate: GateSpec | None = None
    paths = tuple((asset, tag) for tag in group.tags)
    if group.while_running and running is not None:
        gate = running_gate(plant, asset, running)
        paths += ((asset, running.state),)
    window_ns = round(group.window_s * NS_PER_S)
    reach_ns = min(2 * group.learn * window_ns, REACH_NS)
    made = GroupSpec(
        len(group.tags), window_ns, group.learn, partial(_judge, group), partial(ManagedAlarm, group.false_alarm_days),
        group.by_product, gate, round(group.settle_s * NS_PER_S), reach_ns,
    )  # fmt: skip
    version = repr((ALGORITHM, group, gate, [plant.series[path].unit for path in paths]))
    return MachineSpec(
        "group", asset, group.name, paths, version,
        lambda begin_ns, _bounds: GroupMachine(begin_ns, made), reach_ns, events=group.by_product,
    )  # fmt: skip


def _judge(group: Group) -> Judge:
    made: dict[str, type[MewmaJudge | TwinJudge | HalfSpaceJudge]] = {
        "mewma": MewmaJudge, "twin": TwinJudge, "half_space": HalfSpaceJudge,
    }  # fmt: skip
    return made[group.method](group.tags, group.learn)


class MewmaJudge:
    """`MewmaDetector` row by row. Contributions are ranked from a score of 1 on."""

    def __init__(self, tags: tuple[str, ...], learn: int) -> None:
        self._tags, self._detector = tags, MewmaDetector(len(tags), learn)

    def judge(self, time_ns: int, row: F64) -> Verdict:
        """As `Judge.judge`."""
        found = self._detector.score_many(np.array([time_ns]), row[None, :], contributions=True)
        top = int(found.channel[0])
        ranked: Ranked = ()
        if top != NO_PART:
            share = found.contribution[0]
            order = sorted(range(len(share)), key=lambda one: (one != top, -share[one] if share[one] > 0.0 else 0.0))
            ranked = tuple((self._tags[one], _finite(share[one])) for one in order[:RANKS])
        return Verdict(_finite(found.score[0]), bool(found.alarm[0]), ranked, _statistic(int(found.statistic[0])))

    def snapshot(self) -> tuple[Any, ...]:
        """As the detector's."""
        return self._detector.snapshot()

    def restore(self, snapshot: Any) -> None:
        """As the detector's."""
        self._detector.restore(snapshot)


class TwinJudge:
    """`TwinDetector` row by row. Which of the two moved cannot be told: the difference is named."""

    def __init__(self, tags: tuple[str, ...], learn: int) -> None:
        self._name, self._detector = " - ".join(tags), TwinDetector(learn)

    def judge(self, time_ns: int, row: F64) -> Verdict:
        """As `Judge.judge`."""
        found = self._detector.score_many(np.array([time_ns]), row[:1], row[1:])
        ranked: Ranked = ((self._name, None),) if found.channel[0] != NO_PART else ()
        return Verdict(_finite(found.score[0]), bool(found.alarm[0]), ranked, _statistic(int(found.statistic[0])))

    def snapshot(self) -> tuple[Any, ...]:
        """As the detector's."""
        return self._detector.snapshot()

    def restore(self, snapshot: Any) -> None:
        """As the detector's."""
        self._detector.restore(snapshot)


class HalfSpaceJudge:
    """`HalfSpaceGroupDetector` row by row. It names one channel and has no contributions."""

    def __init__(self, tags: tuple[str, ...], learn: int) -> None:
        self._tags, self._detector = tags, HalfSpaceGroupDetector(len(tags), learn)

    def judge(self, time_ns: int, row: F64) -> Verdict:
        """As `Judge.judge`."""
        found = self._detector.score_many(np.array([time_ns]), row[None, :])
        top = int(found.channel[0])
        ranked: Ranked = ((self._tags[top], None),) if top != NO_PART else ()
        return Verdict(_finite(found.score[0]), bool(found.alarm[0]), ranked)

    def snapshot(self) -> tuple[Any, ...]:
        """As the detector's."""
        return self._detector.snapshot()

    def restore(self, snapshot: Any) -> None:
        """As the detector's."""
        self._detector.restore(snapshot)


class ManagedAlarm:
    """`AlarmManager` of one series: about one false alarm in so many days."""

    def __init__(self, false_alarm_days: float) -> None:
        self._manager = AlarmManager(1, AlarmSettings(false_alarm_days=false_alarm_days))

    def alarm(self, time_ns: int, score: float) -> bool:
        """As `Budget.alarm`."""
        return bool(self._manager.step(_ONE, np.array([time_ns]), np.array([score]))[0])

    def snapshot(self) -> tuple[Any, ...]:
        """As the manager's."""
        return self._manager.snapshot()

    def restore(self, snapshot: Any) -> None:
        """As the manager's."""
        self._manager.restore(snapshot)


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _statistic(code: int) -> str:
    return STATISTICS[code] if code < len(STATISTICS) else ""

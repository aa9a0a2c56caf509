"""OEE and cold-chain figures of a shard's assets: when a window is due, from which points, which version.

The figures themselves are pure functions (operators/oee.py, operators/cold_chain.py) of the points in the journal, so
a late row simply means: compute again. All figures are published at ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from andon.outputs import Figure
from andon.plant import PlantModel, SeriesSpec
from andon.readings import I32, I64, NS_PER_S
from flows.revisions import revision_of
from operators.cold_chain import cold_chain_parts
from operators.oee import oee_parts
from sinks.journal import Journal

RUNNING_EVERY_TICKS = 10  # how often the window that is still running is shown
LOOK_BACK_NS = 7 * 86_400 * NS_PER_S  # for the sample before a gap; further back costs more than it tells
MANY = 48  # windows that end at once, from which on it pays to look which of them have rows
GAP_INTERVALS = 3  # a value stands for so many expected intervals; beyond it nothing is known
Kind = Literal["oee", "cold_chain"]
Points = tuple[NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """One figure of one asset: the tags it needs and how to compute it from their points."""

    kind: Kind
    asset: str
    tags: tuple[str, ...]
    gap_ns: int
    compute: Callable[[Sequence[Points], int, int], Mapping[str, float | None]]


def figure_specs(plant: PlantModel, shard: int) -> list[FigureSpec]:
    """Every figure that the configuration asks of this shard, in the order of the assets."""
    specs = []
    for asset in plant.assets:
        if plant.shard_of(asset) == shard:
            specs += [spec for spec in (_oee(plant, asset), _cold_chain(plant, asset)) if spec]
    return specs


def _oee(plant: PlantModel, asset: str) -> FigureSpec | None:
    declared = plant.oee_of(asset)
    if declared is None:
        return None
    tags = (declared.state, declared.total, declared.good)
    state, total, good = (plant.series[asset, tag] for tag in tags)
    gap_ns = _gap_ns(state)

    def compute(points: Sequence[Points], start_ns: int, end_ns: int) -> Mapping[str, float | None]:
        return oee_parts(
            points[0], points[1], points[2], start_ns, end_ns, ideal_cycle_s=plant.ideal_cycle_s(asset), gap_ns=gap_ns,
            modulus=(total.modulus, good.modulus), names=state.states,
        )  # fmt: skip

    return FigureSpec("oee", asset, tags, gap_ns, compute)


def _cold_chain(plant: PlantModel, asset: str) -> FigureSpec | None:
    declared = plant.cold_chain_of(asset)
    if declared is None:
        return None
    gap_ns = _gap_ns(plant.series[asset, declared.temperature])

    def compute(points: Sequence[Points], start_ns: int, end_ns: int) -> Mapping[str, float | None]:
        return cold_chain_parts(
            *points[0], start_ns, end_ns, gap_ns=gap_ns, low=declared.low, high=declared.high,
            activation_j_mol=declared.activation_kj_mol * 1000.0,
        )  # fmt: skip

    return FigureSpec("cold_chain", asset, (declared.temperature,), gap_ns, compute)


def _gap_ns(spec: SeriesSpec) -> int:
    return round(GAP_INTERVALS * spec.every_s * NS_PER_S)


class FigureBoard:
    """Windows of all figures of a shard; state is one stamp a figure."""

    def __init__(self, specs: Sequence[FigureSpec], length_s: float, journal: Journal) -> None:
        self._specs = specs
        self._length_ns = round(length_s * NS_PER_S)
        self._journal = journal
        self._series: list[list[int]] = [[] for _ in specs]
        self._due_ns: list[int | None] = [None] * len(specs)  # start of the first window not yet final
        self._dirty: set[tuple[int, int]] = set()  # figure, start_ns
        self._wanted: dict[tuple[str, str], list[int]] = {}  # numbers of the figures that a series is for
        for number, spec in enumerate(specs):
            for tag in dict.fromkeys(spec.tags):
                self._wanted.setdefault((spec.asset, tag), []).append(number)
        self._figure_of: dict[int, int] = {}
        self._tag_of: dict[int, str] = {}

    def bind(self, series: int, asset: str, tag: str) -> None:
        """A series of the shard got its id."""
        for number in self._wanted.get((asset, tag), ()):
            self._series[number].append(series)
            self._figure_of[series] = number
            self._tag_of[series] = tag

    def note_late(self, series: I32, time_ns: I64) -> None:
        """Rows that came after their series was closed at their time, int[n]."""
        for one, time in zip(series.tolist(), time_ns.tolist(), strict=True):
            number = self._figure_of.get(one)
            if number is not None:
                self._dirty.add((number, time // self._length_ns * self._length_ns))

    def tick(self, tick_no: int, newest_ns: I64, closed_ns: I64, seen: I64) -> list[Figure]:
        """Corrections first, then windows that ended, then now and then those that run.

        newest_ns, closed_ns, seen int64[series]: the series' own clocks.
        """
        ended = [place for place in sorted(self._dirty) if self._past(*place)]
        out = [self._final(number, start_ns) for number, start_ns in ended]
        self._dirty = set()
        for number, spec in enumerate(self._specs):
            ids = [one for one in self._series[number] if seen[one]]
            if not ids:
                continue
            if self._due_ns[number] is None:
                self._due_ns[number] = int(min(newest_ns[ids])) // self._length_ns * self._length_ns
            out += self._ended(number, int(min(closed_ns[ids])))
            if tick_no % RUNNING_EVERY_TICKS == 0:
                now_ns = int(max(newest_ns[ids])) + 1
                out.append(self._figure(spec, number, self._due(number), now_ns, final=False))
        return [figure for figure in out if _known(figure)]

    def _ended(self, number: int, frontier_ns: int) -> Iterator[Figure]:
        due_ns, end_ns = self._due(number), frontier_ns // self._length_ns * self._length_ns
        if due_ns >= end_ns:
            return
        starts: Sequence[int] = range(due_ns, end_ns, self._length_ns)
        if len(starts) > MANY:
            starts = self._touched(number, due_ns, end_ns)
        for start_ns in starts:
            self._due_ns[number] = start_ns + self._length_ns
            yield self._final(number, start_ns)
        self._due_ns[number] = end_ns

    def _touched(self, number: int, begin_ns: int, end_ns: int) -> list[int]:
        """Starts of the windows in [begin_ns, end_ns) of which anything can be known.

        A device that boots with its clock at the year 2000 and is then set leaves a quarter of a million empty hours.
        """
        gap_ns = self._specs[number].gap_ns
        rows = [self._journal.points(one, begin_ns - gap_ns, end_ns)["time_ns"] for one in self._series[number]]
        times = np.unique(np.concatenate(rows))
        first, last = times // self._length_ns, (times + gap_ns) // self._length_ns
        reach = int((last - first).max()) if len(first) else 0
        windows = np.unique(np.concatenate([np.minimum(first + more, last) for more in range(reach + 1)]))
        starts: list[int] = (windows * self._length_ns).tolist()
        return [start_ns for start_ns in starts if begin_ns <= start_ns < end_ns]

    def _due(self, number: int) -> int:
        return self._due_ns[number] or 0

    def _past(self, number: int, start_ns: int) -> bool:
        due_ns = self._due_ns[number]
        return due_ns is not None and start_ns < due_ns

    def _final(self, number: int, start_ns: int) -> Figure:
        return self._figure(self._specs[number], number, start_ns, start_ns + self._length_ns, final=True)

    def _figure(self, spec: FigureSpec, number: int, start_ns: int, end_ns: int, *, final: bool) -> Figure:
        by_tag = {self._tag_of[one]: one for one in self._series[number]}
        rows = [self._rows(by_tag.get(tag), start_ns, end_ns) for tag in spec.tags]
        points = [(np.ascontiguousarray(one["time_ns"]), np.ascontiguousarray(one["value"])) for one in rows]
        inside = np.concatenate([one[one["time_ns"] >= start_ns] for one in rows])
        return Figure(
            asset=spec.asset, tag=spec.tags[0], kind=spec.kind, start_ns=start_ns,
            end_ns=start_ns + self._length_ns, revision=revision_of(inside, end_ns) if final else 0, final=final,
            parts=spec.compute(points, start_ns, end_ns),
        )  # fmt: skip

    def _rows(self, series: int | None, start_ns: int, end_ns: int) -> NDArray[Any]:
        """Points of the window and of one window before it (what is carried in), by time, then value."""
        if series is None:
            return self._journal.points(-1, start_ns, end_ns)
        rows = self._journal.points(series, start_ns - self._length_ns, end_ns)
        if not len(rows) or rows["time_ns"][0] >= start_ns:  # a counter goes on from its last value, however old
            rows = np.concatenate([self._journal.points(series, start_ns - LOOK_BACK_NS, start_ns)[-1:], rows])
        return rows[np.lexsort((rows["value"], rows["time_ns"]))]

    def snapshot(self) -> tuple[object, ...]:
        """Due stamps by asset and kind, and what waits to be corrected; plain tuples."""
        due = tuple((spec.asset, spec.kind, due_ns) for spec, due_ns in zip(self._specs, self._due_ns, strict=True))
        dirty = tuple((self._specs[number].asset, self._specs[number].kind, at) for number, at in sorted(self._dirty))
        return (self._length_ns, due, dirty)

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        """Take over a snapshot; figures that the configuration no longer has are left out, a new length starts anew."""
        length_ns, due, dirty = snapshot
        if length_ns != self._length_ns:
            return
        numbers = {(spec.asset, spec.kind): number for number, spec in enumerate(self._specs)}
        for asset, kind, due_ns in due:
            if (asset, kind) in numbers:
                self._due_ns[numbers[asset, kind]] = due_ns
        self._dirty = {(numbers[asset, kind], at) for asset, kind, at in dirty if (asset, kind) in numbers}


def _known(figure: Figure) -> bool:
    """False for a window of which nothing at all is known: a plant that stood still writes no rows."""
    if figure.kind == "oee":
        return bool(figure.parts["pbt_s"] or figure.parts["pq"] or figure.parts["planned_down_s"])
    return bool(figure.parts["covered_s"])

"""Limits of a control chart from the journal, for a person to agree and to put into plant.toml."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from andon.config.spc import Chart
from andon.datafolder import DataFolder
from andon.errors import ConfigError, DataFolderError
from andon.i18n import translate
from andon.plant import PlantModel, SeriesSpec
from andon.readings import NS_PER_S, Status
from operators.machines import Inputs
from operators.spc_limits import Study, studies
from operators.spc_machine import REACH_NS, wiring
from sinks.history_reader import HistoryReader
from sinks.journal_reader import JournalReader


@dataclass(frozen=True, slots=True)
class Stretch:
    """Of a chart's past, event time, ns."""

    asset: str
    chart: str
    begin_ns: int
    end_ns: int

    @property
    def place(self) -> str:
        """asset/chart."""
        return f"{self.asset}/{self.chart}"


def chart_of(plant: PlantModel, asset: str, name: str) -> Chart:
    """The chart of an asset; ConfigError with those that there are."""
    places = {
        f"{path}/{chart.place}": chart for path in plant.assets for chart in plant.template_of(path).chart
    }  # fmt: skip
    if f"{asset}/{name}" not in places:
        allowed = ", ".join(sorted(places)) or "-"
        raise ConfigError("cli.spc.limits.unknown", place=f"{asset}/{name}", allowed=allowed)
    return places[f"{asset}/{name}"]


def found(plant: PlantModel, data: DataFolder, stretch: Stretch, *, beyond: bool) -> list[Study]:
    """What the stretch says, product by product. beyond: leave out what is beyond trial limits.

    Events from a day before count: what was being made at its begin. DataFolderError where it holds no subgroup.
    """
    chart = chart_of(plant, stretch.asset, stretch.chart)
    tags = [tag for tag in (chart.inspected, chart.tag) if tag is not None]
    series = [plant.series[stretch.asset, tag] for tag in tags]
    wired = wiring(chart, [], series)
    if beyond:
        wired = replace(wired, plan=replace(wired.plan, exclude_beyond=True))
    told = studies(wired, _inputs(plant, data, stretch, series), stretch.end_ns)
    if not told:
        begin, end = (stamp(at) for at in (stretch.begin_ns, stretch.end_ns))
        raise DataFolderError("cli.spc.limits.empty", place=stretch.place, begin=begin, end=end)
    return told


def _inputs(plant: PlantModel, data: DataFolder, stretch: Stretch, series: list[SeriesSpec]) -> Inputs:
    shard = plant.shard_of(stretch.asset)
    journal = JournalReader(data.journal(shard))
    ids = journal.series()
    numbers = {ids[path]: at for at, one in enumerate(series) if (path := f"{one.asset}/{one.tag}") in ids}
    read = journal.find(list(numbers), stretch.begin_ns, stretch.end_ns)
    if read.skipped:
        raise DataFolderError("cli.spc.limits.parts")
    rows = read.rows[(read.rows["status"] != Status.BAD) & np.isfinite(read.rows["value"])]
    which = np.array([numbers[one] for one in rows["series"].tolist()], np.int32)
    order = np.lexsort((rows["value"], which, rows["time_ns"]))
    history = HistoryReader([path for path in [data.history_db(shard)] if path.exists()])
    events = history.events(stretch.asset, stretch.begin_ns - REACH_NS, stretch.end_ns)
    history.close()
    return Inputs(
        np.ascontiguousarray(rows["time_ns"][order], np.int64), which[order],
        np.ascontiguousarray(rows["value"][order], np.float64),
        np.ascontiguousarray(rows["status"][order], np.uint8), events,
    )  # fmt: skip


def block(stretch: Stretch, study: Study, version: str, wanted: int) -> str:
    """[[control_limits]] as it stands in plant.toml, with what it is of in comments."""
    known = study.known
    notes = [translate(code, None, **params) for code, params in _notes(stretch, study, wanted)]
    if known is None:
        return "\n".join(f"# {note}" for note in notes)
    lines = [
        "[[control_limits]]", f'asset = "{stretch.asset}"', f'chart = "{stretch.chart}"', f'version = "{version}"',
        f'valid_from = "{stamp(stretch.end_ns)}"', f"centre = {known.centre!r}",
    ]  # fmt: skip
    lines += [f'product = "{study.product}"'] if study.product else []
    lines += [f"{name} = {value!r}" for name, value in (("sigma", known.sigma), ("phi", known.phi)) if value]
    return "\n".join([*(f"# {note}" for note in notes), *lines])


def _notes(stretch: Stretch, study: Study, wanted: int) -> list[tuple[str, dict[str, object]]]:
    left_out = len(study.marked) + len(study.beyond)
    if study.known is None:
        given: dict[str, object] = {"place": stretch.place, "subgroups": study.subgroups + left_out}
        return [("cli.spc.limits.none", given | {"excluded": left_out})]
    begin, end = stamp(stretch.begin_ns), stamp(stretch.end_ns)
    notes: list[tuple[str, dict[str, object]]] = [(
        "cli.spc.limits.of", {"n": study.n, "subgroups": study.subgroups, "begin": begin, "end": end,
        "marked": len(study.marked), "beyond": len(study.beyond)},
    )]  # fmt: skip
    if study.subgroups < wanted:
        notes.append(("cli.spc.limits.few", {"wanted": wanted}))
    if study.known.autocorrelated:
        notes.append(("cli.spc.limits.dependent", {}))
    code = "cli.spc.limits.stable" if study.stable else "cli.spc.limits.unstable"
    notes.append((code, {"count": len(study.signals)}))
    notes += [
        ("cli.spc.limits.signal", {"start": stamp(one.start_ns), "rules": " ".join(one.rules)}) for one in study.signals
    ]
    return notes


def stamp(time_ns: int) -> str:
    """RFC 3339, UTC, whole seconds, the later one."""
    return f"{datetime.fromtimestamp(-(-time_ns // NS_PER_S), UTC):%Y-%m-%dT%H:%M:%SZ}"

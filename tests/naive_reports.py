"""Figures of exactly one stretch: a machine begun afresh over the journal's rows, for what stored figures come to."""

from __future__ import annotations

import numpy as np

from andon.plant import PlantModel
from andon.readings import Status
from flows.figure_specs import figure_bounds, machine_specs
from operators.machines import At, Both, Inputs, MachineSpec, Made
from sinks.history_reader import HistoryReader
from sinks.journal_reader import JournalReader


def spec_of(plant: PlantModel, kind: str, asset: str) -> MachineSpec:
    """The asset's first machine of a kind; the plant has one shard."""
    return next(one for one in machine_specs(plant, 0) if (one.kind, one.asset) == (kind, asset))


def made_over(
    spec: MachineSpec, plant: PlantModel, journal: JournalReader, history: HistoryReader, start_ns: int, end_ns: int
) -> list[Made]:
    """What the machine makes of [start_ns, end_ns] in one step, windows cut as in the flow."""
    begin_ns, ids = start_ns - spec.reach_ns, journal.series()
    numbers = [ids[f"{asset}/{tag}"] for asset, tag in spec.paths]
    found = []
    for place, number in enumerate(numbers):
        rows = journal.find([number], begin_ns, end_ns).rows
        found += [
            (int(row["time_ns"]), place, float(row["value"]), int(row["status"]))
            for row in rows if row["status"] != Status.BAD
        ]  # fmt: skip
    found.sort()
    times, places, values, status = zip(*found, strict=True)
    inputs = Inputs(
        np.array(times, np.int64), np.array(places, np.int32), np.array(values), np.array(status, np.uint8),
        history.events(spec.asset, begin_ns, end_ns + 1) if spec.events else (),
    )  # fmt: skip
    return spec.make(start_ns, Both((figure_bounds(plant), At((end_ns,))))).step(inputs, end_ns)

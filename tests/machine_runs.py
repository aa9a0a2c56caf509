"""Runs a machine in any split of its input, snapshot and restore in between."""

from __future__ import annotations

import numpy as np

from operators.machines import Inputs

FAR = 2**62


def inputs_of(rows, events=()):
    """rows: (time_ns, input, value, status); events have time_ns. Sorted as the engine gives them."""
    rows = sorted(rows, key=lambda row: row[:3])
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    kinds = (np.int64, np.int32, np.float64, np.uint8)
    arrays = [np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
    return Inputs(*arrays, tuple(sorted(events, key=lambda one: one.time_ns)))


def run(make, inputs, cuts, upto_ns, again=()):
    """All that comes out with steps that end at each of `cuts` and at upto_ns; a new machine takes over at `again`."""
    machine, made = make(), []
    for cut in (*sorted(cut for cut in cuts if cut < upto_ns), upto_ns):
        part, inputs = inputs.before(cut)
        made += machine.step(part, cut)
        if cut in again:
            kept, machine = machine.snapshot(), make()
            machine.restore(kept)
        machine.running()  # leaves it as it was
    return made

"""Rows, events and any split of them, for machines of control charts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from operators.machines import Inputs
from operators.spc_chart import ChartPlan
from operators.spc_feed import Wiring
from operators.spc_machines import ChartMachine
from operators.spc_subgroups import COUNT, Cutting

S = 1_000_000_000


@dataclass(frozen=True)
class Happening:
    time_ns: int
    event: str
    data: dict[str, Any] = field(default_factory=dict)


def inputs(rows, events=()):
    """rows: (time_ns, input, value, status), in any order."""
    rows = sorted(rows, key=lambda row: row[:3])
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    kinds = (np.int64, np.int32, np.float64, np.uint8)
    return Inputs(
        *(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)),
        events=sorted(events, key=lambda one: one.time_ns),
    )


def run(machine, given, upto_ns, stops=(), *, fresh=None):
    """All that it makes, fed in steps that end at the stops; fresh() gives a machine for each snapshot."""
    made = []
    for stop in [*sorted(set(stops)), upto_ns]:
        part, given = given.before(stop)
        if fresh is not None:
            other = fresh()
            other.restore(machine.snapshot())
            machine = other
        made += machine.step(part, stop)
    return made


def cutting(size=1.0, mode=COUNT, length_s=0, gap_s=100, **more):
    return Cutting(mode, size, by_inspected=False, length_ns=length_s * S, gap_ns=gap_s * S, **more)


def chart(plan=None, how=None, begin_ns=0, **more):
    """A chart machine."""
    return ChartMachine(Wiring("x", plan or ChartPlan("imr"), how or cutting(), **more), begin_ns)


def values(x, every_s=1):
    """A row each `every_s`, from 0 on."""
    return [(place * every_s * S, 0, float(one), 0) for place, one in enumerate(x)]

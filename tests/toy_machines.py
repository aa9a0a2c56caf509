"""Small machines with all that real ones have: windows and what stands in them, ends of their own, endless memory."""

from __future__ import annotations

from operators.machines import MachineSpec, Made

S = 1_000_000_000
HOUR = 3600 * S


class Windows:
    """Sum of what came in each window, and the value that stands at its begin; product from events."""

    def __init__(self, begin_ns, bounds):
        self._bounds, self._begin_ns, self._state = bounds, begin_ns, (0.0, 0, None, "")
        self._start_ns, self._end_ns, self._standing = begin_ns, bounds.after(begin_ns), None

    def step(self, inputs, upto_ns):
        made = []
        mixed = [(one.time_ns, 0, one) for one in inputs.events]
        mixed += [(at, 1, row) for row, at in enumerate(inputs.time_ns.tolist())]
        for at, is_row, what in sorted(mixed, key=lambda one: one[:2]):
            made += self._close(at)
            total, count, standing, product = self._state
            if is_row:
                value = float(inputs.value[what])
                standing = value
                if at >= self._begin_ns:
                    total, count = total + value * (1 + int(inputs.input[what])), count + 1
                else:
                    self._standing = value
            elif what.event == "product.started":
                product = str(what.data["product"])
            self._state = (total, count, standing, product)
        return made + self._close(upto_ns)

    def _close(self, at_ns):
        made = []
        while self._end_ns <= at_ns:
            made.append(self._made(self._end_ns))
            self._start_ns, self._end_ns = self._end_ns, self._bounds.after(self._end_ns)
            self._standing = self._state[2]
            self._state = (0.0, 0, *self._state[2:])
        return made

    def _made(self, end_ns):
        total, count, _, product = self._state
        return Made(self._start_ns, end_ns, {"sum": total, "count": float(count), "standing": self._standing},
                    {"product": product} if product else {})  # fmt: skip

    def running(self):
        return [self._made(self._end_ns)]

    def snapshot(self):
        return (1, self._begin_ns, self._start_ns, self._end_ns, self._standing, *self._state)

    def restore(self, snapshot):
        layout, self._begin_ns, self._start_ns, self._end_ns, self._standing, *state = snapshot
        if layout != 1:
            raise ValueError(layout)
        self._state = tuple(state)


class Runs:
    """Stretches above 8: a figure each, with its peak. Ends of its own."""

    def __init__(self, begin_ns, bounds):
        self._open = None

    def step(self, inputs, upto_ns):
        made = []
        for at, value in zip(inputs.time_ns.tolist(), inputs.value.tolist(), strict=True):
            if self._open and value <= 8.0:
                made.append(Made(self._open[0], at, {"peak": self._open[1]}, tag="run"))
                self._open = None
            elif value > 8.0:
                self._open = (self._open[0], max(self._open[1], value)) if self._open else (at, value)
        return made

    def running(self):
        return [Made(self._open[0], self._open[0], {"peak": self._open[1]}, tag="run")] if self._open else []

    def snapshot(self):
        return (1, self._open)

    def restore(self, snapshot):
        self._open = snapshot[1]


class Tally:
    """Every fourth row ends a figure that says how many came so far: what is late moves everything behind it."""

    def __init__(self, begin_ns, bounds):
        self._rows, self._start_ns = 0, begin_ns

    def step(self, inputs, upto_ns):
        made = []
        for at in inputs.time_ns.tolist():
            self._rows += 1
            if self._rows % 4 == 0 and at > self._start_ns:
                made.append(Made(self._start_ns, at, {"rows": float(self._rows)}))
                self._start_ns = at
        return made

    def running(self):
        return []

    def snapshot(self):
        return (1, self._rows, self._start_ns)

    def restore(self, snapshot):
        _, self._rows, self._start_ns = snapshot


def specs(plant, asset):
    """All three on the cold room: one input, and two."""
    if asset != "cold/room":
        return []
    air, door = (asset, "air"), (asset, "door")
    return [
        MachineSpec("toy_windows", asset, "air", (air, door), "1", Windows, HOUR, events=True),
        MachineSpec("toy_runs", asset, "air", (air,), "1", Runs, 0),
        MachineSpec("toy_tally", asset, "door", (air, door), "1", Tally, 0),
    ]

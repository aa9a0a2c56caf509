"""What the devices of one shard send, second by second: the same for the runner and for whoever checks it."""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection
from typing import Any

import orjson

from andon.errors import SourceError
from simulators.autoclave import Autoclave, timetable
from simulators.compressor import Compressor
from simulators.device import HOUR_S, Device
from simulators.dirt import LONGEST_HOLD_S, Dirt, Parcel
from simulators.happenings import goods, stop_reasons
from simulators.schedule import DEVICES, Fault, Plan, label, second_ns

CHECKPOINT_VERSION = 1
ORDER_HOURS = 2
PRODUCTS = {"filling/line1/filler1": "VIAL-10", "machining/cell1/cnc1": "HOUSING-7"}


class Feed:
    """The messages of some assets in the order they are sent; deterministic from seed, start and `faults`.

    `second` is the next one to send. A checkpoint holds a snapshot of the devices from at least LONGEST_HOLD_S ago;
    `restore` runs them ahead again from there, which also brings back the messages held back by disorder and
    radio holes (at most 30 minutes of plant time, about 50 ms). Saving those messages themselves was rejected: up to
    120 kB in every transaction.
    """

    def __init__(self, seed: int, start_ns: int, assets: Collection[str], *, faults: bool = True) -> None:
        self.second = 0
        self._seed, self._start_ns, self._plan = seed, start_ns, Plan(seed, faults=faults)
        self._devices: list[Device[Any]] = [kind(seed, self._plan) for kind in DEVICES if kind.asset in assets]
        self._dirt = [Dirt(seed, device.asset, dict(device.units), self._plan) for device in self._devices]
        self._held: list[tuple[int, int, int, Parcel]] = []  # due, second, order inside the second
        self._bases: list[tuple[int, list[str]]] = []
        self._faults: list[Fault] = []

    def advance(self) -> list[Parcel]:
        """The messages that go out in `second`: those held back until now, then those measured now."""
        if self.second % LONGEST_HOLD_S == 0:
            self._keep_base()
        now: list[Parcel] = []
        order = 0
        for device, dirt in zip(self._devices, self._dirt, strict=True):
            now += self._orders(device.asset) + self._loads(device.asset)
            now += [self._told(device.asset, *one) for one in goods(device.asset, self.second, self._seed)]
            cause = self._plan(device.asset, self.second // HOUR_S)
            if cause is not None and cause.name == "bearing_wear" and cause.end_s == self.second:
                now.append(self._repaired())
            if cause is not None and cause.start_s == self.second:
                self._faults.append(label(device, cause, self._start_ns))
            for due_s, parcel in dirt.parcels(self.second, self._ts_ms(), device.step()):
                if due_s > self.second:
                    heapq.heappush(self._held, (due_s, self.second, order, parcel))
                    order += 1
                else:
                    now.append(parcel)
            now += [self._told(device.asset, *one) for one in stop_reasons(device, self.second, self._seed)]
        held = []
        while self._held and self._held[0][0] <= self.second:
            held.append(heapq.heappop(self._held)[3])
        self.second += 1
        return held + now

    def take_faults(self) -> list[Fault]:
        """Faults whose cause has begun since the last call (after `restore`: since the snapshot)."""
        faults, self._faults = self._faults, []
        return faults

    def checkpoint(self) -> bytes:
        """Everything needed to go on after `second` - 1, as JSON of about 1 kB."""
        base_s, devices = next((base for base in reversed(self._bases) if base[0] <= self.second - LONGEST_HOLD_S),
                               self._bases[0] if self._bases else (0, []))  # fmt: skip
        data = {"version": CHECKPOINT_VERSION, **self._identity(), "second": self.second, "base_s": base_s,
                "devices": devices}  # fmt: skip
        return json.dumps(data, separators=(",", ":")).encode()

    def restore(self, checkpoint: bytes) -> None:
        """Stand where `checkpoint` was taken. SourceError("simulators.other_run") if it is of another simulation."""
        data = json.loads(checkpoint)
        found = {key: data.get(key) for key in ("version", *self._identity())}
        wanted = {"version": CHECKPOINT_VERSION, **self._identity()}
        if found != wanted:
            raise SourceError("simulators.other_run", found=found, wanted=wanted)
        self.second, self._held, self._bases = data["base_s"], [], []
        for device, snapshot in zip(self._devices, data["devices"], strict=False):  # none before the first second
            device.restore(snapshot.encode())
        while self.second < data["second"]:
            self.advance()

    def _identity(self) -> dict[str, object]:
        return {
            "seed": self._seed, "start_ns": self._start_ns, "faults": self._plan.faults,
            "assets": [device.asset for device in self._devices],
        }  # fmt: skip

    def _keep_base(self) -> None:
        self._bases.append((self.second, [device.snapshot().decode() for device in self._devices]))
        del self._bases[:-3]

    def _ts_ms(self) -> int:
        return second_ns(self._start_ns, self.second) // 1_000_000

    def _orders(self, asset: str) -> list[Parcel]:
        """A new order for the machines every two hours."""
        if asset not in PRODUCTS or self.second % (ORDER_HOURS * HOUR_S):
            return []
        number = self.second // (ORDER_HOURS * HOUR_S) + 1
        data = {"order": f"PO-{number:05d}", "product": PRODUCTS[asset], "lot": f"L{self._seed:03d}-{number:04d}"}
        return [self._told(asset, "order.started", data)]

    def _repaired(self) -> Parcel:
        """The bearing of the compressor has been replaced."""
        return self._told(Compressor.asset, "maintenance.ended", {"mode": "bearing-wear"})

    def _loads(self, asset: str) -> list[Parcel]:
        """The steriliser says which load a cycle is, when it leaves idle."""
        if asset != Autoclave.asset:
            return []
        table = timetable(self._seed)
        cycle = table.cycle_at(self.second)
        if self.second != table.start_s(cycle) + table.lengths_s(cycle)[0]:
            return []
        data = {"cycle": cycle, "load": f"B{self._seed:03d}-{cycle:04d}", "program": "porous-121", "version": "1"}
        return [self._told(asset, "cycle.started", data)]

    def _told(self, asset: str, event: str, data: dict[str, Any]) -> Parcel:
        """An event of this second."""
        fields = {"ts": self._ts_ms(), "asset": asset, "event": event, "data": data}
        return Parcel(asset, self._ts_ms(), (), raw=orjson.dumps(fields))

"""What a real plant's messages suffer on their way: repeats, disorder, delays, bad quality, rubbish.

All of it is seeded and counted, so a checker knows to the row what the ledger must say.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from andon.readings import Reason
from simulators.autoclave import Autoclave
from simulators.device import HOUR_S, CauseOf, Sample
from simulators.noise import Noise
from simulators.truck import Truck, radio_back_s
from simulators.wave import MADE_OF_IT, RATE_HZ, UNIT, Block

# Shares of the messages (one message: all samples of an asset and second)
TWICE, DISORDER, LATE = 0.002, 0.01, 0.0006
BAD, UNCERTAIN, MALFORMED = 0.0015, 0.003, 0.002
FEW_DOUBTS = {Autoclave.asset: 0.0001}  # validated probes; more, and no load could ever be released
TWICE_S, DISORDER_S, LATE_S = (1, 20), (1, 3), (60, 540)  # held back for so long, s
LONGEST_HOLD_S = 900  # no message is held longer: late and then a radio hole
QUIET_AFTER_S = 600  # a device needs up to this to be well again after its cause is gone
OUT_OF_RANGE = 1e6  # outside the range of every series of the demo's plant
BAD_CODES = (0, 24, 0x808C0000)  # OPC DA: bad, bad with last known value; OPC UA: sensor failure
UNCERTAIN_CODES = (64, 0x40910000)  # OPC DA: uncertain; OPC UA: substitute value


class Row(NamedTuple):
    """One reading as it goes out; q None and unit "" are left out of the message. bad: its status will be bad."""

    tag: str
    value: object
    q: int | None
    unit: str
    bad: bool


class Parcel(NamedTuple):
    """One message. reason: what makes it a dead letter (then raw is its body and rows is empty), or None."""

    asset: str
    ts_ms: int
    rows: tuple[Row, ...]
    repeat: bool = False
    reason: Reason | None = None
    raw: bytes = b""

    def body(self) -> bytes:
        """NDJSON, one line a row."""
        return self.raw or b"\n".join(orjson.dumps(_fields(self.asset, self.ts_ms, row)) for row in self.rows)


def _fields(asset: str, ts_ms: int, row: Row) -> dict[str, object]:
    fields: dict[str, object] = {"ts": ts_ms, "asset": asset, "tag": row.tag}
    if isinstance(row.value, Block):
        return fields | {"samples": row.value.samples(), "rate_hz": RATE_HZ, "unit": UNIT}
    fields["value"] = row.value
    if row.q is not None:
        fields["q"] = row.q
    if row.unit:
        fields["unit"] = row.unit
    return fields


def readings_of(parcel: Parcel) -> list[Row]:
    """Rows as they become readings: of a waveform's block one for each figure that the plant declares."""
    found: list[Row] = []
    for row in parcel.rows:
        is_block = isinstance(row.value, Block)
        found += [row._replace(tag=f"{row.tag}.{name}") for name in MADE_OF_IT] if is_block else [row]
    return found


class Dirt:
    """The dirt on the messages of one asset.

    `units` names the number series and their units. Late messages keep clear of faults: a row of a faulty stretch
    that comes minutes late is rightly found a second time, and the label of a fault knows only the first.
    """

    def __init__(self, seed: int, asset: str, units: dict[str, str], cause_of: CauseOf) -> None:
        self._seed, self._asset, self._units, self._cause_of = seed, asset, units, cause_of
        self._noise = Noise(seed, f"dirt|{asset}", gauss=0, uniform=7)

    def parcels(self, second: int, ts_ms: int, samples: list[Sample]) -> list[tuple[int, Parcel]]:
        """(second at which it goes out, message) of everything that the samples of `second` lead to."""
        way, length, quality, which, variant, rubbish, kind = self._noise.row(second)
        rows = self._rows(samples, quality, which, variant)
        parcel = Parcel(self._asset, ts_ms, rows)
        sent = [(self._due(second + self._hold_s(second, way, length)), parcel)]
        if way < TWICE and not any(row.bad for row in rows):
            sent.append((self._due(second + _pick(TWICE_S, length)), parcel._replace(repeat=True)))
        if rubbish < MALFORMED:
            reason, raw = self._malformed(ts_ms, samples, which, kind)
            sent.append((self._due(second), Parcel(self._asset, ts_ms, (), reason=reason, raw=raw)))
        return sent

    def _rows(self, samples: list[Sample], quality: float, which: float, variant: float) -> tuple[Row, ...]:
        units = self._units
        rows = [Row(tag, value, None, units.get(tag, ""), bad=False) for tag, value in samples]
        if quality < BAD + FEW_DOUBTS.get(self._asset, UNCERTAIN):
            numbers = [at for at, sample in enumerate(samples) if sample.tag in units]
            at = numbers[int(which * len(numbers))]
            rows[at] = _spoiled(rows[at], variant) if quality < BAD else _doubtful(rows[at], variant)
        return tuple(rows)

    def _hold_s(self, second: int, way: float, length: float) -> int:
        if TWICE <= way < TWICE + DISORDER:
            return _pick(DISORDER_S, length)
        if TWICE + DISORDER <= way < TWICE + DISORDER + LATE:
            hold_s = _pick(LATE_S, length)
            return 0 if self._faulty(second, second + hold_s) else hold_s
        return 0

    def _faulty(self, first_s: int, last_s: int) -> bool:
        """Whether a cause acts, or still shows, between these seconds."""
        for hour in range(max(0, first_s // HOUR_S - 1), last_s // HOUR_S + 1):
            cause = self._cause_of(self._asset, hour)
            if cause and cause.start_s - 10 <= last_s and first_s <= cause.end_s + QUIET_AFTER_S:
                return True
        return False

    def _due(self, second: int) -> int:
        """The truck cannot send from a radio hole; everybody else can at any time."""
        back_s = radio_back_s(self._seed, second) if self._asset == Truck.asset else None
        return second if back_s is None else back_s

    def _malformed(self, ts_ms: int, samples: list[Sample], which: float, kind: float) -> tuple[Reason, bytes]:
        """A message with exactly one thing wrong, and the reason it will be refused for."""
        tags = list(self._units)
        tag = tags[int(which * len(tags))]
        good: dict[str, object] = {"ts": ts_ms, "asset": self._asset, "tag": tag, "value": 1.0}
        whole = orjson.dumps(good)
        nowhere = {"ts": ts_ms, "asset": "nowhere", "event": "order.started", "data": {}}
        state = next((sample.tag for sample in samples if isinstance(sample.value, str)), None)
        menu: list[tuple[Reason, bytes]] = [
            (Reason.not_json, whole[: len(whole) - 9]),
            (Reason.not_an_object, b'"heartbeat"'),
            (Reason.missing_field, orjson.dumps({"ts": ts_ms, "asset": self._asset, "tag": tag})),
            (Reason.wrong_type, orjson.dumps(good | {"value": {"v": 1.0}})),
            (Reason.unknown_series, orjson.dumps(good | {"tag": f"{tag}_2"})),
            (Reason.unit_mismatch, orjson.dumps(good | {"unit": "cd"})),
            (Reason.stamp_unreadable, orjson.dumps(good | {"ts": "just now"})),
            (Reason.stamp_naive, orjson.dumps(good | {"ts": "2026-01-01T08:00:00"})),
            (Reason.stamp_in_future, orjson.dumps(good | {"ts": ts_ms + 400 * 86_400_000})),
            (Reason.unknown_event, orjson.dumps(nowhere)),
        ]
        if state is not None:
            menu.append((Reason.unknown_state, orjson.dumps(good | {"tag": state, "value": "Runing"})))
        return menu[int(kind * len(menu))]


def _spoiled(row: Row, variant: float) -> Row:
    choice = int(variant * 4)
    if choice == 0:
        return row._replace(value=None, bad=True)
    if choice == 1:
        return row._replace(value=OUT_OF_RANGE, bad=True)
    return row._replace(q=BAD_CODES[int(variant * 1000) % len(BAD_CODES)], bad=True)


def _doubtful(row: Row, variant: float) -> Row:
    return row._replace(q=UNCERTAIN_CODES[int(variant * len(UNCERTAIN_CODES))])


def _pick(span: tuple[int, int], share: float) -> int:
    return span[0] + int((span[1] - span[0] + 1) * share)

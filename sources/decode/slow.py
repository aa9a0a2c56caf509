"""The slow path: one row that Python's json must read. The row's text is JSON, the general path has checked that."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import NamedTuple

from andon.readings import NS_PER_MS, Reason, Status
from andon.series import SeriesDictionary
from andon.units import Conversion
from sources.decode import stamps
from sources.decode.block import Wave, read_wave
from sources.decode.layout import BLOCK, EVENT, OK, TICK
from sources.decode.units import ROWS, to_series


class SlowRow(NamedTuple):
    """What became of a row: a reading, an event (then `event` is its name), a waveform, or dead for `reason`."""

    reason: Reason | None = None
    place: int = -1
    time_ns: int = 0
    value: float = math.nan
    status: int = Status.GOOD
    event: str | None = None
    asset: str = ""
    data: Mapping[str, object] = {}
    tick: bool = False
    wave: Wave | None = None

    @property
    def kind(self) -> int:
        """What it is when it is not dead."""
        if self.wave is not None:
            return BLOCK
        return TICK if self.tick else OK if self.event is None else EVENT


def read_row(
    raw: bytes, latest_ns: int, dictionary: SeriesDictionary, assets: frozenset[str], foreign: frozenset[str]
) -> SlowRow:
    """Read one JSON object. Never raises.

    latest_ns: a stamp beyond it is in the future. assets, foreign: those of this shard, and of others.
    """
    row = _READER.decode(raw.decode())
    if "event" in row:
        return _event(row, latest_ns, assets, foreign)
    if not row.keys() >= _ALWAYS or not ("value" in row or "samples" in row):
        return SlowRow(Reason.missing_field)
    asset, tag = row["asset"], row["tag"]
    if not isinstance(asset, str) or not isinstance(tag, str):
        return SlowRow(Reason.wrong_type)
    place = dictionary.place_of(asset, tag)
    if place < 0:
        return SlowRow(Reason.wrong_partition if asset in foreign else Reason.unknown_series)
    spec = dictionary.declared[place]
    is_wave = spec.kind == "waveform"
    if not row.keys() >= (_OF_WAVE if is_wave else _OF_VALUE):
        return SlowRow(Reason.missing_field)
    reason, time_ns = _stamp(row["ts"], latest_ns)
    unit = row.get("unit")
    change: Conversion | None = None
    if reason is None and unit is not None:
        if not isinstance(unit, str):
            reason = Reason.wrong_type
        elif unit != spec.unit:
            change = to_series(unit, spec)
            reason = Reason.unit_mismatch if change is None else None
            if change is not None:
                ROWS.labels("json").inc()
    status, value = Status.GOOD, math.nan
    if reason is None:
        reason, status = read_quality(row.get("q"))
    if reason is None and is_wave:
        wave = read_wave(row["samples"], row["rate_hz"], change, row.get("rpm"))
        return SlowRow(Reason.wrong_type if wave is None else None, place, time_ns, math.nan, status, wave=wave)
    if reason is None:
        reason, value = read_value(row["value"], spec.kind, spec.states, change)
        if math.isnan(value) or not spec.low <= value <= spec.high:
            status = Status.BAD
    return SlowRow(reason, place, time_ns, value, status)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else float(digits)  # int() of a long text is slow, and refused above 4,300


_READER = json.JSONDecoder(parse_int=_integer)  # `json.loads` would make one for each row
_ALWAYS, _OF_WAVE, _OF_VALUE = {"ts", "asset", "tag"}, {"samples", "rate_hz"}, {"value"}


def _event(row: Mapping[str, object], latest_ns: int, assets: frozenset[str], foreign: frozenset[str]) -> SlowRow:
    name, asset, data = row["event"], row.get("asset"), row.get("data", {})
    if not isinstance(name, str):
        return SlowRow(Reason.wrong_type)
    if "ts" not in row:
        return SlowRow(Reason.missing_field)
    if name == "tick":
        ts = row["ts"]
        if isinstance(ts, bool) or not isinstance(ts, int):
            return SlowRow(Reason.stamp_unreadable)
        reason, time_ns = _stamp(ts, _NO_LATEST)  # the decoder sees to one that is ahead of its receive time
        return SlowRow(reason, time_ns=time_ns, tick=True)
    if "asset" not in row:
        return SlowRow(Reason.unknown_event)
    if not isinstance(asset, str):
        return SlowRow(Reason.wrong_type)
    if asset not in assets:
        return SlowRow(Reason.wrong_partition if asset in foreign else Reason.unknown_event)
    if not isinstance(data, dict) or not _is_storable([name, data]):
        return SlowRow(Reason.wrong_type)
    reason, time_ns = _stamp(row["ts"], latest_ns)
    return SlowRow(reason, time_ns=time_ns, event=name, asset=asset, data=data)


def _is_storable(parts: object) -> bool:
    """Whether it is JSON and UTF-8 when written again: no number beyond float64, no half of a surrogate pair."""
    try:
        json.dumps(parts, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:  # UnicodeEncodeError is one
        return False
    return True


_NO_LATEST = 2**63 - 1


def _stamp(ts: object, latest_ns: int) -> tuple[Reason | None, int]:
    time_ns = -1
    if isinstance(ts, str):
        status, time_ns = stamps.read_text(ts)
        if status != stamps.OK:
            return (Reason.stamp_naive if status == stamps.NAIVE else Reason.stamp_unreadable), 0
    elif isinstance(ts, (int, float)) and not isinstance(ts, bool) and stamps.FIRST_MS <= ts < stamps.END_MS:
        time_ns = ts * NS_PER_MS if isinstance(ts, int) else int(stamps.milliseconds(ts))
    if time_ns < 0:
        return Reason.stamp_unreadable, 0
    return (None if time_ns <= latest_ns else Reason.stamp_in_future), time_ns


def read_quality(q: object) -> tuple[Reason | None, Status]:
    """(why it is no quality, what it means) of q: an OPC DA byte up to 255, above that OPC UA; None is good."""
    if q is None:
        return None, Status.GOOD
    if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q <= 0xFFFF_FFFF or q != int(q):
        return Reason.wrong_type, Status.BAD
    code = int(q)
    if code <= 255:
        return None, Status.GOOD if code >= 192 else Status.UNCERTAIN if code >= 64 else Status.BAD
    return None, Status(min(code >> 30, 2))


def read_value(
    value: object, kind: str, states: tuple[str, ...], change: Conversion | None = None
) -> tuple[Reason | None, float]:
    """(why it is no value, the value) of a series of this kind; null is NaN. change: into the unit of the series."""
    if value is None:
        return None, math.nan
    if isinstance(value, str) and kind == "state":
        return (None, float(states.index(value))) if value in states else (Reason.unknown_state, 0.0)
    if isinstance(value, bool):
        return (None if kind == "boolean" else Reason.wrong_type), float(value)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return Reason.wrong_type, 0.0
    number = float(value)
    if change is not None:
        number = change(number)
        if not math.isfinite(number):
            return Reason.wrong_type, 0.0
    if kind == "boolean":
        return (None if number in {0.0, 1.0} else Reason.wrong_type), number
    if kind == "state":
        return (None if number.is_integer() and 0 <= number < len(states) else Reason.unknown_state), number
    return None, number

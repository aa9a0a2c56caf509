"""The slow, obvious twin of sources.decode: one row at a time, Python's json, datetime and fractions.

Shares nothing with the product but the types it fills.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby

from andon.readings import Reason, Status
from andon.units import conversion

FIRST = datetime(1971, 1, 1, tzinfo=UTC)
END = datetime(2201, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))?", re.ASCII
)
SPACE = " \t\r\n"


class NoReadingError(Exception):
    """The reason why a row is none."""


def no_constant(name):
    raise ValueError(name)


def whole_number(text):
    return int(text) if len(text) <= 20 else float(text)


def depth_of(text):
    """How deep arrays and objects are nested; text need not be JSON."""
    deepest = depth = 0
    for token in re.findall(r'"(?:\\.|[^"\\])*"|[\[{]|[\]}]', text, re.DOTALL):
        depth += (token in "[{") - (token in "]}") if len(token) == 1 else 0
        deepest = max(deepest, depth)
    return deepest


def parse(raw):
    """The JSON value of some bytes; ValueError when they are none."""
    text = raw.decode("utf-8")
    if depth_of(text) > 32:
        raise ValueError("too deep")
    return json.loads(text, parse_constant=no_constant, parse_int=whole_number)


def rows_of(body):
    """(value or ValueError, raw bytes) of each row of a message."""
    try:
        value = parse(body)
    except (ValueError, RecursionError) as error:
        if body.lstrip(SPACE.encode()).startswith(b"["):
            return [(error, body)]
        lines = [line.strip(SPACE.encode()) for line in body.split(b"\n")]
        lines = [line for line in lines if line]
        if len(lines) < 2:
            lines = [body]
        rows = []
        for line in lines:
            try:
                rows.append((parse(line), line))
            except (ValueError, RecursionError) as bad:
                rows.append((bad, line))
        return rows
    if not isinstance(value, list):
        return [(value, body)]
    text, at, rows = body.decode(), body.decode().index("[") + 1, []
    reader = json.JSONDecoder()
    for one in value:
        while text[at] in SPACE + ",":
            at += 1
        _, end = reader.raw_decode(text, at)
        rows.append((one, text[at:end].encode()))
        at = end
    return rows


def stamp_ns(ts):
    if isinstance(ts, str):
        found = STAMP.fullmatch(ts)
        if not found:
            raise NoReadingError(Reason.stamp_unreadable)
        year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
        if second > 60 or not 1970 <= year <= 2201:
            raise NoReadingError(Reason.stamp_unreadable)
        try:
            moment = datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
        except ValueError:
            raise NoReadingError(Reason.stamp_unreadable) from None
        if found[8] is None and found[9] is None:
            raise NoReadingError(Reason.stamp_naive)
        if found[9]:
            if int(found[10]) > 23 or int(found[11]) > 59:
                raise NoReadingError(Reason.stamp_unreadable)
            moment -= (1 if found[9] == "+" else -1) * timedelta(hours=int(found[10]), minutes=int(found[11]))
        if not FIRST <= moment < END:
            raise NoReadingError(Reason.stamp_unreadable)
        return (moment - EPOCH) // timedelta(seconds=1) * 10**9 + int((found[7] or "0").ljust(9, "0")[:9])
    if isinstance(ts, bool) or not isinstance(ts, (int, float)) or not math.isfinite(ts):
        raise NoReadingError(Reason.stamp_unreadable)
    exact = Fraction(ts)
    if not (FIRST - EPOCH) // timedelta(milliseconds=1) <= exact < (END - EPOCH) // timedelta(milliseconds=1):
        raise NoReadingError(Reason.stamp_unreadable)
    return math.floor(exact) * 10**6 + round(float(exact - math.floor(exact)) * 1e6)


def status_of(q):
    if q is None:
        return Status.GOOD
    if isinstance(q, bool) or not isinstance(q, (int, float)) or not 0 <= q < 2**32 or Fraction(q).denominator != 1:
        raise NoReadingError(Reason.wrong_type)
    if q > 255:
        return [Status.GOOD, Status.UNCERTAIN, Status.BAD, Status.BAD][int(q) // 2**30]
    return Status.GOOD if q >= 192 else Status.UNCERTAIN if q >= 64 else Status.BAD


def value_of(value, spec):
    if value is None:
        return math.nan
    if isinstance(value, bool):
        if spec.kind != "boolean":
            raise NoReadingError(Reason.wrong_type)
        return 1.0 if value else 0.0
    if isinstance(value, str) and spec.kind == "state":
        if value not in spec.states:
            raise NoReadingError(Reason.unknown_state)
        return float(spec.states.index(value))
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise NoReadingError(Reason.wrong_type)
    if spec.kind == "boolean" and value not in {0, 1}:
        raise NoReadingError(Reason.wrong_type)
    if spec.kind == "state" and value not in range(len(spec.states)):
        raise NoReadingError(Reason.unknown_state)
    return float(value)


def has_half_surrogates(value):
    if isinstance(value, dict):
        return any(has_half_surrogates(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(has_half_surrogates(part) for part in value)
    return isinstance(value, str) and any(0xD800 <= ord(c) <= 0xDFFF for c in value)


def has_infinity(value):
    if isinstance(value, dict):
        return any(has_infinity(part) for part in value.values())
    if isinstance(value, list):
        return any(has_infinity(part) for part in value)
    return isinstance(value, float) and math.isinf(value)


class NaiveDecoder:
    """Decodes a message into a list of tuples; gives ids at first sight like the dictionary of the product."""

    def __init__(self, plant, shard):
        self.plant, self.shard = plant, shard
        self.ids = {}

    def series(self, asset, tag):
        spec = self.plant.series.get((asset, tag))
        return spec if spec and self.plant.shard_of(asset) == self.shard else None

    def foreign(self, asset):
        return asset in self.plant.assets and self.plant.shard_of(asset) != self.shard

    def decode(self, message):
        if len(message.body) > self.plant.config.sources.max_message_bytes:
            return [("dead", message.offset, 0, message.received_ns, Reason.too_large, -1, message.body)]
        return [self.row(message, line, *row) for line, row in enumerate(rows_of(message.body))]

    def row(self, message, line, value, raw):
        series = -1
        try:
            if isinstance(value, Exception):
                raise NoReadingError(Reason.not_json)
            if not isinstance(value, dict):
                raise NoReadingError(Reason.not_an_object)
            if "event" in value:
                return self.event(message, value)
            if not {"ts", "asset", "tag", "value"} <= value.keys():
                raise NoReadingError(Reason.missing_field)
            asset, tag = value["asset"], value["tag"]
            if not isinstance(asset, str) or not isinstance(tag, str):
                raise NoReadingError(Reason.wrong_type)
            spec = self.series(asset, tag)
            if spec is None:
                raise NoReadingError(Reason.wrong_partition if self.foreign(asset) else Reason.unknown_series)
            series = self.ids.setdefault((asset, tag), len(self.ids))
            time_ns = self.stamp(message, value["ts"])
            unit = value.get("unit")
            if unit is not None and not isinstance(unit, str):
                raise NoReadingError(Reason.wrong_type)
            change = None
            if unit is not None and unit != spec.unit:
                change = conversion(unit, spec.unit) if spec.kind in ("number", "counter") else None
                if change is None:
                    raise NoReadingError(Reason.unit_mismatch)
            status = status_of(value.get("q"))
            number = value_of(value["value"], spec)
            if change is not None:
                number = change(number)
                if math.isinf(number):
                    raise NoReadingError(Reason.wrong_type)
            if not spec.low <= number <= spec.high:
                status = Status.BAD
        except NoReadingError as error:
            return ("dead", message.offset, line, message.received_ns, error.args[0], series, raw)
        return ("reading", message.offset, message.received_ns, time_ns, series, repr(number), status)

    def stamp(self, message, ts):
        time_ns = stamp_ns(ts)
        if time_ns > message.received_ns + round(self.plant.config.time.future_s * 1e9):
            raise NoReadingError(Reason.stamp_in_future)
        return time_ns

    def event(self, message, value):
        name = value["event"]
        if not isinstance(name, str):
            raise NoReadingError(Reason.wrong_type)
        if "ts" not in value:
            raise NoReadingError(Reason.missing_field)
        if name == "tick":
            if isinstance(value["ts"], bool) or not isinstance(value["ts"], int):
                raise NoReadingError(Reason.stamp_unreadable)
            time_ns = stamp_ns(value["ts"])
            ahead = time_ns > message.received_ns + round(self.plant.config.time.future_s * 1e9)
            since = value.get("since")
            known = isinstance(since, int) and not isinstance(since, bool) and 0 <= since < 10**12
            since_ns = since * 1_000_000 if known else None
            return ("tick", message.offset, message.received_ns if ahead else time_ns, since_ns)
        if "asset" not in value:
            raise NoReadingError(Reason.unknown_event)
        asset, data = value["asset"], value.get("data", {})
        if not isinstance(asset, str):
            raise NoReadingError(Reason.wrong_type)
        if self.foreign(asset):
            raise NoReadingError(Reason.wrong_partition)
        if asset not in self.plant.assets:
            raise NoReadingError(Reason.unknown_event)
        if not isinstance(data, dict) or has_infinity(data) or has_half_surrogates([name, data]):
            raise NoReadingError(Reason.wrong_type)
        return ("event", message.offset, message.received_ns, self.stamp(message, value["ts"]), asset, name, repr(data))


def told_apart(rows):
    """Rows of the log in an order that both can tell: ticks and events of a message between two of its readings.

    A tick and an event have only the reading that they stand before; among themselves each keep their order.
    """
    found = []
    for _, group in groupby(rows, key=lambda row: (row[0] in ("tick", "event"), row[1] if row[0] != "reading" else 0)):
        run = list(group)
        found += sorted(run, key=lambda row: row[0]) if run[0][0] in ("tick", "event") else run
    return found


def as_rows(decoded):
    """What the product decoded, as the tuples of `NaiveDecoder`, in the order of the log where it can be told.

    Returns (readings with events and ticks at their places, dead letters).
    """
    r, d = decoded.readings, decoded.dead
    rows = [
        ("reading", offset, received, time_ns, series, repr(value), Status(status))
        for offset, received, time_ns, series, value, status in zip(
            r.offset.tolist(), r.received_ns.tolist(), r.time_ns.tolist(), r.series.tolist(), r.value.tolist(),
            r.status.tolist(), strict=True,
        )
    ]  # fmt: skip
    others = [(t.at_row, t.offset, ("tick", t.offset, t.time_ns, t.since_ns)) for t in decoded.ticks] + [
        (e.at_row, e.offset, ("event", e.offset, e.received_ns, e.time_ns, e.asset, e.event, repr(e.data)))
        for e in decoded.events
    ]
    others.sort(key=lambda one: one[:2])
    for at_row, _, row in others[::-1]:  # the last first: each moves those after it on
        rows.insert(at_row, row)
    dead = [
        ("dead", *one[:3], Reason(one[3]), one[4], raw)
        for one, raw in zip(
            zip(d.offset.tolist(), d.line.tolist(), d.received_ns.tolist(), d.reason.tolist(), d.series.tolist(),
                strict=True),
            d.raw, strict=True,
        )
    ]  # fmt: skip
    return rows, dead

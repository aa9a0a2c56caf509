from __future__ import annotations

import json
import math
import random
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.naive_decode import NaiveDecoder, as_rows

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import Event, Message, Reason, Status, Tick
from andon.series import SeriesDictionary
from sources.decode import JsonDecoder

NOW_MS = 1_767_225_600_123
NOW = NOW_MS * 1_000_000
PLANT = PlantModel(Plant.model_validate({
    "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"},
    "transport": {"shards": 2}, "sources": {"max_message_bytes": 3000},
    "template": [
        {"name": "t", "series": [
            {"tag": "temp", "unit": "Cel", "range": [-20, 150]},
            {"tag": "state", "kind": "state", "states": ["Idle", "Execute", "Held é", "运行"]},
            {"tag": "door", "kind": "boolean"},
            {"tag": "total", "kind": "counter", "modulus": 65536},
        ]},
        {"name": "u", "series": [{"tag": "temp"}]},
    ],
    "asset": [
        {"path": "fill/line1/f1", "template": "t", "shard": 0},
        {"path": "fill/line1/f2", "template": "t", "shard": 0},
        {"path": "a", "template": "u", "shard": 0},
        {"path": "other", "template": "u", "shard": 1},
    ],
}))  # fmt: skip


def decoder():
    return JsonDecoder(SeriesDictionary(PLANT, 0), PLANT, 0)


def reading(**changes):
    row = {"ts": NOW_MS, "asset": "fill/line1/f1", "tag": "temp", "value": 21.5, **changes}
    return {name: value for name, value in row.items() if value is not ...}


def one(body):
    """Decode one message; its single row, as the twin writes it, and the same of the twin."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    message = Message(7, NOW, body)
    rows, dead = as_rows(decoder().decode([message]))
    naive = NaiveDecoder(PLANT, 0).decode(message)
    assert rows + dead == naive
    (row,) = naive
    return row


GOOD = {
    "plain": (reading(), 21.5, Status.GOOD),
    "integer": (reading(value=21), 21.0, Status.GOOD),
    "negative-zero": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":-0}', 0.0, Status.GOOD),
    "17-digits": (reading(value=73.967322069999998), 73.967322069999998, Status.GOOD),
    "exponent": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":1.5e-3}', 0.0015, Status.GOOD),
    "25-digits": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":0.1234567890123456789012345}',
                  0.1234567890123456789012345, Status.GOOD),
    "subnormal": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":5e-324}', 5e-324, Status.GOOD),
    "exact-unit": (reading(unit="Cel"), 21.5, Status.GOOD),
    "no-unit": (reading(unit=None, q=None), 21.5, Status.GOOD),
    "opc-da-good": (reading(q=192), 21.5, Status.GOOD),
    "opc-da-uncertain": (reading(q=64), 21.5, Status.UNCERTAIN),
    "opc-da-bad": (reading(q=63), 21.5, Status.BAD),
    "opc-da-zero": (reading(q=0), 21.5, Status.BAD),
    "opc-da-float": (reading(q=192.0), 21.5, Status.GOOD),
    "opc-ua-good": (reading(q=0x00960000), 21.5, Status.GOOD),
    "opc-ua-uncertain": (reading(q=0x408F0000), 21.5, Status.UNCERTAIN),
    "opc-ua-bad": (reading(q=0x80350000), 21.5, Status.BAD),
    "opc-ua-bad-11": (reading(q=0xFFFFFFFF), 21.5, Status.BAD),
    "out-of-range": (reading(value=150.001), 150.001, Status.BAD),
    "at-the-limit": (reading(value=150), 150.0, Status.GOOD),
    "null": (reading(value=None), math.nan, Status.BAD),
    "null-with-good-q": (reading(value=None, q=192), math.nan, Status.BAD),
    "state-name": (reading(tag="state", value="Execute"), 1.0, Status.GOOD),
    "state-name-utf8": (reading(tag="state", value="Held é"), 2.0, Status.GOOD),
    "state-name-chinese": (json.dumps(reading(tag="state", value="运行"), ensure_ascii=False).encode(), 3.0, Status.GOOD),
    "state-number": (reading(tag="state", value=2), 2.0, Status.GOOD),
    "state-null": (reading(tag="state", value=None), math.nan, Status.BAD),
    "true": (reading(tag="door", value=True), 1.0, Status.GOOD),
    "false": (reading(tag="door", value=False), 0.0, Status.GOOD),
    "boolean-as-number": (reading(tag="door", value=1.0), 1.0, Status.GOOD),
    "counter": (reading(tag="total", value=65535), 65535.0, Status.GOOD),
    "more-fields": (reading(batch="B-1", nested={"a": [1, {"b": None}], "c": "}"}, 中文="是"), 21.5, Status.GOOD),
    "spaces": (b' \r\n{ "value" :\t1 , "tag":"temp" ,"asset"\n:"a","ts":1767225600123 } \n', 1.0, Status.GOOD),
    "escaped-slash": (b'{"ts":1767225600123,"asset":"fill\\/line1\\/f1","tag":"temp","value":2}', 2.0, Status.GOOD),
    "escaped-name": (b'{"\\u0074s":1767225600123,"asset":"a","tag":"temp","value":2}', 2.0, Status.GOOD),
    "given-twice": (b'{"ts":1,"ts":1767225600123,"asset":"a","tag":"temp","value":5,"value":2}', 2.0, Status.GOOD),
    "half-surrogate-elsewhere": (reading(x="\ud800"), 21.5, Status.GOOD),
    "array-of-one": ([reading()], 21.5, Status.GOOD),
}  # fmt: skip


@pytest.mark.parametrize(("body", "value", "status"), GOOD.values(), ids=GOOD.keys())
def test_readings(body, value, status):
    assert one(body) == ("reading", 7, NOW, NOW, 0, repr(value), status)


STAMPS = {
    "ms": (NOW_MS, 0),
    "ms-fraction": (NOW_MS + 0.25, 250_000),
    "float-ms": (float(NOW_MS), 0),
    "zulu": ("2026-01-01T00:00:00.123Z", 0),
    "lower-case": ("2026-01-01t00:00:00.123z", 0),
    "space": ("2026-01-01 00:00:00.123+00:00", 0),
    "east": ("2026-01-01T08:00:00.123+08:00", 0),
    "west": ("2025-12-31T18:30:00.123-05:30", 0),
    "nanoseconds": ("2026-01-01T00:00:00.123456789Z", 456_789),
    "more-than-ns": ("2026-01-01T00:00:00.1234567899999Z", 456_789),
    "leap-second": ("2025-12-31T23:59:60Z", -123_000_000),
    "leap-day": ("2024-02-29T00:00:00Z", None),
    "first": ("1971-01-01T00:00:00Z", None),
    "future-allowed": (NOW_MS + 300_000, 300_000_000_000),
}


@pytest.mark.parametrize(("ts", "after"), STAMPS.values(), ids=STAMPS.keys())
def test_stamps(ts, after):
    row = one(reading(ts=ts))
    assert row[0] == "reading"
    if after is not None:
        assert row[3] - NOW == after


DEAD = {
    "empty": (b"", Reason.not_json),
    "blank": (b" \n ", Reason.not_json),
    "text": (b"hello", Reason.not_json),
    "cut": (json.dumps(reading()).encode()[:-1], Reason.not_json),
    "two-objects": (json.dumps(reading()).encode() * 2, Reason.not_json),
    "comma-at-end": (b'{"ts":1,}', Reason.not_json),
    "nan": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":NaN}', Reason.not_json),
    "infinity": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":-Infinity}', Reason.not_json),
    "leading-zero": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":01}', Reason.not_json),
    "plus": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":+1}', Reason.not_json),
    "point-only": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":1.}', Reason.not_json),
    "not-utf8": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":1,"x":"\xff"}', Reason.not_json),
    "overlong-utf8": (b'{"x":"\xc0\xaf"}', Reason.not_json),
    "utf8-surrogate": (b'{"x":"\xed\xa0\x80"}', Reason.not_json),
    "event-half-surrogate": (b'{"event":"x\\ud800","ts":1767225600123,"asset":"a"}', Reason.wrong_type),
    "data-half-surrogate": (b'{"event":"x","ts":1767225600123,"asset":"a","data":{"\\udc00":1}}', Reason.wrong_type),
    "control": (b'{"x":"\x01"}', Reason.not_json),
    "bad-escape": (b'{"x":"\\x"}', Reason.not_json),
    "nul": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":1}\0', Reason.not_json),
    "bom": (b"\xef\xbb\xbf{}", Reason.not_json),
    "utf-16": (json.dumps(reading()).encode("utf-16"), Reason.not_json),
    "too-deep": (b'{"x":' + b"[" * 40 + b"]" * 40 + b"}", Reason.not_json),
    "cut-array": (json.dumps([reading()] * 3).encode()[:-1], Reason.not_json),
    "number": (b"5", Reason.not_an_object),
    "string": (b'"x"', Reason.not_an_object),
    "array-in-array": (b"[[]]", Reason.not_an_object),
    "empty-object": (b"{}", Reason.missing_field),
    "no-ts": (reading(ts=...), Reason.missing_field),
    "no-asset": (reading(asset=...), Reason.missing_field),
    "no-tag": (reading(tag=...), Reason.missing_field),
    "no-value": (reading(value=...), Reason.missing_field),
    "asset-number": (reading(asset=5), Reason.wrong_type),
    "asset-null": (reading(asset=None), Reason.wrong_type),
    "tag-list": (reading(tag=["temp"]), Reason.wrong_type),
    "value-text": (reading(value="21.5"), Reason.wrong_type),
    "value-object": (reading(value={"v": 1}), Reason.wrong_type),
    "value-true": (reading(value=True), Reason.wrong_type),
    "value-too-big": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":1e999}', Reason.wrong_type),
    "value-400-digits": (reading(value=10**400), Reason.wrong_type),
    "value-20-digits-too-big": (b'{"ts":1767225600123,"asset":"a","tag":"temp","value":123456789012345678901e300}',
                                Reason.wrong_type),
    "door-2": (reading(tag="door", value=2), Reason.wrong_type),
    "door-text": (reading(tag="door", value="true"), Reason.wrong_type),
    "q-text": (reading(q="good"), Reason.wrong_type),
    "q-true": (reading(q=True), Reason.wrong_type),
    "q-negative": (reading(q=-1), Reason.wrong_type),
    "q-half": (reading(q=191.5), Reason.wrong_type),
    "q-33-bits": (reading(q=2**32), Reason.wrong_type),
    "unit-number": (reading(unit=5), Reason.wrong_type),
    "unknown-asset": (reading(asset="fill/line1/f9"), Reason.unknown_series),
    "unknown-tag": (reading(tag="tem"), Reason.unknown_series),
    "longer-tag": (reading(tag="temp "), Reason.unknown_series),
    "empty-tag": (reading(tag=""), Reason.unknown_series),
    "shifted-slash": (reading(asset="fill/line1", tag="f1/temp"), Reason.unknown_series),
    "other-shard": (reading(asset="other"), Reason.unknown_series),
    "unit": (reading(unit="K"), Reason.unit_mismatch),
    "unit-prefix": (reading(unit="Ce"), Reason.unit_mismatch),
    "state": (reading(tag="state", value="Exec"), Reason.unknown_state),
    "state-4": (reading(tag="state", value=4), Reason.unknown_state),
    "state-half": (reading(tag="state", value=0.5), Reason.unknown_state),
    "state-negative": (reading(tag="state", value=-1), Reason.unknown_state),
    "stamp-seconds": (reading(ts=NOW_MS // 1000), Reason.stamp_unreadable),
    "stamp-null": (reading(ts=None), Reason.stamp_unreadable),
    "stamp-true": (reading(ts=True), Reason.stamp_unreadable),
    "stamp-nested": (reading(ts={}), Reason.stamp_unreadable),
    "stamp-big": (reading(ts=10**18), Reason.stamp_unreadable),
    "stamp-20-digits": (reading(ts=10**20), Reason.stamp_unreadable),
    "stamp-empty": (reading(ts=""), Reason.stamp_unreadable),
    "stamp-day": (reading(ts="2026-01-01"), Reason.stamp_unreadable),
    "stamp-30-feb": (reading(ts="2026-02-30T00:00:00Z"), Reason.stamp_unreadable),
    "stamp-hour-24": (reading(ts="2026-01-01T24:00:00Z"), Reason.stamp_unreadable),
    "stamp-second-61": (reading(ts="2026-01-01T00:00:61Z"), Reason.stamp_unreadable),
    "stamp-zone-without-colon": (reading(ts="2026-01-01T08:00:00+0800"), Reason.stamp_unreadable),
    "stamp-year-1970": (reading(ts="1970-12-31T23:59:59Z"), Reason.stamp_unreadable),
    "stamp-year-0": (reading(ts="0000-01-01T00:00:00Z"), Reason.stamp_unreadable),
    "stamp-naive": (reading(ts="2026-01-01T00:00:00"), Reason.stamp_naive),
    "stamp-naive-fraction": (reading(ts="2026-01-01 00:00:00.5"), Reason.stamp_naive),
    "stamp-future": (reading(ts=NOW_MS + 300_001), Reason.stamp_in_future),
    "stamp-future-text": (reading(ts="2030-01-01T00:00:00Z"), Reason.stamp_in_future),
    "too-large": (reading(x="x" * 3000), Reason.too_large),
    "event-unknown-asset": ({"ts": NOW_MS, "event": "lot.started", "asset": "nix"}, Reason.unknown_event),
    "event-other-shard": ({"ts": NOW_MS, "event": "lot.started", "asset": "other"}, Reason.unknown_event),
    "event-without-asset": ({"ts": NOW_MS, "event": "lot.started"}, Reason.unknown_event),
    "event-without-ts": ({"event": "lot.started", "asset": "a"}, Reason.missing_field),
    "event-number": ({"ts": NOW_MS, "event": 5, "asset": "a"}, Reason.wrong_type),
    "event-asset-number": ({"ts": NOW_MS, "event": "x", "asset": 5}, Reason.wrong_type),
    "event-data-list": ({"ts": NOW_MS, "event": "x", "asset": "a", "data": []}, Reason.wrong_type),
    "event-data-infinite": (b'{"ts":1767225600123,"event":"x","asset":"a","data":{"n":1e999}}', Reason.wrong_type),
    "event-naive": ({"ts": "2026-01-01T00:00:00", "event": "x", "asset": "a"}, Reason.stamp_naive),
    "tick-text": ({"ts": "2026-01-01T00:00:00Z", "event": "tick"}, Reason.stamp_unreadable),
    "tick-without-ts": ({"event": "tick"}, Reason.missing_field),
    "tick-future": ({"ts": NOW_MS + 300_001, "event": "tick"}, Reason.stamp_in_future),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), DEAD.values(), ids=DEAD.keys())
def test_dead_letters_have_reason_and_raw_bytes(body, reason):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    row = one(body)
    assert (row[0], row[1], row[2], row[4].name) == ("dead", 7, 0, reason.name)
    assert row[6] == (raw if raw != b"[[]]" else b"[]")


def test_a_dead_letter_knows_its_series_where_it_has_one():
    assert one(reading(ts="2026-01-01T00:00:00"))[5] == 0
    assert one(reading(unit="K"))[5] == 0
    assert one(reading(tag="nix"))[5] == -1


def test_events_ticks_and_rows_keep_their_places():
    event = {"ts": NOW_MS, "asset": "a", "event": "lot.started", "data": {"lot": "L\"1", "n": [1, None]}}
    tick = {"ts": NOW_MS, "event": "tick"}
    bodies = [
        json.dumps([reading(), event, reading(tag="nix"), tick, reading(value=2)]).encode(),
        b"\n".join(json.dumps(row).encode() for row in (tick, reading(asset="fill\\/"), reading(), event)) + b"\n",
    ]
    messages = [Message(10 + 5 * k, NOW + k, body) for k, body in enumerate(bodies)]
    got = decoder().decode(messages)
    assert [e.at_row for e in got.events] == [1, 3]
    assert [t.at_row for t in got.ticks] == [1, 2]
    assert got.events[0] == Event(NOW, "a", "lot.started", {"lot": 'L"1', "n": [1, None]}, 10, NOW, 1)
    assert got.ticks[1] == Tick(NOW, 15, 2)
    assert got.readings.offset.tolist() == [10, 10, 15]
    assert got.readings.received_ns.tolist() == [NOW, NOW, NOW + 1]
    assert (got.dead.offset.tolist(), got.dead.line.tolist()) == ([10, 15], [2, 1])
    assert got.dead.raw[0] == json.dumps(reading(tag="nix")).encode()
    assert got.rows_in == 5


def test_lines_of_a_message_stand_for_themselves():
    lines = [json.dumps(reading(value=k)).encode() for k in range(4)]
    body = b"\r\n".join([lines[0], b"", b"  oops ", lines[1] + b"x", lines[2], b"[]", lines[3][:-1]])
    got = decoder().decode([Message(1, NOW, body)])
    assert got.readings.value.tolist() == [0.0, 2.0]
    assert got.dead.line.tolist() == [1, 2, 4, 5]
    assert [Reason(r).name for r in got.dead.reason] == ["not_json", "not_json", "not_an_object", "not_json"]
    assert list(got.dead.raw) == [b"oops", lines[1] + b"x", b"[]", lines[3][:-1]]


def test_ids_are_given_in_log_order_also_by_dead_and_slow_rows():
    rows = [
        reading(asset="nix"), reading(asset="fill/line1/f2", ts="2026-01-01T00:00:00"), reading(asset="a"),
        b'{"ts":1767225600123,"asset":"fill\\/line1\\/f1","tag":"door","value":true}', reading(tag="total"),
    ]  # fmt: skip
    bodies = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    subject = decoder()
    got = subject.decode([Message(k, NOW, body) for k, body in enumerate(bodies)])
    assert subject.dictionary.paths() == ["fill/line1/f2/temp", "a/temp", "fill/line1/f1/door", "fill/line1/f1/total"]
    assert got.readings.series.tolist() == [1, 2, 3]
    assert got.dead.series.tolist() == [-1, 0]
    assert (subject.rows_general, subject.rows_slow) == (4, 1)


def test_a_broken_array_gives_no_ids_and_no_rows():
    subject = decoder()
    broken = json.dumps([reading(tag="door", value=True), {"event": "tick", "ts": NOW_MS}]).encode() + b"x"
    got = subject.decode([Message(1, NOW, broken), Message(2, NOW, json.dumps(reading()).encode())])
    assert subject.dictionary.paths() == ["fill/line1/f1/temp"]
    assert (len(got.readings), len(got.dead), len(got.ticks), got.rows_in) == (1, 1, 0, 2)


def test_a_restored_dictionary_counts_a_series_that_left_as_unknown():
    dictionary = SeriesDictionary(PLANT, 0)
    dictionary.restore(("gone/temp", "a/temp"))
    subject = JsonDecoder(dictionary, PLANT, 0)
    got = subject.decode([Message(1, NOW, json.dumps([reading(asset="gone"), reading(asset="a"), reading()]).encode())])
    assert got.readings.series.tolist() == [1, 2]
    assert got.dead.reason.tolist() == [Reason.unknown_series]
    dictionary.restore(("fill/line1/f1/temp",))  # in place: the decoder looks at it anew
    assert subject.decode([Message(2, NOW, json.dumps(reading()).encode())]).readings.series.tolist() == [0]


def test_no_messages_and_no_rows():
    assert len(decoder().decode([]).readings) == 0
    got = decoder().decode([Message(1, NOW, b"[]")])
    assert (len(got.readings), len(got.dead), got.rows_in) == (0, 0, 0)


def test_columns_are_the_callers_own():
    subject = decoder()
    first = subject.decode([Message(1, NOW, json.dumps(reading(value=1)).encode())])
    subject.decode([Message(2, NOW, json.dumps(reading(value=2)).encode())])
    assert first.readings.value.tolist() == [1.0]
    kinds = [column.dtype.str for column in (
        first.readings.time_ns, first.readings.series, first.readings.value, first.readings.status,
        first.readings.offset, first.readings.received_ns,
    )]  # fmt: skip
    assert kinds == ["<i8", "<i4", "<f8", "|u1", "<i8", "<i8"]


# ------------------------------------------------------------------ properties

NUMBERS = st.one_of(
    st.integers(-200, 200), st.integers(), st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.floats(-50, 200).map(lambda x: round(x, 2)), st.sampled_from([0, 1, 2, 3, 4, -0.0, 1e15, 2**53 + 1, 64, 192]),
)  # fmt: skip
ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=5,
)  # fmt: skip
STAMP = st.one_of(
    st.integers(NOW_MS - 10_000, NOW_MS + 400_000), st.floats(NOW_MS - 10.0, NOW_MS + 10.0), ANY,
    st.datetimes().map(lambda t: t.isoformat() + "Z"), st.datetimes().map(lambda t: t.isoformat(" ")),
    st.from_regex(r"20[0-3][0-9]-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,11})?"
                  r"([Zz]|[+-][0-2][0-9]:[0-6][0-9])?", fullmatch=True),
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {},
    optional={
        "ts": st.just(NOW_MS) | STAMP,
        "asset": st.sampled_from(["fill/line1/f1", "fill/line1/f2", "a", "other", "nix", 'q"\\']) | ANY,
        "tag": st.sampled_from(["temp", "state", "door", "total", "nix"]) | ANY,
        "value": NUMBERS | st.sampled_from(["Idle", "运行", True, False, None]) | ANY,
        "q": st.sampled_from([0, 64, 191, 192, 255, 256, 0x40000000, 0x80000000, 192.0]) | ANY,
        "unit": st.sampled_from(["Cel", "K", "1", ""]) | ANY,
        "event": st.sampled_from(["tick", "lot.started"]) | ANY,
        "data": st.dictionaries(st.text(max_size=3), ANY, max_size=2) | ANY,
        "extra": ANY,
    },
).map(lambda row: {name: value for name, value in row.items() if name != "event" or hash(str(row)) % 3 == 0})
MOSTLY_GOOD = st.tuples(ROW, st.integers(0, 9)).map(
    lambda pair: pair[0] if pair[1] < 6 else {**reading(), "x": pair[0].get("extra"), "value": pair[1]}
)


@st.composite
def texts_of(draw, value):
    """JSON text of a value in some writer's manner."""
    manner = draw(st.sampled_from(["compact", "plain", "indented", "ascii"]))
    if manner == "compact":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if manner == "indented":
        return json.dumps(value, indent=1)
    return json.dumps(value, ensure_ascii=manner == "ascii")


@st.composite
def bodies(draw):
    rows = draw(st.lists(MOSTLY_GOOD, min_size=1, max_size=4))
    frame = draw(st.sampled_from(["single", "array", "lines", "any"]))
    if frame == "single":
        text = draw(texts_of(rows[0]))
    elif frame == "array":
        text = draw(texts_of(rows))
    elif frame == "lines":
        end = draw(st.sampled_from(["\n", "\r\n", "\n\n"]))
        text = end.join(json.dumps(row, ensure_ascii=False) for row in rows)
    else:
        text = draw(texts_of(draw(ANY)))
    raw = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2]))):
        raw = draw(mutated(raw))
    return raw


PIECES = [b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b" ", b"\0", b"0", b"9", b"-", b".", b"e5", b"e999",
          b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"null", b"NaN", b"true", b'"ts":1,', b"\\ud800", b"\\u00e9", b"\x01",
          b'"value":3,']  # fmt: skip


@st.composite
def mutated(draw, raw):
    at = draw(st.integers(0, len(raw)))
    to = min(len(raw), at + draw(st.integers(0, 3)))
    return raw[:at] + draw(st.sampled_from([b"", *PIECES])) + raw[to:]


@settings(max_examples=600, deadline=None)
@given(st.lists(bodies(), min_size=1, max_size=5), st.integers(0, 5))
def test_the_twin_agrees_and_any_cut_gives_the_same(all_bodies, cut):
    messages = [Message(3 * k + 1, NOW + (k == 2), body) for k, body in enumerate(all_bodies)]
    subject, twin = decoder(), NaiveDecoder(PLANT, 0)
    got = subject.decode(messages)
    rows, dead = as_rows(got)
    want = [row for message in messages for row in twin.decode(message)]
    assert rows == [row for row in want if row[0] != "dead"]
    assert dead == [row for row in want if row[0] == "dead"]
    assert got.rows_in == sum(row[0] in {"reading", "dead"} for row in want)
    assert subject.dictionary.paths() == [f"{asset}/{tag}" for asset, tag in twin.ids]
    again = decoder()
    parts = [as_rows(again.decode(part)) for part in (messages[:cut], messages[cut:])]
    assert ([*parts[0][0], *parts[1][0]], [*parts[0][1], *parts[1][1]]) == (rows, dead)
    assert again.dictionary.paths() == subject.dictionary.paths()


# ------------------------------------------------------------------ fuzz


def test_20_000_mutated_messages_crash_nothing_and_balance():
    rng = random.Random(20_000)
    valid = [
        json.dumps(reading(value=round(rng.gauss(20, 5), rng.randrange(17)), q=192, batch="B-1")).encode(),
        json.dumps([reading(tag="door", value=True), {"ts": NOW_MS, "event": "tick"}]).encode(),
        json.dumps({"ts": "2026-01-01T00:00:00Z", "asset": "a", "event": "lot.started", "data": {"lot": "é"}}).encode(),
        b"\n".join(json.dumps(reading(tag="state", value=v)).encode() for v in ("Idle", "Execute", 2)),
    ]
    messages = []
    for k in range(20_000):
        raw = bytearray(rng.choice(valid))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(raw) + 1)
            raw[at : at + rng.randrange(3)] = rng.choice([*PIECES, b"", bytes([rng.randrange(256)])])
        messages.append(Message(k + 1, NOW, bytes(raw)))
    subject, twin = decoder(), NaiveDecoder(PLANT, 0)
    want = [row for message in messages for row in twin.decode(message)]
    rows, dead = [], []
    counted = 0
    for at in range(0, len(messages), 1000):
        got = subject.decode(messages[at : at + 1000])
        assert got.rows_in == len(got.readings) + len(got.dead)
        counted += got.rows_in + len(got.events) + len(got.ticks)
        part = as_rows(got)
        rows += part[0]
        dead += part[1]
    assert counted == len(want)
    assert rows == [row for row in want if row[0] != "dead"]
    assert dead == [row for row in want if row[0] == "dead"]
    by_offset = {message.offset: message.body for message in messages}
    assert all(raw in by_offset[offset] for _, offset, _, _, _, _, raw in dead)
    assert {row[4] for row in dead} >= {Reason.not_json, Reason.missing_field, Reason.unknown_series, Reason.wrong_type}
    assert len(rows) > 5_000
    assert len(dead) > 5_000


def test_decimal_text_is_rounded_like_python_does():
    rng = random.Random(4)
    texts = []
    for _ in range(20_000):
        kind = rng.random()
        if kind < 0.3:
            texts.append(repr(struct.unpack("<d", rng.randbytes(8))[0]))
        elif kind < 0.6:
            texts.append(repr(rng.gauss(20, 50)))
        elif kind < 0.8:
            texts.append(f"{rng.randrange(10 ** rng.randrange(1, 12))}.{rng.randrange(10**9)}e{rng.randrange(-330, 310)}")
        else:
            texts.append(str(rng.randrange(-(10 ** rng.randrange(1, 20)), 10 ** rng.randrange(1, 20))))
    texts = [t for t in texts if "n" not in t and math.isfinite(float(t))]
    texts += ["9007199254740993", "9007199254740992.5", "1.7976931348623157e308", "2.2250738585072014e-308", "1e23"]
    subject = decoder()
    body = "\n".join(f'{{"ts":{NOW_MS},"asset":"a","tag":"temp","value":{t}}}' for t in texts).encode()
    messages = [Message(k, NOW, line) for k, line in enumerate(body.split(b"\n"))]
    got = subject.decode(messages).readings.value
    assert got.tobytes() == np.array([float(json.loads(t)) for t in texts]).tobytes()
    assert subject.rows_slow < len(texts) / 20

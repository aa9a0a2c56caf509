"""What a message becomes: reading, event, tick, or a dead letter with its reason. Each row is checked with the twin."""

from __future__ import annotations

import json
import math

import pytest

from andon.readings import Event, Message, Reason, Status, Tick
from andon.series import SeriesDictionary
from sources.decode import JsonDecoder
from tests.decode_world import NOW, NOW_MS, PLANT, decoder, reading
from tests.naive_decode import NaiveDecoder, as_rows


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
    "fahrenheit": (reading(unit="[degF]", value=104), 40.0, Status.GOOD),
    "kelvin-out-of-range": (reading(unit="K", value=21.5), -251.65, Status.BAD),
    "null-of-another-unit": (reading(unit="K", value=None), math.nan, Status.BAD),
    "remark-as-unit": (reading(tag="total", unit="{items}", value=7), 7.0, Status.GOOD),
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
    "state-name-chinese": ('{"ts":1767225600123,"asset":"fill/line1/f1","tag":"state","value":"运行"}'.encode(), 3.0,
                           Status.GOOD),
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
    "other-shard": (reading(asset="other"), Reason.wrong_partition),
    "other-shard-unknown-tag": (reading(asset="other", tag="nix"), Reason.wrong_partition),
    "other-shard-empty-tag": (reading(asset="other", tag=""), Reason.wrong_partition),
    "other-shard-escaped": (reading(asset="other", unit="é\n"), Reason.wrong_partition),
    "unit": (reading(unit="kPa"), Reason.unit_mismatch),
    "unit-of-a-state": (reading(tag="state", unit="{state}", value=1), Reason.unit_mismatch),
    "unit-first": (reading(unit="kPa", q="x", value="x"), Reason.unit_mismatch),
    "text-of-another-unit": (reading(unit="K", value="warm"), Reason.wrong_type),
    "beyond-float": (reading(asset="a", unit="10*300", value=1e300), Reason.wrong_type),
    "quality-of-another-unit": (reading(unit="K", q="x"), Reason.wrong_type),
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
    "event-other-shard": ({"ts": NOW_MS, "event": "lot.started", "asset": "other"}, Reason.wrong_partition),
    "event-without-asset": ({"ts": NOW_MS, "event": "lot.started"}, Reason.unknown_event),
    "event-without-ts": ({"event": "lot.started", "asset": "a"}, Reason.missing_field),
    "event-number": ({"ts": NOW_MS, "event": 5, "asset": "a"}, Reason.wrong_type),
    "event-asset-number": ({"ts": NOW_MS, "event": "x", "asset": 5}, Reason.wrong_type),
    "event-data-list": ({"ts": NOW_MS, "event": "x", "asset": "a", "data": []}, Reason.wrong_type),
    "event-data-infinite": (b'{"ts":1767225600123,"event":"x","asset":"a","data":{"n":1e999}}', Reason.wrong_type),
    "event-naive": ({"ts": "2026-01-01T00:00:00", "event": "x", "asset": "a"}, Reason.stamp_naive),
    "tick-text": ({"ts": "2026-01-01T00:00:00Z", "event": "tick"}, Reason.stamp_unreadable),
    "tick-without-ts": ({"event": "tick"}, Reason.missing_field),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), DEAD.values(), ids=DEAD.keys())
def test_dead_letters_have_reason_and_raw_bytes(body, reason):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    row = one(body)
    assert (row[0], row[1], row[2], row[4].name) == ("dead", 7, 0, reason.name)
    assert row[6] == (raw if raw != b"[[]]" else b"[]")


def test_a_dead_letter_knows_its_series_where_it_has_one():
    assert one(reading(ts="2026-01-01T00:00:00"))[5] == 0
    assert one(reading(unit="kPa"))[5] == 0
    assert one(reading(tag="nix"))[5] == -1


def test_events_ticks_and_rows_keep_their_places():
    event = {"ts": NOW_MS, "asset": "a", "event": "lot.started", "data": {"lot": 'L"1', "n": [1, None]}}
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

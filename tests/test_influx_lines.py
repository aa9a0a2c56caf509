"""Line protocol: numbers that read back to the bit, names with anything in them, one schema for ever."""

from __future__ import annotations

import math
import random
import struct
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from andon.outputs import Figure, WindowRows
from andon.readings import NS_PER_S
from andon.records import AlarmRecord, TransitionRecord
from sinks.influx import lines, schema
from sinks.influx.digits import FLOAT_BYTES, INT_BYTES, write_float, write_int
from sinks.influx.window_lines import WindowEncoder
from tests.line_protocol import parse

floats = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(st.characters(codec="utf-8"), max_size=12)
times = st.integers(*schema.EXPRESSIBLE_NS)


def text_of(value: float) -> str:
    out = np.full(FLOAT_BYTES, 35, np.uint8)
    used = write_float(out, 0, np.float64(value).view(np.uint64))
    assert used <= FLOAT_BYTES
    return out[:used].tobytes().decode()


def same_bits(one: float, other: float) -> bool:
    return struct.pack("<d", one) == struct.pack("<d", other)


@given(floats)
@example(-0.0)
@example(5e-324)
@example(1e308)
@example(-1.7976931348623157e308)
@example(2.2250738585072014e-308)
@example(9007199254740993.0)
@example(1e22)
@example(1e23)
@settings(max_examples=2000)
def test_a_number_reads_back_to_the_bit_and_is_as_short_as_repr(value: float) -> None:
    text = text_of(value)
    assert same_bits(float(text), value)
    assert Decimal(text) == Decimal(repr(value))  # the same digits


def test_numbers_around_every_power_of_two_and_ten() -> None:
    rng = random.Random(3)
    bits = [(exponent << 52) | rest for exponent in range(2047) for rest in (0, 1, 2**52 - 1)]
    bits += [
        int(np.float64(float(f"1e{power}")).view(np.uint64)) + near for power in range(-322, 309) for near in (-1, 0, 1)
    ]
    bits += [rng.getrandbits(63) for _ in range(20_000)]
    for one in bits:
        value = struct.unpack("<d", struct.pack("<Q", one))[0]
        if math.isfinite(value):
            assert Decimal(text_of(value)) == Decimal(repr(value))


@given(st.integers(-(2**63), 2**63 - 1))
@example(-(2**63))
def test_whole_numbers(number: int) -> None:
    out = np.zeros(INT_BYTES, np.uint8)
    assert out[: write_int(out, 0, number)].tobytes().decode() == str(number)


window = st.tuples(
    st.integers(0, 5), st.sampled_from([NS_PER_S // 2, 10 * NS_PER_S, 3600 * NS_PER_S]), times, st.integers(0, 1000),
    st.integers(0, 10**9), *[st.floats() for _ in range(7)],
)  # fmt: skip


def rows_of(windows: list[tuple[float, ...]]) -> WindowRows:
    kinds = (np.int32, np.int64, np.int64, np.int32, np.int64, *(7 * [np.float64]))
    columns = list(zip(*windows, strict=True)) or [()] * 12
    return WindowRows(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


@given(st.lists(st.lists(window, max_size=8), max_size=4), st.lists(st.tuples(names, names), min_size=6, max_size=6),
       st.dictionaries(st.integers(0, 5), names), names)  # fmt: skip
@settings(max_examples=300)
def test_windows_against_the_reader(
    batches: list[list[tuple[float, ...]]], paths: list[tuple[str, str]], units: dict[int, str], site: str
) -> None:
    encoder = WindowEncoder(site, {paths[number]: unit for number, unit in units.items()})
    for batch in batches:
        points = parse(encoder.encode(rows_of(batch), dict(enumerate(paths))))
        assert len(points) == len(batch)
        for point, row in zip(points, batch, strict=True):
            series, size_ns, start_ns, revision, count, *values = row
            asset, tag = paths[int(series)]
            unit = {paths[number]: unit for number, unit in units.items()}.get(paths[int(series)], "1")
            wanted = {
                "site": site, "area": asset.partition("/")[0], "asset": asset, "series": tag, "unit": unit,
                "size": {NS_PER_S // 2: "0.5s", 10 * NS_PER_S: "10s"}.get(int(size_ns), "3600s"),
            }  # fmt: skip
            assert point.tags == {key: lines.tag_value(value) for key, value in wanted.items()}
            fields = {"count": float(count), "revision": float(revision)}
            fields |= dict(zip(schema.WINDOW_FIELDS[1:8], values, strict=True))
            given_ = {key: value for key, value in fields.items() if math.isfinite(value)}
            assert (point.measurement, point.time_ns, point.fields.keys()) == ("window", start_ns, given_.keys())
            assert all(same_bits(point.fields[key], given_[key]) for key in given_)  # type: ignore[arg-type]  # floats


@given(names, names, names, st.none() | st.floats(), times)
def test_states_against_the_reader(asset: str, series: str, name: str, value: float | None, time_ns: int) -> None:
    (point,) = parse(lines.state_line("s", asset, series, name, math.nan if value is None else value, time_ns))
    assert point.tags["asset"] == lines.tag_value(asset)
    assert point.fields["name"] == lines.text_value(name)
    assert ("value" in point.fields) == (value is not None and math.isfinite(value))
    assert point.time_ns == time_ns


@given(st.text(max_size=30))
def test_a_name_loses_only_what_a_tag_cannot_hold(name: str) -> None:
    held = lines.tag_value(name)
    assert held
    if name and name.isprintable() and "\\" not in name:
        assert held == name
    assert "\n" not in lines.escaped(name)


def alarm(**changed: object) -> AlarmRecord:
    values: dict[str, object] = {
        "key": "K1", "site": "szh1", "asset": "cold/room1", "tag": "air", "rule_id": "too-warm", "rule_version": "v",
        "condition": "above", "limit": 8.0, "unit": "Cel", "priority": "high", "raises": "quality_event", "start_ns": 5,
        "confirmed_ns": 6, "cleared_ns": None, "peak": 9.5, "out_s": 1.0, "state": "unacknowledged", "revision": 1,
        "found_late": False, "evidence": {}, "recorded_ns": 7, "ack_by": None, "ack_comment": None, "ack_ns": None,
        "change_seq": 1, "erp_state": None, "erp_id": None, "erp_number": None, "erp_error": None, "erp_attempts": None,
    }  # fmt: skip
    return AlarmRecord(**(values | changed))  # type: ignore[arg-type]  # a mixed mapping


def moved(seq: int, kind: str, at_ns: int, state: str) -> TransitionRecord:
    return TransitionRecord("K1", seq, "szh1", kind, at_ns, at_ns, 1, state, "a", "A", "")


def test_an_alarm_is_a_point_for_each_transition() -> None:
    history = [
        moved(1, "raised", 100, "unacknowledged"),
        moved(2, "ack", 100, "acknowledged"),
        moved(3, "cleared", 300, "normal"),
    ]
    points = parse(lines.alarm_lines(alarm(erp_number="QE-7", limit=None), history))
    assert [point.time_ns for point in points] == [101, 102, 303]
    assert [point.fields["open"] for point in points] == [1.0, 1.0, 0.0]
    assert [point.fields["transition"] for point in points] == ["raised", "ack", "cleared"]
    assert points[0].fields["erp_number"] == "QE-7"
    assert "level" not in points[0].fields
    assert points[0].tags["priority"] == "high"


def test_a_point_without_fields_is_no_line() -> None:
    assert lines.pipeline_line("szh1", "flow-0", {"lag_s": None, "offset": math.nan}, 5) == b""


FIGURE = Figure("fill/line1", "", "oee", 0, 3600 * NS_PER_S, 2, True, {"calendar_s": 3600.0, "pri_pq_s": None})
COLD = Figure("cold/room1", "air", "cold_chain", 0, 3600 * NS_PER_S, 0, False, {"mkt": 5.5, "minimum": -0.0})


def everything() -> bytes:
    """One line of everything the encoders give."""
    rows = rows_of(
        [(0, NS_PER_S, 1, 0, 5, 1.0, 2.0, 1.5, 0.5, 1.0, 2.0, math.nan), (0, NS_PER_S, 2, 0, 5, *(7 * [1.0]))]
    )
    return b"".join([
        WindowEncoder("szh1", {}).encode(rows, {0: ("cold/room1", "air")}),
        lines.figure_line("szh1", FIGURE, dict.fromkeys(schema.RATIOS, 0.5)),
        lines.figure_line("szh1", COLD, {}),
        lines.state_line("szh1", "fill/line1", "state", "Execute", 6.0, 5),
        lines.ledger_line("szh1", lines.LedgerHour("", "", 0, (1, 2, 3, 4, 5, 6, 7))),
        lines.alarm_lines(alarm(), [moved(1, "raised", 100, "unacknowledged")]),
        lines.pipeline_line("szh1", "shard-0", dict.fromkeys(schema.PIPELINE_FIELDS, 1.0), 5),
    ])  # fmt: skip


def test_every_measurement_keeps_the_rules_of_influxdb_3() -> None:
    """Tag set fixed, no tag and field of one name, one type a field for ever, nothing empty."""
    points = parse(everything())
    assert {point.measurement for point in points} == set(schema.TAGS)
    types: dict[tuple[str, str], type] = {}
    for point in points:
        assert tuple(point.tags) == schema.TAGS[point.measurement]  # in the order of the keys, too
        assert not point.tags.keys() & point.fields.keys()
        for name, value in point.fields.items():
            is_text = name.startswith(schema.ABOUT) or name in schema.STRINGS.get(point.measurement, ())
            wanted = str if is_text else float
            assert type(value) is wanted, (point.measurement, name)
            assert types.setdefault((point.measurement, name), wanted) is wanted
            assert name != "time"


@pytest.mark.parametrize("kind", sorted(schema.TAGS))
def test_a_missing_tag_is_refused(kind: str) -> None:
    with pytest.raises(KeyError):
        lines.head(kind, {"site": "szh1"})

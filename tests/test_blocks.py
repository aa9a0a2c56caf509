"""Waveforms: JSON, Avro and Protobuf give the same blocks; their figures take part in rules like any reading."""

from __future__ import annotations

import json

import numpy as np
import pytest
from google.protobuf import descriptor_pb2

from andon.config.models import Plant
from andon.plant import PlantModel
from andon.readings import Message, Messages, Reason, Status
from andon.series import SeriesDictionary
from andon.slots import SlotFiles
from flows.shard import ShardEngine
from flows.waveforms import with_figures
from sinks.journal import Journal
from sources.decode import LogDecoder
from sources.decode.block import read_wave
from tests.decode_world import NOW, NOW_MS
from tests.registered_world import World, avro, classes, framed

PLANT = PlantModel(Plant.model_validate({
    "schema": 1, "enterprise": {"id": "acme"}, "site": {"id": "szh1"}, "transport": {"shards": 1},
    "template": [{"name": "t", "series": [
        {"tag": "vib", "kind": "waveform", "unit": "m/s2"},
        {"tag": "vib.rms", "unit": "m/s2", "range": [0, 10]}, {"tag": "vib.kurtosis"},
        {"tag": "temp", "unit": "Cel"}, {"tag": "bare", "kind": "waveform"},
    ]}],
    "asset": [{"path": "m", "template": "t"}],
    "rule": [{"id": "rough", "on": "m/vib*", "above": 3.0}],
}))  # fmt: skip


def wave(**changes):
    row = {"ts": NOW_MS, "asset": "m", "tag": "vib", "rate_hz": 25600, "unit": "m/s2", "samples": [3.0, -4, 0.5],
           **changes}  # fmt: skip
    return {name: value for name, value in row.items() if value is not ...}


def temp(**changes):
    return {"ts": NOW_MS, "asset": "m", "tag": "temp", "value": 20.5, **changes}


def messages_of(*rows):
    return [Message(at, NOW, row if isinstance(row, bytes) else json.dumps(row).encode())
            for at, row in enumerate(rows, 1)]  # fmt: skip


def decode(messages, schemas=None):
    decoder = LogDecoder(SeriesDictionary(PLANT, 0), PLANT, 0, schemas)
    return decoder.decode(Messages.of(messages)), decoder.json.dictionary


def shape(block):
    return (block.t0_ns, block.series, block.rate_hz, block.unit, block.samples.tolist(), block.status, block.offset,
            block.received_ns, block.at_row)  # fmt: skip


def test_a_json_block():
    decoded, dictionary = decode(messages_of(temp(), wave(q=64), temp()))
    assert [shape(one) for one in decoded.blocks] == [
        (NOW, 1, 25600.0, "m/s2", [3.0, -4.0, 0.5], Status.UNCERTAIN, 2, NOW, 1)
    ]
    assert decoded.blocks[0].samples.dtype == np.float32
    assert dictionary.paths() == ["m/temp", "m/vib", "m/vib.rms", "m/vib.kurtosis"]
    assert (len(decoded.readings), len(decoded.dead)) == (2, 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (wave(samples=...), Reason.missing_field), (wave(rate_hz=...), Reason.missing_field),
        (wave(ts=...), Reason.missing_field), (wave(samples=..., value=3), Reason.missing_field),
        (wave(samples=[]), Reason.wrong_type), (wave(samples=[1, None]), Reason.wrong_type),
        (wave(samples=[True]), Reason.wrong_type), (wave(samples=[1e39]), Reason.wrong_type),
        (wave(samples="AAAA"), Reason.wrong_type), (wave(samples=None), Reason.wrong_type),
        (wave(rate_hz=0), Reason.wrong_type), (wave(rate_hz="1"), Reason.wrong_type),
        (wave(rate_hz=True), Reason.wrong_type), (wave(rate_hz=2e9), Reason.wrong_type),
        (wave(unit="g"), Reason.unit_mismatch), (wave(tag="nix"), Reason.unknown_series),
        (wave(tag="temp"), Reason.missing_field), (wave(ts=NOW_MS + 400_000), Reason.stamp_in_future),
        (wave(asset=3), Reason.wrong_type), (wave(q=-1), Reason.wrong_type),
    ],
)  # fmt: skip
def test_what_is_no_block_is_a_dead_letter(row, reason):
    decoded, _ = decode(messages_of(row))
    assert ([Reason(one) for one in decoded.dead.reason], decoded.blocks) == ([reason], [])
    assert decoded.dead.raw == messages_of(row)[0].body.splitlines()


def test_a_value_and_samples_go_where_the_series_says():
    decoded, _ = decode(messages_of(wave(value=3), temp(samples=[1], rate_hz=1)))
    assert (len(decoded.blocks), decoded.readings.value.tolist()) == (1, [20.5])


def test_samples_as_bytes():
    assert read_wave(np.array([1.5, -2], "<f4").tobytes(), 10).samples.tolist() == [1.5, -2.0]
    assert read_wave(b"\0\0\0", 10) is None
    assert read_wave(np.array([np.nan], "<f4").tobytes(), 10) is None
    assert read_wave(b"", 10) is None


def avro_forms(samples):
    fields = [("ts", "long"), ("asset", "string"), ("tag", "string"), ("rate_hz", "double"), ("unit", "string")]
    for kind, value in (
        ({"type": "array", "items": "float"}, samples), ({"type": "array", "items": "double"}, samples),
        ("bytes", np.array(samples, "<f4").tobytes()), (["null", {"type": "array", "items": "float"}], samples),
        ({"type": "fixed", "name": "F", "size": 4 * len(samples)}, np.array(samples, "<f4").tobytes()),
    ):  # fmt: skip
        schema = {"type": "record", "name": "W",
                  "fields": [{"name": name, "type": one} for name, one in [*fields, ("samples", kind)]]}  # fmt: skip
        yield schema, {**wave(), "rate_hz": 25600.0, "samples": value}


def test_avro_gives_the_block_that_json_gives(tmp_path):
    world = World(tmp_path, PLANT)
    want = [shape(one) for one in decode(messages_of(wave()))[0].blocks]
    for schema, value in avro_forms([3.0, -4.0, 0.5]):
        body = framed(world.avro(schema), avro(schema, value))
        decoded, _ = decode([Message(1, NOW, body)], world.files)
        assert [shape(one) for one in decoded.blocks] == want
        without = {**value, "tag": "temp"}
        decoded, _ = decode([Message(1, NOW, framed(world.avro(schema), avro(schema, without)))], world.files)
        assert decoded.dead.reason.tolist() == [Reason.missing_field]


def test_protobuf_gives_the_block_that_json_gives(tmp_path):
    field = descriptor_pb2.FieldDescriptorProto
    for kind, label, samples in (
        (field.TYPE_FLOAT, 3, [3.0, -4.0, 0.5]), (field.TYPE_DOUBLE, 3, [3.0, -4.0, 0.5]),
        (field.TYPE_BYTES, 1, np.array([3.0, -4.0, 0.5], "<f4").tobytes()),
    ):  # fmt: skip
        file = descriptor_pb2.FileDescriptorProto(name="w.proto", syntax="proto3")
        one = file.message_type.add(name="W")
        for number, (name, type_, many) in enumerate([
            ("ts", field.TYPE_INT64, 1), ("asset", field.TYPE_STRING, 1), ("tag", field.TYPE_STRING, 1),
            ("rate_hz", field.TYPE_FLOAT, 1), ("samples", kind, label),
        ], 1):  # fmt: skip
            one.field.add(name=name, number=number, type=type_, label=many)
        world = World(tmp_path / str(kind), PLANT)
        message = classes(file)["W"](ts=NOW_MS, asset="m", tag="vib", rate_hz=25600, samples=samples)
        body = framed(world.protobuf(file), message.SerializeToString(), b"\0")
        decoded, _ = decode([Message(1, NOW, body)], world.files)
        assert [shape(one) for one in decoded.blocks] == [shape(one) for one in decode(messages_of(wave()))[0].blocks]


def test_figures_stand_at_their_place_in_the_log():
    tick = {"ts": NOW_MS, "event": "tick"}
    rows = [temp(), wave(), tick, temp(value=21), [temp(value=22), wave(samples=[100.0]), temp(value=23)]]
    decoded, dictionary = decode(messages_of(*rows))
    got = with_figures(decoded, dictionary)
    paths = dictionary.paths()
    assert [(paths[s], o) for s, o in zip(got.readings.series.tolist(), got.readings.offset.tolist(), strict=True)] == [
        ("m/temp", 1), ("m/vib.rms", 2), ("m/vib.kurtosis", 2), ("m/temp", 4), ("m/temp", 5), ("m/vib.rms", 5),
        ("m/vib.kurtosis", 5), ("m/temp", 5),
    ]  # fmt: skip
    assert [one.at_row for one in got.ticks] == [3]
    assert got.readings.status.tolist() == [0, 0, 0, 0, 0, Status.BAD, Status.BAD, 0]  # beyond its range; has none
    assert (got.rows_in, len(decoded.blocks)) == (8, 2)


def test_any_cut_gives_the_same_ids_and_rows():
    messages = messages_of(temp(), wave(), temp(), wave(tag="bare"), wave(ts=NOW_MS + 1), temp(tag="vib.rms", value=1))
    whole, whole_dictionary = decode(messages)
    for cut in range(1, len(messages)):
        decoder = LogDecoder(SeriesDictionary(PLANT, 0), PLANT, 0)
        parts = [decoder.decode(Messages.of(part)) for part in (messages[:cut], messages[cut:])]
        assert [shape(one)[:8] for part in parts for one in part.blocks] == [shape(one)[:8] for one in whole.blocks]
        rows = [with_figures(part, decoder.json.dictionary).readings.series.tolist() for part in parts]
        assert rows[0] + rows[1] == with_figures(whole, whole_dictionary).readings.series.tolist()
        assert decoder.json.dictionary.paths() == whole_dictionary.paths()


def test_a_rule_on_the_rms_of_a_waveform_raises(tmp_path):
    engine = ShardEngine(PLANT, 0, Journal(tmp_path / "journal"), SlotFiles(tmp_path / "slots"))
    engine.restore(None)
    rough = [wave(ts=NOW_MS + 1000 * k, samples=[5.0, -5.0]) for k in range(4)]
    changes = engine.step(messages_of(*rough)).conditions
    assert {(one.asset, one.tag) for one in changes} == {("m", "vib.rms")}
    assert len(changes) == 1

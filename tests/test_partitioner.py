"""The shard of an asset is the partition that producers put it into."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import Producer

from andon.config.load import load_plant
from andon.config.pins import pins_text
from andon.errors import ConfigError
from andon.partitioners import PARTITIONERS, murmur2
from tests.kafka_world import new_topic


def partition_of(key, partitions, partitioner="crc32"):
    return PARTITIONERS[partitioner](key.encode()) % partitions


# The six of the Java client's own test, and some of ours that it gave (kafka-clients 4.3.1).
JAVA = {
    "21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107, "": 275646681, "filling/line1/filler2": -252137536, "cold/room9": -1494428144,
    "运行/线1": 629938672, "a": -1563381124, "ab": 316155434,
}  # fmt: skip


@pytest.mark.parametrize(("key", "value"), JAVA.items())
def test_murmur2_is_that_of_the_java_client(key, value):
    assert murmur2(key.encode()) == value & 0x7FFFFFFF


@pytest.mark.real
@pytest.mark.parametrize(("ours", "theirs"), [("crc32", "consistent_random"), ("murmur2", "murmur2_random")])
def test_a_producer_puts_a_key_where_we_expect_it(kafka, ours, theirs):
    topic, found = new_topic(kafka.bootstrap, 7), {}
    client = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0, "partitioner": theirs})
    keys = [*(key for key in JAVA if key), *(f"line/m{n}" for n in range(300))]
    for key in keys:
        client.produce(
            topic, key=key, on_delivery=lambda error, one: found.setdefault(one.key().decode(), one.partition())
        )
    assert client.flush(30) == 0
    assert found == {key: partition_of(key, 7, ours) for key in keys}
    assert set(found.values()) == set(range(7))


PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[transport]
shards = 4
pins = "pins.csv"
kafka = { brokers = "x:1", partitioner = "murmur2" }
[[template]]
name = "t"
series = [{ tag = "temp" }]
"""


def load(folder, pins, shards):
    """The plant of some assets, with `shard` where it is given."""
    assets = "".join(
        f'[[asset]]\npath = "{path}"\ntemplate = "t"\n' + ("" if shard is None else f"shard = {shard}\n")
        for path, shard in shards.items()
    )
    (folder / "plant.toml").write_text(PLANT + assets)
    if pins is not None:
        (folder / "pins.csv").write_text(pins)
    return load_plant(folder / "plant.toml")


def test_own_shard_then_pin_then_partitioner(tmp_path):
    free = next(
        path for path in (f"m{n}" for n in range(99)) if partition_of(path, 4, "murmur2") != partition_of(path, 4)
    )
    plant = load(tmp_path, pins_text({"a": 3, "b": 2, "c": 1}), {"a": None, "b": 2, "c": None, "d": 0, free: None})
    assert [plant.shard_of(asset) for asset in ("a", "b", "c", "d")] == [3, 2, 1, 0]
    assert plant.shard_of(free) == partition_of(free, 4, "murmur2")
    assert plant.shard_of("not/configured") == partition_of("not/configured", 4, "murmur2")


def test_every_problem_of_the_pins_is_named_with_its_line(tmp_path):
    pins = "asset,shard\na,4\nb,1\nb,1\nx,0\nc,\nd,-1\ne,1\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, pins, {"a": None, "b": None, "c": None, "d": None, "e": 0})
    text = caught.value.text("en").splitlines()[1:]
    assert [line.split(": ")[0] for line in text] == [f"pins.csv:{line}" for line in (2, 4, 5, 6, 7, 8)]
    assert [one.code for one in caught.value.problems] == [
        "config.shard", "config.twice", "config.unknown_name_of", "config.shard", "config.shard",
        "config.pin",
    ]  # fmt: skip


@pytest.mark.parametrize(("pins", "codes"), [
    (None, ["config.unreadable"]), ("", ["config.missing", "config.missing"]),
    ("asset,shards\n", ["config.missing", "config.unknown_key"]), ('asset,shard\n"a,1\n', ["config.csv_broken"]),
])  # fmt: skip
def test_a_pins_file_that_is_none(tmp_path, pins, codes):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, pins, {"a": None})
    assert [one.code for one in caught.value.problems] == codes
    assert json.dumps([one.as_json() for one in caught.value.problems])

"""`andon topics` on the real broker: make, check, go on behind a gap."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions

from andon.clock import SystemClock
from andon.kafka import client_settings
from andon.records import Actor, Records
from sources.kafka.gaps import Gap, GapFiles
from sources.ticks import tick_body
from tests.command_line import PASSWORD, andon, audit_actions, site
from tests.decode_world import NOW
from tests.kafka_world import admin, new_topic, produce, settings

__all__ = ["andon", "site"]  # fixtures

PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[transport]
kind = "kafka"
shards = 2
[transport.kafka]
brokers = "{brokers}"
topic = "{topic}"
out = ["windows", "alarms"]
out_prefix = "{topic}.out."
retention_h = 24
{more}
[[template]]
name = "t"
series = [{{ tag = "temp" }}]
[[asset]]
path = "m0"
template = "t"
shard = 0
[[asset]]
path = "m1"
template = "t"
shard = 1
"""


@pytest.mark.real
def test_no_client_makes_a_topic_by_asking_for_it(kafka_broker_factory):
    broker = kafka_broker_factory(settings={"auto.create.topics.enable": "true"})
    common = client_settings(settings(broker.bootstrap, "never-made"), Path(), "test")
    producer = Producer(common)
    for client in (AdminClient(common), producer):
        client.list_topics("never-made", timeout=10.0)
    producer.produce("never-made", b"1")
    producer.flush(2.0)
    assert "never-made" not in AdminClient(common).list_topics(timeout=10.0).topics
    producer.purge()


def write_plant(kafka, topic, more="start_timeout_s = 10"):
    Path("plant.toml").write_text(PLANT.format(brokers=kafka.bootstrap, topic=topic, more=more), encoding="utf-8")


def reading(asset):
    return json.dumps({"ts": 1, "asset": asset, "tag": "temp", "value": 1}).encode()


def findings(andon, status):
    answer = json.loads(andon("topics", "check", "--json", status=status))
    assert answer["ok"] == (status == 0)
    assert all(one["text"] for one in answer["findings"])
    return answer["findings"]


def codes(andon, status, wanted):
    return {one["code"] for one in findings(andon, status) if one["status"] == wanted}


def settings_of(kafka, topic):
    client, resource = admin(kafka.bootstrap), ConfigResource(ConfigResource.Type.TOPIC, topic)
    answer = client.describe_configs([resource])[resource].result(30)
    return {name: one.value for name, one in answer.items()}


@pytest.mark.real
def test_create_makes_what_check_wants_and_leaves_what_is_there(andon, kafka, tmp_path):
    topic = f"t{tmp_path.name.replace('_', '-')}"[:80]
    write_plant(kafka, topic)
    assert codes(andon, 1, "fail") == {"topics.missing"}
    made = json.loads(andon("topics", "create", "--json"))["topics"]
    assert made == [
        {"name": name, "created": True} for name in (topic, f"{topic}.out.windows", f"{topic}.out.alarms")
    ]  # fmt: skip
    found = settings_of(kafka, topic)
    assert (found["retention.ms"], found["message.timestamp.type"]) == ("86400000", "LogAppendTime")
    assert len(admin(kafka.bootstrap).list_topics(timeout=10).topics[topic].partitions) == 2
    assert codes(andon, 0, "warn") == {"topics.empty"}
    assert "left as it is" in andon("topics", "create")
    for shard in (0, 1):
        asset = f"m{shard}"
        produce(kafka.bootstrap, topic, [reading(asset), tick_body(NOW)], shard, keys=[asset.encode(), None])
    assert codes(andon, 0, "warn") == set()
    assert codes(andon, 0, "fail") == set()


@pytest.mark.real
def test_check_finds_what_would_be_read_wrong(andon, kafka):
    topic = new_topic(kafka.bootstrap, 2, stamps="producer", **{"cleanup.policy": "compact", "retention.ms": "1000"})
    write_plant(kafka, topic)
    produce(kafka.bootstrap, topic, [reading("m1"), reading("m0"), b"no json"], 0, keys=[b"m1", b"another", b"x"])
    client = admin(kafka.bootstrap)
    client.create_partitions([NewPartitions(topic, 3)])[topic].result(30)
    found = findings(andon, 1)
    failed = {one["code"] for one in found if one["status"] == "fail"}
    warned = {one["code"] for one in found if one["status"] == "warn"}
    assert failed == {"topics.partitions_more", "topics.setting", "topics.places", "topics.missing"}
    assert warned == {"topics.setting", "topics.keys", "topics.no_ticks", "topics.empty"}
    (places,) = [one for one in found if one["code"] == "topics.places"]
    assert places["params"] == {"wrong": 1, "count": 2, "asset": "m1", "right": 1}
    texts = andon("topics", "check", status=1)
    assert "message.timestamp.type = CreateTime (wanted: LogAppendTime)" in texts
    assert "retention.ms = 1000 (wanted: 86400000)" in texts


@pytest.mark.real
def test_too_few_partitions_and_a_broker_that_is_away(andon, kafka):
    write_plant(kafka, new_topic(kafka.bootstrap, 1))
    assert "topics.partitions_fewer" in codes(andon, 1, "fail")
    Path("plant.toml").write_text(PLANT.format(brokers="127.0.0.1:1", topic="t", more="start_timeout_s = 1"))
    andon("topics", "check", status=1)
    assert "127.0.0.1:1 does not answer" in andon.err
    andon("topics", "create", status=1)
    assert "127.0.0.1:1 does not answer" in andon.err


@pytest.fixture
def quality(site):
    with Records(site.records_db, "szh1", SystemClock()) as records:
        root = Actor("os:root", "Root", "admin", "test")
        for name, role in (("li.wei", "quality"), ("wang", "operator")):
            records.create_user(name, name.title(), role, PASSWORD, root, "test")
    return site


def skip(andon, user="li.wei", partition="0", **more):
    words = (
        "topics",
        "skip-gap",
        "--partition",
        partition,
        "--user",
        user,
        "--password-stdin",
        "--reason",
        "disk lost",
    )
    return andon(*words, typed=PASSWORD + "\n", **more)


def test_skip_gap_lets_this_gap_pass_and_says_who_and_why(andon, quality):
    files = GapFiles(quality, 0)
    files.note(Gap(0, 500, 540, 600, 7))
    assert "messages gone: 40" in skip(andon)
    assert files.is_allowed(500)
    assert not files.is_allowed(501)
    with Records(quality.records_db, "szh1", SystemClock()) as records:
        (note,) = [one for one in records.audit_trail() if one.action == "log.gap_skipped"]
    assert (note.actor_id, note.reason, note.object_id) == ("li.wei", "disk lost", "partition 0")
    assert (json.loads(note.old), json.loads(note.new)) == ({"next": 500}, {"next": 540, "missing": 40})


@pytest.mark.parametrize(("gap", "user", "status", "said"), [
    (None, "li.wei", 1, "does not stand at a gap"), (Gap(1, 5, 9, 20, 0), "li.wei", 1, "does not stand at a gap"),
    (Gap(0, 500, 0, 20, 0), "li.wei", 1, "Restore both"), (Gap(0, 5, 9, 20, 0), "wang", 3, "log.skip_gap"),
    (Gap(0, 5, 9, 20, 0), "nobody", 3, ""),
])  # fmt: skip
def test_skip_gap_refuses(andon, quality, gap, user, status, said):
    if gap is not None:
        GapFiles(quality, gap.shard).note(gap)
    skip(andon, user, status=status)
    assert said in andon.err
    assert not any(GapFiles(quality, shard).is_allowed(wanted) for shard in (0, 1) for wanted in (5, 500))
    assert "log.gap_skipped" not in audit_actions(quality)

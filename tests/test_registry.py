"""Schemas from a registry: asked through the real client, kept on disk, and never waited for by the flow."""

from __future__ import annotations

import json
import threading
import time

import pytest
from prometheus_client import REGISTRY

from andon.config.registry import SchemaRegistry
from andon.errors import ConfigError
from andon.readings import Message, Messages
from sources.kafka.positions import Position
from sources.registry import Registry
from sources.registry_files import MOST_UNKNOWN, Schema, SchemaFiles
from sources.registry_gate import RegistryAwayError, SchemaGate
from tests.registered_world import framed, proto_file, serialized
from tests.registry_stub import basic, running

READING = {"type": "record", "name": "R", "fields": [{"name": "ts", "type": "long"}]}


@pytest.fixture
def stub():
    with running() as one:
        one.schemas[7] = {"schema": json.dumps(READING)}
        yield one


def registry(stub, **more):
    return Registry(SchemaRegistry(url=stub.url, timeout_s=5.0, **more))


def test_an_avro_schema_comes_as_it_was_registered(stub):
    assert registry(stub)(7) == Schema(7, "AVRO", json.dumps(READING))
    assert stub.asked == ["/schemas/ids/7"]


def test_an_id_that_the_registry_does_not_have_is_no_error(stub):
    assert registry(stub)(8) is None


def test_protobuf_comes_serialized_with_what_it_imports(stub):
    text = serialized(proto_file())
    stub.schemas[1] = {"schemaType": "PROTOBUF", "schema": "text", "serialized": text,
                       "references": [{"name": "b.proto", "subject": "b/x", "version": 2}]}  # fmt: skip
    stub.schemas[2] = {"schemaType": "PROTOBUF", "schema": "text", "serialized": "Yg==",
                       "references": [{"name": "c.proto", "subject": "c", "version": 1}]}  # fmt: skip
    stub.schemas[3] = {"schemaType": "PROTOBUF", "schema": "text", "serialized": "Yw=="}
    stub.subjects |= {("b/x", 2): 2, ("c", 1): 3}
    assert registry(stub)(1) == Schema(1, "PROTOBUF", text, (("c.proto", "Yw=="), ("b.proto", "Yg==")))
    del stub.subjects["c", 1]
    assert registry(stub)(1) is None  # a schema that names what is gone can never be read by


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_what_is_no_answer_about_the_id_is_an_absence(stub, status):
    stub.status = status
    with pytest.raises(RegistryAwayError, match=str(status)):
        registry(stub)(7)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"schema": 3}'])
def test_an_answer_that_is_none_of_a_registry_is_an_absence(stub, body):
    stub.body = body
    with pytest.raises(RegistryAwayError):
        registry(stub)(7)


def test_a_registry_that_is_not_there(stub):
    gone = registry(stub)
    stub.url = "http://127.0.0.1:1"
    with pytest.raises(RegistryAwayError):
        registry(stub)(7)
    assert gone(7) is not None


def test_it_logs_in_with_a_password_or_a_token_from_files(stub, tmp_path):
    (tmp_path / "password").write_text("pass-word:1\n")
    (tmp_path / "token").write_text("tok-en-123\n")
    (tmp_path / "password").chmod(0o600)
    (tmp_path / "token").chmod(0o600)
    stub.auth = basic("andon", "pass-word:1")
    assert registry(stub, user="andon", password_file=str(tmp_path / "password"))(7) is not None
    with pytest.raises(RegistryAwayError, match="401"):
        registry(stub)(7)
    stub.auth = "Bearer tok-en-123"
    assert registry(stub, token_file=str(tmp_path / "token"))(7) is not None
    with pytest.raises(ConfigError, match="ANDON_REGISTRY_PASSWORD"):
        registry(stub, user="andon")


def test_files_are_whole_or_not_there(tmp_path):
    files = SchemaFiles(tmp_path / "schemas")
    assert files.load(7) is None
    schema = Schema(7, "AVRO", "{}", (("a", "b"),))
    files.keep(schema)
    assert SchemaFiles(tmp_path / "schemas").load(7) == schema
    path = tmp_path / "schemas" / "7.json"
    content = path.read_bytes()
    for broken in (content[:-10], content.replace(b"AVRO", b"JSON"), b"[]", b"\xff", b'{"schema": 1}'):
        path.write_bytes(broken)
        assert files.load(7) is None
    path.write_bytes(content)
    (tmp_path / "schemas" / "8.json").write_bytes(content)
    assert files.load(8) is None


def test_what_was_denied_is_kept_with_its_offset(tmp_path):
    files = SchemaFiles(tmp_path)
    files.note_unknown({7: 100, 9: 5})
    files.note_unknown({7: 50})
    assert [SchemaFiles(tmp_path).unknown_until(number) for number in (7, 8, 9)] == [100, -1, 5]
    files.note_unknown(dict.fromkeys(range(100, 100 + MOST_UNKNOWN), 1))
    assert files.unknown_until(9) == -1
    (tmp_path / "unknown.json").write_bytes(b"{")
    assert files.unknown_until(7) == -1


class Log:
    """A reader of messages that are there already."""

    def __init__(self, *bodies):
        self.position, self.reads = Position(0, 0), 0
        self.batches = [[Message(at, 5, body)] for at, body in enumerate(bodies, 1)]

    def read(self, _messages, _bytes):
        self.reads += 1
        if not self.batches:
            return []
        batch = self.batches.pop(0)
        self.position = Position(batch[-1].offset, 5)
        return Messages.of(batch)


def settled(gate, seconds=10.0):
    """What the gate gives, once it gives anything."""
    until = time.monotonic() + seconds
    while not (found := gate.read(10, 1000)):
        assert time.monotonic() < until
        time.sleep(0.002)
    return [one.offset for one in found]


def test_messages_wait_for_their_schemas_and_nobody_waits_for_the_registry(tmp_path, stub):
    release = threading.Event()

    def slow(number):
        assert release.wait(20)
        return registry(stub)(number)

    log, files = Log(b"{}", framed(7, b"\2"), b"[]"), SchemaFiles(tmp_path)
    gate = SchemaGate(3, log, files, slow)
    assert settled(gate) == [1]
    began = time.monotonic()
    for _ in range(20):
        assert gate.read(10, 1000) == []
    assert time.monotonic() - began < 5  # not the 20 s of the answer
    assert (gate.waits, log.reads, gate.position) == (True, 2, Position(1, 5))  # a crash reads it again
    release.set()
    assert settled(gate) == [2]
    assert (gate.waits, gate.position) == (False, Position(2, 5))
    assert files.load(7) is not None
    assert settled(gate) == [3]


def test_a_restart_needs_no_registry(tmp_path, stub):
    settled(SchemaGate(3, Log(framed(7, b"\2")), SchemaFiles(tmp_path), registry(stub)))
    gate = SchemaGate(3, Log(framed(7, b"\2")), SchemaFiles(tmp_path), lambda _: pytest.fail("asked"))
    assert settled(gate) == [1]


def test_a_denied_id_passes_with_a_note_and_stays_denied_for_those_messages(tmp_path, stub):
    files = SchemaFiles(tmp_path)
    assert settled(SchemaGate(3, Log(framed(8, b"\2")), files, registry(stub))) == [1]
    assert files.unknown_until(8) == 1
    stub.schemas[8] = stub.schemas[7]
    again = SchemaGate(3, Log(framed(8, b"\2"), framed(8, b"\2")), files, registry(stub))
    assert settled(again) == [1]
    assert "/schemas/ids/8" in stub.asked
    assert files.load(8) is None  # not asked for messages that are denied for good
    assert settled(again) == [2]
    assert (files.load(8).id, files.unknown_until(8)) == (8, 1)


def test_more_denied_ids_than_are_remembered_are_asked_once_each(tmp_path, monkeypatch):
    monkeypatch.setattr("sources.registry_gate.MOST_UNKNOWN", 4)
    log, files, asked = Log(), SchemaFiles(tmp_path), []
    log.batches = [[Message(at, 5, framed(100 + at, b"\2")) for at in range(1, 31)]]
    gate = SchemaGate(3, log, files, asked.append)  # it answers None: there is no such schema
    assert settled(gate) == list(range(1, 31))
    assert sorted(asked) == list(range(101, 131))
    assert files.unknown_until(130) == 30


def test_denials_that_grow_old_while_others_are_asked_let_messages_pass(tmp_path, monkeypatch):
    monkeypatch.setattr("sources.registry_gate.DENIED_S", 0.0)
    asked = []
    assert settled(SchemaGate(3, Log(framed(8, b"\2")), SchemaFiles(tmp_path), asked.append)) == [1]
    assert asked == [8]


@pytest.mark.parametrize("answer", [Schema(7, "AVRO", '"int"'), None])
def test_no_schema_is_awaited_once_the_messages_have_passed(tmp_path, answer):
    release = threading.Event()

    def ask(_number):
        assert release.wait(20)
        return answer

    gate = SchemaGate(3, Log(framed(7, b"\2")), SchemaFiles(tmp_path), ask)
    assert gate.read(10, 1000) == []
    assert REGISTRY.get_sample_value("andon_schemas_awaited", {"shard": "3"}) == 1
    release.set()
    assert settled(gate) == [1]
    assert REGISTRY.get_sample_value("andon_schemas_awaited", {"shard": "3"}) == 0


def test_an_absent_registry_is_asked_again_until_it_answers(tmp_path, stub, monkeypatch):
    monkeypatch.setattr("sources.registry_gate.FIRST_PAUSE_S", 0.01)
    stub.status = 503
    gate = SchemaGate(3, Log(framed(7, b"\2")), SchemaFiles(tmp_path), registry(stub))
    until = time.monotonic() + 10
    while len(stub.asked) < 3:
        assert gate.read(10, 1000) == []
        assert time.monotonic() < until
        time.sleep(0.002)
    stub.status = None
    assert settled(gate) == [1]


def test_without_a_registry_everything_passes(tmp_path):
    gate = SchemaGate(3, Log(framed(7, b"\2")), SchemaFiles(tmp_path), None)
    assert settled(gate) == [1]

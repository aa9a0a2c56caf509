"""The real servers: up, killed, up again with what they had; and what is said where one is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from andon.datafolder import DataFolder
from service.parts import read_parts
from service.servers import Influxd, Kafka, Server, ServerError, ServerMissingError, Tryton, free_port, where
from service.servers import kafka as kafka_module
from service.servers.kafka import class_archive, java
from service.supervisor import Part, Supervisor
from tests.servers import postgres as postgres_module
from tests.servers.fixtures import Influx, start
from tests.servers.postgres import Postgres
from tests.servers.toxiproxy import Toxiproxy

QUIET = {"log_level": 0}


class Sleeper(Server):
    """A server of a few lines of shell; it answers when it has made its file."""

    name = "sleeper"
    script = "trap 'exit 0' TERM; touch up; while :; do sleep 0.05; done"

    def argv(self):
        return ["sh", "-c", f"cd {self.folder}; {self.script}"]

    def prepare(self):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "up").unlink(missing_ok=True)

    def answers(self):
        return (self.folder / "up").exists()


class Deaf(Sleeper):
    """It does not end when it is asked to."""

    script = "trap '' TERM; touch up; while :; do sleep 0.05; done"


class Broken(Sleeper):
    """It ends at once."""

    script = "echo the disk is on fire; exit 3"


class Slow(Sleeper):
    """It never answers."""

    script = "echo still loading; while :; do sleep 0.05; done"


def runs(pid):
    """Whether a process of this number is alive; a dead one that nobody has asked for is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# The life of a server, shown on a small one


def test_stop_leaves_no_process_and_a_start_gives_another(tmp_path):
    server = Sleeper(tmp_path / "s")
    server.start()
    first = server.pid
    assert first is not None
    server.stop()
    assert not runs(first)
    assert server.pid is None
    server.start()
    assert server.pid not in {None, first}
    server.stop()


def test_kill_and_stop_do_nothing_when_it_does_not_run(tmp_path):
    server = Sleeper(tmp_path / "s")
    server.kill()
    server.stop()
    assert server.pid is None


def test_one_that_does_not_listen_is_killed(tmp_path):
    server = Deaf(tmp_path / "s")
    server.start()
    pid = server.pid
    server.stop(limit_s=0.2)
    assert not runs(pid)


@pytest.mark.parametrize(("kind", "said"), [(Broken, "the disk is on fire"), (Slow, "still loading")])
def test_one_that_does_not_come_up_shows_its_log_and_leaves_no_process(tmp_path, kind, said):
    server = kind(tmp_path / "s")
    with pytest.raises(ServerError) as caught:
        server.start(limit_s=0.5)
    assert caught.value.code == "servers.not_ready"
    assert said in caught.value.text()
    assert str(server.log) in caught.value.text()
    assert server.pid is None


def test_it_dies_with_the_process_that_started_it(tmp_path):
    program = (
        "import os, pathlib, signal, threading\n"
        "from tests.test_servers import Sleeper\n"
        f"server = Sleeper(pathlib.Path({str(tmp_path / 's')!r}))\n"
        "thread = threading.Thread(target=server.start)\n"  # its end must not be the server's
        "thread.start(); thread.join()\n"
        "print(server.pid if server.pid else 'gone', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    for _ in range(200):
        if not runs(pid):
            break
        time.sleep(0.05)
    assert not runs(pid)


def test_a_supervisor_may_run_it(tmp_path):
    data = DataFolder(tmp_path / "data")
    data.create("s1", 1)
    server = Sleeper(tmp_path / "s", log=data.logs / "sleeper.log")
    server.prepare()
    supervisor = Supervisor(data, [])
    supervisor.start()
    supervisor.add([Part(server.name, server.argv())])
    server.wait_ready(meanwhile=supervisor.poll)
    first = supervisor.pids()["sleeper"]
    (server.folder / "up").unlink()
    os.kill(first, signal.SIGKILL)
    server.wait_ready(meanwhile=supervisor.poll)
    assert supervisor.pids()["sleeper"] != first
    assert supervisor.restarts() == {"sleeper": 1}
    assert read_parts(data)["sleeper"].restarts == 1
    supervisor.stop()
    assert not runs(first)


def test_ports_are_given_once_and_are_not_those_of_outgoing_connections():
    ports = [free_port() for _ in range(50)]
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == 50
    assert max(ports) < low


# What is missing


def test_a_missing_server_says_where_it_was_looked_for_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDON_SERVERS", str(tmp_path))
    missing = (Influxd(tmp_path / "i", token="t"), Toxiproxy(tmp_path / "t"), Tryton(tmp_path / "y"))
    for server in (Kafka(tmp_path / "k"), *missing):
        with pytest.raises(ServerMissingError) as caught:
            server.start()
        assert caught.value.code == "servers.missing"
        assert str(tmp_path) in caught.value.text()
        assert "make servers" in caught.value.text()


def test_an_installed_wheel_takes_the_newest_whole_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDON_SERVERS", str(tmp_path))
    for age, (name, whole) in enumerate([("kafka-old", True), ("kafka-new", True), ("kafka-part", False)]):
        (tmp_path / name).mkdir()
        if whole:
            (tmp_path / name / "ready").touch()
        os.utime(tmp_path / name, (1_000_000 + age, 1_000_000 + age))
    assert where("kafka", fetch=tmp_path / "no-such-script") == tmp_path / "kafka-new"


def test_no_java_and_an_old_java_are_told(tmp_path, monkeypatch):
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    java.cache_clear()
    with pytest.raises(ServerMissingError) as caught:
        java()
    assert caught.value.code == "servers.no_java"
    program.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    program.chmod(0o755)
    with pytest.raises(ServerMissingError) as caught:
        java()
    assert "11.0.2" in caught.value.text()
    java.cache_clear()


def test_a_missing_part_skips_at_home_and_fails_in_ci(tmp_path, monkeypatch):
    monkeypatch.setenv("ANDON_SERVERS", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make servers"):
        start(Kafka(tmp_path / "k"))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="leaves nothing out"):
        start(Kafka(tmp_path / "k"))


def test_a_missing_postgresql_names_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres_module, "DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerMissingError, match="apt-get install"):
        Postgres(tmp_path / "p").start()


# The real ones


def make_topic(broker, name):
    client = AdminClient({"bootstrap.servers": broker.bootstrap, **QUIET})
    client.create_topics([NewTopic(name, 1, 1)])[name].result(20)


def produce(broker, topic, values):
    producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, **QUIET})
    failures = []
    for value in values:
        producer.produce(topic, value, callback=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(30) == 0
    assert failures == []


def consume(broker, topic, count):
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "test", "enable.auto.commit": False, **QUIET}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found = []
    while len(found) < count:
        messages = consumer.consume(count - len(found), timeout=20)
        assert messages, f"only {len(found)} of {count}"
        assert [message.error() for message in messages if message.error()] == []
        found += [message.value() for message in messages]
    consumer.close()
    return found


@pytest.mark.real
def test_a_broker_is_killed_and_comes_back_on_its_port_with_its_messages(kafka_broker_factory):
    broker = kafka_broker_factory()
    make_topic(broker, "t")
    produce(broker, "t", [b"before"])
    address, first = broker.bootstrap, broker.pid
    broker.kill()
    assert not runs(first)
    broker.start()
    assert broker.bootstrap == address
    produce(broker, "t", [b"after"])
    assert consume(broker, "t", 2) == [b"before", b"after"]
    last = broker.pid
    broker.stop()
    assert not runs(last)


@pytest.mark.real
def test_two_brokers_side_by_side_do_not_know_each_other(kafka_broker_factory):
    one, two = kafka_broker_factory(), kafka_broker_factory()
    make_topic(one, "of-one")
    names = [AdminClient({"bootstrap.servers": b.bootstrap, **QUIET}).list_topics(timeout=20) for b in (one, two)]
    assert "of-one" in names[0].topics
    assert "of-one" not in names[1].topics
    assert names[0].cluster_id != names[1].cluster_id


@pytest.mark.real
def test_clients_go_through_the_proxy_that_is_advertised(kafka_broker_factory, toxiproxy):
    port = free_port()
    proxy = toxiproxy.proxy("servers-kafka", f"127.0.0.1:{port}")
    broker = kafka_broker_factory(port=port, advertised=proxy.port)
    assert broker.bootstrap == proxy.address
    make_topic(broker, "t")
    produce(broker, "t", [b"through"])
    assert consume(broker, "t", 1) == [b"through"]
    proxy.down()
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.timeout.ms": 1500, **QUIET})
    errors = []
    producer.produce("t", b"lost", callback=lambda error, _: errors.append(error))
    producer.flush(20)
    assert errors[0] is not None
    assert broker.answers(), "a cut between clients and broker is none inside it"
    proxy.up()
    produce(broker, "t", [b"again"])
    assert consume(broker, "t", 2) == [b"through", b"again"]
    proxy.delete()


@pytest.mark.real
def test_without_the_kept_parts_a_broker_makes_its_own(tmp_path, monkeypatch):
    """The cache may be read-only: then each folder is formatted by itself, and classes come from the jars."""
    real = where("kafka")
    home = tmp_path / "kafka"
    home.mkdir()
    (home / "lib").symlink_to(real / "lib")
    monkeypatch.setattr(kafka_module, "where", lambda _: home)
    broker = Kafka(tmp_path / "broker")
    broker.start()
    assert (home / "formatted" / "meta.properties").is_file()
    assert not class_archive(home).is_file()
    broker.stop()


@pytest.mark.real
def test_influxd_is_killed_and_comes_back_with_its_points(tmp_path):
    server = Influx(tmp_path / "i")
    start(server)
    bucket = server.new_bucket()
    with server.client() as client:
        asked = {"org": server.org, "bucket": bucket, "precision": "ns"}
        client.post("/api/v2/write", params=asked, content=b"m,a=b f=1 1700000000000000000").raise_for_status()
        server.kill()
        with pytest.raises(httpx.HTTPError):
            client.get("/health")
        server.start()
        query = f'from(bucket: "{bucket}") |> range(start: 0) |> count()'
        answer = client.post("/api/v2/query", params={"org": server.org}, json={"query": query}).raise_for_status()
        assert ",1,f,m,b" in answer.text
    server.restart()
    assert server.new_bucket() != bucket
    server.stop()


@pytest.mark.real
def test_influxd_refuses_a_folder_of_another_token(tmp_path):
    first = Influxd(tmp_path / "i", token="first-token")
    start(first)
    first.stop()
    with pytest.raises(ServerError) as caught:
        Influxd(tmp_path / "i", token="other-token").start()
    assert caught.value.code == "servers.other_token"


@pytest.mark.real
def test_the_shared_servers_answer(kafka, influxd):
    assert kafka.answers()
    assert kafka.bootstrap.startswith("127.0.0.1:")
    assert httpx.get(f"{influxd.url}/health").json()["status"] == "pass"


@pytest.mark.real
def test_proxies_delay_cut_and_come_back(influxd, toxiproxy):
    proxy = toxiproxy.proxy("servers-influxd", influxd.address)
    url = f"http://{proxy.address}/health"
    assert httpx.get(url).is_success
    proxy.toxic("timeout", timeout=0)
    with pytest.raises(httpx.TimeoutException):
        httpx.get(url, timeout=0.5)
    proxy.clear()
    assert httpx.get(url, timeout=20).is_success
    proxy.down()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    proxy.up()
    assert httpx.get(url, timeout=20).is_success
    proxy.delete()


@pytest.mark.real
def test_databases_are_empty_and_each_its_own(postgres, postgres_server):
    name = postgres.url.rpartition("/")[2]
    assert postgres.url.startswith("postgresql://andon@127.0.0.1:")
    assert postgres_server.sql("select count(*) from pg_tables where schemaname = 'public'", name) == "0"
    assert postgres_server.new_database() != postgres.url


@pytest.mark.real
def test_postgresql_is_killed_and_comes_back_with_its_rows(tmp_path, server_folder):
    server = Postgres(server_folder / "own-postgres")
    start(server)
    server.sql("create table t as select 42 as n")
    server.kill()
    assert server.pid is None
    server.start()
    assert server.sql("select n from t") == "42"
    last = server.pid
    server.stop()
    assert not runs(last)

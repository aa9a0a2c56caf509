"""What plant.toml may say in [transport.kafka]."""

from __future__ import annotations

import pytest

from andon.config.load import load_plant
from andon.errors import ConfigError

PLANT = """
schema = 1
[enterprise]
id = "acme"
[site]
id = "szh1"
[transport]
kind = "{kind}"
{kafka}
[[template]]
name = "t"
series = [{{ tag = "temp" }}]
[[asset]]
path = "a"
template = "t"
"""


def load(folder, kafka, kind="kafka"):
    section = "" if kafka is None else "[transport.kafka]\n" + kafka
    (folder / "plant.toml").write_text(PLANT.format(kind=kind, kafka=section), encoding="utf-8")
    return load_plant(folder / "plant.toml").config.transport.kafka


LOCAL = 'brokers = "127.0.0.1:9092"\n'
AWAY = 'brokers = "a.example.com:9092, b.example.com:9092"\n'


@pytest.mark.parametrize(("kafka", "codes"), [
    (None, ["config.no_kafka"]), ('brokers = "example.com"', ["config.brokers"]),
    ('brokers = "a:1,,b:0"', ["config.brokers", "config.brokers"]), ('brokers = "PLAINTEXT://a:1"', ["config.brokers"]),
    (LOCAL + 'sasl = "PLAIN"', ["config.sasl_needs"]),
    (LOCAL + 'sasl = "OAUTHBEARER"', ["config.sasl_needs", "config.sasl_needs"]),
    (LOCAL + 'sasl = "OAUTHBEARER"\nuser = "a"\noauth_url = "ftp://x"', ["config.url"]),
    (LOCAL + 'sasl = "OAUTHBEARER"\nuser = "a"\noauth_url = "http://x/t"', ["config.url_plain"]),
    (LOCAL + 'sasl = "OAUTHBEARER"\nuser = "a"\noauth_url = "https://u:hunter22@x/t"', ["config.kafka_secret"]),
    (AWAY + 'sasl = "PLAIN"\nuser = "a"', ["config.sasl_plain"]),
    (LOCAL + 'cert_file = "c.pem"', ["config.kafka_half"]),
])  # fmt: skip
def test_faults_are_named(tmp_path, kafka, codes):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, kafka)
    assert sorted(one.code for one in caught.value.problems) == sorted(codes)
    assert "hunter22" not in caught.value.text("en") + caught.value.text("zh-CN")


@pytest.mark.parametrize("kafka", [
    LOCAL, AWAY, 'brokers = "[::1]:9092"', LOCAL + 'sasl = "PLAIN"\nuser = "a"',
    AWAY + 'sasl = "PLAIN"\nuser = "a"\ntls = true', AWAY + 'sasl = "SCRAM-SHA-512"\nuser = "a"',
    AWAY + 'tls = true\nsasl = "OAUTHBEARER"\nuser = "a"\noauth_url = "https://x/t"',
])  # fmt: skip
def test_what_is_allowed(tmp_path, kafka):
    assert load(tmp_path, kafka) is not None
    assert load(tmp_path, kafka, "spool") is not None  # an edge that forwards


def test_a_spool_needs_no_section(tmp_path):
    assert load(tmp_path, None, "spool") is None


def test_file_names_are_beside_plant_toml(tmp_path):
    names = 'ca_file = "ca.pem"\ncert_file = "c.pem"\nkey_file = "/k.pem"\npassword_file = "s/p"\n'
    kafka = load(tmp_path, LOCAL + names)
    assert [kafka.ca_file, kafka.cert_file, kafka.key_file, kafka.password_file] == [
        str(tmp_path / "ca.pem"), str(tmp_path / "c.pem"), "/k.pem", str(tmp_path / "s/p"),
    ]  # fmt: skip

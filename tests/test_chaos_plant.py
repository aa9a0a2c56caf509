"""The plant shape under kill -9 and bad weather on every line, and its controls.

Devices and forwarder of an edge, Kafka, two flows, InfluxDB and ERP with their senders; toxiproxy in front of broker,
InfluxDB and ERP; victims are all processes, broker and influxd included. `make chaos SHAPE=plant` makes 1,000 kills.
"""

from __future__ import annotations

import os

import pytest

from service.servers import ServerMissingError
from tests.chaos.plant_site import with_servers
from tests.chaos.servers import Servers
from tests.chaos.suite import Plan, run

pytestmark = [pytest.mark.crash, pytest.mark.real, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    try:
        found = Servers(tmp_path_factory.mktemp("servers"))
    except ServerMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{error}; CI leaves nothing out", pytrace=False)
        pytest.skip(str(error))
    yield found
    found.stop()


def test_twenty_kills_in_bad_weather_leave_what_no_kill_would_have_left(tmp_path, servers):
    outcome = run(Plan(tmp_path, kills=20, seed=41, site=with_servers(servers)), lambda _: None)
    assert outcome.verdict.faults == []
    assert outcome.killed == 20
    assert {"flow-0", "flow-1"} <= set(outcome.kills)
    assert outcome.weather
    compared = outcome.verdict.compared
    assert compared["InfluxDB windows"] == compared["windows"] > 500
    assert compared["topic"] > 3_000


@pytest.mark.parametrize(("off", "told"), [("read-back", "topic extra"), ("influx-queue", "InfluxDB")])
def test_the_checker_sees_a_protection_that_is_off(tmp_path, servers, off, told):
    seed = {"read-back": 42, "influx-queue": 43}[off]
    outcome = run(Plan(tmp_path, kills=8, seed=seed, off=(off,), site=with_servers(servers)), lambda _: None)
    assert any(told in fault for fault in outcome.verdict.faults), outcome.verdict.faults
